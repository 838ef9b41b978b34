"""What ``study.json`` holds, as the page, its prose and the figures of a study read it.

    reading = read_study_outcome(outcome)           # outcome: what compare returns, or study.json read back
    reading.arms, reading.tasks                     # in the order of the study, the baseline first
    reading.gaps("baseline")                        # paired differences, each clear or not

Keys that an older ``study.json`` does not have are as if empty. An arm that is unfinished has no score and no
difference here, whatever the file says of it: a mean over some of its seeds is none over all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

from counterpoise.evaluation.intervals import Estimate
from counterpoise.report.numbers import ABSENT

Outcome = Mapping[str, Any]
Direction = Literal["better", "worse", "unclear"]
CLEAR_P = 0.05
EVERYTHING = ("all", "none", "")
"""What a model is trained on that stands for an arm as a whole."""
T = TypeVar("T")


@dataclass(frozen=True)
class Score(Estimate):
    """One arm on one task: mean over seeds, interval over items and seeds."""

    arm: str = ""
    trained_on: str = "none"
    task: str = ""
    metric: str = ""
    seeds: tuple[int, ...] = ()
    learning_rate: float | None = None
    higher_is_better: bool = True
    forgetting: bool = False
    best_floor: float | None = None
    best_floor_name: str = ""
    above_floor: bool | None = None

    @property
    def below_floor(self) -> bool:
        """Whether a trivial method does better."""
        if self.best_floor is None:
            return False
        return self.value < self.best_floor if self.higher_is_better else self.value > self.best_floor


@dataclass(frozen=True)
class Gap(Estimate):
    """A paired difference, ours minus theirs."""

    family: str = "baseline"
    task: str = ""
    metric: str = ""
    ours: str = ""
    theirs: str = ""
    trained_on: str = "none"
    higher_is_better: bool = True
    p_holm: float = math.nan

    @property
    def clear(self) -> bool:
        """Whether the corrected p-value is below .05 and the interval leaves out 0."""
        return self.p_holm < CLEAR_P and (self.low > 0 or self.high < 0)

    @property
    def direction(self) -> Direction:
        """Which way a clear difference goes, by what is better on its metric."""
        if not self.clear:
            return "unclear"
        return "better" if (self.value > 0) == self.higher_is_better else "worse"


@dataclass(frozen=True)
class StudyReading:
    """A study's outcome, in order."""

    outcome: dict[str, Any]
    """As it was given, missing keys empty."""
    baseline: str
    arms: list[str]
    tasks: list[str]
    forgetting: list[str]
    scores: list[Score]
    comparisons: list[Gap]
    also_scores: list[Score]
    """By other metrics than the quoted one, where the study asks for them."""
    also_comparisons: list[Gap]

    @property
    def study(self) -> dict[str, Any]:
        """The study's configuration."""
        return dict(self.outcome["study"])

    @property
    def seeds(self) -> list[int]:
        """Training seeds."""
        return list(self.study.get("seeds") or sorted({seed for score in self.scores for seed in score.seeds}))

    @property
    def unfinished(self) -> list[dict[str, Any]]:
        """Runs that are not finished: arm, trained_on, seed, why."""
        return list(self.outcome["unfinished"])

    @property
    def trained(self) -> list[str]:
        """Arms with weights of their own."""
        own = {name for name, given in (self.study.get("arms") or {}).items() if (given or {}).get("train") is not None}
        own |= set(self.outcome["arm_settings"])
        own |= {score.arm for score in self.scores if score.trained_on != "none"}
        return [arm for arm in self.arms if arm in own]

    def score(self, arm: str, task: str, on: str | None = None) -> Score | None:
        """Return the score of an arm on a task, of the model trained on ``on`` if that is said."""
        found = (s for s in self.scores if (s.arm, s.task) == (arm, task) and on in (None, s.trained_on))
        return next(found, None)

    def gaps(self, family: str, task: str | None = None) -> list[Gap]:
        """Return the differences of a family, arms in order, on one task or all."""
        return [gap for gap in self.comparisons if gap.family == family and task in (None, gap.task)]

    def gap(self, family: str, arm: str, task: str, on: str | None = None) -> Gap | None:
        """Return the difference of one arm on one task."""
        found = (g for g in self.gaps(family, task) if g.ours == arm and on in (None, g.trained_on))
        return next(found, None)

    def is_finished(self, arm: str, on: str) -> bool:
        """Whether no run of the arm that is trained on ``on`` is missing."""
        return not _stopped(self.unfinished, arm, on)


