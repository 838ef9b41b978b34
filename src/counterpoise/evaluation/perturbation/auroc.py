"""AUROC within genes: exact, fast, and with an interval over both things that were sampled, genes and perturbations.

    weighted_auroc(scores, labels, groups, np.ones((1, n)))[0]          # one AUROC a group
    found = TwoWay("perturbqa-k562-de", "per-gene AUROC", scores, labels, genes, perturbations, "per gene")
    found.estimate()                          # interval over genes and perturbations together: the one to quote
    found.estimate(over="genes")              # over genes alone, as if every other perturbation had been the same

A question belongs to a gene and to a perturbation, and shares luck with all others of either. Resampling questions, or
genes alone, takes them for independent and is too narrow; here genes and perturbations are drawn with replacement each
by themselves, and a question counts as often as both were (the pigeonhole bootstrap of Owen, Annals of Applied
Statistics 1:386 (2007), which errs on the wide side). Where a draw leaves a gene with one label, the gene keeps its own
AUROC: to leave it out would shift every draw towards genes with many questions of both labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from counterpoise.evaluation.intervals import Difference, Estimate

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Over = Literal["both", "genes", "perturbations"]
RESAMPLES = 2000


def weighted_auroc(scores: Array, labels: NDArray[np.bool_], groups: Codes, weights: Array) -> Array:
    """Return the AUROC of each group [k, G], ties counting half; NaN where a group has (weighted) one label alone.

    The share of pairs (a positive, a negative of the same group) in which the positive scores higher, each pair
    counting the product of its weights. One sort for all groups and all rows of weights.

    Args:
        scores: [n], any scale, no NaN.
        labels: [n], True for the positive class.
        groups: [n], numbers 0 to G-1, each of which occurs.
        weights: [k, n], at least 0.
    """
    order = np.lexsort((scores, groups))
    score, group, positive = scores[order], groups[order], labels[order]
    n = len(order)
    new_group = np.r_[True, group[1:] != group[:-1]]
    new_run = new_group | np.r_[True, score[1:] != score[:-1]]  # a run: equal scores in a group
    run_starts = np.flatnonzero(new_run)
    run_of = np.cumsum(new_run) - 1
    first_of_run = run_starts[run_of]
    last_of_run = np.r_[run_starts[1:], n][run_of] - 1
    group_starts = np.flatnonzero(new_group)
    first_of_group = group_starts[np.cumsum(new_group) - 1]
    weight = weights[:, order]
    negative = np.where(positive, 0.0, weight)
    upto = np.cumsum(negative, axis=1)
    before = upto - negative
    lower = (before[:, first_of_run] + upto[:, last_of_run]) / 2 - before[:, first_of_group]
    gained = np.add.reduceat(np.where(positive, weight, 0.0) * lower, group_starts, axis=1)
    pairs = np.add.reduceat(weight - negative, group_starts, axis=1) * np.add.reduceat(negative, group_starts, axis=1)
    return np.divide(gained, pairs, out=np.full_like(gained, np.nan), where=pairs > 0)


def per_gene_auroc(scores: Array, labels: NDArray[np.bool_], genes: Codes) -> tuple[Codes, Array]:
    """Return the genes that have both labels, ascending, and the AUROC within each."""
    names, codes = np.unique(genes, return_inverse=True)
    if not len(names):
        return np.zeros(0, np.int64), np.zeros(0)
    found = weighted_auroc(scores, labels, codes.astype(np.int64), np.ones((1, len(scores))))[0]
    has = ~np.isnan(found)
    return names[has], found[has]


@dataclass(frozen=True)
class TwoWay:
    """One metric of questions that belong to genes and perturbations; implements `measurement.AnyMeasurement`.

    ``statistic``: "per gene", the mean AUROC over genes that have both labels; "pooled", one AUROC over all questions;
    "mean", the mean of ``values``. Only questions that are ``answered`` count. ``effective``: the metric is multiplied
    by their share, so that answering only what is easy gains nothing.
    """

    task: str
    metric: str
    values: Array
    """[questions]: a score that speaks for label 1; for "mean", what is averaged."""
    labels: NDArray[np.bool_]
    genes: Codes
    perturbations: Codes
    statistic: Literal["per gene", "pooled", "mean"]
    answered: NDArray[np.bool_] | None = None
    effective: bool = False
    higher_is_better: bool = True

    @property
    def n(self) -> int:
        """Per gene: genes that count; else the answered questions."""
        kept = self._kept
        if self.statistic != "per gene":
            return int(kept.sum())
        return len(per_gene_auroc(self.values[kept], self.labels[kept], self.genes[kept])[0])

    @property
    def value(self) -> float:
        """The metric; NaN where there is none (no gene with both labels, nothing answered)."""
        return float(self._at(*(np.ones((1, size)) for size in self._sizes))[0])

    def part(self, places: Sequence[int]) -> TwoWay:
        """The same metric of some of the questions."""
        at = np.asarray(places, np.int64)
        return replace(
            self,
            values=self.values[at],
            labels=self.labels[at],
            genes=self.genes[at],
            perturbations=self.perturbations[at],
            answered=None if self.answered is None else self.answered[at],
        )

    def draws(self, over: Over = "both", *, resamples: int = RESAMPLES, seed: int = 0) -> Array:
        """Return the metric [resamples] of bootstrap samples; NaN for a sample that has none.

        Two measurements of the same questions get the same samples from the same seed.
        """
        return np.concatenate([self._at(*weights) for weights in self._weights(over, resamples, seed)])

    def estimate(self, over: Over = "both", *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
        """The metric with its 95 % percentile-bootstrap interval over genes, over perturbations, or over both."""
        draws = self.draws(over, resamples=resamples, seed=seed)
        low, high = np.nanquantile(draws, [0.025, 0.975]) if not np.isnan(draws).all() else (np.nan, np.nan)
        return Estimate(self.value, float(low), float(high), self.n)

    def difference(self, other: Any, over: Over = "both", *, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
        """This minus ``other``, paired over the same questions.

        The p-value is two-sided from the bootstrap, twice the share of draws on the other side of 0.

        Raises:
            ValueError: other questions.
        """
        same = isinstance(other, TwoWay) and all(
            np.array_equal(_numbered(getattr(self, name)), _numbered(getattr(other, name)))
            for name in ("labels", "genes", "perturbations")
        )
        if not same:
            raise ValueError(f"{self.task}: {self.metric} was not measured on the same questions")
        ours = self.draws(over, resamples=resamples, seed=seed)
        gaps = ours - other.draws(over, resamples=resamples, seed=seed)
        gaps = gaps[~np.isnan(gaps)]
        low, high = np.quantile(gaps, [0.025, 0.975]) if len(gaps) else (np.nan, np.nan)
        beyond = min(np.count_nonzero(gaps <= 0), np.count_nonzero(gaps >= 0))
        p = min(1.0, 2 * (1 + beyond) / (len(gaps) + 1))
        return Difference(self.value - other.value, float(low), float(high), self.n, float(p))

    @property
    def _kept(self) -> NDArray[np.bool_]:
        return np.ones(len(self.values), np.bool_) if self.answered is None else self.answered

    @property
    def _sizes(self) -> tuple[int, int]:
        return len(np.unique(self.genes)), len(np.unique(self.perturbations))

    def _weights(self, over: Over, resamples: int, seed: int) -> Iterator[tuple[Array, Array]]:
        """Yield blocks of how often each gene [k, G] and each perturbation [k, P] is drawn."""
        n_genes, n_perturbations = self._sizes
        block = max(1, min(200, 2_000_000 // max(1, len(self.values))))
        rng = np.random.default_rng(seed)
        for start in range(0, resamples, block):
            k = min(block, resamples - start)
            genes, perturbations = _counts(rng, k, n_genes), _counts(rng, k, n_perturbations)
            yield (
                np.ones_like(genes) if over == "perturbations" else genes,
                np.ones_like(perturbations) if over == "genes" else perturbations,
            )

    def _at(self, gene_weights: Array, perturbation_weights: Array) -> Array:
        """Return the metric [k] where genes [k, G] and perturbations [k, P] count so often."""
        gene, perturbation = _numbered(self.genes), _numbered(self.perturbations)
        kept = self._kept
        every = gene_weights[:, gene] * perturbation_weights[:, perturbation]
        found = self._among(kept, gene, perturbation, gene_weights, perturbation_weights, every)
        if self.effective:
            found = found * _ratio(every[:, kept].sum(1), every.sum(1))
        return found

    def _among(
        self,
        kept: NDArray[np.bool_],
        gene: Codes,
        perturbation: Codes,
        gene_weights: Array,
        perturbation_weights: Array,
        every: Array,
    ) -> Array:
        values, labels = self.values[kept], self.labels[kept]
        nothing = np.full(len(every), np.nan)
        if not kept.any():
            return nothing
        if self.statistic == "mean":
            weights = every[:, kept]
            return _ratio(weights @ values, weights.sum(1))
        if self.statistic == "pooled":
            return weighted_auroc(values, labels, np.zeros(len(values), np.int64), every[:, kept])[:, 0]
        names, codes = np.unique(gene[kept], return_inverse=True)
        ones, counts = np.bincount(codes, weights=labels), np.bincount(codes)
        both = (ones > 0) & (ones < counts)  # the others never count: leave them out of the sort
        if not both.any():
            return nothing
        of_both = both[codes]
        codes = (np.cumsum(both) - 1)[codes[of_both]]
        weights = perturbation_weights[:, perturbation[kept][of_both]]
        auroc = weighted_auroc(values[of_both], labels[of_both], codes, weights)
        whole = weighted_auroc(values[of_both], labels[of_both], codes, np.ones((1, len(codes))))
        count = gene_weights[:, names[both]]
        return _ratio((np.where(np.isnan(auroc), whole, auroc) * count).sum(1), count.sum(1))


def _numbered(codes: NDArray[Any]) -> Codes:
    """Number what occurs from 0, in ascending order."""
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def _ratio(total: Array, count: Array) -> Array:
    found: Array = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return found


def _counts(rng: np.random.Generator, k: int, n: int) -> Array:
    """Draw n of n with replacement, k times; return how often each was drawn, [k, n]."""
    chosen = rng.integers(n, size=(k, n)) + np.arange(k)[:, None] * n
    return np.bincount(chosen.reshape(-1), minlength=k * n).reshape(k, n).astype(np.float64)
