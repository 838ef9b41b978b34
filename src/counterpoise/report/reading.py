"""The outcome of a demo, read once into what tables, plots and verdict need.

reading = read(outcome)                                   # the dict of run_demo, or results.json read back
reading.best.score(PRIMARY)                               # Estimate: value, low, high, n
reading.paired(PRIMARY, "DFT", "SFT").direction           # "higher", "lower" or "unclear"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from counterpoise.evaluation.correction import holm
from counterpoise.evaluation.intervals import Estimate
from counterpoise.studies import demo_recipe

ACCURACY = "gene-process: accuracy"
PRIMARY = f"gene-process: {demo_recipe.PRIMARY}"
BLIND = "gene-process: gene-blind accuracy"
ANSWER_NLL = "gene-process: answer NLL"
GENERAL_NLL = "general-sentences: NLL"

LEVEL = 0.05
"""A difference is called one if its 95 % interval leaves out 0 and its Holm-corrected p-value is below this."""

Outcome = Mapping[str, Any]


@dataclass(frozen=True)
class State:
    """One state of the model: the base, the warm-up, or an arm."""

    key: str
    title: str
    objective: str
    rate: float | None
    scores: dict[str, Estimate]
    """By ``task: metric``."""
    curve: list[dict[str, float]] = field(default_factory=list)
    """One entry an optimiser step: step, loss, nll, confidence ..."""
    training: dict[str, Any] | None = None
    evaluation_seconds: float = 0.0

    @property
    def is_arm(self) -> bool:
        """Whether an objective of the comparison made it (not the base, nor the shared warm-up)."""
        return self.key not in ("base", "warm-up")


@dataclass(frozen=True)
class Paired:
    """A paired difference between two states on one metric, ``ours`` minus ``theirs``."""

    metric: str
    ours: str
    theirs: str
    estimate: Estimate
    p_value: float
    holm: float
    """Corrected over all comparisons of the outcome on this metric."""

    @property
    def direction(self) -> Literal["higher", "lower", "unclear"]:
        """What can be said: interval and corrected p-value must agree."""
        if self.holm < LEVEL and self.estimate.low > 0:
            return "higher"
        if self.holm < LEVEL and self.estimate.high < 0:
            return "lower"
        return "unclear"


@dataclass(frozen=True)
class Reading:
    """All that is shown of a demo."""

    states: list[State]
    floors: dict[str, Estimate]
    comparisons: list[Paired]
    weights: Mapping[str, Any]
    recipe: Mapping[str, Any]
    tuning: Mapping[str, Any]
    environment: Mapping[str, Any]

    @property
    def arms(self) -> list[State]:
        """The states that the compared objectives made."""
        return [state for state in self.states if state.is_arm]

    @property
    def base(self) -> State:
        """The untrained model."""
        return self.states[0]

    @cached_property
    def best(self) -> State | None:
        """The fine-tuned state, the warm-up included, with the highest primary metric; None if nothing was trained."""
        trained = self.states[1:]
        return max(trained, key=lambda state: state.scores[PRIMARY].value) if trained else None

    def state(self, key: str) -> State | None:
        """Find a state by its key."""
        return next((state for state in self.states if state.key == key), None)

    def paired(self, metric: str, ours: str, theirs: str) -> Paired | None:
        """Find a comparison by its metric and the titles of its sides."""
        wanted = (metric, ours, theirs)
        return next((c for c in self.comparisons if (c.metric, c.ours, c.theirs) == wanted), None)

    @property
    def references(self) -> list[State]:
        """What others are compared with: SFT, where it is an arm, the warm-up and the base."""
        wanted = [self.state(key) for key in ("sft", "warm-up", "base")]
        return [state for state in wanted if state is not None]


def read(outcome: Outcome) -> Reading:
    """Read what ``run_demo`` returns. ``weights``, ``tuning`` and ``environment`` may be missing."""
    states = [_state(arm) for arm in outcome["arms"]]
    floors = {name: estimate_of(found) for name, found in outcome["floors"].items()}
    return Reading(
        states=states,
        floors=_with_prior(floors, states),
        comparisons=_comparisons(outcome.get("comparisons", [])),
        weights=outcome.get("weights") or {},
        recipe=outcome.get("recipe") or {},
        tuning=outcome.get("tuning") or {},
        environment=outcome.get("environment") or {},
    )


def _state(arm: Mapping[str, Any]) -> State:
    return State(
        key=arm["key"],
        title=arm["title"],
        objective=arm["objective"],
        rate=arm["rate"],
        scores={name: estimate_of(found) for name, found in arm["scores"].items()},
        curve=arm.get("curve") or [],
        training=arm.get("training"),
        evaluation_seconds=arm.get("evaluation_seconds") or 0.0,
    )


def estimate_of(found: Mapping[str, Any]) -> Estimate:
    """Return a value of an outcome with its interval."""
    return Estimate(found["value"], found["low"], found["high"], found["n"])


def _with_prior(floors: dict[str, Estimate], states: list[State]) -> dict[str, Estimate]:
    """Add, after the blind guesses, what the option's prior alone reaches: that of the model where it reaches most."""
    blind = {state.title: state.scores[BLIND] for state in states if BLIND in state.scores}
    if not blind:
        return floors
    highest = max(blind, key=lambda title: blind[title].value)
    found = {f"prior alone ({highest})": blind[highest]}
    guesses = {name: value for name, value in floors.items() if name in ("chance", "most frequent process")}
    return guesses | found | {name: value for name, value in floors.items() if name not in guesses}


def _comparisons(rows: list[Mapping[str, Any]]) -> list[Paired]:
    found = []
    for metric in dict.fromkeys(f"{row['task']}: {row['metric']}" for row in rows):
        family = [row for row in rows if f"{row['task']}: {row['metric']}" == metric]
        corrected = holm([row["p_value"] for row in family])
        found += [
            Paired(metric, row["ours"], row["theirs"], estimate_of(row), row["p_value"], p)
            for row, p in zip(family, corrected, strict=True)
        ]
    return found
