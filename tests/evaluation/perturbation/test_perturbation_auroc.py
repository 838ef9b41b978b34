"""AUROC within genes against scikit-learn's, and its intervals against resampling written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from counterpoise.evaluation.perturbation.auroc import TwoWay, per_gene_auroc, weighted_auroc


def reference(scores, labels, genes, weights=None):
    """Gene -> AUROC, of the genes with both labels, by scikit-learn."""
    weights = np.ones(len(scores)) if weights is None else weights
    found = {}
    for gene in np.unique(genes):
        at = (genes == gene) & (weights > 0)
        if len(np.unique(labels[at])) == 2:
            found[gene] = roc_auc_score(labels[at], scores[at], sample_weight=weights[at])
    return found


def made_up(seed, n=400, n_genes=23, n_perturbations=31, levels=9):
    rng = np.random.default_rng(seed)
    pairs = rng.choice(n_genes * n_perturbations, n, replace=False)
    scores = rng.integers(levels, size=n).astype(float)
    labels = rng.random(n) < 0.15 + 0.05 * scores
    return scores, labels, pairs % n_genes, pairs // n_genes


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.booleans(), st.integers(0, 3)), min_size=1, max_size=60)
)
@settings(max_examples=200, deadline=None)
def test_equal_to_scikit_learn_with_ties_and_weights(rows):
    scores, genes, labels, weights = (np.array(column) for column in zip(*rows, strict=True))
    names, codes = np.unique(genes, return_inverse=True)
    weights = np.stack([np.ones(len(rows)), weights.astype(float)])
    found = weighted_auroc(scores.astype(float), labels.astype(bool), codes, weights)
    for row, weight in zip(found, weights, strict=True):
        expected = reference(scores, labels, genes, weight)
        assert [gene for gene, value in zip(names, row, strict=True) if not np.isnan(value)] == list(expected)
        np.testing.assert_allclose(row[~np.isnan(row)], list(expected.values()), atol=1e-12)


def test_by_hand():
    scores = np.array([3.0, 1.0, 2.0, 2.0, 5.0, 5.0])
    labels = np.array([True, False, True, False, True, True])
    genes = np.array([7, 7, 7, 7, 9, 9])  # gene 9 has one label
    names, auroc = per_gene_auroc(scores, labels, genes)
    assert names.tolist() == [7]
    assert auroc.tolist() == [(1 + 1 + 1 + 0.5) / 4]
    assert np.array_equal(per_gene_auroc(scores[4:], labels[4:], genes[4:])[1], [])


def test_infinite_and_tiny_differences_are_ordered():
    scores = np.array([-np.inf, 1.0, np.nextafter(1.0, 2.0), np.inf])
    labels = np.array([False, False, True, True])
    assert per_gene_auroc(scores, labels, np.zeros(4, np.int64))[1].tolist() == [1.0]


def test_what_is_constant_within_genes_is_one_half_exactly_and_more_when_pooled():
    _, labels, genes, perturbations = made_up(0)
    prior = np.array([labels[genes == gene].mean() for gene in range(23)])[genes]
    per_gene = TwoWay("t", "per-gene AUROC", prior, labels, genes, perturbations, "per gene")
    assert per_gene.value == 0.5
    assert per_gene.estimate(resamples=50).low == per_gene.estimate(resamples=50).high == 0.5
    pooled = TwoWay("t", "pooled AUROC", prior, labels, genes, perturbations, "pooled")
    assert pooled.value == pytest.approx(roc_auc_score(labels, prior))
    assert pooled.value > 0.6


@pytest.mark.parametrize("over", ["genes", "perturbations", "both"])
@pytest.mark.parametrize("statistic", ["per gene", "pooled", "mean"])
def test_draws_are_those_of_resampling_written_out(over, statistic):
    scores, labels, genes, perturbations = made_up(1)
    answered = np.random.default_rng(5).random(len(scores)) < 0.8
    one = TwoWay("t", "m", scores, labels, genes, perturbations, statistic, answered, effective=True)
    ((of_genes, of_perturbations),) = one._weights(over, 7, 3)
    assert (of_genes.sum(1) == 23).all()
    assert (of_perturbations.sum(1) == 31).all()
    assert (of_genes == 1).all() == (over == "perturbations")
    expected = []
    whole = reference(scores[answered], labels[answered], genes[answered])
    for of_gene, of_perturbation in zip(of_genes, of_perturbations, strict=True):
        times = (of_gene[genes] * of_perturbation[perturbations]).astype(int)
        copies = np.repeat(np.arange(len(scores)), times)
        kept = copies[answered[copies]]
        if statistic == "mean":
            value = scores[kept].mean()
        elif statistic == "pooled":
            value = roc_auc_score(labels[kept], scores[kept])
        else:
            drawn = np.repeat(np.arange(len(scores)), of_perturbation[perturbations].astype(int))
            drawn = drawn[answered[drawn]]
            own = whole | reference(scores[drawn], labels[drawn], genes[drawn])
            value = sum(own[gene] * of_gene[gene] for gene in own) / sum(of_gene[gene] for gene in own)
        expected.append(value * len(kept) / len(copies))
    np.testing.assert_allclose(one.draws(over, resamples=7, seed=3), expected, atol=1e-12)


def test_an_interval_over_both_holds_the_truth_where_one_over_genes_does_not():
    """Perturbations that err for all genes alike: 40 genes, 8 perturbations, true AUROC .5."""
    held = {"genes": 0, "both": 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        genes, perturbations = (grid.reshape(-1) for grid in np.meshgrid(np.arange(40), np.arange(8), indexing="ij"))
        labels = (rng.random(8) < 0.5)[perturbations] ^ (rng.random(320) < 0.1)
        scores = rng.normal(size=8)[perturbations] + 0.1 * rng.normal(size=320)
        one = TwoWay("t", "m", scores, labels, genes, perturbations, "per gene")
        for over in held:
            found = one.estimate(over, resamples=200)
            held[over] += found.low <= 0.5 <= found.high
    assert held["both"] >= 51
    assert held["genes"] <= 30


def test_draws_are_not_shifted_where_genes_have_one_question_of_a_label():
    """Half of the genes have one positive and AUROC 0; were they left out, draws would lie above the value."""
    genes = np.repeat(np.arange(20), 10)
    perturbations = np.tile(np.arange(10), 20)
    few = genes < 10
    labels = np.where(few, perturbations == 0, perturbations < 5)
    scores = np.where(few, -(perturbations == 0).astype(float), labels)
    one = TwoWay("t", "m", scores, labels, genes, perturbations, "per gene")
    assert one.value == 0.5
    assert one.draws("perturbations", resamples=400).mean() == pytest.approx(0.5, abs=0.01)


def test_differences_are_paired():
    scores, labels, genes, perturbations = made_up(2)
    rest = (labels, genes, perturbations, "per gene")
    good = TwoWay("t", "m", scores + 0.01 * labels, *rest)
    noise = TwoWay("t", "m", np.random.default_rng(0).normal(size=len(scores)), *rest)
    same = good.difference(good, resamples=100)
    assert (same.value, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    more = good.difference(noise, resamples=400)
    assert more.value == good.value - noise.value
    assert 0 < more.low < more.value < more.high
    assert more.p_value < 0.05
    less = noise.difference(good, resamples=400)
    assert (less.low, less.high, less.p_value) == pytest.approx((-more.high, -more.low, more.p_value))
    first = list(range(200))
    assert good.part(first).difference(noise.part(first), resamples=50).n == good.part(first).n
    with pytest.raises(ValueError, match="not measured on the same questions"):
        good.difference(noise.part(first))


def test_counts_and_what_cannot_be_had():
    scores, labels, genes, perturbations = made_up(3)
    one = TwoWay("t", "m", scores, labels, genes, perturbations, "per gene")
    assert one.estimate(resamples=20).n == one.n == len(reference(scores, labels, genes))
    assert TwoWay("t", "m", scores, labels, genes, perturbations, "pooled").n == 400
    nobody = TwoWay("t", "m", scores, labels, genes, perturbations, "per gene", np.zeros(400, bool))
    assert np.isnan(nobody.value)
    assert np.isnan(nobody.estimate(resamples=10).low)
    assert np.isnan(TwoWay("t", "m", scores, labels, np.arange(400), perturbations, "per gene").value)
