"""Entities as a language model writes them: from answers to mentions, from mentions to spans, from spans to F1.

    mentions = parse_mentions("ovarian cancer; cancer")                 # ["ovarian cancer", "cancer"]
    find_spans("The risk of ovarian cancer".split(), mentions)          # Mapped(spans=((3, 5),), unmatched=("cancer",))
    measure_mentions("ncbi_disease", examples, [{"Disease": mentions}])["entity F1"].estimate()

A model is shown the words of a sentence joined by blanks and answers with texts; the metric of the data set is over
spans of words. The rules between the two, which a score depends on:

- Words and mentions are compared without their white space, from the start of a word to the end of a word: these
  corpora part words at every punctuation mark, and a model may write "IL-6" for "IL - 6". First as they are written,
  and where that finds nothing free, without regard to case.
- A mention that is written once stands for one occurrence, the first free one from the left; written twice, for two. So
  the right answer repeats a name as often as it is an entity. Longer mentions choose first, and spans of one type never
  overlap.
- A mention that finds no free occurrence is kept as unmatched, and counts as a false positive.

Going through strings costs something even for a perfect answer: where a name occurs as an entity and, further left, as
none, its string maps to the wrong place. `mentions_of` and `find_spans` together measure that ceiling.

Answers have one line. One type: mentions parted by ";", or "none". Several types: ``participants: a; b |
interventions: none``. A mention that holds ";" or "|", or that reads "none", cannot be written: it comes apart, or is
lost. Text after the first line is not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from counterpoise.data.labelled_reading import LabelledExample
from counterpoise.evaluation.labels import (
    LabelMeasurement,
    LabelMeasurements,
    entities,
    entity_metrics,
    macro_f1,
    typed_words,
    word_counts,
)

Mentions = Mapping[str, Sequence[str]]
"""Mentions by type, each as often as it was written."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Where mentions lie: ``spans`` (first word, one past the last), from left to right; ``unmatched`` lie nowhere."""

    spans: tuple[tuple[int, int], ...] = ()
    unmatched: tuple[str, ...] = ()


class ParsedMentions(NamedTuple):
    """Mentions by type, and how many parts of the answer named no known type, or one a second time."""

    mentions: dict[str, list[str]]
    unparsed: int


# -- answers --------------------------------------------------------------------------------------------------------


def parse_mentions(text: str) -> list[str]:
    """Return the mentions of an answer, in order, each as often as written; none for "none" or an empty answer.

    >>> parse_mentions(" ovarian cancer; cancer; cancer \\n(three in all)")
    ['ovarian cancer', 'cancer', 'cancer']
    >>> parse_mentions("None.")
    []
    """
    line = _first_line(text)
    if line.rstrip(".").lower() == "none":
        return []
    return [part.strip() for part in line.split(";") if part.strip()]


def write_mentions(mentions: Iterable[str]) -> str:
    """Return the answer that `parse_mentions` reads: "ovarian cancer; cancer", or "none"."""
    return "; ".join(mentions) or "none"


def parse_typed_mentions(text: str, types: Mapping[str, str]) -> ParsedMentions:
    """Read an answer with several types; ``types`` maps the names in it, whatever their case, to the labels' types.

    A type that the answer does not name has no mentions.

    >>> parse_typed_mentions("Drugs: a; b | genes: none | c", {"drugs": "Drug", "genes": "Gene"})
    ParsedMentions(mentions={'Drug': ['a', 'b'], 'Gene': []}, unparsed=1)
    """
    known = {name.lower(): kind for name, kind in types.items()}
    found: dict[str, list[str]] = {}
    unparsed = 0
    for part in _first_line(text).split("|"):
        name, colon, rest = part.partition(":")
        kind = known.get(name.strip().lower())
        if colon and kind is not None and kind not in found:
            found[kind] = parse_mentions(rest)
        else:
            unparsed += 1
    return ParsedMentions({kind: found.get(kind, []) for kind in types.values()}, unparsed)


def write_typed_mentions(mentions: Mentions, types: Mapping[str, str]) -> str:
    """Return the answer that `parse_typed_mentions` reads, with the names in the order of ``types``."""
    return " | ".join(f"{name}: {write_mentions(mentions.get(kind, ()))}" for name, kind in types.items())


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "").strip()


# -- mentions and spans ---------------------------------------------------------------------------------------------


def mentions_of(words: Sequence[str], tags: Sequence[str], *, one_word_entities: bool = False) -> dict[str, list[str]]:
    """Return the texts of the entities by type, from left to right: their words joined by blanks.

    ``one_word_entities``: the tags were read so (EBM PICO), and a run of words of one type makes one mention.

    >>> mentions_of(["ovarian", "cancer", "and", "pain"], ["B-Disease", "I-Disease", "O", "B-Disease"])
    {'Disease': ['ovarian cancer', 'pain']}
    """
    if one_word_entities:
        before = ["O", *tags]
        kinds = [(tag[2:], tag[2:] == previous[2:]) for previous, tag in zip(before, tags, strict=False)]
        tags = ["O" if not kind else f"{'I' if goes_on else 'B'}-{kind}" for kind, goes_on in kinds]
    found: dict[str, list[str]] = {}
    for kind, start, end in sorted(entities(tags), key=lambda entity: entity[1]):
        found.setdefault(kind, []).append(" ".join(words[start:end]))
    return found


