"""Intervals cover what they should, pairing narrows them, permutation p-values are uniform under no difference."""

import numpy as np
import pytest

from counterpoise.evaluation.intervals import paired_ratio_difference, ratio_of_sums
from counterpoise.evaluation.measurement import Measurement


def test_an_accuracy():
    right = np.array([1.0] * 30 + [0.0] * 70)
    e = ratio_of_sums(right, np.ones(100))
    assert (e.value, e.n) == (0.3, 100)
    half = 1.96 * np.sqrt(0.3 * 0.7 / 100)
    assert e.low == pytest.approx(0.3 - half, abs=0.015)
    assert e.high == pytest.approx(0.3 + half, abs=0.015)
    assert e == ratio_of_sums(right, np.ones(100)), "seeded"


def test_nll_per_token_weighs_units_by_their_tokens():
    e = ratio_of_sums([10.0, 1.0], [1.0, 9.0])
    assert e.value == pytest.approx(1.1)


def test_coverage():
    """95 % intervals of a mean hold the truth about 95 % of the time."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        e = ratio_of_sums(rng.normal(1.0, 2.0, 80), np.ones(80), resamples=400)
        hits += e.low <= 1.0 <= e.high
    assert 180 <= hits <= 198


def test_pairing_narrows_and_p_values_behave():
    rng = np.random.default_rng(1)
    easy = rng.random(400)
    theirs = (easy + 0.05 * rng.normal(size=400) > 0.5).astype(float)
    ours = (easy + 0.05 + 0.05 * rng.normal(size=400) > 0.5).astype(float)
    ones = np.ones(400)
    d = paired_ratio_difference(ours, theirs, ones)
    unpaired = ratio_of_sums(ours, ones)
    assert d.low < d.value < d.high
    assert d.high - d.low < unpaired.high - unpaired.low
    assert d.p_value < 0.05
    assert paired_ratio_difference(ours, ours, ones).p_value == 1.0
    p = [paired_ratio_difference(*rng.normal(size=(2, 40)), np.ones(40), resamples=200).p_value for _ in range(200)]
    assert 0.4 < np.mean(p) < 0.6
    assert np.mean(np.array(p) < 0.1) < 0.18


@pytest.mark.parametrize(
    ("totals", "counts"), [([], []), ([1.0], [1.0, 2.0]), ([np.nan], [1.0]), ([1.0], [0.0]), ([[1.0]], [[1.0]])]
)
def test_wrong_input(totals, counts):
    with pytest.raises(ValueError, match="expected"):
        ratio_of_sums(totals, counts)


def test_measurements_must_match():
    a = Measurement("t", "accuracy", np.ones(3), np.ones(3))
    b = Measurement("t", "accuracy", np.ones(4), np.ones(4))
    with pytest.raises(ValueError, match="not measured on the same units"):
        a.difference(b)
