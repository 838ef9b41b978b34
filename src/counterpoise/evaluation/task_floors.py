"""What trivial methods reach on a task's items: the numbers that every score must be read beside.

    found = task_floors(spec, items, training_items)       # floor -> metric -> value
    found["majority"]["accuracy"]

Floors learn from the task's own training items. Where there are none, what learns does so from the tested items
themselves, and its name says so: the most that such a method can get. What a model answers without the question
(`task_metrics.options_alone`) is a floor too, and stands beside them in results as ``options alone``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from counterpoise.evaluation.label_floors import label_floors
from counterpoise.evaluation.labels import measure_labels
from counterpoise.evaluation.measurement import AnyMeasurement
from counterpoise.evaluation.task_metrics import label_space, measure_choices, right_or_wrong
from counterpoise.evaluation.tasks.item import Item
from counterpoise.evaluation.tasks.items import labelled_examples
from counterpoise.evaluation.tasks.spec import TaskSpec

Floors = dict[str, dict[str, float]]
"""Floor -> metric -> value."""
LEARNED = ("majority", "most frequent positive", "most frequent tag", "training dictionary", "most frequent label")
"""Floors that learn from items."""


def task_floors(
    spec: TaskSpec, items: Sequence[Item], training: Sequence[Item] = (), data_dir: str | Path | None = None
) -> Floors:
    """Return the floors of a task on ``items``; metrics are named as `task_metrics.score` names them.

    choice: chance, majority, lexical overlap; entities: all O, most frequent tag, training dictionary; labels: the
    same label everywhere, all labels; value: mean value, lexical overlap; text: a constant, the input copied,
    references shuffled; nll: none; gene-set-names: those of `gene_sets.floors`, which reads files of ``data_dir``.
    """
    measured: dict[str, Mapping[str, AnyMeasurement]]
    if spec.kind == "nll":
        return {}
    if spec.kind == "gene-set-names":
        from counterpoise.evaluation.gene_sets.scoring import name_floors

        return name_floors(spec, items, data_dir)
    if spec.kind == "choice":
        measured = _choice(spec, items, training)
    elif spec.kind == "text":
        measured = _text(spec, items, training)
    else:
        space = label_space(spec, items)
        learned = labelled_examples(spec, training or items)
        measured = dict(label_floors(spec.name, space, learned, labelled_examples(spec, items)))
        if spec.kind == "value":
            alike = [_alike(*item.pair) for item in items]
            measured["lexical overlap"] = measure_labels(spec.name, space, labelled_examples(spec, items), alike)
    own = "" if training or spec.kind == "text" else ", of these items"
    return {
        floor + (own if floor in LEARNED else ""): {metric: found.value for metric, found in row.items()}
        for floor, row in measured.items()
    }


def _choice(spec: TaskSpec, items: Sequence[Item], training: Sequence[Item]) -> dict[str, Mapping[str, AnyMeasurement]]:
    fixed = len({item.options for item in items}) == 1
    chance = right_or_wrong(spec.name, "accuracy", [1 / len(item.options) for item in items])
    found: dict[str, Mapping[str, AnyMeasurement]] = {"chance": {"accuracy": chance}}
    if fixed:
        counts = Counter(item.answer for item in (training or items))
        majority = min(counts, key=lambda answer: (-counts[answer], answer))
        found["majority"] = measure_choices(spec, items, [majority] * len(items))
    if len({item.option_texts or item.options for item in items}) > 1:  # options that say something of their own
        found["lexical overlap"] = measure_choices(spec, items, [_most_alike(item) for item in items])
    if fixed and spec.negative is not None:
        positive = [i for i, option in enumerate(items[0].options) if option != spec.negative]
        counts = Counter(item.answer for item in (training or items) if item.answer in positive)
        best = min(positive, key=lambda answer: (-counts[answer], answer))
        found["most frequent positive"] = measure_choices(spec, items, [best] * len(items))
    return found


def _text(spec: TaskSpec, items: Sequence[Item], training: Sequence[Item]) -> dict[str, Mapping[str, AnyMeasurement]]:
    from counterpoise.evaluation.text_metrics import measure_text, text_floors

    references = [item.target for item in items]
    targets = [item.target for item in (training or items)]
    predictions = text_floors(spec.name, [item.text for item in items], references, targets)
    if not training:  # a constant made of the tested texts would be no floor
        predictions.pop("constant string", None)
    return {floor: measure_text(spec.name, texts, references) for floor, texts in predictions.items()}


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def _alike(first: str, second: str) -> float:
    """Share of the words of two texts that both have (Jaccard)."""
    ours, theirs = _words(first), _words(second)
    return len(ours & theirs) / max(1, len(ours | theirs))


def _most_alike(item: Item) -> int:
    """The option with the largest share of its words in the question; the first on a tie."""
    question = _words(item.text)
    options = [_words(text) for text in item.option_texts or item.options]
    return int(np.argmax([len(question & option) / max(1, len(option)) for option in options]))
