"""Ranks are those of a loop over the background; the expected value of permuted names is that of all pairs."""

import csv

import numpy as np
import pytest

from counterpoise.evaluation.gene_sets.ranking import THRESHOLDS, Ranker, hit, hit_name, percentile

BACKGROUND = [
    "dna repair",
    "apoptosis",
    "mitosis",
    "rna splicing",
    "translation",
    "glycolysis",
    "dna repair",
    "lipid x",
]
TRUTH = ["mitosis", "apoptosis", "cell motility", "glycolysis"]
SAID = ["mitosis", "optosisap", "", "lipid glycol"]


def unit(encoder, name):
    return encoder.vectors([name])[0]


def by_loop(encoder, name, truth, names):
    """Rank and similarity of one true name, one cosine at a time."""
    if not name.strip():
        return 0.0, len(names)
    cosines = {other: float(unit(encoder, name) @ unit(encoder, other)) for other in names}
    above = [other for other in names if other != truth and cosines[other] > cosines[truth] + 1e-6]
    return cosines[truth], 1 + len(above)


def test_equal_to_a_loop(letters):
    ranker = Ranker(letters, BACKGROUND, TRUTH)
    names = [*dict.fromkeys(BACKGROUND), "cell motility"]
    assert ranker.names == names
    assert ranker.added == 1
    found = ranker.rank(SAID)
    expected = [by_loop(letters, said, truth, names) for said, truth in zip(SAID, TRUTH, strict=True)]
    assert found.similarity == pytest.approx([similarity for similarity, _ in expected], abs=1e-6)
    assert found.rank.tolist() == [rank for _, rank in expected]
    assert found.rank[:3].tolist() == [1, 1, len(names)], "itself, its letters in another order, and nothing at all"
    assert found.percentile == pytest.approx(1 - found.rank / len(names))


def test_a_name_may_stand_for_any_set(letters):
    ranker = Ranker(letters, BACKGROUND, TRUTH)
    found = ranker.rank_some(["mitosis", "mitosis", "apoptosis"], [0, 1, 1])
    assert found.rank[0] == found.rank[2] == 1
    assert found.rank[1] > 1
    with pytest.raises(ValueError, match="2 predictions for 1 sets"):
        ranker.rank_some(["a", "b"], [0])


@pytest.mark.parametrize("block", [1, 3, 256])
def test_blocks_do_not_matter(letters, monkeypatch, block):
    ranker = Ranker(letters, BACKGROUND, TRUTH)
    whole, expected = ranker.rank(SAID), ranker.expected(SAID)
    monkeypatch.setattr("counterpoise.evaluation.gene_sets.ranking.BLOCK", block)
    assert ranker.rank(SAID).rank.tolist() == whole.rank.tolist()
    assert ranker.expected(SAID) == pytest.approx(expected)


def test_the_expected_value_is_the_mean_over_all_pairs(letters):
    ranker = Ranker(letters, BACKGROUND, TRUTH)
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    found = ranker.rank_some([SAID[i] for i, _ in pairs], [j for _, j in pairs]).values()
    assert ranker.expected(SAID) == pytest.approx({metric: values.mean() for metric, values in found.items()})


def test_one_set_has_no_expected_value(letters):
    assert Ranker(letters, BACKGROUND, ["mitosis"]).expected(["mitosis"]) == {}


def test_names_with_the_same_vector_share_their_rank(letters):
    """Upper and lower case are one to many encoders; rounding must not put either first."""
    background = [*(f"filler {i}" for i in range(501)), "DNA repair", "dna repair", "repair dna"]
    ranker = Ranker(letters, background, ["dna repair", "DNA repair", "repair dna"])
    assert ranker.rank(["DNA REPAIR"] * 3).rank.tolist() == [1, 1, 1]
    assert ranker.expected(["DNA REPAIR"] * 3)["rank 1"] == 1


def test_no_background_ranks_among_the_true_names(letters):
    found = Ranker(letters, [], TRUTH).rank(TRUTH)
    assert found.size == 4
    assert found.rank.tolist() == [1, 1, 1, 1]


def test_every_different_text_is_read_once(letters):
    ranker = Ranker(letters, BACKGROUND, TRUTH)
    letters.read = 0
    found = ranker.rank(["mitosis", "new name", "new name", "mitosis"])
    assert letters.read == 1, "the background's own names are known"
    assert ranker.rank(["mitosis", "new name", "new name", "mitosis"]).similarity.tolist() == found.similarity.tolist()
    assert letters.read == 1
    ranker.remember(["floor a", "floor b", "mitosis"])
    assert letters.read == 3
    again = Ranker(letters, BACKGROUND, TRUTH)
    again.remember(["floor a", "floor b"])
    assert letters.read == 4, "background and floors come from the disk, not the true name that both lack"
    assert np.array_equal(again.vectors, ranker.vectors)


def test_values_by_metric(letters):
    values = Ranker(letters, BACKGROUND, TRUTH).rank(SAID).values()
    assert [hit_name(t) for t in THRESHOLDS] == [f"percentile >= {t}" for t in (".90", ".95", ".98", ".99")]
    assert set(values) == {"similarity", "percentile", *map(hit_name, THRESHOLDS), "rank 1", "top 5"}
    assert values["rank 1"].tolist()[:3] == [1, 1, 0]


def test_a_threshold_is_reached_by_its_own_value():
    assert hit(percentile(np.array([5.0, 6.0]), 100), 0.95).tolist() == [1.0, 0.0]


@pytest.mark.shared
def test_published_ranks_of_gpt4(shared_data):
    """protocols.md, "Ready-made regression checks" 3, and the shares of section a2."""
    with (shared_data / "hu2025" / "gpt4_names.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rank = np.array([float(row["sim_rank"]) for row in rows])
    found = percentile(rank, 11_943)
    assert found == pytest.approx([float(row["sim_percentile"]) for row in rows], abs=1e-12)
    assert [int(hit(found, threshold).sum()) for threshold in THRESHOLDS] == [685, 603, 494, 399]
    random = percentile(np.array([float(row["random_sim_rank"]) for row in rows]), 11_943)
    assert hit(random, 0.95).sum() == 46
    assert ((rank <= 1).sum(), (rank <= 5).sum()) == (33, 81)
