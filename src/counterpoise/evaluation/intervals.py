"""Intervals and paired comparisons by bootstrap over the unit of resampling (a gene, a sentence, an item).

Every metric here is a sum over units divided by a sum over units: of 0/1 and ones for an accuracy, of NLL and tokens
for an NLL per token. Units are drawn with replacement; 95 % percentile interval of 10,000 draws, seeded.

    ratio_of_sums(correct, np.ones(n))                    # an accuracy and its interval
    ratio_of_sums(nll, tokens)                            # NLL per token, units resampled whole
    paired_ratio_difference(ours, theirs, counts)         # difference, interval, and a permutation p-value
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % percentile-bootstrap interval and the number of units it was resampled over."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Difference(Estimate):
    """A paired difference of means, ours minus theirs."""

    p_value: float = float("nan")
    """Two-sided sign-flip permutation test of no difference."""


def ratio_of_sums(totals: ArrayLike, counts: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """Return ``sum(totals) / sum(counts)`` with its interval over units; both arguments are [units].

    Raises:
        ValueError: no units, shapes that differ, or a value that is not finite.
    """
    total, count = _checked(totals, counts)
    low, high = _interval(total, count, resamples, seed)
    return Estimate(float(total.sum() / count.sum()), low, high, len(total))


def paired_ratio_difference(
    ours: ArrayLike, theirs: ArrayLike, counts: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """Return ``sum(ours - theirs) / sum(counts)`` over the same units [units], its interval and a p-value.

    The p-value is that of a two-sided sign-flip permutation test, ``(1 + extreme) / (1 + draws)``.
    """
    gap, count = _checked(np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64), counts)
    low, high = _interval(gap, count, resamples, seed)
    value = float(gap.sum() / count.sum())
    flipped = _chunks(lambda rng, k: rng.choice([-1.0, 1.0], (k, len(gap))) @ gap, resamples, seed)
    extreme = np.count_nonzero(np.abs(flipped / count.sum()) >= abs(value) - 1e-12)
    return Difference(value, low, high, len(gap), float((extreme + 1) / (resamples + 1)))


def _interval(total: NDArray[np.float64], count: NDArray[np.float64], resamples: int, seed: int) -> tuple[float, float]:
    def draw(rng: np.random.Generator, k: int) -> NDArray[np.float64]:
        chosen = rng.integers(len(total), size=(k, len(total)))
        return np.asarray(total[chosen].sum(1) / count[chosen].sum(1))

    low, high = np.quantile(_chunks(draw, resamples, seed), [0.025, 0.975])
    return float(low), float(high)


def _chunks(
    draw: Callable[[np.random.Generator, int], NDArray[np.float64]], resamples: int, seed: int
) -> NDArray[np.float64]:
    """Draw in blocks, so that memory stays that of a block."""
    rng = np.random.default_rng(seed)
    sizes = [min(500, resamples - start) for start in range(0, resamples, 500)]
    return np.concatenate([draw(rng, size) for size in sizes])


def _checked(totals: ArrayLike, counts: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total, count = np.asarray(totals, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if total.ndim != 1 or not len(total) or total.shape != count.shape:
        raise ValueError(f"expected one total and one count a unit, at least one; got {total.shape} and {count.shape}")
    if not (np.isfinite(total).all() and (count > 0).all()):
        raise ValueError("expected finite totals and counts above 0")
    return total, count
