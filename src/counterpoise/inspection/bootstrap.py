"""Intervals of many statistics at once, samples resampled whole (a sample's windows hang together).

draws = resampled(sums)                          # sums [S, M] -> [RESAMPLES, M]: column totals of resampled samples
estimate(ratio, sums, draws)                     # {"value": ..., "low": ..., "high": ...} of any function of the totals
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
"""Draws: enough for two digits of an interval's ends, and seconds over 100,000 samples."""

Floats = NDArray[np.float64]


def resampled(sums: Floats, *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """[S, M] -> [resamples, M]: the column totals of S rows drawn with replacement."""
    random = np.random.default_rng(seed)
    count = len(sums)
    found = np.empty((resamples, sums.shape[1]))
    for draw in range(resamples):
        found[draw] = np.bincount(random.integers(count, size=count), minlength=count) @ sums
    return found


def estimate(statistic: Callable[[Floats], Floats], sums: Floats, draws: Floats) -> dict[str, float] | None:
    """The statistic of the totals, with its 95 % percentile interval; None where it is not defined.

    Args:
        statistic: [..., M] column totals -> [...], NaN where it is not defined.
        sums: [S, M], and ``draws`` [resamples, M] as :func:`resampled` makes them.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        value, spread = float(statistic(sums.sum(0))), statistic(draws)
    spread = spread[np.isfinite(spread)]
    if not np.isfinite(value) or not len(spread):
        return None
    low, high = np.quantile(spread, [0.025, 0.975])
    return {"value": value, "low": float(low), "high": float(high)}
