"""The two tasks whose data the package holds, run directly: the demo uses them, and runs that name them.

measurements = run_task("gene-process", model, renderer, split="test")
measurements["corrected accuracy"].estimate()
ours["corrected accuracy"].difference(theirs["corrected accuracy"])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.data.rendering import Renderer
from counterpoise.errors import UserError, nearest
from counterpoise.evaluation import floors
from counterpoise.evaluation.choice import ChoiceItem
from counterpoise.evaluation.gene_process import gene_process_items
from counterpoise.evaluation.intervals import Estimate, ratio_of_sums
from counterpoise.evaluation.measurement import Measurement, Measurements
from counterpoise.evaluation.nll import general_sentences, plain_text_items, sequence_nll
from counterpoise.evaluation.option_scoring import OptionScores, score_options


def gene_process(
    model: Any, renderer: Renderer, split: str = "test", on_progress: Callable[[int], None] | None = None
) -> Measurements:
    """Which process is an unseen gene part of? Four options, one item a held-out gene.

    ``accuracy``: length-normalised option log-likelihood; ``corrected accuracy``: minus the option's own, scored
    without the gene; ``gene-blind accuracy``: that prior alone, a check that nothing leaks; ``answer NLL``: per token
    of the right option.
    """
    items = gene_process_items(split)
    scores = score_options(model, renderer, [(item.prompt, item.options) for item in items], on_progress=on_progress)
    return choice_measurements("gene-process", items, scores, option_priors(model, renderer, items))


def option_priors(model: Any, renderer: Renderer, items: list[ChoiceItem]) -> list[NDArray[np.float64]]:
    """Return, for each item, the length-normalised log-likelihood of its options after ``prior_prompt``.

    Every different (prompt, option) pair is scored once, however many items share it.
    """
    wanted: dict[str, dict[str, float]] = {}
    for item in items:
        wanted.setdefault(item.prior_prompt, {}).update(dict.fromkeys(item.options, 0.0))
    prompts = list(wanted)
    found = score_options(model, renderer, [(prompt, list(wanted[prompt])) for prompt in prompts], rows=1)
    for prompt, scores in zip(prompts, found, strict=True):
        wanted[prompt] = dict(zip(wanted[prompt], scores.mean.tolist(), strict=True))
    return [np.array([wanted[item.prior_prompt][option] for option in item.options]) for item in items]


def choice_measurements(
    task: str, items: list[ChoiceItem], scores: list[OptionScores], priors: list[NDArray[np.float64]]
) -> Measurements:
    """Turn option scores into accuracies and the right answer's NLL."""
    answers = [item.answer for item in items]
    ones = np.ones(len(items))

    def accuracy(metric: str, rows: list[NDArray[np.float64]]) -> Measurement:
        right = np.array([float(row.argmax() == answer) for row, answer in zip(rows, answers, strict=True)])
        return Measurement(task, metric, right, ones)

    nll = np.array([-s.total[answer] for s, answer in zip(scores, answers, strict=True)])
    tokens = np.array([float(s.tokens[answer]) for s, answer in zip(scores, answers, strict=True)])
    found = [
        accuracy("accuracy", [s.mean for s in scores]),
        accuracy("corrected accuracy", [s.mean - prior for s, prior in zip(scores, priors, strict=True)]),
        accuracy("gene-blind accuracy", priors),
        Measurement(task, "answer NLL", nll, tokens, higher_is_better=False),
    ]
    return {m.metric: m for m in found}


def gene_process_floors(split: str, training_rows: list[tuple[str, str, str]] | None = None) -> dict[str, Estimate]:
    """Return what trivial and classical methods reach on the same items; naive Bayes learns from ``training_rows``."""
    items = gene_process_items(split)
    correct = {
        "chance": floors.chance(items),
        "most frequent process": floors.most_frequent_option(items),
        "lexical overlap": floors.lexical_overlap(items),
    }
    if training_rows:
        correct["naive Bayes, same rows"] = floors.naive_bayes(items, training_rows)
    return {name: ratio_of_sums(values, np.ones(len(values))) for name, values in correct.items()}


def general_text(
    model: Any,
    renderer: Renderer,
    split: str = "test",  # noqa: ARG001 - one set of sentences serves every split
    on_progress: Callable[[int], None] | None = None,  # noqa: ARG001 - takes a second
) -> Measurements:
    """NLL per token on plain general sentences: a small probe of what fine-tuning made the model forget."""
    items = plain_text_items(renderer.tokenizer, general_sentences())
    found = sequence_nll(model, items, renderer.tokenizer.pad_token_id)
    metric = Measurement("general-sentences", "NLL", found.total, found.tokens.astype(np.float64), False)
    return {metric.metric: metric}


TASKS: dict[str, Callable[..., Measurements]] = {"gene-process": gene_process, "general-sentences": general_text}


def run_task(
    name: str,
    model: Any,
    renderer: Renderer,
    split: str = "test",
    on_progress: Callable[[int], None] | None = None,
) -> Measurements:
    """Run a task by name.

    Raises:
        UserError: an unknown name; the message lists the choices.
    """
    if name not in TASKS:
        raise UserError(f"unknown task {name!r}{nearest(name, list(TASKS))}; choose from {', '.join(TASKS)}")
    return TASKS[name](model, renderer, split=split, on_progress=on_progress)
