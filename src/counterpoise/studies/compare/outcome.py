"""From what was measured to ``study.json``.

outcome = study_outcome(study, measured, tuning, runs=runs, unfinished=unfinished, command="counterpoise compare ...")

rows          as in results.json, with arm, trained_on, seed, learning_rate and cost: a row a metric, task and model
scores        the metric to quote, over seeds: value, low, high, n, floors, best_floor, best_floor_name, above_floor
comparisons   families "baseline", "forgetting", "sft" and "sft-forgetting": paired differences, p_value and p_holm (in
              the family)
tuning        learning rates tried, with their scores on dev
blurb, groups means over tasks
also          scores and comparisons by the other metrics that the study asks for; p_holm over those of a family
frontiers     gained against lost, for each pair of tasks that the study asks for
unfinished    units that are not finished, and why; what an arm was trained on counts in scores, comparisons, means and
              frontiers only if all its seeds are
budget        what each trained model saw: steps, samples, tokens, a hash of their order; budget_note: who saw otherwise
axes, arm_settings        values of axes, and those of each arm of a grid
curves        how training went, thinned, a run each (`telemetry`)
items         each item with what every arm made of it (`items`)
heat          samples of the training data token by token, weighed under every arm's objective (`weights`)
left_out, notes, seconds, command, study, environment
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from counterpoise.evaluation.correction import holm
from counterpoise.evaluation.runner import TaskResult
from counterpoise.evaluation.tasks.spec import TaskSpec
from counterpoise.studies.compare.also import require_metrics
from counterpoise.studies.compare.arms import Arm, Study, side_name
from counterpoise.studies.compare.budget import budget_note, budget_of
from counterpoise.studies.compare.frontier import frontiers
from counterpoise.studies.compare.items import study_items
from counterpoise.studies.compare.means import blurb_means, group_means
from counterpoise.studies.compare.statistics import aligned, difference, estimate
from counterpoise.studies.compare.telemetry import curves_of
from counterpoise.studies.compare.units import TrainedRun
from counterpoise.training.environment import environment

PLAIN = "sft"
"""The arm, if there is one of that name, that other trained arms are compared with besides the baseline."""
PLAIN_FORGETTING = f"{PLAIN}-forgetting"
"""Family of the same comparisons on the forgetting tasks."""


@dataclass(frozen=True)
class Measured:
    """One task, measured for one model of an arm."""

    arm: Arm
    on: str
    seed: int
    spec: TaskSpec
    outcome: dict[str, Any]
    """What its results file holds."""
    result: TaskResult
    forgetting: bool
    cost: dict[str, Any] | None
    rate: float | None
    other: str = ""
    """A metric that is compared besides the one to quote."""

    @property
    def name(self) -> str:
        """What the study calls this: the task, and its metric where that is another than the one to quote."""
        return side_name(self.spec.name, self.other)

    @property
    def metric(self) -> str:
        """The metric to quote, or the other one."""
        return self.other or str(self.outcome["quote"][self.spec.name])

    @property
    def scored(self) -> tuple[list[str], Any]:
        """Ids of the items behind that metric, and the measurement."""
        return self.result.scored.units[self.metric], self.result.scored.measurements[self.metric]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its rows, as ``study.json`` has them."""
        more = {"arm": self.arm.name, "trained_on": self.on, "seed": self.seed, "learning_rate": self.rate}
        kind = {"forgetting": self.forgetting, "cost": self.cost}
        return [{**row, **more, "quoted": row["metric"] == self.metric, **kind} for row in self.outcome["rows"]]


@dataclass(frozen=True)
class Side:
    """One task of one arm over its seeds."""

    seeds: list[Measured]

    @property
    def first(self) -> Measured:
        return self.seeds[0]

    @property
    def scored(self) -> list[tuple[list[str], Any]]:
        return [measured.scored for measured in self.seeds]

    @property
    def seed_numbers(self) -> list[int]:
        return [measured.seed for measured in self.seeds]

    def against(self, other: Side) -> tuple[list[Any], list[Any]] | None:
        """Return both sides' measurements on the items that all have; None for other metrics, or no such items."""
        if _plain(self.first.metric) != _plain(other.first.metric):
            return None
        ours, theirs = aligned([self.scored, other.scored])
        return (ours, theirs) if ours else None


