"""Scores on disk, a file every few batches, so that an interrupted inspection goes on where it was.

    parts = Parts.open(folder / "parts", settings)
    values = parts.complete(scored_batches, lengths)     # {"log_probs": [N] float32 ...}, in the order of the data

``settings.json`` says what the scores were made of; scores of other settings are never taken for these.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from counterpoise.disk import replacing, writing
from counterpoise.errors import UserError
from counterpoise.evaluation.results import write_json
from counterpoise.inspection.forcing import Scored

BATCHES = 32
"""Batches of a file: what an interruption loses at most."""
ADVICE = "choose another folder, or free some space; the same command then goes on"


@dataclass(frozen=True)
class Parts:
    """The scores of one set of items."""

    folder: Path
    settings: Mapping[str, Any]
    """What they were made of."""

    @classmethod
    def open(cls, folder: Path, settings: Mapping[str, Any], *, overwrite: bool = False) -> Parts:
        """Make the folder, or go on with what is in it: scores that hold more than ``settings["needs"]`` will do.

        Raises:
            UserError: it holds scores of other settings (the first difference is named), or cannot be written.
        """
        path = folder / "settings.json"
        with writing(folder, ADVICE):
            if overwrite and path.exists():
                shutil.rmtree(folder)
            folder.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                write_json(path, dict(settings))
                return cls(folder, settings)
            before = json.loads(path.read_text(encoding="utf-8"))
        asked = dict(settings)
        if set(asked.get("needs", ())) <= set(before.get("needs", ())):
            asked["needs"] = before.get("needs")
        if changed := [key for key in {**asked, **before} if before.get(key) != asked.get(key)]:
            key = changed[0]
            raise UserError(
                f"{folder.parent} holds an inspection of other settings ({key}: was {before.get(key)}, is "
                f"{asked.get(key)}); choose another --folder, or pass --overwrite"
            )
        return cls(folder, before)

    def done(self) -> list[int]:
        """Return the items that are scored."""
        return [int(i) for path in self._files() for i in load_file(path)["indices"]]

    def keep(self, batches: Iterable[Scored], on_batch: Callable[[Scored], object] = lambda _: None) -> None:
        """Write batches as they come, some to a file; on an error or Ctrl-C the batches of the last file are lost."""
        waiting: list[Scored] = []
        for batch in batches:
            waiting.append(batch)
            if len(waiting) == BATCHES:
                self._write(waiting)
                waiting = []
            on_batch(batch)
        if waiting:
            self._write(waiting)

    def gather(self, lengths: NDArray[np.int64]) -> dict[str, NDArray[np.float32]]:
        """Return name -> [N] in the order of the items, whose supervised tokens ``lengths`` [S] counts."""
        starts = lengths.cumsum() - lengths
        found: dict[str, NDArray[np.float32]] = {}
        for path in self._files():
            part = load_file(path)
            own, sizes = part.pop("indices"), part.pop("lengths")
            within = np.arange(sizes.sum()) - np.repeat(sizes.cumsum() - sizes, sizes)
            places = np.repeat(starts[own], sizes) + within
            for name, values in part.items():
                found.setdefault(name, np.full(int(lengths.sum()), np.nan, dtype=np.float32))[places] = values
        return found

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("part-*.safetensors"))

    def _write(self, batches: list[Scored]) -> None:
        path = self.folder / f"part-{len(self._files()):06d}.safetensors"
        arrays = {name: np.concatenate([batch.values[name] for batch in batches]) for name in batches[0].values}
        arrays["indices"] = np.array([i for batch in batches for i in batch.indices], dtype=np.int64)
        arrays["lengths"] = np.concatenate([batch.lengths for batch in batches])
        with writing(path, ADVICE), replacing(path) as draft:
            save_file(arrays, draft)
