"""All there is to ask one split of a task: questions, retrieval, what is told of genes, methods without a model.

study = load_study(tasks.get("perturbqa-k562-de"), "test", data_dir="biomedical")
study.neighbours(study.asked[0])
study.baselines(study.asked)["gene prior"]            # a score a question: higher means label 1
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise.data.catalog import split_file
from counterpoise.evaluation.perturbation.go import GeneKnowledge
from counterpoise.evaluation.perturbation.questions import Question, Questions, read_questions
from counterpoise.evaluation.perturbation.retrieval import Neighbour, Retrieval, perturbations_of
from counterpoise.evaluation.perturbation.settings import PerturbationView
from counterpoise.evaluation.perturbation.similarity import text_similarity

if TYPE_CHECKING:
    from counterpoise.evaluation.tasks.spec import TaskSpec

CHANCE, GENE_PRIOR, PERTURBATION_PRIOR = "chance", "gene prior", "perturbation prior"
NEIGHBOURS, ALL_ROWS = "retrieval only", "retrieval only, all rows of the gene"
BASELINE_NEIGHBOURS = (6, 3)
"""Neighbours of "retrieval only", and how many of similar genes, where a task shows none."""


@cache
def knowledge() -> GeneKnowledge:
    """Return what the embedded tables say of genes, read once."""
    return GeneKnowledge()


class Study:
    """One split of one task. ``asked`` and ``known`` are questions and training rows, in the order of the file."""

    def __init__(self, name: str, view: PerturbationView, questions: Questions) -> None:
        self.name, self.view, self.questions = name, view, questions
        self.asked, self.known = questions.asked, questions.known

    @cached_property
    def retrieval(self) -> dict[str, Retrieval]:
        """Retrieval by cell line: rows of another one are no evidence."""
        found = {}
        for cell_line in sorted({row.cell_line for row in self.asked}):
            known = [row for row in self.known if row.cell_line == cell_line]
            asked = [row for row in self.asked if row.cell_line == cell_line]
            perturbations = perturbations_of(asked)
            names = perturbations_of(known)
            if self.view.by == "drug":
                about = self.questions.about_perturbation
                similarity = text_similarity([about[p] for p in perturbations], [about[p] for p in names])
            else:
                similarity = knowledge().similarity(perturbations, names)
            found[cell_line] = Retrieval(known, perturbations, similarity, [row.gene for row in asked])
        return found

    def neighbours(self, question: Question) -> list[Neighbour]:
        """Return the training rows that the prompt of a question shows."""
        if not self.view.neighbours:
            return []
        return self.retrieval[question.cell_line].neighbours(
            question.perturbation,
            question.gene,
            count=self.view.neighbours,
            of_similar_genes=self.view.of_similar_genes,
            labels=self.view.neighbour_labels,
        )

    def about(self, question: Question) -> tuple[str, str, str]:
        """Return what is told of the perturbation, of the gene, and of the cell line; each may be empty."""
        own = self.questions
        perturbation = own.about_perturbation.get(question.perturbation, "")
        if not perturbation and self.view.by == "knock-down":
            perturbation = _about(question.perturbation)
        gene = own.about_gene.get(question.gene) or _about(question.gene)
        return perturbation, gene, own.about_cell_line.get(question.cell_line, "")

    def baselines(self, questions: Sequence[Question]) -> dict[str, NDArray[np.float64]]:
        """Return a score for each question by methods that need no model; higher speaks for label 1.

        "chance" says the same of all. "gene prior" is the gene's training rate: blind to the perturbation, so that it
        is .5 within every gene. "perturbation prior" is how much perturbations alike do, blind to the gene. "retrieval
        only" is the vote of the very rows that prompts show (of `BASELINE_NEIGHBOURS` where they show none), and, in a
        row of its own, of all training rows of the gene.
        """
        count, of_similar = BASELINE_NEIGHBOURS
        if self.view.neighbours:
            count, of_similar = self.view.neighbours, self.view.of_similar_genes
        found = {
            name: np.zeros(len(questions)) for name in (CHANCE, GENE_PRIOR, PERTURBATION_PRIOR, NEIGHBOURS, ALL_ROWS)
        }
        for cell_line in sorted({question.cell_line for question in questions}):
            places = [i for i, question in enumerate(questions) if question.cell_line == cell_line]
            part = [questions[i] for i in places]
            retrieval = self.retrieval[cell_line]
            found[GENE_PRIOR][places] = retrieval.gene_prior(part)
            found[PERTURBATION_PRIOR][places] = retrieval.perturbation_prior(part)
            found[NEIGHBOURS][places] = retrieval.vote(part, count=count, of_similar_genes=of_similar)
            found[ALL_ROWS][places] = retrieval.vote_of_all(part)
        return found

    def strangers(self) -> list[str]:
        """Return the perturbations asked about that resemble none of training, sorted: their questions get no evidence.

        Of a knock-down these are genes without annotation, or whose name stands for no gene or for several.
        """
        found = set()
        for retrieval in self.retrieval.values():
            found |= set(retrieval.unlike)
        return sorted(found)


@cache
def _about(gene: str) -> str:
    return knowledge().about(gene)


_LAST: dict[str, Study] = {}
"""The study read last: items and floors of a task ask for the same one."""


def load_study(spec: TaskSpec, split: str, data_dir: str | Path | None = None) -> Study:
    """Read the questions of a split; UserError as in `questions.read_questions`."""
    assert spec.perturbation is not None
    files = [split_file(spec.data[part], data_dir) for part in (split, "train") if part in spec.data]
    stamps = [(str(path), path.stat().st_mtime_ns) for path in files if path is not None and path.is_file()]
    key = f"{spec.model_dump_json()}|{split}|{stamps}"
    if key not in _LAST:
        questions = read_questions(spec, split, data_dir)
        _LAST.clear()
        _LAST[key] = Study(spec.name, spec.perturbation, questions)
    return _LAST[key]
