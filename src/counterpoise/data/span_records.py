"""Entities given as spans of characters instead of tagged words.

{"text": "The cancer.", "entities": [{"start": 4, "end": 10, "text": "cancer", "type": "Disease"}]}

>>> words, tags = tagged("The cancer.", [{"start": 4, "end": 10, "text": "cancer", "type": "Disease"}])
>>> list(zip(words, tags))
[('The', 'O'), ('cancer', 'B-Disease'), ('.', 'O')]

``end`` is one past the last character; ``text`` is optional and checked against the text. Words are runs of letters and
digits, every other character is a word of its own, as in the corpora of `data.conll`; a span that ends inside a word
parts it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from counterpoise.data.formats import RecordError, kind_of_value

_WORD = re.compile(r"[^\W_]+|\S")


def has_spans(record: Mapping[str, Any]) -> bool:
    """True for a record whose entities are spans of its text."""
    return "tokens" not in record and "text" in record and "entities" in record


def tagged(text: Any, entities: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of a text and their IOB2 tags.

    Raises:
        RecordError: a span outside the text, one whose own text is not what stands there, one that overlaps another,
            or an entry that is no span.
    """
    if not isinstance(text, str) or not text.strip():
        raise RecordError(
            f"column 'text' is {kind_of_value(text) if not isinstance(text, str) else 'empty'}; expected text"
        )
    if not isinstance(entities, list):
        raise RecordError(f"column 'entities' is {kind_of_value(entities)}; expected a list of spans")
    spans = sorted(_span(number, entry, text) for number, entry in enumerate(entities, start=1))
    for (_, end, _, first), (start, _, _, second) in itertools.pairwise(spans):
        if start < end:
            raise RecordError(f"entities {first} and {second} overlap; a word can have one tag")
    cuts = sorted({0, len(text), *(place for start, end, *_ in spans for place in (start, end))})
    words: list[str] = []
    tags: list[str] = []
    kinds = {start: kind for start, _, kind, _ in spans}
    for start, end in itertools.pairwise(cuts):
        found = _WORD.findall(text[start:end])
        kind = kinds.get(start)
        words += found
        tags += ["O"] * len(found) if kind is None else [f"B-{kind}", *[f"I-{kind}"] * (len(found) - 1)]
    return tuple(words), tuple(tags)


def _span(number: int, entry: Any, text: str) -> tuple[int, int, str, int]:
    if not isinstance(entry, Mapping):
        raise RecordError(f"entity {number} is {kind_of_value(entry)}; expected start, end and type")
    start, end, kind = entry.get("start"), entry.get("end"), entry.get("type")
    if type(start) is not int or type(end) is not int or not isinstance(kind, str) or not kind:
        raise RecordError(f"entity {number} lacks start, end (whole numbers) or type (text)")
    if not 0 <= start < end <= len(text):
        raise RecordError(f"entity {number} is characters {start} to {end}, outside the text of {len(text)} characters")
    found, given = text[start:end], entry.get("text")
    if given is not None and given != found:
        raise RecordError(f"entity {number} says {given!r}, but characters {start} to {end} of the text are {found!r}")
    if not _WORD.search(found):
        raise RecordError(f"entity {number} is blank: characters {start} to {end}")
    return start, end, kind, number