Sides = dict[tuple[str, str, str], Side]
"""(arm, trained on, name of the task) -> side."""


def study_outcome(
    study: Study,
    measured: Sequence[Measured],
    tuning: Sequence[dict[str, Any]],
    *,
    runs: Sequence[TrainedRun] = (),
    unfinished: Sequence[dict[str, Any]] = (),
    heat: Sequence[dict[str, Any]] = (),
    command: str = "",
) -> dict[str, Any]:
    """Return what ``study.json`` holds (see the head of this module)."""
    stopped = {(row["arm"], row["trained_on"]) for row in unfinished}
    finished = [one for one in measured if (one.arm.name, one.on) not in stopped]  # no mean over some of the seeds
    sides, also = _sides(finished), _sides(_also(study, finished))
    scores = _scores(sides)
    budget = budget_of(runs)
    return {
        "name": study.config.name,
        "command": command,
        "study": study.config.model_dump(mode="json"),
        "rows": [row for one in measured for row in one.rows],
        "scores": scores,
        "comparisons": _comparisons(study, sides),
        "tuning": list(tuning),
        "blurb": blurb_means(scores),
        "groups": group_means(study, sides),
        "also": {"scores": _scores(also), "comparisons": _comparisons(study, also)},
        "frontiers": frontiers(study, sides | also),
        "unfinished": list(unfinished),
        "curves": [_curve(run) for run in runs],
        "items": study_items(sides),
        "heat": list(heat),
        "budget": budget,
        "budget_note": budget_note(budget, study.axes),
        "axes": study.axes,
        "arm_settings": study.settings,
        "tasks": {one.spec.name: one.outcome["tasks"][one.spec.name] for one in measured},
        "left_out": [found for one in measured if (found := _left_out(one))],
        "notes": sorted({note for one in measured for note in one.outcome["left_out"][one.spec.name]["notes"]}),
        "seconds": [
            {"arm": one.arm.name, "trained_on": one.on, "seed": one.seed, "task": one.spec.name}
            | {"evaluation": one.outcome["seconds"]["all"]}
            for one in measured
            if "seconds" in one.outcome  # scored again, it has none
        ],
        "environment": environment(seed=study.config.seeds),
    }


def _curve(run: TrainedRun) -> dict[str, Any]:
    unit = run.unit
    named = {"arm": unit.arm.name, "trained_on": unit.on, "seed": unit.seed, "learning_rate": run.rate}
    return named | curves_of(run.folder)


def check_also(study: Study, one: Measured) -> None:
    """Raise `UserError` if a model was not measured by a metric that the study asks for of this task."""
    if not one.arm.encoder:  # which has metrics of its own
        asked = study.config.also.get(one.spec.name, ())
        require_metrics(asked, one.spec.name, list(one.result.scored.measurements), file=study.file)


def _also(study: Study, measured: Sequence[Measured]) -> list[Measured]:
    return [
        replace(one, other=metric)
        for one in measured
        for metric in study.config.also.get(one.spec.name, ())
        if metric in one.result.scored.measurements
    ]


def _sides(measured: Sequence[Measured]) -> Sides:
    sides: Sides = {}
    for one in measured:
        sides.setdefault((one.arm.name, one.on, one.name), Side([])).seeds.append(one)
    return sides


def _scores(sides: Sides) -> list[dict[str, Any]]:
    scores = {key: _score(side) for key, side in sides.items()}
    for name in dict.fromkeys(name for _, _, name in scores):
        _add_best_floors([score for (_, _, of), score in scores.items() if of == name])
    return list(scores.values())


