"""What trivial methods reach on labelled text: the floors beside an encoder's F1, accuracy or correlation.

    floors = label_floors("ncbi_disease", space, training_examples, test_examples)
    floors["training dictionary"]["entity F1"].value

All learn from the examples that the model was trained on, and are measured as it is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from counterpoise.data.labelled_reading import LabelledExample, LabelSpace
from counterpoise.evaluation.labels import LabelMeasurements, Prediction, entities, measure_labels


def label_floors(
    name: str,
    space: LabelSpace,
    training: Sequence[LabelledExample],
    examples: Sequence[LabelledExample],
    *,
    negative: str | None = None,
) -> dict[str, LabelMeasurements]:
    """Return each floor's metrics on ``examples``; the arguments are those of `measure_labels`.

    Token classification: ``all O``, ``most frequent tag`` of each word, ``training dictionary`` of entities; sequence
    classification: ``majority label``; multi-label: ``most frequent label`` alone for every text, and ``all labels`` of
    training; regression: ``mean value``, whose correlation is 0 by definition.
    """
    predictions: dict[str, list[Prediction]]
    if space.task == "token-classification":
        predictions = {
            "all O": [("O",) * len(example.words) for example in examples],
            "most frequent tag": list(most_frequent_tags(training, examples)),
            "training dictionary": list(dictionary_tags(training, examples)),
        }
    elif space.task == "sequence-classification":
        counts = Counter(example.label for example in training)
        majority = min(counts, key=lambda label: (-counts[label], label))
        predictions = {"majority label": [majority] * len(examples)}
    elif space.task == "multi-label":
        counts = Counter(label for example in training for label in example.labels)
        ranked = sorted(counts, key=lambda label: (-counts[label], label))
        predictions = {
            "most frequent label": [tuple(ranked[:1])] * len(examples),
            "all labels": [tuple(ranked)] * len(examples),
        }
    else:
        predictions = {"mean value": [space.mean] * len(examples)}
    return {
        method: measure_labels(name, space, examples, predicted, negative=negative)
        for method, predicted in predictions.items()
    }


def most_frequent_tags(
    training: Sequence[LabelledExample], examples: Sequence[LabelledExample]
) -> list[tuple[str, ...]]:
    """Give each word the tag that it has most often in training (O on a tie), an unseen word O; case is kept."""
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for example in training:
        for word, tag in zip(example.words, example.tags, strict=True):
            seen[word][tag] += 1
    best = {word: min(tags, key=lambda tag: (-tags[tag], tag != "O", tag)) for word, tags in seen.items()}
    return [tuple(best.get(word, "O") for word in example.words) for example in examples]


def dictionary_tags(training: Sequence[LabelledExample], examples: Sequence[LabelledExample]) -> list[tuple[str, ...]]:
    """Tag, from left to right, the longest run of words that is an entity in training, with its most frequent type."""
    seen: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for example in training:
        for kind, start, end in entities(example.tags):
            seen[example.words[start:end]][kind] += 1
    best = {words: min(kinds, key=lambda kind: (-kinds[kind], kind)) for words, kinds in seen.items()}
    longest = max(map(len, best), default=0)
    return [_longest_matches(example.words, best, longest) for example in examples]


def _longest_matches(words: tuple[str, ...], known: dict[tuple[str, ...], str], longest: int) -> tuple[str, ...]:
    tags: list[str] = []
    while len(tags) < len(words):
        start = len(tags)
        for length in range(min(longest, len(words) - start), 0, -1):
            if kind := known.get(words[start : start + length]):
                tags += [f"B-{kind}", *[f"I-{kind}"] * (length - 1)]
                break
        else:
            tags.append("O")
    return tuple(tags)
