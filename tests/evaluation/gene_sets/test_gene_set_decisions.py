"""Shares of claims by decision, names that changed, and whether they became better."""

import pytest

from counterpoise.evaluation.gene_sets.decisions import changed_names, decision_parts, gained_similarity
from counterpoise.evaluation.gene_sets.names import Answer
from counterpoise.evaluation.gene_sets.ranking import Ranker

TRUTH = ["dna repair", "apoptosis", "mitosis", "glycolysis"]
ANSWERS = [
    Answer("a", "DNA repair", 0.9, "repair", ("supported", "refuted", "supported")),  # better
    Answer("b", "zzz", 0.9, "apoptosis", ("partly",)),  # worse
    Answer("c", "Mitosis.", 0.9, "mitosis", ()),  # the same, and nothing was claimed
    Answer("d", "glycolysis", 0.9),  # never verified
]


def values(parts):
    return {part.measurement.metric: part.measurement.value for part in parts}


def test_by_hand():
    parts = decision_parts("task", ANSWERS, TRUTH)
    assert values(parts) == pytest.approx(
        {
            "claims a set": 4 / 3,
            "claims supported": 2 / 4,
            "claims partly": 1 / 4,
            "claims refuted": 1 / 4,
            "claims not checked": 0,
            "name changed": 2 / 3,
            "ROUGE-L gained by verification": ((1 - 2 / 3) + (0 - 1)) / 2,
        }
    )
    places = {part.measurement.metric: part.places for part in parts}
    assert places["claims a set"] == places["name changed"] == [0, 1, 2]
    assert places["claims supported"] == places["ROUGE-L gained by verification"] == [0, 1]
    assert changed_names(ANSWERS) == [0, 1]


def test_similarity_gained(letters):
    ranker = Ranker(letters, [], TRUTH)
    (part,) = gained_similarity("task", ANSWERS, ranker)
    assert part.measurement.metric == "similarity gained by verification (letters)"
    assert part.places == [0, 1]
    better, worse = part.measurement.totals
    assert better > 0 > worse
    assert worse == pytest.approx(-1, abs=1e-6)


def test_without_verification_there_is_nothing_to_tell(letters):
    direct = [Answer("a", "x"), Answer("b", "y")]
    assert decision_parts("task", direct, TRUTH[:2]) == []
    assert gained_similarity("task", direct, Ranker(letters, [], TRUTH[:2])) == []


def test_a_name_that_verification_lost_has_changed():
    """The cascade came to nothing after a first name: that is a change, and a loss."""
    parts = values(decision_parts("task", [Answer("a", "", None, "apoptosis", (), False)], ["apoptosis"]))
    assert parts["name changed"] == 1
    assert parts["ROUGE-L gained by verification"] == -1
