"""Text metrics equal those of the published packages, item by item and over items; floors are what they say."""

import csv
import gzip
import json
import os
import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.errors import UserError
from counterpoise.evaluation.text_metrics import (
    answer_words,
    best_constant,
    bleu,
    common_subsequence,
    corpus_bleu,
    exact_match,
    measure_text,
    rouge,
    text_floors,
    token_f1,
)

PREDICTIONS = ["the cat sat on the mat today", "", "a gene, called GFAP.", "cells divide", "no overlap here at all"]
REFERENCES = ["a cat sat on the mat", "some text", "The gene called GFAP", "the cells are dividing", "xyz zyx"]

texts = st.lists(st.sampled_from(["the", "cat", "sat", "cells", "dividing", "3.5", "a-b", "é"]), max_size=8).map(
    " ".join
)
pairs = st.lists(st.tuples(texts, texts.filter(bool)), min_size=1, max_size=8)


def by_package(predictions, references):
    import sacrebleu

    return sacrebleu.corpus_bleu(predictions, [references]).score


# -- BLEU -----------------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(pairs)
def test_bleu_is_that_of_sacrebleu(pairs):
    predictions, references = zip(*pairs, strict=True)
    assert bleu(predictions, references).value == pytest.approx(by_package(predictions, references), abs=1e-9)


def test_bleu_of_a_draw_is_that_of_the_drawn_items():
    """The bootstrap sums counts: a draw of items has the BLEU of those items, not a mean of theirs."""
    found = bleu(PREDICTIONS, REFERENCES)
    rng = np.random.default_rng(0)
    chosen = rng.integers(5, size=(40, 5))
    weights = np.array([np.bincount(row, minlength=5) for row in chosen], dtype=np.float64)
    expected = [by_package([PREDICTIONS[i] for i in row], [REFERENCES[i] for i in row]) for row in chosen]
    assert corpus_bleu(weights @ found.sums) == pytest.approx(expected, abs=1e-9)
    assert len({round(value, 6) for value in expected}) > 5


def test_bleu_orders_without_matches_or_without_n_grams():
    assert bleu(["cells divide"], ["cells divide"]).value == 0.0  # no run of four words: sacrebleu has 0 too
    assert by_package(["cells divide"], ["cells divide"]) == 0.0
    one = (["a b c d x y"], ["a b c d e f"])
    assert bleu(*one).value == pytest.approx(100 * (4 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    smoothed = (["a b x y c"], ["a b c d e"])  # no match of three or four words: 1/2 and 1/4 of one
    assert bleu(*smoothed).value == pytest.approx(100 * (3 / 5 * 1 / 4 * 0.5 / 3 * 0.25 / 2) ** 0.25)


def test_bleu_has_an_interval_and_differences():
    ours, theirs = bleu(REFERENCES, REFERENCES, task="t"), bleu(PREDICTIONS, REFERENCES, task="t")
    assert (ours.task, ours.metric, ours.value) == ("t", "BLEU", pytest.approx(100))
    estimate = theirs.estimate(resamples=200)
    assert estimate.low < estimate.value < estimate.high
    assert ours.difference(theirs, resamples=200).value == pytest.approx(100 - theirs.value)


# -- ROUGE ----------------------------------------------------------------------------------------------------------


def test_rouge_by_hand():
    found = rouge(["the cats sat"], ["the cat sat down"])  # stems: cat
    assert found["ROUGE-1"][0] == pytest.approx(2 * 3 / 7)
    assert found["ROUGE-2"][0] == pytest.approx(2 * 2 / 5)
    assert rouge(["sat the cat"], ["the cat sat"])["ROUGE-L"][0] == pytest.approx(2 / 3)


def test_rouge_is_of_prediction_and_reference_alike():
    found, swapped = rouge(PREDICTIONS, REFERENCES), rouge(REFERENCES, PREDICTIONS)
    for name, values in found.items():
        assert values.shape == (5,)
        assert values == pytest.approx(swapped[name])  # f-measures


# -- answers --------------------------------------------------------------------------------------------------------


def test_exact_match_and_token_f1_as_squad_does():
    predictions = ["The Nile.", "river Nile", "the the Nile Nile", "Amazon", ""]
    references = ["nile", "Nile", "Nile", "Nile", "Nile"]
    assert exact_match(predictions, references).tolist() == [1, 0, 0, 0, 0]
    assert token_f1(predictions, references) == pytest.approx([1, 2 / 3, 2 / 3, 0, 0])


def test_answers_of_articles_or_signs_alone_are_told_apart():
    assert exact_match(["A", "a", "+", "the"], ["A", "B", "-", "a"]).tolist() == [1, 0, 0, 0]
    assert answer_words("B.") == ["b"]


@settings(max_examples=200, deadline=None)
@given(pairs)
def test_token_f1_bounds_exact_match(pairs):
    predictions, references = zip(*pairs, strict=True)
    f1 = token_f1(predictions, references)
    assert ((f1 >= 0) & (f1 <= 1)).all()
    assert (f1[exact_match(predictions, references) == 1] == 1).all()


# -- together -------------------------------------------------------------------------------------------------------


def test_measurements():
    found = measure_text("meqsum", PREDICTIONS, REFERENCES)
    expected = {"ROUGE-1", "ROUGE-2", "ROUGE-L", "exact match", "token F1", "empty predictions", "BLEU"}
    assert set(found) == expected
    assert {m.task for m in found.values()} == {"meqsum"}
    assert found["empty predictions"].estimate().value == pytest.approx(0.2)
    assert not found["empty predictions"].higher_is_better
    estimate = found["ROUGE-L"].estimate()
    assert estimate.n == 5
    assert estimate.value == pytest.approx(rouge(PREDICTIONS, REFERENCES)["ROUGE-L"].mean())
    for metric in expected - {"BLEU", "empty predictions"}:
        assert found[metric].totals[1] == 0  # the empty prediction


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([], [], "t: there are 0 predictions for 0 references"),
        (["a"], ["a", "b"], "t: there are 1 predictions for 2 references"),
        (["a", "b"], ["a", " "], r"t: reference 1 \(from 0\) is empty"),
    ],
)
def test_what_is_wrong_is_said(predictions, references, message):
    with pytest.raises(UserError, match=message):
        measure_text("t", predictions, references)


