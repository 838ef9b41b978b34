"""The diagnostic on planted data: dense runs are told from scattered tokens, with honest intervals and enrichment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.errors import UserError
from counterpoise.inspection.bootstrap import estimate, resampled
from counterpoise.inspection.diagnostic import Thresholds, diagnose, groups, sample_groups, slide_text
from counterpoise.inspection.enrichment import enrichment
from counterpoise.inspection.lexicon import embedded_lexicon, read_lexicon
from counterpoise.inspection.windows import Windows
from tiny_models import tiny_tokenizer

SMALL = Thresholds(low=0.1, window=32, stride=8, share=0.25, run=6)


def text(pattern, samples=30, length=64, seed=0):
    """Samples of one pattern: "dense" has a run of 20 low tokens, "sparse" has every tenth token low, "easy" none."""
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.5, 1.0, (samples, length)).astype(np.float32)
    for row in confidence:
        start = random.integers(0, 20)
        if pattern == "dense":
            row[start : start + 20] = 0.01
        if pattern == "sparse":
            row[start % 10 :: 10] = 0.01
    return confidence.reshape(-1), np.full(samples, length)


def test_planted_patterns_are_told_apart():
    found = diagnose({"data": text("dense"), "other": text("sparse")}, SMALL)
    dense, sparse = found["texts"]
    assert (dense["name"], dense["windows"], dense["samples"]) == ("data", 150, 30)
    assert sparse["group_a"]["value"] == 1.0
    assert sparse["group_b"]["value"] == 0.0
    assert dense["group_b"]["value"] > 0.5
    assert dense["longest_run"]["value"] > 10 > 2 > sparse["longest_run"]["value"]
    assert sum(dense["low_share_histogram"]) == sum(dense["run_histogram"]) == 150
    assert dense["run_histogram"][20] > 0
    easy = diagnose({"data": text("easy")}, SMALL)["texts"][0]
    assert easy["group_a"]["value"] == easy["group_b"]["value"] == 0.0
    assert easy["run_histogram"][0] == easy["windows"]


def test_clustering_is_one_where_low_tokens_lie_at_random():
    random = np.random.default_rng(1)
    scattered = random.choice([0.01, 0.9], size=(200, 200), p=[0.3, 0.7]).astype(np.float32)
    runs = np.sort(scattered, axis=1)  # the same tokens, the low ones in a row
    lengths = np.full(200, 200)
    found = diagnose({"data": (scattered.reshape(-1), lengths), "other": (runs.reshape(-1), lengths)}, SMALL)
    by_chance, in_a_row = found["texts"]
    assert by_chance["clustering"]["low"] < 1.0 < by_chance["clustering"]["high"]
    assert by_chance["clustering"]["high"] - by_chance["clustering"]["low"] < 0.1
    assert in_a_row["clustering"]["low"] > 1.5
    assert in_a_row["scattered_run"]["value"] == pytest.approx(by_chance["scattered_run"]["value"], rel=0.1)
    none = diagnose({"data": text("easy")}, SMALL)["texts"][0]
    assert none["clustering"] is None, "0 over 0"


def test_sensitivity_agrees_with_the_main_table():
    found = diagnose({"data": text("dense")}, SMALL)
    rows = found["sensitivity"]
    assert len(rows) == 27
    [same] = [row for row in rows if (row["low"], row["share"], row["run"]) == (0.1, 0.25, 6)]
    assert same["group_b"] == found["texts"][0]["group_b"]["value"]
    strict = [row["group_b"] for row in rows if row["low"] == 0.1 and row["share"] == 0.35]
    assert strict == sorted(strict, reverse=True), "a longer run is asked for, fewer windows have it"


def test_texts_of_unlike_windows_get_a_row_that_is_alike():
    found = diagnose({"data": text("dense"), "short": text("dense", length=16)}, SMALL)
    assert [row["name"] for row in found["texts"]] == ["data", "short", "data, in windows of 16 tokens"]
    assert found["texts"][2]["window_tokens"] == 16.0
    assert "compare short with the row" in found["notes"][0]
    alike = diagnose({"data": text("dense"), "other": text("easy")}, SMALL)
    assert len(alike["texts"]) == 2
    assert alike["notes"] == []


def test_short_samples_are_counted_and_nothing_is_said_of_none():
    confidence = np.full(20, 0.01, dtype=np.float32)
    found = diagnose({"data": (confidence, np.array([10, 10]))}, SMALL)
    [row] = found["texts"]
    assert (row["windows"], row["left_out"], row["low_share"], row["group_b"]) == (0, 2, None, None)
    assert "2 of data" in found["notes"][0]


def test_groups_of_a_sample():
    windows = slide_text(text("sparse", samples=2), SMALL)
    marks = np.array([""] * len(windows.sample))
    marks[0], marks[1] = "A", "B"
    assert sample_groups(windows, marks, 2).tolist() == ["B", ""]
    none = Windows(*(np.array([0, 0, 0]),) * 3, np.array([0.5, 0.5, 0.1]), np.array([9, 2, 9]), 0)
    assert groups(none, 0.25, 6).tolist() == ["B", "", ""]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"low": 0.0}, "low is 0.0"),
        ({"share": 2.0}, "share is 2.0"),
        ({"window": 4}, "window is 4"),
        ({"stride": 0}, "stride is 0"),
        ({"run": 300}, "run is 300"),
    ],
)
def test_thresholds_that_make_no_sense(changed, said):
    with pytest.raises(UserError, match=said):
        Thresholds(**changed)


@given(st.integers(2, 40), st.integers(0, 5))
def test_resampling_draws_whole_samples(samples, seed):
    sums = np.random.default_rng(seed).integers(0, 5, (samples, 2)).astype(float)
    draws = resampled(np.concatenate([sums, np.ones((samples, 1))], axis=1), resamples=50, seed=seed)
    assert (draws[:, 2] == samples).all()
    assert (draws[:, :2] <= samples * sums.max(0) + 1e-9).all()


def test_intervals_widen_where_windows_hang_together():
    """100 windows in 10 samples that are all alike inside say no more than 10 windows do."""
    random = np.random.default_rng(0)
    share = random.random(10)
    apart = np.stack([np.ones(100), random.permutation(np.repeat(share, 10))], axis=1)
    together = np.stack([np.full(10, 10.0), 10 * share], axis=1)
    mean = [estimate(lambda t: t[..., 1] / t[..., 0], sums, resampled(sums)) for sums in (apart, together)]
    assert mean[0]["value"] == pytest.approx(mean[1]["value"])
    widths = [found["high"] - found["low"] for found in mean]
    assert widths[1] > 2 * widths[0]
    expected = 2 * 1.96 * share.std() / np.sqrt(10)
    assert widths[1] == pytest.approx(expected, rel=0.2)


def enriched(texts, marks, lexicon):
    """Each text a sample and a window of its own."""
    tokenizer = tiny_tokenizer()
    ids = [tokenizer(own)["input_ids"] for own in texts]
    lengths = np.array([len(own) for own in ids])
    one = np.arange(len(ids))
    windows = Windows(one, np.zeros_like(one), lengths, np.ones(len(ids)), lengths, 0)
    tokens = np.array([t for own in ids for t in own], dtype=np.int32)
    return enrichment(windows, np.array(marks), tokens, lengths, tokenizer, lexicon)


def test_enrichment_of_planted_terms():
    lexicon = embedded_lexicon()
    dense = ["TP53 and phosphorylation of kinases matter here"] * 20 + ["a kinase and the weather are here now"] * 20
    sparse = ["the weather is fine and the kinase rests"] * 40
    found = enriched(dense + sparse, ["B"] * 40 + ["A"] * 40, lexicon)
    assert found["rate_b"] == pytest.approx(100 * (2 * 20 + 20) / (7 * 20 + 8 * 20), rel=0.2)
    assert found["rate_a"] == pytest.approx(100 / 8)
    assert found["ratio"]["low"] > 1.0
    assert found["ratio"]["low"] < found["ratio"]["value"] < found["ratio"]["high"]
    same = enriched(sparse, ["A", "B"] * 20, lexicon)
    assert same["ratio"]["value"] == pytest.approx(1.0)
    assert enriched(sparse, ["A", ""] * 20, lexicon) is None, "no window of group B"


def test_the_embedded_lexicon_knows_biology_and_not_everyday_english():
    lexicon = embedded_lexicon()
    for words, hits in {
        "TP53": 1,
        "tp53": 0,
        "phosphorylation": 1,
        "Phosphorylation": 1,
        "kinase": 1,
        "mitochondrial": 1,
        "The growth of the city was a positive response to new development": 0,
        "the regulation of food and water in the system of the house": 0,
    }.items():
        assert lexicon.count(words)[0] == hits, words
    assert 5_000 < lexicon.size < 20_000


def test_a_file_of_terms(tmp_path):
    path = tmp_path / "terms.txt"
    path.write_text("myocardial infarction\ninfarction\n\nTNF-alpha\n")
    lexicon = read_lexicon(path)
    assert lexicon.size == 3
    assert lexicon.count("Acute Myocardial Infarction, an infarction, and tnf-alpha.") == (4, 7)
    (tmp_path / "empty.txt").write_text(" \n")
    for name, said in {"empty.txt": "holds no terms", "absent.txt": "cannot be read"}.items():
        with pytest.raises(UserError, match=said):
            read_lexicon(tmp_path / name)