def read_study_outcome(outcome: Outcome) -> StudyReading:
    """Put an outcome in order."""
    whole = {**{key: empty() for key, empty in KEYS.items()}, **{k: v for k, v in outcome.items() if v is not None}}
    study = whole["study"]
    scores, also_scores = ([_made(Score, row) for row in of.get("scores", ())] for of in (whole, whole["also"]))
    gaps, also_gaps = ([_made(Gap, row) for row in of.get("comparisons", ())] for of in (whole, whole["also"]))
    named = [*(study.get("arms") or {}), *whole["arm_settings"], *(s.arm for s in (*scores, *also_scores))]
    named += [row["arm"] for row in whole["unfinished"]]
    baseline = study.get("baseline") or next((gap.theirs for gap in gaps if gap.family == "baseline"), "")
    arms = in_order(([baseline] if baseline in named else []) + named)
    place = {arm: i for i, arm in enumerate(arms)}
    stopped = whole["unfinished"]

    def finished_scores(scores: list[Score]) -> list[Score]:
        finished = (score for score in scores if not _stopped(stopped, score.arm, score.trained_on))
        return sorted(finished, key=lambda score: place[score.arm])

    def finished_gaps(gaps: list[Gap]) -> list[Gap]:
        finished = (g for g in gaps if not any(_stopped(stopped, arm, g.trained_on) for arm in (g.ours, g.theirs)))
        return sorted(finished, key=lambda gap: place.get(gap.ours, len(place)))

    return StudyReading(
        outcome=whole,
        baseline=baseline,
        arms=arms,
        tasks=_tasks(study.get("tasks"), (s.task for s in scores if not s.forgetting)),
        forgetting=_tasks(study.get("forgetting"), (s.task for s in scores if s.forgetting)),
        scores=finished_scores(scores),
        comparisons=finished_gaps(gaps),
        also_scores=finished_scores(also_scores),
        also_comparisons=finished_gaps(also_gaps),
    )


def by_metric(side: Mapping[str, Any]) -> str:
    """Return a task with the metric that it is told by.

    >>> by_metric({"task": "medquad-answers", "metric": "answer NLL"})
    'medquad-answers (answer NLL)'
    """
    return f"{side['task']} ({side['metric']})" if side.get("metric") else str(side["task"])


def names_of(models: Sequence[tuple[str, str]]) -> list[str]:
    """Return names of (arm, trained on): the arm's, with what it is trained on where it is there more than once.

    >>> names_of([("sft", "gad"), ("sft", "hoc"), ("5-shot", "none")])
    ['sft (trained on gad)', 'sft (trained on hoc)', '5-shot']
    """
    arms = [arm for arm, _ in models]
    return [f"{arm} (trained on {on})" if arms.count(arm) > 1 else arm for arm, on in models]


def on_text(trained_on: str) -> str:
    """Return what a model is trained on, in words."""
    return {"none": ABSENT, "all": "all tasks", "": ABSENT}.get(trained_on, trained_on)


def in_order(values: Iterable[T]) -> list[T]:
    """Return different values, each where it is first."""
    return list(dict.fromkeys(values))


KEYS: dict[str, type[dict[str, Any]] | type[list[Any]] | type[str]] = {
    "name": str, "command": str, "study": dict, "rows": list, "scores": list, "comparisons": list, "tuning": list,
    "blurb": dict, "groups": list, "tasks": dict, "left_out": list, "notes": list, "seconds": list,
    "environment": dict, "axes": dict, "arm_settings": dict, "unfinished": list, "budget": list, "budget_note": str,
    "frontiers": list, "curves": list, "heat": list, "items": dict, "also": dict,
}  # fmt: skip
"""Keys of ``study.json`` and what an absent one is."""


def _made(kind: type[T], row: Mapping[str, Any]) -> T:
    """Return a row as ``kind``: what it has no field for is left out, no number is NaN, lists are tuples."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items() if key in known}
    for key in ("value", "low", "high", "p_holm"):
        if key in known and values.get(key) is None:
            values[key] = math.nan
    return kind(**values)


def _stopped(unfinished: Iterable[Mapping[str, Any]], arm: str, on: str) -> bool:
    runs = [row.get("trained_on") or "" for row in unfinished if row["arm"] == arm]
    return bool(runs) and (on in EVERYTHING or on in runs or any(run in EVERYTHING for run in runs))


def _tasks(asked: Iterable[str] | None, measured: Iterable[str]) -> list[str]:
    """Return measured tasks in the order of the study; a task that is a file is measured under its own name."""
    found = in_order(measured)
    order = {name: place for place, name in enumerate(asked or [])}
    return sorted(found, key=lambda name: order.get(name, len(order)))
