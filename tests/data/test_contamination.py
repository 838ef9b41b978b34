"""Test items in training texts: equal to plain sets of words on any input, and what the filter promises."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contamination as benchmark
from counterpoise.data import contamination
from counterpoise.data.contamination import TestIndex, examples_text, filter_examples, words
from counterpoise.data.example import Example, Message
from counterpoise.errors import UserError

SENTENCE = "The IL-2 receptor binds interleukin 2 and so lets T cells divide quickly in the thymus"


def index_of(items, n=8, boilerplate_above=30):
    index = TestIndex(n, boilerplate_above=boilerplate_above)
    for item in items:
        index.add(*item)
    return index


def scanned(items, training, n=8, boilerplate_above=30):
    return index_of(items, n, boilerplate_above).scan(training)


# -- normalisation --------------------------------------------------------------------------------------------------


def test_tokenised_and_plain_text_have_the_same_words():
    assert words("IL - 2 ( interleukin-2 )") == words("IL-2 (interleukin 2)") == ["il", "2", "interleukin", "2"]


def test_compatible_characters_are_one():
    assert words("ﬁbrosis Α-SYNUCLEIN ＴＰ５３ H₂O") == ["fibrosis", "α", "synuclein", "tp53", "h2o"]


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_as_all_text(text):
    assert words(text) == words(text + " é")[:-1]


# -- the plain reference --------------------------------------------------------------------------------------------

texts = st.lists(st.sampled_from("abcdeé"), max_size=14).map(" ".join)
tasks = st.lists(st.tuples(st.sampled_from(["one", "two"]), texts), min_size=1, max_size=8)


def runs(text, length):
    return {text[i : i + length] for i in range(len(text) - length + 1)}


@settings(max_examples=400, deadline=None)
@given(tasks, st.lists(texts, min_size=1, max_size=8), st.integers(1, 9), st.integers(1, 3), st.integers(1, 30))
def test_equal_to_sets_of_words(items, training, n, boilerplate_above, block):
    items = [(task, str(i), text) for i, (task, text) in enumerate(items)]
    training = [(f"row {i}", text) for i, text in enumerate(training)]
    plain = benchmark.Plain(items, n, boilerplate_above)
    plain.scan(training)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contamination, "BLOCK", block)
        report = scanned(items, training, n, boilerplate_above)
    assert {t: (r.overlapping, r.contaminated, r.contained) for t, r in report.tasks.items()} == plain.counts()
    for task, found in report.tasks.items():
        keys = [key for key in plain.items if key[0] == task]
        assert found.shares.tolist() == [plain.share(key) for key in keys]
        assert found.boilerplate == plain.boilerplate[task]
        lengths = [len(plain.items[key]) for key in keys]
        assert found.short == sum(0 < length < n for length in lengths)
        assert found.without_words == lengths.count(0)
        for worst in found.worst:
            shared = tuple(worst.shared_text.split())
            source = words(dict(training)[worst.source])
            assert len(shared) == worst.shared_words
            assert shared in runs(plain.items[task, worst.item], len(shared))
            assert worst.contained or runs(shared, n) <= runs(tuple(source), n)
    assert report.texts == len(training)
    assert report.words == sum(len(words(text)) for _, text in training)


@settings(max_examples=200, deadline=None)
@given(tasks, st.lists(texts, min_size=1, max_size=8), st.integers(1, 5), st.sampled_from([0.1, 0.5, 0.75, 1.0]))
def test_without_the_contaminated_sources_no_item_reaches_the_threshold(items, training, n, threshold):
    index = index_of([(task, str(i), text) for i, (task, text) in enumerate(items)], n)
    training = [(f"row {i}", text) for i, text in enumerate(training)]
    report = index.scan(training)
    dropped = report.contaminated_sources(threshold, min_words=1)
    assert bool(dropped) == bool(report.contaminated_items(threshold))
    left = [row for row in training if row[0] not in dropped]
    if left:
        assert index.scan(left).contaminated_items(threshold) == {}


# -- what it is for -------------------------------------------------------------------------------------------------


def test_a_planted_copy_is_found_and_named():
    items = [("qa", "1", SENTENCE), ("qa", "2", "An unrelated question of nine words about kidneys of mice")]
    training = [("a:1", "nothing"), ("a:2", f"He read: {SENTENCE.upper().replace('-', ' - ')}! And more.")]
    report = scanned(items, training)
    found = report.tasks["qa"]
    assert (found.items, found.overlapping, found.contained) == (2, 1, 1)
    assert report.contaminated_items() == {"qa": ["1"]}
    assert report.contaminated_sources() == {"a:2"}
    assert found.worst[0].source == "a:2"
    assert found.worst[0].shared_text.startswith("the il 2 receptor")
    assert "qa 1: whole; a:2: the il 2 receptor" in str(report)


def test_an_item_in_two_pieces_is_found_in_both():
    """Chunks of a document: neither has half of the item, together they have most."""
    half = [f"w{i}" for i in range(40)]
    items = [("qa", "1", " ".join(half))]
    training = [("a", " ".join(half[:22])), ("b", " ".join(half[18:])), ("c", " ".join(half[5:14]))]
    report = scanned(items, training)
    assert report.tasks["qa"].shares.tolist() == [30 / 33]  # 15 of a, 15 of b; those of c are in a
    assert report.contaminated_sources(0.9) == {"a"}
    assert report.contaminated_sources(0.6) == {"a"}  # b and c together hold 17
    assert report.contaminated_sources(0.5) == {"a", "b"}
    assert report.contaminated_sources(0.06) == {"a", "b", "c"}


def test_a_shared_phrase_does_not_drop_a_record():
    training = [("copy", SENTENCE), ("phrase", "binds interleukin 2 and so lets T cells divide")]
    assert scanned([("qa", "1", SENTENCE)], training).contaminated_sources() == {"copy"}


def test_short_items_are_compared_as_a_whole():
    items = [("names", "1", "DNA repair"), ("names", "2", "repair of the DNA"), ("names", "3", "?!")]
    report = scanned(items, [("a", "It takes part in DNA repair."), ("b", "DNA, and repair")])
    found = report.tasks["names"]
    assert (found.short, found.short_contained, found.contained, found.without_words) == (2, 1, 1, 1)
    assert report.contaminated_sources() == set()  # a term is no test item
    assert report.contaminated_sources(min_words=1) == {"a"}
    assert "names: 1 items have no words to compare" in str(report)


def test_runs_do_not_go_over_the_end_of_a_text():
    text = words(SENTENCE)
    report = scanned([("qa", "1", SENTENCE)], [("a", " ".join(text[:7])), ("b", " ".join(text[7:14]))])
    assert report.tasks["qa"].overlapping == 0


def test_boilerplate_is_left_out_counted_and_said():
    phrase = "which of the following is the most likely diagnosis"
    items = [("qa", str(i), f"Patient number {i} coughs and {phrase}") for i in range(4)]
    report = scanned(items, [("a", f"We ask {phrase}")], boilerplate_above=3)
    assert (report.tasks["qa"].overlapping, report.tasks["qa"].boilerplate) == (0, 4)  # "and which ..." too
    assert "qa: 4 n-grams in more than 3 items are boilerplate and left out; 0 items have no other" in str(report)
    assert scanned(items, [("a", f"We ask {phrase}")], boilerplate_above=4).tasks["qa"].overlapping == 4


def test_boilerplate_of_one_task_is_not_that_of_another():
    items = [("one", str(i), SENTENCE) for i in range(3)] + [("two", "0", SENTENCE)]
    report = scanned(items, [("a", SENTENCE[4:])], boilerplate_above=2)  # without its first word
    assert report.tasks["one"].all_boilerplate == 3
    assert report.tasks["one"].overlapping == 0
    assert report.tasks["two"].overlapping == 1


def test_an_index_serves_many_training_sets_and_grows():
    index = index_of([("qa", "1", SENTENCE)])
    assert index.scan([("a", SENTENCE)]).tasks["qa"].contained == 1
    before = index.scan([("a", "nothing")])
    index.add("qa", "2", "nothing")
    assert index.scan([("a", "nothing")]).tasks["qa"].contained == 1
    assert before.tasks["qa"].contained == 0
    assert before.contaminated_items() == {}


def test_examples_are_filtered_by_their_source():
    def example(number, answer):
        return Example((Message("user", "Why?"), Message("assistant", answer)), f"rows.jsonl:{number}")

    examples = [example(1, "Because."), example(2, SENTENCE), example(3, "So.")]
    assert examples_text(examples[0]) == "Why?\nBecause."
    report = scanned([("qa", "1", SENTENCE)], [(e.source, examples_text(e)) for e in examples])
    assert [e.source for e in filter_examples(iter(examples), report)] == ["rows.jsonl:1", "rows.jsonl:3"]


def test_the_report_is_json():
    report = scanned([("qa", "1", SENTENCE * 4), ("names", "1", "DNA")], [("a", SENTENCE * 4)])
    found = json.loads(json.dumps(report.as_dict()))
    assert (found["n"], found["threshold"], found["training_texts"]) == (8, 0.5, 1)
    assert [row["task"] for row in found["tasks"]] == ["qa", "names"]
    assert found["tasks"][0]["mean_share"] == 1.0
    assert found["tasks"][0]["worst"][0]["shared_words"] == 4 * 17 - 3  # thymusThe is one word
    assert len(found["tasks"][0]["worst"][0]["shared_text"].split()) == 30


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TestIndex(0), "n is 0; expected"),
        (lambda: TestIndex(boilerplate_above=0), "boilerplate_above is 0"),
        (lambda: index_of([("qa", "1", "a"), ("qa", "1", "b")]), "qa: two test items have the id '1'"),
        (lambda: TestIndex().scan([("a", "b")]), "no test item was added"),
        (lambda: scanned([("qa", "1", "a")], []), "there is no training text"),
        (lambda: scanned([("qa", "1", "a")], [("a", "a")]).contaminated_items(0), "expected a share above 0"),
        (lambda: scanned([("qa", "1", "a")], [("a", "a")]).contaminated_sources(1.1), "threshold .* is 1.1"),
    ],
)
def test_what_is_wrong_is_said(call, message):
    with pytest.raises(UserError, match=message):
        call()


# -- real data ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shared():
    folder = Path(os.environ.get("COUNTERPOISE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    if not (folder / "medquad").is_dir():
        pytest.skip(f"no {folder}")
    return folder


def abstracts(shared):
    return [
        (row["pmid"], f"{row['title']}\n{row['abstract']}")
        for row in benchmark.rows(shared / "abstracts" / "abstracts_2000.jsonl.gz")
    ]


@pytest.mark.shared
def test_the_abstracts_share_no_ten_words_with_the_test_sets(shared):
    """SOURCE.md says so; a planted sentence of each test set is found."""
    names = ["pubmedqa", "bc5cdr_chem", "bc5cdr_disease", "ncbi_disease", "bc2gm"]
    items = benchmark.read_items(shared, names)
    index = index_of(items, n=10)
    long = [len(words(text)) >= 10 for _, _, text in items]
    report = index.scan(abstracts(shared))
    assert report.texts == 2_000
    assert len(items) == 500 + 2 * 4_797 + 940 + 5_038
    for name, task in report.tasks.items():
        chosen = [is_long for is_long, item in zip(long, items, strict=True) if item[0] == name]
        assert task.shares[chosen].max() == 0
        assert task.overlapping == task.short_contained
    planted = {name: next(i for i, item in enumerate(items) if item[0] == name and long[i]) for name in names}
    copies = [(f"copy of {name}", f"So: {items[i][2]}") for name, i in planted.items()]
    report = index.scan(abstracts(shared) + copies)
    for name, i in planted.items():
        assert items[i][1] in report.contaminated_items()[name]
        assert f"copy of {name}" in report.contaminated_sources()


@pytest.mark.shared
def test_gad_shares_five_texts(shared):
    """Five different texts of GAD's test set are in its training set, says SOURCE.md."""
    folder = shared / "blurb" / "gad"
    train, test = (list(benchmark.rows(folder / f"{split}.jsonl")) for split in ("train", "test"))
    report = scanned([("gad", r["id"], r["text"]) for r in test], [(r["id"], r["text"]) for r in train])
    same = {r["text"] for r in train} & {r["text"] for r in test}
    assert len(same) == 5
    found = set(report.contaminated_items(1.0)["gad"])
    assert found >= {r["id"] for r in test if r["text"] in same}
    assert len({r["text"] for r in test if r["id"] in found}) < 15
    assert report.contaminated_sources(1.0) >= {r["id"] for r in train if r["text"] in same}


@pytest.mark.shared
def test_medquad_holds_no_question_of_medqa(shared):
    items = benchmark.read_items(shared, ["medqa"])
    report = scanned(items, benchmark.training_texts(shared))
    assert report.tasks["medqa"].items == 637
    assert report.tasks["medqa"].contaminated == 0
    assert report.words > 3_000_000
    leaked = [*benchmark.training_texts(shared), ("leak", items[7][2])]
    assert scanned(items, leaked).contaminated_sources() == {"leak"}