def _score(side: Side) -> dict[str, Any]:
    one = side.first
    (measurements,) = aligned([side.scored])
    floors = [
        row["floors"] for measured in side.seeds for row in measured.outcome["rows"] if row["metric"] == measured.metric
    ]
    return {
        "arm": one.arm.name,
        "trained_on": one.on,
        "task": one.spec.name,
        "metric": one.metric,
        **asdict(estimate(measurements)),
        "seeds": side.seed_numbers,
        "learning_rate": one.rate,
        "higher_is_better": measurements[0].higher_is_better,
        "forgetting": one.forgetting,
        "floors": {name: value for row in floors for name, value in row.items()},
    }


def _add_best_floors(scores: list[dict[str, Any]]) -> None:
    """Give every score the best floor that any arm has on its task, and whether its interval lies above that.

    Floors of one task are those of the same trivial methods, but one: what a model answers without the question
    ("options alone") is its own. All arms are held to the best.
    """
    best: dict[str, tuple[float, str]] = {}
    for score in scores:
        sign = 1 if score["higher_is_better"] else -1
        for name, value in score["floors"].items():
            named = f"{name} ({score['arm']})" if name == "options alone" else name
            before = best.get(score["task"])
            if math.isfinite(value) and (before is None or sign * value > sign * before[0]):
                best[score["task"]] = (value, named)
    for score in scores:
        floor, name = best.get(score["task"], (None, ""))
        score |= {"best_floor": floor, "best_floor_name": name, "above_floor": None}
        if floor is not None:
            score["above_floor"] = score["low"] > floor if score["higher_is_better"] else score["high"] < floor


def _comparisons(study: Study, sides: Sides) -> list[dict[str, Any]]:
    baseline = study.config.baseline
    families: dict[str, list[dict[str, Any]]] = {"baseline": [], "forgetting": [], PLAIN: [], PLAIN_FORGETTING: []}
    for (arm, on, task), side in sides.items():
        if arm != baseline and (theirs := other_side(sides, baseline, on, task)) is not None:
            family = "forgetting" if side.first.forgetting else "baseline"
            families[family] += _compared(family, side, theirs)
        plain = PLAIN in study.arms and study.arms[PLAIN].trained and arm not in (PLAIN, baseline)
        if plain and baseline != PLAIN and side.first.arm.trained:
            theirs = other_side(sides, PLAIN, on, task)
            family = PLAIN_FORGETTING if side.first.forgetting else PLAIN
            families[family] += _compared(family, side, theirs) if theirs is not None else []
    for rows in families.values():
        for row, p in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
            row["p_holm"] = p
    return [row for rows in families.values() for row in rows]


def other_side(sides: Sides, arm: str, on: str, task: str) -> Side | None:
    """Return an arm's side on a task: of the model trained on the same, else of its only one."""
    if (arm, on, task) in sides:
        return sides[arm, on, task]
    found = [side for (name, _, of), side in sides.items() if (name, of) == (arm, task)]
    return found[0] if len(found) == 1 else None


def _compared(family: str, ours: Side, theirs: Side) -> list[dict[str, Any]]:
    both = ours.against(theirs)
    if both is None:
        return []
    found = difference(*both, paired_seeds=ours.seed_numbers == theirs.seed_numbers)
    one = ours.first
    return [
        {
            "family": family,
            "task": one.spec.name,
            "metric": one.metric,
            "ours": one.arm.name,
            "theirs": theirs.first.arm.name,
            "trained_on": one.on,
            "higher_is_better": both[0][0].higher_is_better,
            **asdict(found),
        }
    ]


def _left_out(one: Measured) -> dict[str, Any] | None:
    """Say what an arm's numbers on a task leave out or count as wrong; None if nothing."""
    left = one.outcome["left_out"][one.spec.name]
    counts = {
        "unanswered": max(left["unanswered"].values(), default=0),
        "unparsed": left["unparsed"],
        "unreadable": len(left["unreadable"]),
    }
    if not any(counts.values()):
        return None
    return {
        "arm": one.arm.name,
        "trained_on": one.on,
        "seed": one.seed,
        "task": one.spec.name,
        "items": left["items"],
        **counts,
    }


def _plain(metric: str) -> str:
    """Return the name of a metric without the way that answers were got."""
    return metric.split(", ")[0]
