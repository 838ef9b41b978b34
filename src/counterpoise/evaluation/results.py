"""The rows of ``results.json``: one metric of one model, with its interval, its n and the floors beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from counterpoise.disk import replace_text
from counterpoise.evaluation.intervals import Difference, Estimate


@dataclass(frozen=True)
class ResultRow:
    """One number and what it must be read with. ``low`` and ``high``: 95 % bootstrap interval over ``n`` units."""

    task: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    model: str
    objective: str
    """The objective and its options, or ``none`` for an untrained model."""
    adapter: str
    seed: int
    floors: dict[str, float] = field(default_factory=dict)
    """What trivial methods reach on the same items; empty where there is none."""

    @classmethod
    def of(cls, task: str, metric: str, estimate: Estimate, **identity: Any) -> ResultRow:
        """Make a row of an estimate; ``identity`` is model, objective, adapter, seed and floors."""
        return cls(task, metric, estimate.value, estimate.low, estimate.high, estimate.n, **identity)


@dataclass(frozen=True)
class Comparison:
    """A paired difference between two models on one metric: ``ours`` minus ``theirs``."""

    task: str
    metric: str
    ours: str
    theirs: str
    value: float
    low: float
    high: float
    n: int
    p_value: float

    @classmethod
    def of(cls, task: str, metric: str, ours: str, theirs: str, difference: Difference) -> Comparison:
        """Make a comparison of a paired difference."""
        d = difference
        return cls(task, metric, ours, theirs, d.value, d.low, d.high, d.n, d.p_value)


def write_json(path: Path, data: Any) -> None:
    """Write ``data`` (dataclasses allowed) as indented JSON, whole or not at all."""
    replace_text(path, json.dumps(data, indent=1, default=_plain, ensure_ascii=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "__dataclass_fields__"):
        return asdict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
