"""From items and replies to metrics: the only place that knows what is right. No model is needed.

    scored = score(spec, items, replies)
    scored.measurements["accuracy"].estimate()
    scored.unanswered, scored.unparsed          # how many items have no reply; how many answers say nothing

An item without a reply (an endpoint that failed) is left out and counted, never scored as wrong. An answer that says
nothing (`evaluation.answers`) is wrong, and counted: for a negative class it is that class, for a number the mean of
the right ones, which adds nothing to a correlation.

Metrics of options: ``accuracy`` takes the option of highest log-likelihood; ``accuracy, per token`` divides it by the
option's tokens; ``accuracy, prior-corrected`` takes away the option's log-likelihood after the prompt without the
question (Holtzman et al. 2021, arXiv 2104.08315); ``accuracy, generated`` reads what was written. ``answer NLL`` is
that of the right option, or of the reference text, in nats per token. ``answer confidence`` (of running text
``confidence``) is the mean probability of the reference's tokens. The one is what SFT minimises, the other what DFT
maximises: an objective is not to be judged by its own loss alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.data.labelled_reading import LabelSpace
from counterpoise.evaluation.answers import chosen, listed, number
from counterpoise.evaluation.backend import Reply
from counterpoise.evaluation.labels import measure_labels
from counterpoise.evaluation.measurement import AnyMeasurement, Measurement
from counterpoise.evaluation.spans import measure_mentions, parse_mentions, parse_typed_mentions
from counterpoise.evaluation.tasks.item import Item
from counterpoise.evaluation.tasks.items import labelled_examples
from counterpoise.evaluation.tasks.spec import TaskSpec

Array = NDArray[np.float64]
Replies = Mapping[str, Reply]


@dataclass
class Scored:
    """Metrics of one task, and what they do not show."""

    measurements: dict[str, AnyMeasurement] = field(default_factory=dict)
    units: dict[str, list[str]] = field(default_factory=dict)
    """Metric -> ids of the items behind it, in the order of its sums: two models are compared on the same ones."""
    unanswered: dict[str, int] = field(default_factory=dict)
    """What was asked (options, generated) -> items without a reply."""
    failures: list[str] = field(default_factory=list)
    """Why, each reason once."""
    unparsed: int = 0
    """Generated answers that say nothing, or of which a part says nothing."""

    def add(self, found: Mapping[str, AnyMeasurement], items: Sequence[Item], suffix: str = "") -> None:
        """Add metrics measured on ``items``, with ``suffix`` behind their names."""
        for metric, measurement in found.items():
            name = metric + suffix
            self.measurements[name] = replace(measurement, metric=name)  # type: ignore[type-var]
            self.units[name] = [item.id for item in items]


def score(spec: TaskSpec, items: Sequence[Item], replies: Replies) -> Scored:
    """Score a task.

    Args:
        spec, items: what was asked.
        replies: by the query's id (`task_queries.make_queries`); what was not asked is not scored.
    """
    scored = Scored()
    for method, measure in (_PERTURBATION if spec.perturbation else _MEASURES[spec.kind]).items():
        asked = [item for item in items if f"{item.id}|{method}" in replies]
        if not asked:
            continue
        answered = [item for item in asked if not replies[f"{item.id}|{method}"].failure]
        scored.unanswered[method] = len(asked) - len(answered)
        reasons = {reply.failure for item in asked if (reply := replies[f"{item.id}|{method}"]).failure}
        scored.failures = sorted({*scored.failures, *reasons})
        if answered:
            measure(spec, answered, replies, scored)
    return scored


def primary(spec: TaskSpec, measurements: Mapping[str, Any]) -> str:
    """Return the name of the metric to quote: the task's own, else that of its generated answers or of any encoder."""
    for name in (spec.metric, f"{spec.metric}, generated"):
        if name in measurements:
            return name
    by_encoder = [name for name in measurements if name.startswith(f"{spec.metric} (") and name.endswith(")")]
    return next(iter(by_encoder or measurements), "")


def label_space(spec: TaskSpec, items: Sequence[Item] = ()) -> LabelSpace:
    """Return what an encoder predicts there, or a language model in so many words."""
    if spec.kind == "choice":
        return LabelSpace("sequence-classification", tuple(spec.options))
    if spec.kind == "labels":
        return LabelSpace("multi-label", tuple(spec.options))
    if spec.kind == "value":
        values = [item.value for item in items if item.value is not None]
        return LabelSpace("regression", (), float(np.mean(values)) if values else 0.0, float(np.std(values)) or 1.0)
    return LabelSpace("token-classification", ("O", *(f"{prefix}-{kind}" for kind in spec.types for prefix in "BI")))


