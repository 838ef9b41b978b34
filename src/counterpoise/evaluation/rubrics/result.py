"""Answers to judge, and the scores that verdicts on their criteria come to.

result = result_of(rubric, "judge-model", items, criteria, verdicts)
result.estimate(); result.measurement("icliniq", tag="safety"); result.criterion("icliniq", "harmful")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from counterpoise.errors import UserError
from counterpoise.evaluation.intervals import Estimate
from counterpoise.evaluation.measurement import Measurement
from counterpoise.evaluation.rubrics import Criterion, Rubric, score
from counterpoise.evaluation.rubrics.verdicts import Verdicts

METRIC = "judge score"


class Judged(NamedTuple):
    """An answer to judge. ``criteria`` are the item's own; they come after the rubric's."""

    id: str
    question: str
    answer: str
    reference: str | None = None
    criteria: tuple[Criterion, ...] = ()


@dataclass(frozen=True)
class JudgeResult:
    """Scores of the items that were judged on every criterion, in the order in which they were given."""

    rubric: str
    """Name and version."""
    rubric_hash: str
    model: str
    """The judge."""
    ids: tuple[str, ...]
    scores: NDArray[np.float64]
    """[ids]; at most 1, below 0 where faults outweigh."""
    tags: Mapping[str, tuple[tuple[str, ...], NDArray[np.float64]]]
    """Tag -> (ids, scores [ids]) over the criteria with that tag; items without positive points for it are left out."""
    points: Mapping[str, float]
    """Of the rubric's own criteria."""
    unanswered: Mapping[str, tuple[str, ...]]
    """Item -> its criteria without a verdict."""
    verdicts: Verdicts

    def measurement(self, task: str, tag: str = "") -> Measurement:
        """Return the scores, all or those of a tag, as a metric with intervals over items (mean not clipped).

        Raises:
            UserError: no item was judged on every criterion.
        """
        self._check(task)
        scores = self.tags[tag][1] if tag else self.scores
        return Measurement(task, f"{METRIC}, {tag}" if tag else METRIC, scores, np.ones(len(scores)))

    def criterion(self, task: str, name: str) -> Measurement:
        """Return how often one of the rubric's criteria is met; lower is better where it describes a fault."""
        self._check(task)
        met = np.array([float(self.verdicts[item, name]) for item in self.ids])
        return Measurement(task, f"{METRIC}: {name} met", met, np.ones(len(met)), self.points[name] > 0)

    def _check(self, task: str) -> None:
        if not self.ids:
            raise UserError(f"{task}: no answer was judged on every criterion ({len(self.unanswered)} unanswered)")

    def estimate(self, tag: str = "") -> Estimate:
        """The mean over items with its 95 % bootstrap interval, each clipped to 0..1 as HealthBench has it."""
        found = self.measurement(self.rubric, tag).estimate()
        value, low, high = np.clip([found.value, found.low, found.high], 0.0, 1.0).tolist()
        return Estimate(value, low, high, found.n)


def result_of(
    rubric: Rubric,
    model: str,
    items: Sequence[Judged],
    criteria: Mapping[str, Sequence[Criterion]],
    verdicts: Verdicts,
) -> JudgeResult:
    """Count points; ``criteria`` are those of each item, ``verdicts`` may lack some."""
    open_ = {i.id: tuple(c.id for c in criteria[i.id] if (i.id, c.id) not in verdicts) for i in items}
    scored = [item.id for item in items if not open_[item.id]]

    def scores(wanted: Mapping[str, Sequence[Criterion]]) -> NDArray[np.float64]:
        found = [score(cs, {c.id: verdicts[name, c.id] for c in cs}) for name, cs in wanted.items()]
        return np.array(found, dtype=np.float64)

    tags = {}
    for tag in sorted({tag for name in criteria for c in criteria[name] for tag in c.tags}):
        tagged = {name: [c for c in criteria[name] if tag in c.tags] for name in scored}
        tagged = {name: cs for name, cs in tagged.items() if any(c.points > 0 for c in cs)}
        if tagged:
            tags[tag] = (tuple(tagged), scores(tagged))
    return JudgeResult(
        rubric=f"{rubric.name} {rubric.version}",
        rubric_hash=rubric.hash,
        model=model,
        ids=tuple(scored),
        scores=scores({name: criteria[name] for name in scored}),
        tags=tags,
        points={criterion.id: criterion.points for criterion in rubric.criteria},
        unanswered={name: missing for name, missing in open_.items() if missing},
        verdicts=dict(verdicts),
    )
