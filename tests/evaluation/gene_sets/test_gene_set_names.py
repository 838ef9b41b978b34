"""Names are cleaned as published, ROUGE equals the plain metric, and answers say what the text or record says."""

import csv

import numpy as np
import pytest

from counterpoise.evaluation.gene_sets.names import (
    Answer,
    answers_from_records,
    answers_from_texts,
    clean,
    permuted_pairs,
    rouge_of_names,
    same_name,
)
from counterpoise.evaluation.text_metrics import rouge

NAMES = ["Regulation of DNA-repair (fast)", "", "apoptosis", "MAPK/ERK signaling", "regulated processes"]
TRUTH = ["DNA repair", "apoptosis", '"apoptotic" process', "ERK1 and ERK2 cascade, MAPK", "regulation of process"]


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("nucleotide-excision repair, DNA incision", "nucleotide excision repair  DNA incision"),
        ("A (b) c (d e)", "A  c"),
        ('"quoted" / name', "quoted   name"),
        ("open (bracket", "open (bracket"),
    ],
)
def test_cleaning(name, cleaned):
    assert clean(name) == cleaned


def test_rouge_is_the_plain_metric_of_cleaned_names():
    found = rouge_of_names(NAMES, TRUTH)
    expected = rouge([clean(name) for name in NAMES], [clean(name) for name in TRUTH])
    for metric, values in expected.items():
        assert found[metric].tolist() == values.tolist()
    assert found["ROUGE-1"][1] == 0.0, "an empty name shares nothing"
    assert found["ROUGE-1"][4] == pytest.approx(4 / 5), "words are stemmed"


def test_names_differ_in_more_than_their_dress():
    assert same_name("DNA-Repair.", "dna repair")
    assert not same_name("DNA repair", "regulation of DNA repair")


@pytest.mark.parametrize("count", [2, 7, 50])
def test_all_pairs_of_few_sets(count):
    pairs = permuted_pairs(count)
    assert sorted(pairs) == [(i, j) for i in range(count) for j in range(count) if i != j]


def test_pairs_of_many_sets_use_each_name_and_reference_alike_and_never_their_own():
    pairs = permuted_pairs(1000)
    assert len(pairs) == len(set(pairs)) == 20_000
    assert all(i != j for i, j in pairs)
    for side in zip(*pairs, strict=True):
        assert set(np.bincount(side)) == {20}


def test_one_set_has_no_other():
    assert permuted_pairs(1) == []


def test_answers_of_texts():
    texts = {"a": "Process: DNA repair (0.85)\n\nThe genes ...", "b": "These are genes.", "c": "Process: Mitosis"}
    assert answers_from_texts(texts) == [
        Answer("a", "DNA repair", 0.85),
        Answer("b", "", None, complete=False),
        Answer("c", "Mitosis", None),
    ]


def test_unrelated_is_an_answer_with_confidence_0():
    (answer,) = answers_from_texts({"a": "Process: System of unrelated proteins (0.0)\nNothing."})
    assert answer.name
    assert answer.confidence == 0
    assert answer.complete


def test_answers_of_records():
    claims = [
        {"about": "name", "text": "t", "decision": d, "reason": "", "evidence": []} for d in ("partly", "refuted")
    ]
    record = {"id": "s", "name": " B ", "confidence": None, "first_name": "A", "claims": claims, "complete": False}
    (answer,) = answers_from_records([record])
    assert answer == Answer("s", "B", None, "A", ("partly", "refuted"), False)
    assert answer.verified


@pytest.mark.shared
def test_published_names_of_gpt4(shared_data):
    """protocols.md, "Ready-made regression checks" 2."""
    with (shared_data / "hu2025" / "gpt4_names.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = rouge_of_names([row["gpt4_name"] for row in rows], [row["term"] for row in rows])
    means = {metric: values.mean() for metric, values in found.items()}
    assert means == pytest.approx({"ROUGE-1": 0.1753, "ROUGE-2": 0.0426, "ROUGE-L": 0.1637}, abs=5e-5)
