"""The published spread: nine draws without replacement, reproducible, and only where a draw is a part of the sets."""

import numpy as np
import pytest

from counterpoise.evaluation.gene_sets.resampling import spread
from counterpoise.evaluation.measurement import Measurement


def measurement(values):
    return Measurement("task", "metric", np.asarray(values, dtype=float), np.ones(len(values)))


def test_nine_draws_by_hand():
    values = np.random.default_rng(3).random(50)
    found = spread(measurement(values), 20, units=50)
    rng = np.random.default_rng(0)
    means = [values[rng.choice(50, 20, replace=False)].mean() for _ in range(9)]
    assert (found.mean, found.sd) == pytest.approx((np.mean(means), np.std(means, ddof=1)))
    assert (found.size, found.times) == (20, 9)


def test_a_constant_has_none():
    assert spread(measurement([0.5] * 30), 20, units=30).sd == pytest.approx(0)


@pytest.mark.parametrize("size", [30, 31])
def test_a_draw_of_everything_says_nothing(size):
    assert spread(measurement([0.5] * 30), size, units=30) is None


def test_larger_draws_spread_less():
    values = np.random.default_rng(4).random(1000)
    assert spread(measurement(values), 500, units=1000).sd < spread(measurement(values), 20, units=1000).sd