# -- floors ---------------------------------------------------------------------------------------------------------


def test_floors():
    sources = [f"question {i} with many more words than a summary has" for i in range(7)]
    references = [f"summary {i}" for i in range(7)]
    training = ["what is gout", "what is asthma", "what is a stroke", ""]
    floors = text_floors("t", sources, references, training)
    assert set(floors) == {"constant string", "copy of the source", "lead of the source", "permuted references"}
    assert floors["constant string"] == ["what is"] * 7
    assert floors["copy of the source"] == sources
    assert floors["lead of the source"][2] == "question 2 with"  # three words, the median of 3, 3 and 4
    assert sorted(floors["permuted references"]) == references
    assert all(a != b for a, b in zip(floors["permuted references"], references, strict=True))
    assert floors == text_floors("t", sources, references, training)
    assert (
        floors["permuted references"] != text_floors("t", sources, references, training, seed=1)["permuted references"]
    )
    assert "permuted references" not in text_floors("t", sources[:1], references[:1], training)
    with pytest.raises(UserError, match="t: no training target has any text"):
        text_floors("t", sources, references, ["", " "])
    with pytest.raises(UserError, match="6 sources for 7 references"):
        text_floors("t", sources[:6], references, training)


def test_the_constant_is_the_best_of_all_targets():
    draw = random.Random(0)
    targets = [" ".join(draw.choices(["cell", "gene", "of", "the", "repairs", "signals"], k=5)) for _ in range(30)]
    best = best_constant(targets)

    def score(candidate):
        return rouge([candidate] * len(targets), targets)["ROUGE-L"].mean()

    assert score(best) >= max(map(score, targets)) - 1e-12
    assert score(best) > np.mean([score(target) for target in targets])


@given(st.lists(st.integers(0, 3), max_size=70), st.lists(st.integers(0, 3), max_size=12))
def test_common_subsequence_is_that_of_the_table(first, second):
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    assert common_subsequence(first, second) == common_subsequence(second, first) == table[-1][-1]


# -- real data ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shared():
    folder = Path(os.environ.get("COUNTERPOISE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    if not (folder / "hu2025").is_dir():
        pytest.skip(f"no {folder}")
    return folder


def cleaned(name):
    """What is in brackets dropped; slash, comma and hyphen made blanks (SOURCE.md of hu2025)."""
    return re.sub(r"[/,-]", " ", re.sub(r"\([^)]*\)", "", name))


@pytest.mark.shared
def test_published_names_of_gene_sets(shared):
    """SOURCE.md: GPT-4's names .1753/.0426/.1637, the constant .2249."""
    with (shared / "hu2025" / "gpt4_names.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    terms, names = [cleaned(row["term"]) for row in rows], [cleaned(row["gpt4_name"]) for row in rows]
    found = {metric: values.mean() for metric, values in rouge(names, terms).items()}
    assert found == pytest.approx({"ROUGE-1": 0.1753, "ROUGE-2": 0.0426, "ROUGE-L": 0.1637}, abs=1e-4)
    constant = rouge(["regulation of process"] * len(terms), terms)["ROUGE-L"].mean()
    assert constant == pytest.approx(0.2249, abs=1e-4)


@pytest.mark.shared
def test_the_constant_floor_finds_the_trick(shared):
    """Found from training terms alone, it is worth what "regulation of process" is (0.223) on the 1,000 GO sets."""
    test = [json.loads(line)["name"] for line in (shared / "geneagent" / "go_1000.jsonl").read_text().splitlines()]
    with gzip.open(shared / "hu2025" / "go_bp_background.tsv.gz", "rt") as file:
        training = sorted({row["name"] for row in csv.DictReader(file, delimiter="\t")} - set(test))
    floors = text_floors("geneagent", test, test, training)
    reached = {name: rouge(texts, test)["ROUGE-L"].mean() for name, texts in floors.items()}
    assert reached["constant string"] > 0.215
    assert reached["permuted references"] == pytest.approx(0.081, abs=0.01)  # protocols.md
    assert reached["copy of the source"] == 1.0
