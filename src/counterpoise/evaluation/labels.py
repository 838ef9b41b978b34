"""Metrics of encoder models: entity F1, accuracies, F1 of classes, Pearson, each with its interval and its floors.

    predicted = predict_labels(loaded.model, encoded.items, loaded.tokenizer.pad_token_id)
    metrics = measure_labels("ncbi_disease", space, examples, predicted)
    metrics["entity F1"].estimate()
    rows = label_rows(metrics, floors, model="...", objective="sft", adapter="full", seed=0)

Every metric here is a function of sums over items (sentences, texts): true positives for an F1, products for a
correlation. So an interval needs one number or a few for each item, and items are resampled whole.

Metrics of BLURB (Gu et al. 2021, arXiv 2007.15779): entity F1 is micro-averaged over exact matches of type and both
ends, in strict IOB2 (an I- that continues no entity of its type is no entity: what seqeval calls mode="strict",
scheme=IOB2; its lenient default gives higher numbers); positive micro F1 leaves the negative class out of precision and
recall; Pearson is undefined, and counted as 0, where either side is constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.data.labelled_reading import LabelledExample, LabelSpace
from counterpoise.errors import UserError, nearest
from counterpoise.evaluation.intervals import RESAMPLES, Difference, Estimate
from counterpoise.evaluation.results import ResultRow

Array = NDArray[np.float64]
Prediction = tuple[str, ...] | str | float
"""Tags of all words of a sentence, the label of a text, or its value."""


@dataclass(frozen=True)
class LabelMeasurement:
    """One metric of one task: ``metric = statistic(sums of the items)``."""

    task: str
    metric: str
    sums: Array
    """[items, K]"""
    statistic: Callable[[Array], Array]
    """[draws, K] -> [draws], from sums over items to the metric."""
    higher_is_better: bool = True

    @property
    def value(self) -> float:
        """The metric over all items."""
        return float(self.statistic(self.sums.sum(0, keepdims=True))[0])

    def estimate(self, *, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
        """The metric with its 95 % percentile-bootstrap interval over items."""
        draws = np.concatenate([self.statistic(w @ self.sums) for w in _weights(len(self.sums), resamples, seed)])
        low, high = np.quantile(draws, [0.025, 0.975])
        return Estimate(self.value, float(low), float(high), len(self.sums))

    def difference(self, other: LabelMeasurement, *, resamples: int = RESAMPLES, seed: int = 0) -> Difference:
        """This minus ``other``, paired over the same items; the p-value is that of swapping items at random.

        The interval is a paired bootstrap's. The test is approximate randomisation (Noreen 1989), two-sided,
        ``(1 + extreme) / (1 + draws)``: an F1 is no mean over items, so that signs cannot be flipped.
        """
        if self.sums.shape != other.sums.shape:
            raise ValueError(f"{self.task}: {self.metric} was not measured on the same items")
        n, value = len(self.sums), self.value - other.value
        ours, theirs = self.sums, other.sums
        draws = [self.statistic(w @ ours) - self.statistic(w @ theirs) for w in _weights(n, resamples, seed)]
        low, high = np.quantile(np.concatenate(draws), [0.025, 0.975])
        extreme = 0
        rng = np.random.default_rng(seed)
        for size in _sizes(n, resamples):
            kept = rng.integers(2, size=(size, n)).astype(np.float64)
            swapped = (
                self.statistic(kept @ ours + (1 - kept) @ theirs),
                self.statistic(kept @ theirs + (1 - kept) @ ours),
            )
            extreme += int(np.count_nonzero(np.abs(swapped[0] - swapped[1]) >= abs(value) - 1e-12))
        return Difference(value, float(low), float(high), n, (extreme + 1) / (resamples + 1))


LabelMeasurements = dict[str, LabelMeasurement]


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
        negative: the label that stands for "nothing to report", such as DDI-false; adds positive micro F1.

    Returns:
        token classification: ``entity F1``, ``token accuracy``; sequence classification: ``accuracy``, ``macro F1``
        (over the labels that occur among gold or predicted), and with ``negative`` ``positive micro F1``; regression:
        ``Pearson``.
    """
    if not examples or len(examples) != len(predicted):
        raise ValueError(f"expected a prediction an example, at least one; got {len(predicted)} for {len(examples)}")
    if negative is not None and negative not in space.labels:
        hint = nearest(negative, space.labels)
        raise UserError(f"negative label {negative!r} does not occur{hint}; expected one of {', '.join(space.labels)}")
    if space.task == "token-classification":
        found = _tag_metrics(name, [e.tags for e in examples], predicted)
    elif space.task == "regression":
        found = [_pearson(name, [e.value for e in examples], predicted)]
    else:
        found = _class_metrics(name, [e.label for e in examples], predicted, negative)
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


