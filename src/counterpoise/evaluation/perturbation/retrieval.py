"""Training rows that bear on a question, with the results that were measured; and what they alone would answer.

    retrieval = Retrieval(known, asked, similarity)             # one cell line
    retrieval.neighbours("MED12", "GATA1", count=6, of_similar_genes=2)
    retrieval.vote(...), retrieval.gene_prior(...)              # scores of methods without a model

For a question (perturbation p, gene g): first rows of g under perturbations that resemble p, the most alike first; then
rows of genes that respond as g does in training, under such perturbations. An unseen perturbation has no response
profile, so perturbations resemble each other by what is known of them (``similarity``); readout genes, which are seen
in training, by their profiles. Only training rows are ever returned, never one of p itself, and each carries its own
label.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from counterpoise.evaluation.perturbation.questions import Question
from counterpoise.evaluation.perturbation.similarity import gene_rates, similar_profiles

Scores = NDArray[np.float64]
Codes = NDArray[np.int64]

SHARPNESS = 3.0
"""Power of similarity in a vote over all training rows, where many that are hardly alike would drown the few that are.

Chosen, as was the number of neighbours of similar genes, on a part of PerturbQA's training perturbations.
"""


class Neighbour(NamedTuple):
    """A training row, how alike it is (0 to 1), and the label that is told of it (None: none is)."""

    row: Question
    similarity: float
    label: int | None


class Retrieval:
    """Rows of one cell line.

    Args:
        known: training rows.
        asked: perturbations that are asked about.
        similarity: float32 [asked, perturbations of ``known`` in the order of `perturbations_of`].
        asked_genes: genes that are asked about.
    """

    def __init__(
        self,
        known: Sequence[Question],
        asked: Sequence[str],
        similarity: NDArray[np.float32],
        asked_genes: Sequence[str],
    ) -> None:
        self.known = known
        names = perturbations_of(known)
        self._perturbation = {name: i for i, name in enumerate(names)}
        self._asked = {name: i for i, name in enumerate(asked)}
        self._gene = {name: i for i, name in enumerate(sorted({row.gene for row in known} | set(asked_genes)))}
        self._similarity = similarity.copy()
        for name, i in self._asked.items():  # its own rows would tell the answer
            if name in self._perturbation:
                self._similarity[i, self._perturbation[name]] = 0
        self._labels = np.array([row.label for row in known], np.float64)
        self._genes = np.array([self._gene[row.gene] for row in known], np.int64)
        self._perturbations = np.array([self._perturbation[row.perturbation] for row in known], np.int64)
        self.rates = gene_rates(self._labels, self._genes, len(self._gene))
        self._centred = self._labels - self.rates[self._genes]
        order = np.argsort(self._genes, kind="stable")
        bounds = np.searchsorted(self._genes[order], np.arange(len(self._gene) + 1))
        self._rows_of = [order[bounds[i] : bounds[i + 1]] for i in range(len(self._gene))]
        self._asked_genes = sorted({self._gene[gene] for gene in asked_genes})

    @property
    def unlike(self) -> list[str]:
        """The perturbations asked about that resemble none of training."""
        return [name for name, i in self._asked.items() if not self._similarity[i].any()]

    @cached_property
    def _alike(self) -> dict[int, tuple[Codes, NDArray[np.float32]]]:
        """Rows of genes that respond alike, and how alike the gene is, for each gene asked about."""
        asked = np.array(self._asked_genes, np.int64)
        sizes = (len(self._gene), len(self._perturbation))
        others, alike = similar_profiles(self._labels, self._genes, self._perturbations, *sizes, asked=asked)
        found = {}
        for place, gene in enumerate(self._asked_genes):
            pairs = [(self._rows_of[o], a) for o, a in zip(others[place], alike[place], strict=True) if a > 0]
            rows = np.concatenate([rows for rows, _ in pairs]) if pairs else np.zeros(0, np.int64)
            weight = np.concatenate([np.full(len(rows), a) for rows, a in pairs]) if pairs else np.zeros(0)
            found[gene] = (rows, weight.astype(np.float32))
        return found

    def places(self, perturbation: str, gene: str, count: int, of_similar_genes: int) -> tuple[list[int], list[float]]:
        """Return places in ``known`` of the neighbours of a question and their similarity, as they are shown.

        ``count`` at most: up to ``of_similar_genes`` are of genes that respond alike (similarity is then the product of
        both), the others of the gene itself; where one kind is short, the other fills in.
        """
        if not count:
            return [], []
        to = self._similarity[self._asked[perturbation]]
        number = self._gene[gene]
        same = _best(self._rows_of[number], to[self._perturbations[self._rows_of[number]]], count)
        other: list[tuple[int, float]] = []
        if of_similar_genes or len(same) < count:
            rows, weight = self._alike[number]
            other = _best(rows, to[self._perturbations[rows]] * weight, count)
        others = max(of_similar_genes, count - len(same))
        last = other[: min(others, count)]
        shown = same[: count - len(last)] + last
        return [place for place, _ in shown], [similarity for _, similarity in shown]

    def neighbours(
        self, perturbation: str, gene: str, *, count: int, of_similar_genes: int, labels: str = "measured"
    ) -> list[Neighbour]:
        """Return the neighbours of a question; ``labels`` as in `settings.PerturbationView`."""
        places, similarity = self.places(perturbation, gene, count, of_similar_genes)
        told: list[int | None] = [None] * len(places)
        if labels != "none":
            values = self._labels if labels == "measured" else self._shuffled
            told = [int(values[place]) for place in places]
        rows = [self.known[place] for place in places]
        return [Neighbour(*found) for found in zip(rows, similarity, told, strict=True)]

    @cached_property
    def _shuffled(self) -> Scores:
        """Labels permuted among the training rows of each gene, always in the same way: its rate stays."""
        found = self._labels.copy()
        for gene, number in self._gene.items():
            rows = self._rows_of[number]
            values = self._labels[rows].tolist()
            random.Random(f"shuffled/{gene}").shuffle(values)
            found[rows] = values
        return found

    def gene_prior(self, questions: Sequence[Question]) -> Scores:
        """Return the share of label 1 among the training rows of each question's gene."""
        return self.rates[[self._gene[question.gene] for question in questions]]

    def perturbation_prior(self, questions: Sequence[Question]) -> Scores:
        """Return how often genes respond to perturbations like the one asked about, more than they usually do.

        The mean over training perturbations, weighted by similarity to the power `SHARPNESS`, of what the labels of
        their rows deviate from the genes' rates: one number a perturbation, blind to the gene asked about. 0 where
        nothing resembles it.
        """
        sums = np.bincount(self._perturbations, weights=self._centred, minlength=len(self._perturbation))
        counts = np.bincount(self._perturbations, minlength=len(self._perturbation))
        weight = self._similarity.astype(np.float64) ** SHARPNESS
        total = weight.sum(1)
        value = np.divide(weight @ (sums / counts), total, out=np.zeros(len(weight)), where=total > 0)
        return value[[self._asked[question.perturbation] for question in questions]]

    def vote(self, questions: Sequence[Question], *, count: int, of_similar_genes: int) -> Scores:
        """Return the gene's rate plus what the neighbours that a prompt shows deviate from the rates of their genes.

        Their mean, weighted by similarity; the rate alone where there are none. Within a gene this is the order that
        the evidence in the prompt gives by itself.
        """
        scores = self.gene_prior(questions)
        for i, question in enumerate(questions):
            places, similarity = self.places(question.perturbation, question.gene, count, of_similar_genes)
            if places:
                scores[i] += float(np.average(self._centred[places], weights=similarity))
        return scores

    def vote_of_all(self, questions: Sequence[Question]) -> Scores:
        """Return the same of all training rows of the gene, weighted by similarity to the power `SHARPNESS`."""
        scores = self.gene_prior(questions)
        by_gene: dict[int, list[int]] = defaultdict(list)
        for i, question in enumerate(questions):
            by_gene[self._gene[question.gene]].append(i)
        for gene, asked in by_gene.items():
            rows = self._rows_of[gene]
            to = self._similarity[[self._asked[questions[i].perturbation] for i in asked]]
            weight = to[:, self._perturbations[rows]].astype(np.float64) ** SHARPNESS
            total = weight.sum(1)
            more = np.divide(weight @ self._centred[rows], total, out=np.zeros(len(asked)), where=total > 0)
            scores[asked] += more
        return scores


def perturbations_of(known: Sequence[Question]) -> list[str]:
    """Return the perturbations of training rows, sorted."""
    return sorted({row.perturbation for row in known})


def _best(rows: Codes, similarity: NDArray[np.float32], count: int) -> list[tuple[int, float]]:
    """Return the rows most alike, those that are not at all left out; equals in the order of the file."""
    order = np.lexsort((rows, -similarity))[:count]
    return [(int(rows[i]), float(similarity[i])) for i in order if similarity[i] > 0]
