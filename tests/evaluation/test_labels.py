"""Metrics of labels against scikit-learn, numpy and slow readings of the definitions; floors; predictions."""

import os
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, f1_score

from counterpoise.data.labelled import encode_labels
from counterpoise.data.labelled_reading import LabelledExample, LabelSpace, read_labelled
from counterpoise.errors import UserError
from counterpoise.evaluation.intervals import ratio_of_sums
from counterpoise.evaluation.label_floors import dictionary_tags, label_floors, most_frequent_tags
from counterpoise.evaluation.label_prediction import label_nll, predict_labels
from counterpoise.evaluation.labels import entities, label_rows, measure_labels
from counterpoise.models.adapters import AdapterConfig
from counterpoise.models.encoder import load_encoder
from tiny_encoders import toy_scores, toy_tagged, toy_texts, write_encoder

TAGS = LabelSpace("token-classification", ("O", "B-A", "I-A", "B-B", "I-B"))
TEXTS = LabelSpace("sequence-classification", ("no", "x", "y"))
SCORES = LabelSpace("regression")

tag_lists = st.lists(st.sampled_from(TAGS.labels), min_size=1, max_size=8)
pairs = st.lists(st.tuples(tag_lists, st.randoms()), min_size=1, max_size=4)


def tagged(*rows):
    return [LabelledExample(words=tuple(f"w{i}" for i in range(len(row))), tags=tuple(row)) for row in rows]


def texts(labels):
    return [LabelledExample("t", label=label) for label in labels]


def found_by_regex(tags):
    """Strict IOB2 on a string with one letter a tag: an entity is b a* (type A) or d c* (type B)."""
    letters = "".join({"O": "o", "B-A": "b", "I-A": "a", "B-B": "d", "I-B": "c"}[tag] for tag in tags)
    kinds = {"b": "A", "d": "B"}
    return {(kinds[m[0][0]], m.start(), m.end()) for m in re.finditer("ba*|dc*", letters)}


@given(tag_lists)
def test_entities(tags):
    assert entities(tags) == found_by_regex(tags)


@given(pairs)
def test_entity_f1_is_micro_averaged_over_exact_matches(rows):
    gold = [tags for tags, _ in rows]
    predicted = [tuple(draw.choice([tag, draw.choice(TAGS.labels)]) for tag in tags) for tags, draw in rows]
    true = [{(i, *e) for e in found_by_regex(tags)} for i, tags in enumerate(gold)]
    theirs = [{(i, *e) for e in found_by_regex(tags)} for i, tags in enumerate(predicted)]
    true_all, theirs_all = set().union(*true), set().union(*theirs)
    hits = len(true_all & theirs_all)
    precision = hits / len(theirs_all) if theirs_all else 0.0
    recall = hits / len(true_all) if true_all else 0.0
    expected = 2 * precision * recall / (precision + recall) if hits else 0.0
    metrics = measure_labels("t", TAGS, tagged(*gold), predicted)
    assert metrics["entity F1"].value == pytest.approx(expected)
    flat = [(a, b) for x, y in zip(gold, predicted, strict=True) for a, b in zip(x, y, strict=True)]
    assert metrics["token accuracy"].value == pytest.approx(sum(a == b for a, b in flat) / len(flat))


@given(pairs)
def test_entity_f1_equals_seqeval_in_strict_iob2(rows):
    from seqeval.metrics import f1_score as seqeval_f1
    from seqeval.scheme import IOB2, Entities

    gold = [tags for tags, _ in rows]
    predicted = [[draw.choice([tag, draw.choice(TAGS.labels)]) for tag in tags] for tags, draw in rows]
    for tags in (*gold, *predicted):
        (theirs,) = Entities([tags], IOB2).entities
        assert entities(tags) == {(e.tag, e.start, e.end) for e in theirs}
    ours = measure_labels("t", TAGS, tagged(*gold), [tuple(tags) for tags in predicted])["entity F1"].value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns where there is nothing to find
        if any(tag != "O" for tags in (*gold, *predicted) for tag in tags):  # else it gives NaN or 0, by version
            assert ours == pytest.approx(seqeval_f1(gold, predicted, mode="strict", scheme=IOB2, zero_division=0))