def label_rows(
    measurements: Mapping[str, LabelMeasurement], floors: Mapping[str, LabelMeasurements], **identity: Any
) -> list[ResultRow]:
    """Make the rows of ``results.json``.

    Args:
        measurements: of one model.
        floors: the same metrics of trivial methods on the same items, by the method's name (`label_floors`).
        identity: model, objective, adapter and seed.
    """
    return [
        ResultRow.of(
            m.task,
            m.metric,
            m.estimate(),
            floors={name: found[m.metric].value for name, found in floors.items() if m.metric in found},
            **identity,
        )
        for m in measurements.values()
    ]


def f1(sums: Array) -> Array:
    """[..., 3] true positives, false positives, false negatives -> [...] F1; 0 where there is neither."""
    true, wrong = sums[..., 0], sums[..., 1] + sums[..., 2]
    return np.asarray(2 * true / np.maximum(2 * true + wrong, 1.0))


def _tag_metrics(name: str, gold: Sequence[Sequence[str]], predicted: Sequence[Any]) -> list[LabelMeasurement]:
    counts, right = [], []
    for ours, theirs in zip(gold, predicted, strict=True):
        true, found = entities(ours), entities(theirs)
        counts.append([len(true & found), len(found - true), len(true - found)])
        right.append([sum(a == b for a, b in zip(ours, theirs, strict=True)), len(ours)])
    return [
        LabelMeasurement(name, "entity F1", np.array(counts, dtype=np.float64), f1),
        LabelMeasurement(name, "token accuracy", np.array(right, dtype=np.float64), _share),
    ]


def _class_metrics(
    name: str, gold: Sequence[str], predicted: Sequence[Any], negative: str | None
) -> list[LabelMeasurement]:
    ours, theirs = np.array(gold, dtype=object), np.array(predicted, dtype=object)
    right = ours == theirs
    labels = sorted(set(gold) | set(predicted))
    per_label = [[(ours == x) & right, (theirs == x) & ~right, (ours == x) & ~right] for x in labels]
    table = np.array(per_label, dtype=np.float64).transpose(2, 0, 1)  # [items, labels, 3]
    found = [
        LabelMeasurement(name, "accuracy", np.stack([right, np.ones(len(gold))], 1).astype(np.float64), _share),
        LabelMeasurement(name, "macro F1", table.reshape(len(gold), -1), _macro_f1),
    ]
    if negative is not None:
        positive = table[:, [label != negative for label in labels]].sum(1)
        found.append(LabelMeasurement(name, "positive micro F1", positive, f1))
    return found


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


def _share(sums: Array) -> Array:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _macro_f1(sums: Array) -> Array:
    """[draws, 3 * labels] -> [draws]: the mean over the labels that occur in the draw."""
    table = sums.reshape(len(sums), -1, 3)
    occurs = table.sum(-1) > 0
    return np.asarray((f1(table) * occurs).sum(-1) / occurs.sum(-1))


def _sizes(n: int, draws: int) -> list[int]:
    """Cut draws into blocks, so that memory stays that of a block."""
    block = max(1, min(500, 4_000_000 // n))
    return [min(block, draws - start) for start in range(0, draws, block)]


def _weights(n: int, draws: int, seed: int) -> Any:
    """Yield blocks [k, n] of how often each item is drawn, n draws with replacement a row."""
    rng = np.random.default_rng(seed)
    for size in _sizes(n, draws):
        chosen = rng.integers(n, size=(size, n)) + np.arange(size)[:, None] * n
        yield np.bincount(chosen.reshape(-1), minlength=size * n).reshape(size, n).astype(np.float64)
