"""Entities as spans of characters: words and tags, and every way in which a span can be wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.data.formats import RecordError
from counterpoise.data.labelled_reading import read_labelled
from counterpoise.data.span_records import tagged
from counterpoise.errors import UserError
from counterpoise.evaluation.labels import entities

TEXT = "IL-2 causes fever."


def span(start, end, kind="X", **more):
    return {"start": start, "end": end, "type": kind, **more}


def test_words_and_tags():
    words, tags = tagged(TEXT, [span(0, 4, "Gene", text="IL-2"), span(12, 17, "Symptom")])
    assert words == ("IL", "-", "2", "causes", "fever", ".")
    assert tags == ("B-Gene", "I-Gene", "I-Gene", "O", "B-Symptom", "O")


def test_a_span_inside_a_word_parts_it():
    assert tagged("anticancer", [span(4, 10)]) == (("anti", "cancer"), ("O", "B-X"))


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([span(0, 4, text="IL-3")], r"entity 1 says 'IL-3', but characters 0 to 4 of the text are 'IL-2'"),
        ([span(12, 99)], r"entity 1 is characters 12 to 99, outside the text of 18 characters"),
        ([span(4, 4)], r"entity 1 is characters 4 to 4, outside"),
        ([span(0, 6), span(5, 8)], r"entities 1 and 2 overlap"),
        ([span(4, 5)], r"entity 1 is blank"),
        ([{"start": 0, "end": 2}], r"entity 1 lacks start, end \(whole numbers\) or type"),
        ([span(0, True)], r"entity 1 lacks"),
        (["IL-2"], r"entity 1 is text; expected start, end and type"),
        ("IL-2", r"column 'entities' is text; expected a list of spans"),
    ],
)
def test_wrong_spans(found, says):
    with pytest.raises(RecordError, match=says):
        tagged(TEXT, found)


def test_an_empty_text():
    with pytest.raises(RecordError, match=r"column 'text' is empty"):
        tagged(" ", [])


@given(st.text("ab- ", min_size=1, max_size=30), st.data())
def test_entities_are_where_their_characters_are(text, data):
    """Whatever the text: each span comes back as one entity of the same characters, blanks aside."""
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    spans = [(a, b) for a, b in zip(places[::2], places[1::2], strict=False) if text[a:b].strip()]
    if not text.strip():
        return
    words, tags = tagged(text, [span(a, b) for a, b in spans])
    assert "".join(words) == "".join(text.split())
    found = sorted(entities(tags), key=lambda entity: entity[1])
    assert ["".join(words[a:b]) for _, a, b in found] == ["".join(text[a:b].split()) for a, b in spans]


def test_read_as_labelled_text(tmp_path):
    """By file and line, where a span does not match."""
    path = tmp_path / "ner.jsonl"
    rows = [{"text": TEXT, "entities": [span(0, 4)]}, {"text": TEXT, "entities": [span(0, 4, text="IL 2")]}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=r"ner.jsonl, line 2: entity 1 says 'IL 2', but characters 0 to 4"):
        read_labelled(path, task="token-classification")
    read = read_labelled(path, task="token-classification", skip_bad=True)
    assert read.examples[0].tags[:4] == ("B-X", "I-X", "I-X", "O")