def test_lenient_reading_is_not_ours():
    """The published trap: seqeval's default gives 1.0 here, its strict IOB2 mode 0.0."""
    from seqeval.metrics import f1_score as seqeval_f1
    from seqeval.scheme import IOB2

    gold, predicted = ["B-A", "I-A"], ["I-A", "I-A"]
    metrics = measure_labels("t", TAGS, tagged(gold), [tuple(predicted)])
    assert metrics["entity F1"].value == 0.0
    assert seqeval_f1([gold], [predicted]) == 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert seqeval_f1([gold], [predicted], mode="strict", scheme=IOB2, zero_division=0) == 0.0


@given(pairs)
def test_word_macro_f1_is_seqeval_per_type_after_rewriting_to_b(rows):
    """BLURB's reading of EBM PICO: every I- becomes B-, F1 per type, unweighted mean."""
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    gold = [tags for tags, _ in rows]
    predicted = [[draw.choice([tag, draw.choice(TAGS.labels)]) for tag in tags] for tags, draw in rows]
    ours = measure_labels("t", TAGS, tagged(*gold), [tuple(tags) for tags in predicted])["word macro F1"].value
    alone = [[[f"B-{tag[2:]}" if tag != "O" else tag for tag in tags] for tags in side] for side in (gold, predicted)]
    if all(tag == "O" for side in alone for tags in side for tag in tags):
        assert ours == 0.0
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = classification_report(*alone, mode="strict", scheme=IOB2, output_dict=True, zero_division=0)
    assert ours == pytest.approx(report["macro avg"]["f1-score"])
    by_hand = []
    for kind in {tag[2:] for side in alone for tags in side for tag in tags if tag != "O"}:
        flat = [[tag == f"B-{kind}" for tags in side for tag in tags] for side in alone]
        by_hand.append(f1_score(flat[0], flat[1], zero_division=0))
    assert ours == pytest.approx(sum(by_hand) / len(by_hand))


@given(st.lists(st.tuples(st.sampled_from(TEXTS.labels), st.sampled_from(TEXTS.labels)), min_size=1, max_size=20))
def test_class_metrics_equal_sklearn(rows):
    gold, predicted = zip(*rows, strict=True)
    metrics = measure_labels("t", TEXTS, texts(gold), predicted, negative="no")
    assert metrics["accuracy"].value == pytest.approx(accuracy_score(gold, predicted))
    assert metrics["macro F1"].value == pytest.approx(f1_score(gold, predicted, average="macro", zero_division=0))
    positive = f1_score(gold, predicted, labels=["x", "y"], average="micro", zero_division=0)
    assert metrics["positive micro F1"].value == pytest.approx(positive)


@given(st.lists(st.tuples(st.sampled_from(TEXTS.labels), st.sampled_from(TEXTS.labels)), min_size=1, max_size=20))
def test_positive_micro_f1_as_blurb_counts(rows):
    """True positive: right and not negative; precision over positive predictions, recall over positive labels."""
    true = sum(a == b != "no" for a, b in rows)
    said, there = sum(b != "no" for _, b in rows), sum(a != "no" for a, _ in rows)
    precision, recall = true / said if said else 0.0, true / there if there else 0.0
    expected = 2 * precision * recall / (precision + recall) if true else 0.0
    gold, predicted = zip(*rows, strict=True)
    found = measure_labels("t", TEXTS, texts(gold), predicted, negative="no")["positive micro F1"]
    assert found.value == pytest.approx(expected)


def test_a_wrong_positive_label_costs_precision_and_recall():
    found = measure_labels("t", TEXTS, texts(["x"]), ["y"], negative="no")["positive micro F1"]
    assert found.sums.tolist() == [[0, 1, 1]]


