"""One metric of one task, kept unit by unit, so that it has an interval and can be compared in pairs.

measurement = Measurement("pubmedqa", "accuracy", totals=right, counts=np.ones(len(right)))
measurement.estimate()                      # value, 95 % interval, n
measurement.difference(theirs)              # paired over the same units, with a p-value

`evaluation.labels.LabelMeasurement` is the same for metrics that are no ratio of sums (an F1, a correlation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from counterpoise.evaluation.intervals import Difference, Estimate, paired_ratio_difference, ratio_of_sums

HELD_OUT = "held-out examples"
"""The task name of a run's own held-out examples."""


class AnyMeasurement(Protocol):
    """What every metric can do, whatever it is made of."""

    @property
    def task(self) -> str: ...
    @property
    def metric(self) -> str: ...
    @property
    def higher_is_better(self) -> bool: ...
    @property
    def value(self) -> float: ...
    def part(self, places: Sequence[int]) -> Any: ...
    def estimate(self) -> Estimate: ...
    def difference(self, other: Any) -> Difference: ...


@dataclass(frozen=True)
class Measurement:
    """One metric of one task: a sum and a count for each unit; the metric is sum over sum.

    For an accuracy the count is 1 an item; for an NLL per token it is the unit's tokens.
    """

    task: str
    metric: str
    totals: NDArray[np.float64]
    """[units]"""
    counts: NDArray[np.float64]
    """[units]"""
    higher_is_better: bool = True

    @property
    def value(self) -> float:
        """The metric over all units."""
        return float(self.totals.sum() / self.counts.sum())

    def part(self, places: Sequence[int]) -> Measurement:
        """The same metric of some of the units."""
        return replace(self, totals=self.totals[list(places)], counts=self.counts[list(places)])

    def estimate(self) -> Estimate:
        """The metric with its 95 % bootstrap interval over units."""
        return ratio_of_sums(self.totals, self.counts)

    def difference(self, other: Measurement) -> Difference:
        """This minus ``other``, paired over the same units."""
        if self.totals.shape != other.totals.shape or not np.array_equal(self.counts, other.counts):
            raise ValueError(f"{self.task}: {self.metric} was not measured on the same units")
        return paired_ratio_difference(self.totals, other.totals, self.counts)


Measurements = dict[str, Measurement]
AnyMeasurements = Mapping[str, AnyMeasurement]
"""Metric -> measurement."""
