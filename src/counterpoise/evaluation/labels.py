"""Metrics of labels: entity F1, accuracies, F1 of classes, Pearson, each with its interval and its floors.

    predicted = predict_labels(loaded.model, encoded.items, loaded.tokenizer.pad_token_id)
    metrics = measure_labels("ncbi_disease", space, examples, predicted)
    metrics["entity F1"].estimate()
    rows = label_rows(metrics, floors, model="...", objective="sft", adapter="full", seed=0)

Metrics of BLURB (Gu et al. 2021, arXiv 2007.15779, as in the evaluation code of LinkBERT):

- entity F1 is micro-averaged over exact matches of type and both ends, in strict IOB2: an I- that continues no entity
  of its type is no entity (what seqeval calls mode="strict", scheme=IOB2; its lenient default gives higher numbers);
- word macro F1 (EBM PICO) counts each word as one decision of its type, B- and I- alike: the mean of the types' F1;
- positive micro F1 (relations) has as true positives the items whose label is right and not the negative one; precision
  is over the items predicted to be positive, recall over those that are, so that a wrong positive label costs both;
- micro F1 (multi-label, HoC) is over the cells of the matrix of documents and labels;
- Pearson is undefined, and counted as 0, where either side is constant.

Beside entity F1 stand its precision and recall, ``exact match`` (sentences whose entities are all found, and nothing
else) and ``specificity`` (of the sentences without an entity, those in which none is named; left out where there is no
such sentence): a model that never says "none" shows there, and hardly in F1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from counterpoise.data.labelled_reading import LabelledExample, LabelSpace
from counterpoise.errors import UserError, nearest
from counterpoise.evaluation.label_measurement import Array as Array
from counterpoise.evaluation.label_measurement import LabelMeasurement as LabelMeasurement
from counterpoise.evaluation.label_measurement import LabelMeasurements as LabelMeasurements
from counterpoise.evaluation.label_measurement import label_rows as label_rows

Prediction = tuple[str, ...] | str | float
"""Tags of all words of a sentence, the labels of a text (multi-label), its one label, or its value."""


def measure_labels(
    name: str,
    space: LabelSpace,
    examples: Sequence[LabelledExample],
    predicted: Sequence[Prediction],
    *,
    negative: str | None = None,
) -> LabelMeasurements:
    """Compare predictions with the examples' own labels.

    Args:
        name: the task's name in results.
        space: what was predicted.
        examples: with their labels, uncut: words that the model never saw count.
        predicted: one an example, as `predict_labels` returns them.
        negative: sequence classification: the label that stands for "nothing to report", such as DDI-false; adds
            positive micro F1.

    Returns:
        token classification: ``entity F1`` and what `entity_metrics` puts beside it, ``word macro F1``, ``token
        accuracy``; sequence classification:
        ``accuracy``, ``macro F1``, and with ``negative`` ``positive micro F1``; multi-label: ``micro F1``,
        ``macro F1``; regression: ``Pearson``. A macro average is over the labels or types that occur among gold or
        predicted.

    Raises:
        UserError: ``negative`` is none of the labels, or the task is no sequence classification.
    """
    if not examples or len(examples) != len(predicted):
        raise ValueError(f"expected a prediction an example, at least one; got {len(predicted)} for {len(examples)}")
    if negative is not None and space.task != "sequence-classification":
        raise UserError(f"a negative label is for sequence-classification, not for {space.task}; leave it out")
    if negative is not None and negative not in space.labels:
        hint = nearest(negative, space.labels)
        raise UserError(f"negative label {negative!r} does not occur{hint}; expected one of {', '.join(space.labels)}")
    if space.task == "token-classification":
        found = _tag_metrics(name, space, [e.tags for e in examples], predicted)
    elif space.task == "multi-label":
        found = _several_metrics(name, space, [e.labels for e in examples], predicted)
    elif space.task == "regression":
        found = [_pearson(name, [e.value for e in examples], predicted)]
    else:
        found = _class_metrics(name, space, [e.label for e in examples], predicted, negative)
    return {metric.metric: metric for metric in found}


def entities(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """Return the (type, first word, one past the last word) of each entity, in strict IOB2.

    >>> sorted(entities(["B-Gene", "I-Gene", "O", "I-Gene", "B-Gene", "I-Cell"]))
    [('Gene', 0, 2), ('Gene', 4, 5)]
    """
    found = set()
    start, kind = 0, ""
    for i, tag in enumerate([*tags, "O"]):
        if kind and tag != f"I-{kind}":
            found.add((kind, start, i))
            kind = ""
        if tag.startswith("B-"):
            start, kind = i, tag[2:]
    return found


def f1(sums: Array) -> Array:
    """[..., 3] true positives, false positives, false negatives -> [...] F1; 0 where there is neither."""
    true, wrong = sums[..., 0], sums[..., 1] + sums[..., 2]
    return np.asarray(2 * true / np.maximum(2 * true + wrong, 1.0))


def macro_f1(sums: Array) -> Array:
    """[draws, 3 * labels] -> [draws]: the mean of the F1 of the labels that occur in the draw; 0 where none does."""
    table = sums.reshape(len(sums), -1, 3)
    occurs = table.sum(-1) > 0
    return np.asarray((f1(table) * occurs).sum(-1) / np.maximum(occurs.sum(-1), 1))


def entity_metrics(name: str, counts: Sequence[Sequence[int]]) -> list[LabelMeasurement]:
    """Return entity F1, precision and recall, exact match and, where it is defined, specificity.

    ``counts`` holds the true positives, false positives and false negatives of each sentence.
    """
    sums = np.array(counts, dtype=np.float64).reshape(-1, 3)
    exact = (sums[:, 1] == 0) & (sums[:, 2] == 0)
    empty = (sums[:, 0] == 0) & (sums[:, 2] == 0)
    found = [
        LabelMeasurement(name, "entity F1", sums, f1),
        LabelMeasurement(name, "entity precision", sums, _precision),
        LabelMeasurement(name, "entity recall", sums, _recall),
        LabelMeasurement(name, "exact match", np.stack([exact, np.ones(len(sums))], 1).astype(np.float64), _share),
    ]
    if empty.any():
        sentences = np.stack([exact & empty, empty], 1).astype(np.float64)
        found.append(LabelMeasurement(name, "specificity", sentences, _share))
    return found


def typed_words(tags: Sequence[str]) -> set[tuple[str, int]]:
    """Return the (type, word) of each labelled word, whether its tag begins an entity or not.

    >>> sorted(typed_words(["B-PAR", "I-PAR", "O", "I-INT"]))
    [('INT', 3), ('PAR', 0), ('PAR', 1)]
    """
    return {(tag[2:], i) for i, tag in enumerate(tags) if tag != "O"}


def word_counts(
    gold: Collection[tuple[str, int]], predicted: Collection[tuple[str, int]], kinds: Sequence[str]
) -> list[int]:
    """Return the true positives, false positives and false negatives of each type in turn, 3 * len(kinds) numbers."""
    sides = (set(gold) & set(predicted), set(predicted) - set(gold), set(gold) - set(predicted))
    counted = [Counter(kind for kind, _ in side) for side in sides]
    return [counter[kind] for kind in kinds for counter in counted]


def _tag_metrics(
    name: str, space: LabelSpace, gold: Sequence[Sequence[str]], predicted: Sequence[Any]
) -> list[LabelMeasurement]:
    kinds = sorted({tag[2:] for row in (space.labels, *gold, *predicted) for tag in row if tag != "O"})
    counts, right, words = [], [], []
    for ours, theirs in zip(gold, predicted, strict=True):
        true, found = entities(ours), entities(theirs)
        counts.append([len(true & found), len(found - true), len(true - found)])
        right.append([sum(a == b for a, b in zip(ours, theirs, strict=True)), len(ours)])
        words.append(word_counts(typed_words(ours), typed_words(theirs), kinds))
    return [
        *entity_metrics(name, counts),
        LabelMeasurement(name, "word macro F1", np.array(words, dtype=np.float64).reshape(len(gold), -1), macro_f1),
        LabelMeasurement(name, "token accuracy", np.array(right, dtype=np.float64), _share),
    ]


def _class_metrics(
    name: str, space: LabelSpace, gold: Sequence[str], predicted: Sequence[Any], negative: str | None
) -> list[LabelMeasurement]:
    ours, theirs = np.array(gold, dtype=object), np.array(predicted, dtype=object)
    right = ours == theirs
    labels = sorted({*space.labels, *gold, *predicted})  # all, so that two models have the same sums
    per_label = [[(ours == x) & right, (theirs == x) & ~right, (ours == x) & ~right] for x in labels]
    table = np.array(per_label, dtype=np.float64).transpose(2, 0, 1)  # [items, labels, 3]
    found = [
        LabelMeasurement(name, "accuracy", np.stack([right, np.ones(len(gold))], 1).astype(np.float64), _share),
        LabelMeasurement(name, "macro F1", table.reshape(len(gold), -1), macro_f1),
    ]
    if negative is not None:
        positive = table[:, [label != negative for label in labels]].sum(1)
        found.append(LabelMeasurement(name, "positive micro F1", positive, f1))
    return found


def _several_metrics(
    name: str, space: LabelSpace, gold: Sequence[Sequence[str]], predicted: Sequence[Any]
) -> list[LabelMeasurement]:
    labels = sorted({label for row in (space.labels, *gold, *predicted) for label in row})
    counts = [
        [[x in ours and x in theirs, x in theirs and x not in ours, x in ours and x not in theirs] for x in labels]
        for ours, theirs in zip(map(set, gold), map(set, predicted), strict=True)
    ]
    table = np.array(counts, dtype=np.float64).reshape(len(gold), len(labels), 3)
    return [
        LabelMeasurement(name, "micro F1", table.sum(1), f1),
        LabelMeasurement(name, "macro F1", table.reshape(len(gold), -1), macro_f1),
    ]


def _pearson(name: str, gold: Sequence[Any], predicted: Sequence[Any]) -> LabelMeasurement:
    x, y = (_standardised(np.array(values, dtype=np.float64)) for values in (gold, predicted))
    return LabelMeasurement(name, "Pearson", np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], 1), _correlation)


def _standardised(values: Array) -> Array:
    """Values of mean 0 and variance 1 (a constant gives zeros), so that sums of squares lose no digits."""
    centred = values - values.mean()
    spread = centred.std()
    return centred / spread if spread > 1e-12 * max(float(np.abs(values).max()), 1e-300) else np.zeros_like(centred)


def _correlation(sums: Array) -> Array:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    variances = np.maximum(xx - x * x / n, 0.0) * np.maximum(yy - y * y / n, 0.0)
    defined = variances > 1e-18 * n * n
    return np.asarray(np.where(defined, xy - x * y / n, 0.0) / np.sqrt(np.where(defined, variances, 1.0)))


def _precision(sums: Array) -> Array:
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 0] + sums[..., 1], 1.0))


def _recall(sums: Array) -> Array:
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 0] + sums[..., 2], 1.0))


def _share(sums: Array) -> Array:
    return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1.0))