def test_positive_f1_only_where_a_negative_label_is_named():
    assert set(measure_labels("t", TEXTS, texts(["x"]), ["x"])) == {"accuracy", "macro F1"}
    with pytest.raises(UserError, match=r"negative label 'none' does not occur.*expected one of no, x, y"):
        measure_labels("t", TEXTS, texts(["x"]), ["x"], negative="none")
    with pytest.raises(UserError, match="is for sequence-classification, not for token-classification"):
        measure_labels("t", TAGS, tagged(["O"]), [("O",)], negative="O")
    with pytest.raises(ValueError, match="a prediction an example"):
        measure_labels("t", TEXTS, texts(["x"]), [])


def test_pearson_equals_numpy_far_from_zero():
    random = np.random.default_rng(0)
    gold = 1e6 + random.normal(size=50)
    predicted = gold + random.normal(size=50)
    examples = [LabelledExample("t", value=value) for value in gold]
    found = measure_labels("t", SCORES, examples, predicted.tolist())["Pearson"]
    assert found.value == pytest.approx(np.corrcoef(gold, predicted)[0, 1], abs=1e-9)
    estimate = found.estimate()
    draws = random.integers(50, size=(2_000, 50))
    slow = np.quantile([np.corrcoef(gold[d], predicted[d])[0, 1] for d in draws], [0.025, 0.975])
    assert [estimate.low, estimate.high] == pytest.approx(slow.tolist(), abs=0.03)
    assert estimate.n == 50
    assert measure_labels("t", SCORES, examples, [3.3] * 50)["Pearson"].value == 0.0


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=12))
def test_pearson_equals_scipy(rows):
    gold, predicted = zip(*rows, strict=True)
    examples = [LabelledExample("t", value=float(value)) for value in gold]
    found = measure_labels("t", SCORES, examples, [float(value) for value in predicted])["Pearson"].value
    constant = len(set(gold)) == 1 or len(set(predicted)) == 1
    assert found == pytest.approx(0.0 if constant else pearsonr(gold, predicted).statistic, abs=1e-9)


def test_the_interval_of_an_accuracy_is_that_of_every_other_task():
    random = np.random.default_rng(0)
    gold = random.choice(TEXTS.labels, 200).tolist()
    predicted = [label if random.random() < 0.7 else "no" for label in gold]
    ours = measure_labels("t", TEXTS, texts(gold), predicted)["accuracy"].estimate()
    right = [float(a == b) for a, b in zip(gold, predicted, strict=True)]
    assert ours == ratio_of_sums(right, np.ones(200))


def test_the_interval_of_f1_resamples_sentences_whole():
    rows = [["B-A", "O"], ["O", "B-A"], ["O", "O"], ["B-A", "B-A"]] * 10
    predicted = [("B-A", "O"), ("O", "O"), ("B-A", "O"), ("B-A", "B-A")] * 10
    measured = measure_labels("t", TAGS, tagged(*rows), predicted)["entity F1"]
    estimate = measured.estimate()
    counts = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0], [2, 0, 0]] * 10)
    random = np.random.default_rng(1)
    sums = np.array([counts[random.integers(40, size=40)].sum(0) for _ in range(4_000)])
    slow = np.quantile(2 * sums[:, 0] / (2 * sums[:, 0] + sums[:, 1] + sums[:, 2]), [0.025, 0.975])
    assert [estimate.low, estimate.high] == pytest.approx(slow.tolist(), abs=0.02)
    assert estimate.value == pytest.approx(0.75)
    assert estimate.n == 40
    assert measured.estimate(resamples=500) == measured.estimate(resamples=500)


