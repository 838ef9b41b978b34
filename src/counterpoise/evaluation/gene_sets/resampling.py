"""The spread over nine resamples, as GeneAgent's paper has it: shown beside the interval, never instead of it.

    spread(measurement, 200)            # nine draws of 200 sets: mean and standard deviation of their values

It says how much the number of *such a smaller benchmark* varies; it is no interval of the number on all sets, and grows
or shrinks with the size that was chosen for a draw. The bootstrap interval of the same row is the one to read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counterpoise.evaluation.measurement import AnyMeasurement

LABEL = "resampling spread, as published"
TIMES = 9


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (of a sample, n - 1) of ``times`` draws of ``size`` sets without replacement."""

    mean: float
    sd: float
    size: int
    times: int = TIMES


def spread(measurement: AnyMeasurement, size: int, *, units: int, times: int = TIMES, seed: int = 0) -> Spread | None:
    """Return the spread of a measurement over ``units`` sets; None if a draw would hold them all, or be undefined."""
    if size >= units:
        return None
    rng = np.random.default_rng(seed)
    values = [measurement.part(rng.choice(units, size, replace=False).tolist()).value for _ in range(times)]
    if not np.isfinite(values).all():
        return None
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)), size, times)
