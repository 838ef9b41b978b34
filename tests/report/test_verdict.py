"""The verdict holds whatever came out: who won, who lost, and what cannot be told."""

import json
import re

import pytest
from demo_outcome import ARMS, FORGETTING, STARVED, make_outcome

from counterpoise.report.reading import GENERAL_NLL, PRIMARY, read
from counterpoise.report.verdict import verdict


def text_of(outcome):
    lines = verdict(outcome)
    assert 2 <= len(lines) <= 4
    assert all(re.search(r"[.]$", line) for line in lines)
    return " ".join(lines)


def test_sft_best_and_the_weighted_arms_behind():
    text = text_of(make_outcome())
    assert "The best fine-tuned model is SFT: corrected accuracy .558 [.518, .598] on 500 held-out genes" in text
    assert "above the base model's .344" in text
    assert "a loss for DFT (-.079 [-.109, -.049]), BFT (-.073 [-.103, -.043]) and BFT, floor 0.3" in text
    assert "no clear difference for BFT, SFT share 0.5" in text
    assert "a gain for" not in text


def test_bft_best():
    text = text_of(make_outcome({**STARVED, "bft": 0.66}, naive_bayes=0.9))
    assert "The best fine-tuned model is BFT" in text
    assert "a gain for BFT (+.102" in text
    assert "it stays below naive Bayes, same rows (.900" in text


def test_nothing_beats_the_base():
    text = text_of(make_outcome(dict.fromkeys(STARVED, 0.25) | {"base": 0.26}))
    assert "cannot be told from the base model" in text
    assert "clear difference for DFT" in text
    assert "It clears" not in text


def test_fine_tuning_made_it_worse():
    text = text_of(make_outcome(dict.fromkeys(STARVED, 0.3) | {"base": 0.5}))
    assert "Fine-tuning made it worse" in text


def test_every_floor_cleared():
    assert "It clears every floor" in text_of(make_outcome(naive_bayes=0.4))


def test_a_floor_whose_interval_overlaps_is_not_called_beaten():
    text = text_of(make_outcome(naive_bayes=0.52))
    assert "cannot be told from naive Bayes, same rows (.520 [.480, .560])" in text


def test_forgetting_names_who_forgot_more_and_less():
    text = text_of(make_outcome(general=FORGETTING | {"dft": 4.4}))
    assert "NLL on 42 general sentences (base model 4.08) rose after" in text
    assert "Forgot less than SFT: BFT (-.123)" in text
    assert "Forgot more than SFT: DFT (+.187)" in text


def test_forgetting_that_cannot_be_told_apart():
    text = text_of(make_outcome(general=dict.fromkeys(FORGETTING, 4.1)))
    assert "shows no clear change after" in text
    assert "No arm can be told from SFT in this" in text


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), None),
        (("sft",), "SFT is the only arm"),
        (("dft",), "SFT is not among the arms"),
    ],
)
def test_missing_arms(keys, expected):
    text = text_of(make_outcome(arms={key: ARMS[key] for key in keys}))
    assert expected is None or expected in text


def test_base_alone():
    outcome = make_outcome(arms={})
    outcome["arms"] = outcome["arms"][:1]
    outcome["comparisons"] = []
    assert "Nothing was trained" in text_of(outcome)


def test_a_difference_needs_interval_and_corrected_p_value():
    outcome = make_outcome()
    for row in outcome["comparisons"]:
        row["p_value"] = 0.01  # 15 comparisons a metric
    reading = read(outcome)
    assert reading.paired(PRIMARY, "DFT", "SFT").direction == "unclear"
    for metric in (PRIMARY, GENERAL_NLL):
        assert [c.holm for c in reading.comparisons if c.metric == metric] == pytest.approx([0.15] * 15)


def test_a_results_file_read_back_says_the_same():
    outcome = make_outcome()
    assert verdict(json.loads(json.dumps(outcome))) == verdict(outcome)
