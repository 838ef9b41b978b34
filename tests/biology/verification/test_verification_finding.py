"""Findings, and foreign text made harmless."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.biology.verification.finding import Finding, clean

FOUND = Finding("enrichment", "GO 2022", {"genes": ["TP53"]}, ("a fact",), (("GO:1", "one"),), cached=True)


def test_a_finding_survives_json():
    assert Finding.from_dict(json.loads(json.dumps(FOUND.as_dict()))) == FOUND


def test_text_names_the_source_and_each_fact():
    assert FOUND.as_text() == "enrichment (GO 2022):\n- a fact"


def test_text_tells_nothing_found_from_a_failure():
    assert Finding("pubmed", "PubMed").as_text() == "pubmed (PubMed):\n- nothing found"
    assert Finding("pubmed", "PubMed", failure="it is down").as_text() == "pubmed (PubMed): failed: it is down"


def test_text_names_what_was_not_recognised():
    found = Finding("t", "s", {"genes": ["TP53"], "unrecognised": ["XX1", "XX2"]}, ("a fact",))
    assert found.as_text().endswith("- not recognised as human genes: XX1, XX2")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("left\u202eright\u200b", "leftright"),
        ("  two\n\tlines\u2028here ", "two lines here"),
        ("<i>in vivo</i> &lt;b&gt;bold&lt;/b&gt; p &lt; 0.05", "in vivo bold p < 0.05"),
        (None, ""),
        (["TP53"], ""),
    ],
)
def test_clean(text, plain):
    assert clean(text) == plain


def test_clean_clips():
    assert clean("ab " * 500, 20) == "ab ab ab ab ab ab..."


@given(st.text(), st.integers(10, 60))
def test_clean_text_is_one_short_line_without_control_characters(text, limit):
    found = clean(text, limit)
    assert len(found) <= limit
    assert found == " ".join(found.split())
    assert not [c for c in found if unicodedata.category(c)[0] == "C"]


@given(st.from_regex(r"[A-Za-z0-9 ,.()/-]{0,50}", fullmatch=True))
def test_clean_leaves_plain_words_alone(text):
    assert clean(text) == " ".join(text.split())
