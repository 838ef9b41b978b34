"""What an encoder found of the names of one task, kept beside the replies so that scoring again needs no encoder.

found = similarities(spec, items, answers, ranker, data_dir)
found.write(folder, "gene-sets-go")
Similarities.read(folder, "gene-sets-go").ranked(answers)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from counterpoise.disk import writing
from counterpoise.evaluation.gene_sets.floors import Floors, floor_candidates, similarity_floors
from counterpoise.evaluation.gene_sets.names import Answer
from counterpoise.evaluation.gene_sets.ranking import Ranked, Ranker
from counterpoise.evaluation.results import write_json
from counterpoise.evaluation.tasks.item import Item
from counterpoise.evaluation.tasks.spec import TaskSpec


@dataclass(frozen=True)
class Similarities:
    """What was compared with the true names, and how near it came.

    Attributes:
        encoder: its name in metrics.
        size, added: names ranked among, and how many of them are true names that the background lacked.
        names: set's id -> name that was compared, its cosine with the true name, the true name's rank.
        floors: the same metrics of trivial methods on these sets.
    """

    encoder: str
    size: int
    added: int
    names: dict[str, tuple[str, float, float]]
    floors: Floors

    def ranked(self, answers: Sequence[Answer]) -> Ranked | None:
        """Return the ranks of these answers; None if one of them is another than was compared, or new."""
        rows = [self.names.get(answer.id, ("", 0.0, 0.0)) for answer in answers]
        if any(answer.id not in self.names or row[0] != answer.name for row, answer in zip(rows, answers, strict=True)):
            return None
        values = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 2)
        return Ranked(values[:, 0], values[:, 1], self.size)

    def note(self, task: str) -> str:
        """Say what was ranked among."""
        more = f", {self.added} true names added to the background" if self.added else ""
        return f"{task}: percentiles ({self.encoder}) are among {self.size:,} names{more}"

    def write(self, folder: Path, task: str) -> None:
        """Keep them in a folder."""
        with writing(_path(folder, task), "free some space; the same command then goes on"):
            write_json(_path(folder, task), asdict(self))

    @classmethod
    def read(cls, folder: Path, task: str) -> Similarities | None:
        """Return what was kept; None if nothing was."""
        path = _path(folder, task)
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def similarities(
    spec: TaskSpec, items: Sequence[Item], answers: Sequence[Answer], ranker: Ranker, data_dir: str | Path | None = None
) -> Similarities:
    """Compare one answer for each item, in their order, and the floors on the same items; ``ranker`` is theirs."""
    names = [answer.name for answer in answers]
    ranked = ranker.rank(names)
    rows = zip(items, names, ranked.similarity.tolist(), ranked.rank.tolist(), strict=True)
    references = [item.target for item in items]
    floors = similarity_floors(floor_candidates(spec, items, data_dir), references, names, ranker)
    found = {item.id: (name, similarity, rank) for item, name, similarity, rank in rows}
    return Similarities(ranker.encoder.name, ranked.size, ranker.added, found, floors)


def _path(folder: Path, task: str) -> Path:
    return folder / f"{task}.similarities.json"