def right_or_wrong(task: str, metric: str, right: Sequence[float] | Array) -> Measurement:
    """Return an accuracy: 1 for a right item, 0 for a wrong one, a share for a tie."""
    values = np.asarray(right, dtype=np.float64)
    return Measurement(task, metric, values, np.ones(len(values)))


def _has_own_options(spec: TaskSpec) -> bool:
    return isinstance(spec.options, str) or spec.letters or not spec.options


def measure_choices(
    spec: TaskSpec, items: Sequence[Item], predicted: Sequence[int | None]
) -> Mapping[str, AnyMeasurement]:
    """Return the metrics of chosen options: accuracy, and for fixed options those of their classes."""
    if _has_own_options(spec):
        right = [float(choice == item.answer) for choice, item in zip(predicted, items, strict=True)]
        return {"accuracy": right_or_wrong(spec.name, "accuracy", right)}
    nothing = spec.negative or "(unparsed)"
    pairs = zip(predicted, items, strict=True)
    labels = [nothing if choice is None else item.options[choice] for choice, item in pairs]
    examples = labelled_examples(spec, items)
    return measure_labels(spec.name, label_space(spec), examples, labels, negative=spec.negative)


def _choice_options(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    rows = [replies[f"{item.id}|options"] for item in items]
    totals = [np.array(reply.log_likelihoods) for reply in rows]
    scored.add(measure_choices(spec, items, _best(totals)), items)
    if any(len(set(reply.tokens)) > 1 for reply in rows):
        mean = [total / np.array(reply.tokens) for total, reply in zip(totals, rows, strict=True)]
        scored.add(measure_choices(spec, items, _best(mean)), items, ", per token")
    corrected = [
        (item, total - np.array(prior.log_likelihoods))
        for item, total in zip(items, totals, strict=True)
        if (prior := replies.get(f"{item.id}|prior")) is not None and not prior.failure
    ]
    if corrected:
        kept = [item for item, _ in corrected]
        scored.add(measure_choices(spec, kept, _best([row for _, row in corrected])), kept, ", prior-corrected")
    scored.add(_answer_nll(spec, rows, [item.answer for item in items]), items)


def options_alone(spec: TaskSpec, items: Sequence[Item], replies: Replies) -> Mapping[str, AnyMeasurement]:
    """Return the metrics of the model's own prior: what it answers without the question; empty if it was not asked."""
    kept = [i for i in items if (prior := replies.get(f"{i.id}|prior")) is not None and not prior.failure]
    if not kept:
        return {}
    rows = [np.array(replies[f"{item.id}|prior"].log_likelihoods) for item in kept]
    return measure_choices(spec, kept, _best(rows))


def _best(rows: Sequence[Array]) -> list[int | None]:
    return [int(row.argmax()) for row in rows]


def _choice_generated(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    said = [chosen(replies[f"{item.id}|generated"].text, item.options, item.option_texts) for item in items]
    scored.unparsed += sum(choice is None for choice in said)
    scored.add(measure_choices(spec, items, said), items, ", generated")


def _value_options(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    """The mean of the numbers offered, weighted by their probabilities among each other."""
    predicted = []
    for item in items:
        row = np.array(replies[f"{item.id}|options"].log_likelihoods)
        weight = np.exp(row - row.max())
        predicted.append(float(weight @ np.array(item.options, dtype=np.float64) / weight.sum()))
    examples = labelled_examples(spec, items)
    scored.add(measure_labels(spec.name, label_space(spec, items), examples, predicted), items)


def _value_generated(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    said = [number(replies[f"{item.id}|generated"].text) for item in items]
    scored.unparsed += sum(value is None for value in said)
    space = label_space(spec, items)
    predicted = [space.mean if value is None else value for value in said]
    scored.add(measure_labels(spec.name, space, labelled_examples(spec, items), predicted), items, ", generated")


def _labels_generated(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    said = [listed(replies[f"{item.id}|generated"].text, list(spec.options)) for item in items]
    scored.unparsed += sum(unknown > 0 for _, unknown in said)
    predicted = [tuple(labels) for labels, _ in said]
    scored.add(measure_labels(spec.name, label_space(spec), labelled_examples(spec, items), predicted), items)


def _entities_generated(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    predicted: list[Mapping[str, Sequence[str]]] = []
    for item in items:
        text = replies[f"{item.id}|generated"].text
        if len(spec.types) == 1:
            predicted.append({next(iter(spec.types)): parse_mentions(text)})
        else:
            parsed = parse_typed_mentions(text, {name: kind for kind, name in spec.types.items()})
            scored.unparsed += parsed.unparsed > 0
            predicted.append(parsed.mentions)
    found = measure_mentions(
        spec.name, labelled_examples(spec, items), predicted, one_word_entities=spec.one_word_entities
    )
    scored.add(found, items)


def _text_generated(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    from counterpoise.evaluation.text_metrics import measure_text

    texts = [replies[f"{item.id}|generated"].text for item in items]
    scored.unparsed += sum(not text.strip() for text in texts)
    scored.add(measure_text(spec.name, texts, [item.target for item in items]), items)


def _names_generated(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    from counterpoise.evaluation.gene_sets.scoring import add_texts

    add_texts(spec, items, {item.id: replies[f"{item.id}|generated"].text for item in items}, scored)


def _text_options(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    """The reference answer is the only option."""
    rows = [replies[f"{item.id}|options"] for item in items]
    scored.add(_answer_nll(spec, rows, [0] * len(items)) | _confidence(spec, "answer confidence", rows), items)


def _answer_nll(spec: TaskSpec, rows: Sequence[Reply], right: Sequence[int]) -> dict[str, AnyMeasurement]:
    nll = np.array([-reply.log_likelihoods[place] for reply, place in zip(rows, right, strict=True)])
    tokens = np.array([float(reply.tokens[place]) for reply, place in zip(rows, right, strict=True)])
    return {"answer NLL": Measurement(spec.name, "answer NLL", nll, tokens, higher_is_better=False)}


def _confidence(spec: TaskSpec, metric: str, rows: Sequence[Reply]) -> dict[str, AnyMeasurement]:
    """Return the mean probability of the tokens of the only option; nothing where the backend does not tell it."""
    if not all(reply.confidences for reply in rows):
        return {}
    sure = np.array([reply.confidences[0] for reply in rows])
    tokens = np.array([float(reply.tokens[0]) for reply in rows])
    return {metric: Measurement(spec.name, metric, sure, tokens)}


def _encoder(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    """What a fine-tuned encoder predicted, as JSON."""
    said = [json.loads(replies[f"{item.id}|encoder"].text) for item in items]
    predicted = [tuple(value) if isinstance(value, list) else value for value in said]
    found = measure_labels(
        spec.name, label_space(spec, items), labelled_examples(spec, items), predicted, negative=spec.negative
    )
    scored.add(found, items)


def _plain_text(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    rows = [replies[f"{item.id}|nll"] for item in items]
    nll = np.array([-reply.log_likelihoods[0] for reply in rows])
    tokens = np.array([float(reply.tokens[0]) for reply in rows])
    found = {"NLL": Measurement(spec.name, "NLL", nll, tokens, higher_is_better=False)}
    scored.add(found | _confidence(spec, "confidence", rows), items)


def _perturbation_options(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    from counterpoise.evaluation.perturbation.scoring import measure_margins

    scored.add(measure_margins(spec, items, replies), items)
    rows = [replies[f"{item.id}|options"] for item in items]
    scored.add(_answer_nll(spec, rows, [item.answer for item in items]), items)


def _perturbation_generated(spec: TaskSpec, items: Sequence[Item], replies: Replies, scored: Scored) -> None:
    from counterpoise.evaluation.perturbation.scoring import measure_answers

    texts = [replies[f"{item.id}|generated"].text for item in items]
    found, nothing = measure_answers(spec, items, texts)
    scored.unparsed += nothing
    scored.add(found, items, ", generated")


_Measure = Callable[[TaskSpec, Sequence[Item], Replies, Scored], None]
_MEASURES: dict[str, dict[str, _Measure]] = {
    "choice": {"options": _choice_options, "generated": _choice_generated, "encoder": _encoder},
    "value": {"options": _value_options, "generated": _value_generated, "encoder": _encoder},
    "labels": {"generated": _labels_generated, "encoder": _encoder},
    "entities": {"generated": _entities_generated, "encoder": _encoder},
    "text": {"generated": _text_generated, "options": _text_options},
    "nll": {"nll": _plain_text},
    "gene-set-names": {"generated": _names_generated},
}
_PERTURBATION: dict[str, _Measure] = {
    "options": _perturbation_options,
    "generated": _perturbation_generated,
    "encoder": _encoder,
}
"""Of a choice that is about a perturbation."""
