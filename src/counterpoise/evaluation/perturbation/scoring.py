"""From items and replies of perturbation questions to metrics; and the floors beside them.

    measure_margins(spec, items, replies)       # log-likelihood of the answer for 1 less that of the answer for 0
    measure_answers(spec, items, texts)         # what was written; what says nothing abstains
    perturbation_floors(spec, split, items, data_dir)

``per-gene AUROC`` is the one to quote. ``pooled AUROC`` tells mostly which genes respond often: it never stands without
that of the gene prior among its floors. ``accuracy`` is of the questions that were answered, ``answered`` their share,
and an ``effective`` metric is multiplied by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise.evaluation.answers import chosen
from counterpoise.evaluation.backend import Reply
from counterpoise.evaluation.perturbation.auroc import TwoWay
from counterpoise.evaluation.perturbation.questions import Question
from counterpoise.evaluation.perturbation.study import CHANCE, GENE_PRIOR, load_study

if TYPE_CHECKING:
    from counterpoise.evaluation.tasks.item import Item
    from counterpoise.evaluation.tasks.spec import TaskSpec

Array = NDArray[np.float64]
PER_GENE, POOLED = "per-gene AUROC", "pooled AUROC"


def question_of(item: Item) -> Question:
    """Return the question that an item asks."""
    return Question(item.pair[0], item.pair[1], item.subject, item.answer, item.source)


def measure(
    task: str,
    questions: Sequence[Question],
    scores: Array,
    *,
    right: Array | None = None,
    answered: NDArray[np.bool_] | None = None,
) -> dict[str, TwoWay]:
    """Return the metrics of one score a question; every row of a results table is made here, a model's or not.

    Args:
        scores: [questions], higher for label 1.
        right: [questions], 1 where the answer is right, else 0; None: no answer was decided on.
        answered: [questions]; None: all were.

    Returns:
        metrics by name; one that cannot be had (no gene with both labels, nothing answered) is left out.
    """
    labels = np.array([question.label for question in questions], np.bool_)
    genes = _codes([f"{question.cell_line}/{question.gene}" for question in questions])
    perturbations = _codes([f"{question.cell_line}/{question.perturbation}" for question in questions])
    what = (labels, genes, perturbations)
    found = {
        PER_GENE: TwoWay(task, PER_GENE, scores, *what, "per gene", answered),
        POOLED: TwoWay(task, POOLED, scores, *what, "pooled", answered),
    }
    if right is not None:
        found["accuracy"] = TwoWay(task, "accuracy", right, *what, "mean", answered)
    if answered is not None:
        found["answered"] = TwoWay(task, "answered", answered.astype(np.float64), *what, "mean")
        for name in (PER_GENE, "accuracy"):
            if name in found:
                metric = f"effective {name}"
                base = found[name]
                found[metric] = TwoWay(task, metric, base.values, *what, base.statistic, answered, effective=True)
    return {name: one for name, one in found.items() if not np.isnan(one.value)}


def measure_margins(spec: TaskSpec, items: Sequence[Item], replies: Mapping[str, Reply]) -> dict[str, TwoWay]:
    """Score the log-likelihoods of the answers.

    The score is the margin in nats of the answer for label 1 over that for 0. An answer that abstains, where there is
    one, takes no part in it; a question on which it is the most likely of all is not answered.
    """
    rows = np.array([replies[f"{item.id}|options"].log_likelihoods for item in items])
    answer = np.array([item.answer for item in items])
    best = rows.argmax(1)
    found = measure(
        spec.name,
        [question_of(item) for item in items],
        rows[:, 1] - rows[:, 0],
        right=((rows[:, 1] > rows[:, 0]) == answer).astype(np.float64),
    )
    if rows.shape[1] == 2:
        return found
    decided = measure(
        spec.name,
        [question_of(item) for item in items],
        rows[:, 1] - rows[:, 0],
        right=(best == answer).astype(np.float64),
        answered=best < 2,
    )
    return found | {name: one for name, one in decided.items() if name not in (PER_GENE, POOLED)}


def measure_answers(spec: TaskSpec, items: Sequence[Item], texts: Sequence[str]) -> tuple[dict[str, TwoWay], int]:
    """Score what was written; also return how many texts say none of the answers.

    A text that abstains, or says nothing, is not answered. Written answers have no degrees: within a gene, AUROC is
    then (sensitivity + specificity) / 2.
    """
    said = [answer_of(spec, text, item.options) for text, item in zip(texts, items, strict=True)]
    answered = np.array([one is not None and one < 2 for one in said], np.bool_)
    scores = np.array([float(one == 1) for one in said])
    right = np.array([float(one == item.answer) for one, item in zip(said, items, strict=True)])
    questions = [question_of(item) for item in items]
    found = measure(spec.name, questions, scores, right=right, answered=answered)
    return found, sum(one is None for one in said)


def answer_of(spec: TaskSpec, text: str, options: Sequence[str]) -> int | None:
    """Return the index of the answer that a text gives, on the line where the task looks for it; None if it is none."""
    assert spec.perturbation is not None
    if spec.perturbation.answer_in == "first line":
        return chosen(text, options)
    lines = [line for line in text.splitlines() if line.strip(" \t*_`#")]
    return chosen(lines[-1], options) if lines else None


def perturbation_floors(
    spec: TaskSpec, split: str, items: Sequence[Item], data_dir: str | Path | None = None
) -> dict[str, dict[str, float]]:
    """Return what methods without a model reach on these items: floor -> metric -> value.

    Those of `study.Study.baselines` by AUROC within genes, the gene prior alone by pooled AUROC, so that it is the
    floor that stands beside that metric; and the accuracy of answering what is more frequent in training, overall
    ("majority") or of the gene ("gene prior").
    """
    study = load_study(spec, split, data_dir)
    questions = [question_of(item) for item in items]
    labels = np.array([question.label for question in questions])
    scores = study.baselines(questions)
    floors = {
        name: {
            metric: one.value
            for metric, one in measure(spec.name, questions, score).items()
            if metric != POOLED or name == GENE_PRIOR
        }
        for name, score in scores.items()
    }
    usual = float(np.mean([row.label for row in study.known]) > 0.5)
    decided = {CHANCE: 0.5, "majority": float((labels == usual).mean())}
    decided[GENE_PRIOR] = float(((scores[GENE_PRIOR] > 0.5) == labels).mean())
    for name, accuracy in decided.items():
        floors.setdefault(name, {}).update({"accuracy": accuracy, "effective accuracy": accuracy})
    for row in floors.values():
        if PER_GENE in row:
            row[f"effective {PER_GENE}"] = row[PER_GENE]
    return floors


def _codes(names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
