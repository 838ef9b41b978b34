"""Bins give the published counts, Spearman is scipy's, and confidence that falls on random genes is seen to fall."""

import csv

import numpy as np
import pytest
from scipy.stats import spearmanr

from counterpoise.evaluation.gene_sets.confidence import BINS, RankCorrelation, bin_of, contamination
from counterpoise.evaluation.gene_sets.names import Answer
from counterpoise.evaluation.gene_sets.ranking import hit, percentile


def noisy(seed, count=60, strength=1.0):
    rng = np.random.default_rng(seed)
    first = np.round(rng.random(count), 1)  # with ties
    return first, strength * first + rng.normal(0, 0.3, count)


def correlation(first, second):
    return RankCorrelation("task", "Spearman", np.asarray(first, dtype=float), np.asarray(second, dtype=float))


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_scipy(seed):
    first, second = noisy(seed)
    found = correlation(first, second)
    assert found.value == pytest.approx(spearmanr(first, second).statistic)
    assert found.part([0, 3, 5, 9, 11]).value == pytest.approx(
        spearmanr(first[[0, 3, 5, 9, 11]], second[[0, 3, 5, 9, 11]]).statistic
    )


def test_the_interval_is_that_of_a_plain_bootstrap():
    first, second = noisy(1)
    found = correlation(first, second).estimate()
    rng = np.random.default_rng(5)
    draws = []
    for _ in range(1000):
        chosen = rng.integers(60, size=60)
        draws.append(spearmanr(first[chosen], second[chosen]).statistic)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.03)
    assert found.low < found.value < found.high
    assert found.n == 60


def test_a_constant_side_has_no_correlation():
    assert np.isnan(correlation([0.5] * 5, [1, 2, 3, 4, 5]).value)
    rare = correlation([0, 0, 0, 0, 1], [1, 2, 3, 4, 5])  # a third of the draws lack the only 1
    assert np.isfinite([rare.estimate().low, rare.estimate().high]).all()


def test_differences_are_paired():
    first, second = noisy(2)
    strong, none = correlation(first, second), correlation(first, noisy(3, strength=0.0)[1])
    found = strong.difference(none)
    assert found.value == pytest.approx(strong.value - none.value)
    assert found.low > 0
    assert found.p_value < 0.01
    same = strong.difference(strong)
    assert (same.value, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    with pytest.raises(ValueError, match="not measured on the same sets"):
        strong.difference(strong.part([0, 1, 2]))


def answers(confidences):
    return [Answer(f"set{i}", "name", confidence) for i, confidence in enumerate(confidences)]


def test_confidence_that_falls_is_seen_to_fall():
    real = [0.9, 0.8, 0.95, 0.9, 0.85, 0.9, 0.8, 0.9]
    found = contamination(
        "hu", {"real": answers(real), "half": answers([0.6] * 8), "random": answers([0.0] * 7 + [0.2])}
    )
    assert found.sets == 8
    assert found.measured["random"]["zero confidence"].value == 7 / 8
    assert found.changes["random"]["zero confidence"].value == 7 / 8
    assert found.changes["half"]["zero confidence"].value == 0
    assert found.changes["half"]["confidence"].value == pytest.approx(0.6 - np.mean(real))
    assert found.changes["half"]["confidence"].high < 0
    assert set(found.changes) == {"half", "random"}


def test_confidence_that_does_not_care_does_not_fall():
    found = contamination("hu", {"real": answers([0.9, 0.8] * 10), "random": answers([0.8, 0.9] * 10)})
    change = found.changes["random"]["confidence"]
    assert change.value == pytest.approx(0)
    assert change.low < 0 < change.high


def test_only_sets_of_every_condition_count_and_no_confidence_is_not_zero():
    found = contamination("hu", {"real": answers([0.9, 0.8, None]), "random": answers([0.0, None])})
    assert found.sets == 2
    assert found.measured["random"]["zero confidence"].value == 0.5
    assert found.measured["real"]["confidence"].totals.tolist() == [0.9], "given in both conditions"
    untold = contamination("hu", {"real": answers([0.9]), "random": answers([None])})
    assert list(untold.measured["real"]) == ["zero confidence"]


def test_what_cannot_be_compared():
    with pytest.raises(ValueError, match="got 1 conditions"):
        contamination("hu", {"real": answers([0.9])})
    with pytest.raises(ValueError, match="no set was answered in all of real, random"):
        contamination("hu", {"real": answers([0.9]), "random": []})


@pytest.mark.shared
def test_published_confidences_of_gpt4(shared_data):
    """protocols.md, a2: counts of the bins, hits in two of them, the rank correlation, and the share that declines."""
    with (shared_data / "hu2025" / "gpt4_names.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    said = [float(row["gpt4_score"]) for row in rows]
    bins = [bin_of(confidence) for confidence in said]
    assert bins == [row["score_bin"] for row in rows]
    assert {name: bins.count(name) for name in BINS} == {
        "high": 704,
        "medium": 258,
        "low": 11,
        "none": 27,
        "not given": 0,
    }
    hits = hit(percentile(np.array([float(row["sim_rank"]) for row in rows]), 11_943), 0.95)
    in_bin = {name: hits[[own == name for own in bins]].mean() for name in ("high", "medium")}
    assert in_bin == pytest.approx({"high": 0.720, "medium": 0.364}, abs=5e-4)
    found = correlation(said, [float(row["sapbert_sim"]) for row in rows]).estimate()
    assert found.value == pytest.approx(0.426, abs=5e-4)
    assert found.low > 0.3
