"""Names, confidences, claims and decisions are found in whatever shape a model gives them, or are not there."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.biology.naming import UNRELATED, confidence_bin, parse_answer
from counterpoise.biology.naming.parsing import LONGEST_ANALYSIS, LONGEST_NAME, parse_claims, parse_decision


@pytest.mark.parametrize(
    ("text", "name", "confidence"),
    [
        ("Process: DNA repair (0.92)\n\nBecause.", "DNA repair", 0.92),
        ("**Process: DNA repair (92%)**\nBecause.", "DNA repair", 0.92),
        ("**Process:** DNA repair (0.92)\nBecause.", "DNA repair", 0.92),
        ("### 1. **Process**: [DNA repair] (9/10)\nBecause.", "DNA repair", 0.9),
        ("Sure! Here it is.\n\nprocess: DNA repair (Confidence Score: 0.5)\nBecause.", "DNA repair", 0.5),
        ("Process: DNA repair\nConfidence: 0.85\nBecause.", "DNA repair", 0.85),
        ("Process:\n\nDNA repair (1)\nBecause.", "DNA repair", 1.0),
        ("Process: DNA repair, confidence 85\nBecause.", "DNA repair", 0.85),
        ("Process: DNA repair - 0.7\nBecause.", "DNA repair", 0.7),
        ("Process: DNA repair (0,75)\nBecause.", "DNA repair", 0.75),
        ("Process: DNA repair (high confidence)\nBecause.", "DNA repair", None),
        ("Process: DNA repair (1.2)\nBecause.", "DNA repair", None),
        ("Process: Oxidative phosphorylation (OXPHOS)\nBecause.", "Oxidative phosphorylation (OXPHOS)", None),
        ("Process: Oxidative phosphorylation (OXPHOS) (0.4)\nBecause.", "Oxidative phosphorylation (OXPHOS)", 0.4),
        ("Process: DNA repair (GO:0006281)\nBecause.", "DNA repair (GO:0006281)", None),
        ("Process: Response to interleukin-1\nBecause.", "Response to interleukin-1", None),
        ("Process: NO signaling pathway (0.6)\nBecause.", "NO signaling pathway", 0.6),  # nitric oxide
        ("Process: System of unrelated proteins (0.7)\nBecause.", UNRELATED, 0.0),
        ("Process: No common biological process\nBecause.", UNRELATED, 0.0),
        ("Process: none\nBecause.", UNRELATED, 0.0),
    ],
)
def test_names_and_confidences(text, name, confidence):
    assert parse_answer(text) == (name, confidence, "Because.")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DNA repair",
        "DNA repair (BER)",
        "I like genes.",
        "The process is a set of genes.",
        "Process: <name> (<confidence>)",
        "Process: [brief name]",
        "Process:",
        "Processing: x y",
    ],
)
def test_no_name(text):
    assert parse_answer(text)[:2] == ("", None)


@pytest.mark.parametrize(
    ("text", "name", "confidence"),
    [
        ("DNA repair (0.9)\n\nThey mend DNA.", "DNA repair", 0.9),
        ("The process that most of them carry out together is the process of DNA repair.\nMore.", "DNA repair", None),
        ("The most likely biological process is DNA repair, which mends it.", "DNA repair", None),
        ("The process of these genes is the system of unrelated proteins.", UNRELATED, 0.0),
        ("The process is DNA repair (0.3).", "DNA repair", 0.3),
    ],
)
def test_a_name_without_its_label(text, name, confidence):
    answer = parse_answer(text)
    assert answer[:2] == (name, confidence)
    assert answer.analysis


def test_the_sentence_that_names_stays_in_the_analysis():
    assert parse_answer("The process is DNA repair.\nMore.").analysis == "The process is DNA repair.\nMore."
    assert parse_answer("DNA repair (0.9)\nMore.").analysis == "More."


def test_a_process_line_far_down_is_no_answer():
    assert parse_answer("\n".join(["and so on"] * 30 + ["Process: DNA repair (0.9)"])).name == ""


def test_an_analysis_in_front_of_the_name_is_taken_where_none_follows():
    assert parse_answer("They repair DNA.\n\nProcess: DNA repair (0.9)").analysis == "They repair DNA."


def test_an_answer_cut_within_its_confidence_gives_none():
    assert parse_answer("Process: DNA repair (0") == ("DNA repair", None, "")


def test_control_and_direction_characters_go_and_lengths_are_clipped():
    answer = parse_answer(f"Process: DNA\x1b[31m \u202erepair\x00 {'x' * 5000}\n{'y' * 100_000}")
    assert answer.name.startswith("DNA[31m repair x")
    assert len(answer.name) == LONGEST_NAME
    assert len(answer.analysis) == LONGEST_ANALYSIS


@given(st.text(max_size=300), st.integers(0, 100))
def test_any_text_gives_an_answer_within_bounds(text, percent):
    for whole in (text, f"Process: {text} ({percent}%)", f"Process: {text}"):
        name, confidence, _ = parse_answer(whole)
        assert confidence is None or 0 <= confidence <= 1
        assert "\n" not in name
        assert len(parse_claims(whole, 4)) <= 4
        parse_decision(whole)


@pytest.mark.parametrize("text", ["(" * 60_000, "*" * 60_000, "Process: " + "(" * 60_000, '["' * 20_000, "[" * 60_000])
def test_hostile_text_takes_no_time(text):
    start = time.perf_counter()
    parse_answer(text), parse_claims(text, 6), parse_decision(text)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ('["They repair DNA.", "They bind to it."]', ("They repair DNA.", "They bind to it.")),
        (
            'Here:\n```json\n["They repair DNA.", "They bind to it."]\n```\nDone.',
            ("They repair DNA.", "They bind to it."),
        ),
        ('[{"claim": "They repair DNA."}, {"text": "They bind to it."}]', ("They repair DNA.", "They bind to it.")),
        ('["They repair DNA.", "They bind to it.", "And the thi', ("They repair DNA.", "They bind to it.")),  # cut
        ('["They repair DNA.", "They bind to it.",]', ("They repair DNA.", "They bind to it.")),
        ("1. They repair DNA.\n2) They bind to it.", ("They repair DNA.", "They bind to it.")),
        ("Claims:\n- They repair DNA.\n* **They bind to it.**", ("They repair DNA.", "They bind to it.")),
        ("They repair DNA. They bind to it.", ("They repair DNA.", "They bind to it.")),
        ('["They repair DNA.", "They repair DNA."]', ("They repair DNA.",)),
        ("[]", ()),
        ("{}", ()),
        ('["yes", "no", 3]', ()),
        ("", ()),
    ],
)
def test_claims(text, claims):
    assert parse_claims(text, 6) == claims


def test_no_more_claims_than_asked_for():
    assert len(parse_claims(str([f"claim number {i} of many" for i in range(40)]).replace("'", '"'), 6)) == 6


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        ("Decision: supported\nReason: GO says so.", ("supported", "GO says so.")),
        ("**Decision:** partially supported\n**Reason:** Two of four.", ("partly", "Two of four.")),
        ("I looked it up.\nDecision: refuted\nReason: GO says else.", ("refuted", "GO says else.")),
        ("Decision: Not supported, GO says else.", ("refuted", "GO says else.")),
        ("Decision: unsupported", ("refuted", "")),
        ("Decision: not checked\nReason: nothing found.", ("not checked", "nothing found.")),
        ("Supported.", ("supported", "")),
        ("I believe that this would be supported by most databases.", None),
        ("Decision: perhaps", None),
        ("Decision: supported, partly, refuted or not checked", None),  # the question, repeated
        ("", None),
    ],
)
def test_decisions(text, decision):
    assert parse_decision(text) == decision


def test_bins():
    edges = [None, 0.0, 0.01, 0.8199, 0.82, 0.8699, 0.87, 1.0]
    bins = ["not given", "none", "low", "low", "medium", "medium", "high", "high"]
    assert [confidence_bin(edge) for edge in edges] == bins