def find_spans(words: Sequence[str], mentions: Sequence[str]) -> Mapped:
    """Find where in a sentence the mentions of one type lie; the rules are those at the top of this file.

    >>> find_spans("Cancer of the breast , and breast cancer".split(), ["cancer", "breast cancer", "cancer"])
    Mapped(spans=((0, 1), (6, 8)), unmatched=('cancer',))
    """
    keys = ["".join(mention.split()) for mention in mentions]
    lowered = [word.lower() for word in words]
    free = [True] * len(words)
    spans: list[tuple[int, int]] = []
    left = dict(enumerate(keys))
    for length in sorted(set(map(len, keys)), reverse=True):
        for exact in (True, False):
            for index in [i for i, key in left.items() if len(key) == length]:
                key = keys[index]
                span = _first_free(words, key, free) if exact else _first_free(lowered, key.lower(), free)
                if span is not None:
                    del left[index]
                    spans.append(span)
                    free[span[0] : span[1]] = [False] * (span[1] - span[0])
    return Mapped(tuple(sorted(spans)), tuple(mentions[i] for i in sorted(left)))


def _first_free(words: Sequence[str], key: str, free: Sequence[bool]) -> tuple[int, int] | None:
    """Return the first run of free words that joined without blanks is ``key``."""
    for start in range(len(words) if key else 0):
        rest, end = key, start
        while rest and end < len(words) and free[end] and rest.startswith(words[end]):
            rest, end = rest[len(words[end]) :], end + 1
        if not rest:
            return start, end
    return None


def mention_tags(words: Sequence[str], mapped: Mapping[str, Mapped]) -> tuple[str, ...]:
    """Return the IOB2 tags of mapped mentions by type.

    A word has one tag: of spans of two types that overlap, that of the type named first is kept. Unmatched mentions
    leave no tag; where they must count, use `measure_mentions`.
    """
    tags = ["O"] * len(words)
    for kind, found in mapped.items():
        for start, end in found.spans:
            if all(tag == "O" for tag in tags[start:end]):
                tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tuple(tags)


# -- metrics --------------------------------------------------------------------------------------------------------


def measure_mentions(
    name: str,
    examples: Sequence[LabelledExample],
    predicted: Sequence[Mentions | Sequence[str]],
    *,
    one_word_entities: bool = False,
) -> LabelMeasurements:
    """Compare generated mentions with the entities of tagged sentences; what finds no place is a false positive.

    Args:
        name: the task's name in results.
        examples: with their tags.
        predicted: one an example: mentions by type (name each type, also where it has no mention: two models can be
            compared only over the same types), or, where the examples have one type, mentions alone.
        one_word_entities: the tags were read so; words are scored, as BLURB does for EBM PICO, and an unmatched mention
            is as many false positives as it has words between blanks.

    Returns:
        ``entity F1`` (strict: type and both ends) and what `labels.entity_metrics` puts beside it; where words are
        scored ``word macro F1`` over the types that occur. They are defined as in `measure_labels`.

    Raises:
        ValueError: no examples, not one prediction an example, or mentions without types where there are several.
    """
    if not examples or len(examples) != len(predicted):
        raise ValueError(f"expected a prediction an example, at least one; got {len(predicted)} for {len(examples)}")
    gold_kinds = sorted({tag[2:] for example in examples for tag in example.tags if tag != "O"})
    by_type = [_typed(mentions, gold_kinds) for mentions in predicted]
    kinds = sorted({*gold_kinds, *(kind for mentions in by_type for kind in mentions)})
    rows = []
    for example, mentions in zip(examples, by_type, strict=True):
        mapped = {kind: find_spans(example.words, found) for kind, found in mentions.items()}
        rows.append(_word_row(example, mapped, kinds) if one_word_entities else _entity_row(example, mapped))
    if not one_word_entities:
        return {found.metric: found for found in entity_metrics(name, rows)}
    sums = np.array(rows, dtype=np.float64).reshape(len(rows), -1)
    return {"word macro F1": LabelMeasurement(name, "word macro F1", sums, macro_f1)}


def _typed(mentions: Mentions | Sequence[str], kinds: Sequence[str]) -> Mentions:
    if isinstance(mentions, Mapping):
        return mentions
    if len(kinds) != 1:
        raise ValueError(f"the examples have the types {', '.join(kinds) or 'none'}; expected mentions by type")
    return {kinds[0]: mentions}


def _entity_row(example: LabelledExample, mapped: Mapping[str, Mapped]) -> list[int]:
    gold = entities(example.tags)
    found = {(kind, *span) for kind, mentions in mapped.items() for span in mentions.spans}
    nowhere = sum(len(mentions.unmatched) for mentions in mapped.values())
    return [len(gold & found), len(found - gold) + nowhere, len(gold - found)]


def _word_row(example: LabelledExample, mapped: Mapping[str, Mapped], kinds: Sequence[str]) -> list[int]:
    found = {(kind, i) for kind, mentions in mapped.items() for span in mentions.spans for i in range(*span)}
    row = word_counts(typed_words(example.tags), found, kinds)
    for kind, mentions in mapped.items():
        row[3 * kinds.index(kind) + 1] += sum(len(text.split()) for text in mentions.unmatched)
    return row