def test_difference_is_paired():
    random = np.random.default_rng(0)
    gold = random.choice(["x", "y"], 300).tolist()
    good = [label if random.random() < 0.9 else "no" for label in gold]
    better = [label if random.random() < 0.5 else guess for label, guess in zip(gold, good, strict=True)]
    for metric in ("accuracy", "macro F1"):
        theirs, ours = (measure_labels("t", TEXTS, texts(gold), guess)[metric] for guess in (good, better))
        found = ours.difference(theirs, resamples=2_000)
        assert found.value == pytest.approx(ours.value - theirs.value)
        assert 0 < found.low < found.value < found.high
        assert found.p_value < 0.01
        assert ours.difference(ours, resamples=200).p_value == 1.0
    with pytest.raises(ValueError, match="not measured on the same items"):
        ours.difference(measure_labels("t", TEXTS, texts(gold[:9]), good[:9])["macro F1"])


def test_models_that_say_other_labels_can_be_compared():
    """A label or type that one model alone says does not change what the other's sums stand for."""
    gold, one, other = texts(["no", "x"]), ["no", "x"], ["no", "y"]
    found = measure_labels("t", TEXTS, gold, one)["macro F1"].difference(
        measure_labels("t", TEXTS, gold, other)["macro F1"], resamples=50
    )
    assert found.value == pytest.approx(1 - 1 / 3)
    rows = tagged(["B-A", "O"])
    said = [measure_labels("t", TAGS, rows, [tags])["word macro F1"] for tags in (("B-A", "O"), ("B-A", "B-B"))]
    assert said[0].difference(said[1], resamples=50).value == pytest.approx(1 - 1 / 2)


def test_difference_of_words():
    random = np.random.default_rng(0)
    gold = [random.choice(TAGS.labels, 5).tolist() for _ in range(80)]

    def guess(share):
        rows = [tuple(tag if random.random() < share else "O" for tag in tags) for tags in gold]
        return measure_labels("t", TAGS, tagged(*gold), rows)["word macro F1"]

    better, worse = guess(0.9), guess(0.6)
    found = better.difference(worse, resamples=1_000)
    assert found.value == pytest.approx(better.value - worse.value)
    assert 0 < found.low < found.value < found.high
    assert found.p_value < 0.01


def test_many_items_are_resampled_in_small_blocks():
    rows = [["B-A"], ["O"]] * 20_000
    measured = measure_labels("t", TAGS, tagged(*rows), [("B-A",), ("B-A",)] * 20_000)["entity F1"]
    estimate = measured.estimate(resamples=250)
    assert estimate.value == pytest.approx(2 / 3)
    assert estimate.low < estimate.value < estimate.high
    assert estimate.high - estimate.low < 0.02


# -- floors ---------------------------------------------------------------------------------------------------------


def sentence(text):
    words, tags = zip(*(part.rsplit("/", 1) for part in text.split()), strict=True)
    return LabelledExample(words=words, tags=tags)


TRAINING = [
    sentence("the/O alpha/B-A beta/I-A rises/O"),
    sentence("alpha/B-A falls/O beta/O"),
    sentence("beta/O and/O gamma/B-B"),
]


def test_tag_floors():
    asked = [sentence("alpha/O beta/O gamma/O beta/O new/O")]
    assert most_frequent_tags(TRAINING, asked) == [("B-A", "O", "B-B", "O", "O")]
    assert dictionary_tags(TRAINING, asked) == [("B-A", "I-A", "B-B", "O", "O")]
    assert dictionary_tags([sentence("x/O")], asked) == [("O",) * 5]
    floors = label_floors("t", TAGS, TRAINING, TRAINING)
    assert floors["all O"]["entity F1"].value == 0.0
    assert floors["all O"]["token accuracy"].value == pytest.approx(6 / 10)
    assert floors["most frequent tag"]["entity F1"].value == pytest.approx(2 / 3)  # alpha alone is half of alpha beta
    assert floors["training dictionary"]["entity F1"].value == 1.0


def test_text_floors():
    floors = label_floors("t", TEXTS, texts("xxy"), texts("xyy"), negative="no")
    assert floors["majority label"]["accuracy"].value == pytest.approx(1 / 3)
    assert floors["majority label"]["positive micro F1"].value == pytest.approx(1 / 3)
    examples = [LabelledExample("t", value=float(i)) for i in range(5)]
    floors = label_floors("t", LabelSpace("regression", (), 2.0, 1.0), examples, examples)
    assert floors["mean value"]["Pearson"].value == 0.0


