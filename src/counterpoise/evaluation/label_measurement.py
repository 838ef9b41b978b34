"""A metric that is a function of sums over items: its value, its interval, its paired difference, its results row.

    measurement = LabelMeasurement("ncbi_disease", "entity F1", counts, f1)        # counts [sentences, 3]
    measurement.value, measurement.estimate(), measurement.difference(other)

True positives and errors of an F1, or the products of a correlation, add up over items (sentences, texts). So an
interval needs a few numbers for each item, and items are resampled whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.evaluation.intervals import RESAMPLES, Difference, Estimate
from counterpoise.evaluation.results import ResultRow

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LabelMeasurement:
    """One metric of one task: ``metric = statistic(sums of the items)``."""

    task: str
    metric: str
    sums: Array
    """[items, K]"""
    statistic: Callable[[Array], Array]
    """[draws, K] -> [draws], from sums over items to the metric."""
    higher_is_better: bool = True

    @property
    def value(self) -> float:
        """The metric over all items."""
        return float(self.statistic(self.sums.sum(0, keepdims=True))[0])

    def part(self, places: Sequence[int]) -> LabelMeasurement:
        """The same metric of some of the items."""
        return replace(self, sums=self.sums[list(places)])

    def estimate(self, *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
        """The metric with its 95 % percentile-bootstrap interval over items."""
        draws = np.concatenate([self.statistic(w @ self.sums) for w in _weights(len(self.sums), resamples, seed)])
        low, high = np.quantile(draws, [0.025, 0.975])
        return Estimate(self.value, float(low), float(high), len(self.sums))

    def difference(self, other: LabelMeasurement, *, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
        """This minus ``other``, paired over the same items; the p-value is that of swapping items at random.

        The interval is a paired bootstrap's. The test is approximate randomisation (Noreen 1989), two-sided,
        ``(1 + extreme) / (1 + draws)``: an F1 is no mean over items, so that signs cannot be flipped.
        """
        if self.sums.shape != other.sums.shape:
            raise ValueError(f"{self.task}: {self.metric} was not measured on the same items")
        n, value = len(self.sums), self.value - other.value
        ours, theirs = self.sums, other.sums
        draws = [self.statistic(w @ ours) - self.statistic(w @ theirs) for w in _weights(n, resamples, seed)]
        low, high = np.quantile(np.concatenate(draws), [0.025, 0.975])
        extreme = 0
        rng = np.random.default_rng(seed)
        for size in _sizes(n, resamples):
            kept = rng.integers(2, size=(size, n)).astype(np.float64)
            swapped = (
                self.statistic(kept @ ours + (1 - kept) @ theirs),
                self.statistic(kept @ theirs + (1 - kept) @ ours),
            )
            extreme += int(np.count_nonzero(np.abs(swapped[0] - swapped[1]) >= abs(value) - 1e-12))
        return Difference(value, float(low), float(high), n, (extreme + 1) / (resamples + 1))


LabelMeasurements = dict[str, LabelMeasurement]


def label_rows(
    measurements: Mapping[str, LabelMeasurement], floors: Mapping[str, LabelMeasurements], **identity: Any
) -> list[ResultRow]:
    """Make the rows of ``results.json``.

    Args:
        measurements: of one model.
        floors: the same metrics of trivial methods on the same items, by the method's name (`label_floors`).
        identity: model, objective, adapter and seed.
    """
    return [
        ResultRow.of(
            m.task,
            m.metric,
            m.estimate(),
            floors={name: found[m.metric].value for name, found in floors.items() if m.metric in found},
            **identity,
        )
        for m in measurements.values()
    ]


def _sizes(n: int, draws: int) -> list[int]:
    """Cut draws into blocks, so that memory stays that of a block."""
    block = max(1, min(500, 4_000_000 // n))
    return [min(block, draws - start) for start in range(0, draws, block)]


def _weights(n: int, draws: int, seed: int) -> Any:
    """Yield blocks [k, n] of how often each item is drawn, n draws with replacement a row."""
    rng = np.random.default_rng(seed)
    for size in _sizes(n, draws):
        chosen = rng.integers(n, size=(size, n)) + np.arange(size)[:, None] * n
        yield np.bincount(chosen.reshape(-1), minlength=size * n).reshape(size, n).astype(np.float64)