def test_rows_carry_interval_and_floors():
    examples = texts("xxyy")
    measured = measure_labels("gad", TEXTS, examples, ["x", "x", "y", "no"])
    floors = label_floors("gad", TEXTS, examples, examples)
    identity = {"model": "m", "objective": "sft", "adapter": "full", "seed": 0}
    rows = label_rows(measured, floors, **identity)
    assert [row.metric for row in rows] == ["accuracy", "macro F1"]
    assert rows[0].value == 0.75
    assert rows[0].low < 0.75 < rows[0].high
    assert rows[0].floors == {"majority label": 0.5}
    assert (rows[0].task, rows[0].n, rows[0].model) == ("gad", 4, "m")


# -- predictions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("toy", [toy_tagged, toy_texts, toy_scores])
def test_predictions_come_back_in_order_and_in_units(toy, tmp_path):
    """Batches of unequal lengths, sorted inside, give what one item alone gives."""
    examples, space = toy(20)
    folder = write_encoder("bert", tmp_path / "bert")
    loaded = load_encoder(folder, space=space, adapter=AdapterConfig(kind="full"), dtype="float32")
    loaded.model.train()
    items = encode_labels(examples, loaded.tokenizer, space, 64).items
    together = predict_labels(loaded.model, items, 0, batch_size=8)
    alone = [predict_labels(loaded.model, [item], 0)[0] for item in items]
    if toy is toy_scores:
        assert together == pytest.approx(alone, rel=1e-4)
        assert all(abs(value - space.mean) < 10 * space.scale for value in together)
    else:
        assert together == alone
    if toy is toy_tagged:
        assert [len(tags) for tags in together] == [len(example.words) for example in examples]
    measure_labels("t", space, examples, together)
    one_by_one = [label_nll(loaded.model, [item], 0)["NLL"] for item in items]
    nll = label_nll(loaded.model, items, 0, batch_size=8)["NLL"]
    assert nll.totals.tolist() == pytest.approx([m.totals[0] for m in one_by_one], rel=1e-3, abs=1e-5)
    assert nll.counts.tolist() == [m.counts[0] for m in one_by_one]


def test_words_that_were_cut_count_as_missed(tmp_path):
    examples = [LabelledExample(words=("level", "gfap"), tags=("O", "B-A"))]
    space = LabelSpace("token-classification", ("B-A", "O"))
    loaded = load_encoder(write_encoder("bert", tmp_path / "bert"), space=space, dtype="float32")
    items = encode_labels(examples, loaded.tokenizer, space, 3).items  # [CLS] level [SEP]
    predicted = predict_labels(loaded.model, items, 0)
    assert len(predicted[0]) == 2
    assert predicted[0][1] == "O"
    assert measure_labels("t", space, examples, predicted)["entity F1"].sums[0, 2] == 1  # a false negative


# -- real data ------------------------------------------------------------------------------------------------------


@pytest.mark.shared
def test_floors_of_a_real_corpus():
    root = Path(os.environ.get("COUNTERPOISE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    folder = root / "blurb" / "ncbi_disease"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    train, test = (read_labelled(folder / f"{split}.tsv", task="token-classification") for split in ("train", "test"))
    floors = label_floors("ncbi_disease", train.space, train.examples, test.examples)
    reached = {name: found["entity F1"].value for name, found in floors.items()}
    assert reached["all O"] == 0.0
    assert 0.3 < reached["most frequent tag"] < 0.8  # PubMedBERT: 0.878
    assert 0.3 < reached["training dictionary"] < 0.8
    perfect = measure_labels("ncbi_disease", train.space, test.examples, [e.tags for e in test.examples])
    assert perfect["entity F1"].value == 1.0
    assert perfect["entity F1"].sums.sum(0).tolist() == [960.0, 0.0, 0.0]
