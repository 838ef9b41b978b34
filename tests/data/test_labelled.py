"""Labelled data: reading with its errors, first sub-tokens, cutting, and batches."""

import gzip
import json
import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.data.conll import tag_problem
from counterpoise.data.labelled import collate_labels, encode_labels, first_tokens
from counterpoise.data.labelled_reading import LabelledExample, LabelSpace, read_labelled
from counterpoise.data.steps import StepCutter
from counterpoise.errors import UserError
from counterpoise.evaluation.blurb import DATA_SETS
from tiny_encoders import toy_scores, toy_tagged, toy_texts, wordpiece_tokenizer
from tiny_models import tiny_tokenizer

CONLL = "GFAP\tB-Gene\nkinase\tI-Gene\nrises\tO\n\n-DOCSTART-\tO\n\nIL6\tB-Gene\nTP53\tB-Gene\n"


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        if not isinstance(content, str):
            content = "".join(json.dumps(record) + "\n" for record in content)
        path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
        return path

    return write


def refusal(path, task, **options):
    with pytest.raises(UserError) as caught:
        read_labelled(path, task=task, **options)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.tsv", "a.conll", "a.iob.gz"])
def test_conll(write, name):
    read = read_labelled(write(name, CONLL), task="token-classification")
    assert [example.words for example in read.examples] == [("GFAP", "kinase", "rises"), ("IL6", "TP53")]
    assert read.examples[0].tags == ("B-Gene", "I-Gene", "O")
    assert [example.source for example in read.examples] == [f"{name}:1", f"{name}:7"]
    assert read.space == LabelSpace("token-classification", ("O", "B-Gene", "I-Gene"))


def test_the_same_sentences_from_jsonl_have_the_same_fingerprint(write):
    read = read_labelled(write("a.tsv", CONLL), task="token-classification")
    records = [{"tokens": list(e.words), "tags": list(e.tags)} for e in read.examples]
    again = read_labelled(write("a.jsonl", records), task="token-classification")
    other = read_labelled(write("b.tsv", CONLL.replace("IL6", "IL7")), task="token-classification")
    assert again.fingerprint == read.fingerprint != other.fingerprint


def test_columns_between_token_and_tag_are_skipped(write):
    path = write("a.conll", "GFAP NN B-Gene\r\nrises VB O\r\n")
    assert read_labelled(path, task="token-classification").examples[0].tags == ("B-Gene", "O")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("x\tO\ny\tI-Gene\n", "a.tsv, line 2: tag 'I-Gene' follows 'O', so it continues no entity; the first word of"),
        ("x\tI-Gene\n", "line 1: tag 'I-Gene' comes first"),
        ("x\tB-Cell\ny\tI-Gene\n", "line 2: tag 'I-Gene' follows 'B-Cell'"),
        ("x\tO\n\ny\tGene\n", "line 3: tag 'Gene' is not IOB2; expected O, or B- or I- and a type, as in B-Disease"),
        ("x\tO\nalone\n", "line 2: expected a token and its tag, parted by a tab or a blank, found 'alone'"),
        ("\tO\n", "line 1: expected a token and its tag"),
        ("x\tO\ny\tO\n", "every tag is O; expected at least one entity"),
        ("\n\n", "is empty"),
    ],
)
def test_broken_conll_is_refused_with_its_line(write, content, wanted):
    assert wanted in refusal(write("a.tsv", content), "token-classification")


def test_broken_sentences_can_be_dropped(write):
    read = read_labelled(write("a.tsv", "x\tO\ny\tI-Gene\n\n" + CONLL), task="token-classification", skip_bad=True)
    assert len(read.examples) == 2
    assert [problem.place for problem in read.dropped] == ["line 2"]
    assert "kept 2 examples, dropped 1" in read.summary()


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ({"tokens": ["a"], "tags": ["O", "O"]}, "has 1 tokens and 2 tags; expected one tag a token"),
        ({"tokens": [], "tags": []}, "column 'tokens' is an empty list"),
        ({"tokens": "a b", "tags": ["O"]}, "column 'tokens' is text; expected a list of texts, one a word"),
        ({"tokens": ["a", " "], "tags": ["O", "O"]}, "entry 2 of column 'tokens' is empty; expected text"),
        ({"tokens": ["a"], "tags": [3]}, "entry 1 of column 'tags' is the number 3; expected text"),
        ({"tokens": ["a", "b"], "tags": ["O", "I-X"]}, "the first word of an entity is B-X (tag 2 of column 'tags')"),
        ({"token": ["a"], "tags": ["O"]}, "has no column 'tokens' (did you mean 'token'?)"),
    ],
)
def test_broken_tagged_records(write, record, wanted):
    message = refusal(write("a.jsonl", [record]), "token-classification")
    assert message.startswith("a.jsonl, line 1: ")
    assert wanted in message


def test_texts_pairs_and_renamed_columns(write):
    path = write("a.csv", "sentence,other,answer\nhigh,low,1\nlow,,0\n")
    columns = {"text": "sentence", "text_pair": "other", "label": "answer"}
    read = read_labelled(path, task="sequence-classification", columns=columns)
    assert [(e.text, e.text_pair, e.label) for e in read.examples] == [("high", "low", "1"), ("low", "", "0")]
    assert read.space.labels == ("0", "1")


def test_numbers_and_texts_are_the_same_labels(write):
    path = write("a.jsonl", [{"text": "x", "label": 1}, {"text": "y", "label": "0"}, {"text": "z", "label": "1"}])
    assert read_labelled(path, task="sequence-classification").space.labels == ("0", "1")


def test_several_labels(write):
    """A list, or, where a field is text, labels parted by semicolons; none is allowed; one order whatever the file."""
    records = [
        {"text": "x", "labels": ["growth", "death"]},
        {"text": "y", "labels": []},
        {"text": "z", "labels": [1]},
    ]
    read = read_labelled(write("a.jsonl", records), task="multi-label")
    assert [example.labels for example in read.examples] == [("death", "growth"), (), ("1",)]
    assert read.space == LabelSpace("multi-label", ("1", "death", "growth"))
    table = read_labelled(write("a.csv", "text,labels\nx,growth; death\ny,\nz,1\n"), task="multi-label")
    assert table.examples[0].labels == ("death", "growth")
    assert table.fingerprint == read.fingerprint
    other = read_labelled(write("b.csv", "text,labels\nx,growth; death\ny,1\nz,1\n"), task="multi-label")
    assert other.fingerprint != read.fingerprint
    known = ["growth", "death", "1", "more"]
    assert read_labelled(write("a.jsonl", records), task="multi-label", labels=known).space.labels == tuple(known)


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        ({"text": "x", "labels": ["a", "a"]}, "column 'labels' names 'a' twice; expected each label once"),
        ({"text": "x", "labels": "a;;b"}, "entry 2 of column 'labels' is empty"),
        ({"text": "x", "labels": [None]}, "entry 1 of column 'labels' is null; expected text or a whole number"),
        ({"text": "x", "labels": None}, "column 'labels' is null; expected a list, or labels parted by ';'"),
        ({"text": "x", "label": "a"}, "has no column 'labels' (did you mean 'label'?)"),
        ({"text": "x", "labels": []}, "no text has a label; expected at least one in column 'labels'"),
    ],
)
def test_broken_several_labels(write, record, wanted):
    assert wanted in refusal(write("a.jsonl", [record]), "multi-label")


def test_an_unknown_one_of_several_labels(write):
    message = refusal(write("a.jsonl", [{"text": "x", "labels": ["grows"]}]), "multi-label", labels=["growth"])
    assert "label 'grows' is none of the known ones (did you mean 'growth'?): growth" in message


def test_words_can_be_entities_of_their_own(write):
    """Files without B- are refused, unless each word is asked to stand alone; then no label is an I-."""
    path = write("a.tsv", "a\tI-PAR\nb\tI-PAR\nc\tO\nd\tI-INT\n")
    assert "tag 'I-PAR' comes first" in refusal(path, "token-classification")
    read = read_labelled(path, task="token-classification", one_word_entities=True)
    assert read.examples[0].tags == ("B-PAR", "B-PAR", "O", "B-INT")
    assert read.space.labels == ("O", "B-INT", "B-PAR")
    records = write("a.jsonl", [{"tokens": ["a", "b"], "tags": ["I-PAR", "I-PAR"]}])
    again = read_labelled(records, task="token-classification", one_word_entities=True)
    assert again.examples[0].tags == ("B-PAR", "B-PAR")
    wrong = write("b.tsv", "a\tPAR\n")
    assert "line 1: tag 'PAR' is not IOB2" in refusal(wrong, "token-classification", one_word_entities=True)
    message = refusal(records, "regression", one_word_entities=True)
    assert message == "one_word_entities is for token-classification; leave it out for regression"


@pytest.mark.parametrize(
    ("record", "task", "wanted"),
    [
        ({"text": "x", "label": True}, "sequence-classification", "column 'label' is the truth value true"),
        ({"text": "x", "label": ""}, "sequence-classification", "column 'label' is empty"),
        ({"text": " ", "label": "a"}, "sequence-classification", "column 'text' is empty"),
        ({"text": "x", "label": "a"}, "sequence-classification", "the label is 'a' everywhere; expected at least two"),
        ({"text": "x", "score": "much"}, "regression", "column 'score' is 'much'; expected a finite number"),
        ({"text": "x", "score": float("nan")}, "regression", "expected a finite number"),
        ({"text": "x", "score": None}, "regression", "column 'score' is null; expected a finite number"),
    ],
)
def test_broken_labelled_records(write, record, task, wanted):
    assert wanted in refusal(write("a.jsonl", [record]), task)


def test_given_labels_are_the_only_ones(write):
    path = write("a.tsv", CONLL)
    read = read_labelled(path, task="token-classification", labels=["O", "B-Gene", "I-Gene", "B-Cell"])
    assert read.space.labels == ("O", "B-Gene", "I-Gene", "B-Cell")
    message = refusal(path, "token-classification", labels=["O", "B-Cell", "I-Cell"])
    assert "a.tsv, line 1: label 'B-Gene' is none of the known ones" in message
    assert "have no O" in refusal(path, "token-classification", labels=["B-Gene"])
    assert "hold 'Gene'" in refusal(path, "token-classification", labels=["O", "Gene"])


def test_scores_give_mean_and_scale(write):
    path = write("a.jsonl", [{"text": "x", "score": 1}, {"text": "y", "score": "3"}])
    assert read_labelled(path, task="regression").space == LabelSpace("regression", (), 2.0, 1.0)


def test_what_cannot_be_asked_for(write, tmp_path):
    path = write("a.tsv", CONLL)
    assert "task 'tagging' is unknown" in refusal(path, "tagging")
    assert "columns and split have no meaning" in refusal(path, "token-classification", split="test")
    assert "no such file (did you mean 'a.tsv'?)" in refusal(tmp_path / "b.tsv", "token-classification")
    assert "limit is 0" in refusal(path, "token-classification", limit=0)
    assert len(read_labelled(path, task="token-classification", limit=1).examples) == 1


@given(st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]), max_size=8))
def test_tags_are_right_when_each_inside_follows_its_own_type(tags):
    wrong = [i for i, tag in enumerate(tags) if tag[0] == "I" and (i == 0 or tags[i - 1][2:] != tag[2:])]
    found = tag_problem(tags)
    assert (None if found is None else found[0]) == (wrong[0] if wrong else None)


# -- tokens ---------------------------------------------------------------------------------------------------------


def test_first_token_of_a_word_carries_its_tag():
    examples = [LabelledExample(words=("TP53", "kinase", "rises"), tags=("B-Gene", "I-Gene", "O"), source="x:1")]
    space = LabelSpace("token-classification", ("O", "B-Gene", "I-Gene"))
    tokenizer = wordpiece_tokenizer()
    item = encode_labels(examples, tokenizer, space, 64).items[0]
    assert tokenizer.convert_ids_to_tokens(item.input_ids) == ["[CLS]", "tp", "##53", "kinase", "rises", "[SEP]"]
    assert item.targets == [-100, 1, -100, 2, 0, -100]
    assert item.word_ids == [-1, 0, -1, 1, 2, -1]
    assert (item.num_targets, len(item), item.truncated, item.token_type_ids) == (3, 6, False, [0] * 6)


def test_byte_level_words_keep_their_blank():
    """The blank before a word belongs to its first token, as in running text."""
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = "<|endoftext|>"
    space = LabelSpace("token-classification", ("O", "B-X"))
    item = encode_labels([LabelledExample(words=("ab", "é"), tags=("O", "B-X"))], tokenizer, space, 64).items[0]
    assert tokenizer.decode(item.input_ids) == "ab é"
    assert tokenizer.convert_ids_to_tokens(item.input_ids)[2] == "Ġ"  # this tokenizer has no merges: a blank, two bytes
    assert item.word_ids == [0, -1, -1, 1, -1]


@given(st.lists(st.text("ab-é中 ", min_size=1, max_size=4).filter(str.strip), min_size=1, max_size=6), st.data())
def test_first_tokens_equal_a_search_over_characters(words, data):
    """The text is cut anywhere; the reference looks, for each word, for the first free token over its characters."""
    text = " ".join(words)
    cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=12))})
    offsets = [(0, 0), *pairwise(cuts), (0, 0)]
    expected, taken, start = [-1] * len(offsets), -1, 0
    for word, shown in enumerate(words):
        mine = set(range(start, start + len(shown)))
        over = [t for t, (a, b) in enumerate(offsets) if t > taken and mine & set(range(a, b))]
        if over:
            taken = over[0]
            expected[taken] = word
        start += len(shown) + 1
    assert first_tokens(words, offsets) == expected


def test_cut_words_are_counted():
    examples, space = toy_tagged(20)
    encoded = encode_labels(examples, wordpiece_tokenizer(), space, 8)
    report = encoded.report
    assert report.longest == 8
    assert report.truncated == sum(item.truncated for item in encoded.items) > 0
    assert report.targets + report.lost_words == sum(len(example.words) for example in examples)
    assert [item.num_words for item in encoded.items] == [len(example.words) for example in examples]
    assert "were cut to max_length" in report.warnings()[0]
    assert "have no token left to carry their tag" in report.warnings()[1]
    assert "samples cut" in str(report)
    assert encode_labels(examples, wordpiece_tokenizer(), space, 64).report.warnings() == []


def test_a_word_without_a_token_is_lost_not_shifted():
    words, tags = ("high", "\u200b", "gfap"), ("O", "O", "B-Gene")  # a zero-width space, which the normaliser drops
    space = LabelSpace("token-classification", ("O", "B-Gene"))
    encoded = encode_labels([LabelledExample(words=words, tags=tags)], wordpiece_tokenizer(), space, 64)
    assert encoded.items[0].word_ids == [-1, 0, 2, -1]
    assert encoded.report.lost_words == 1


def test_pairs_have_token_types_and_the_longer_side_is_cut():
    examples, space = toy_texts(2)
    tokenizer = wordpiece_tokenizer()
    long = LabelledExample("high " * 9, "low is", label="up")
    item = encode_labels([long], tokenizer, space, 8).items[0]
    assert " ".join(tokenizer.convert_ids_to_tokens(item.input_ids)) == "[CLS] high high high [SEP] low is [SEP]"
    assert item.token_type_ids == [0, 0, 0, 0, 0, 1, 1, 1]
    assert item.truncated
    assert not encode_labels(examples, tokenizer, space, 64).items[0].truncated


def test_what_cannot_be_encoded():
    examples, space = toy_texts(2)
    with pytest.raises(UserError, match="max_length is 3, but 3 special tokens are added"):
        encode_labels(examples, wordpiece_tokenizer(), space, 3)
    with pytest.raises(UserError, match=r"toy:1: label '\w+' is none of the model's: a, b"):
        encode_labels(examples, wordpiece_tokenizer(), LabelSpace("sequence-classification", ("a", "b")), 64)


# -- batches --------------------------------------------------------------------------------------------------------


def test_collate_tags():
    examples, space = toy_tagged(3)
    items = encode_labels(examples, wordpiece_tokenizer(), space, 64).items
    batch = collate_labels(items, pad_token_id=0)
    longest = max(map(len, items))
    for row, item in enumerate(items):
        padding = longest - len(item)
        assert batch["input_ids"][row].tolist() == item.input_ids + [0] * padding
        assert batch["attention_mask"][row].tolist() == [1] * len(item) + [0] * padding
        assert batch["targets"][row].tolist() == item.targets + [-100] * padding
    assert torch.equal(batch["samples"], torch.tensor([[0], [1], [2]]).where(batch["targets"] != -100, -1))
    assert batch["token_type_ids"].shape == batch["input_ids"].shape
    assert int(batch["num_samples"]) == 3
    assert "values" not in batch
    with pytest.raises(ValueError, match="no items"):
        collate_labels([], 0)


def test_collate_texts_and_scores():
    examples, space = toy_texts(4)
    batch = collate_labels(encode_labels(examples, wordpiece_tokenizer(), space, 64).items, 0)
    assert batch["targets"].tolist() == [[space.labels.index(example.label)] for example in examples]
    assert batch["samples"].tolist() == [[0], [1], [2], [3]]
    examples, space = toy_scores(3)
    batch = collate_labels(encode_labels(examples, wordpiece_tokenizer(), space, 64).items, 0)
    assert batch["values"].tolist() == [example.value for example in examples]
    assert batch["targets"].tolist() == [[0], [0], [0]]


def test_several_labels_are_yes_or_no():
    examples = [LabelledExample("gene high", labels=("a", "c")), LabelledExample("low", labels=())]
    space = LabelSpace("multi-label", ("a", "b", "c"))
    encoded = encode_labels(examples, wordpiece_tokenizer(), space, 64)
    assert [item.targets for item in encoded.items] == [[1, 0, 1], [0, 0, 0]]
    assert encoded.report.targets == 6
    batch = collate_labels(encoded.items, 0)
    assert batch["targets"].tolist() == [[1, 0, 1], [0, 0, 0]]
    assert batch["samples"].tolist() == [[0, 0, 0], [1, 1, 1]]
    with pytest.raises(UserError, match="label 'd' is none of the model's: a, b, c"):
        encode_labels([LabelledExample("x", labels=("d",))], wordpiece_tokenizer(), space, 64)


def test_the_step_cutter_takes_them():
    """Whole steps of the trainer: micro-batches, and empty ones where another rank has more."""
    examples, space = toy_tagged(5)
    items = encode_labels(examples, wordpiece_tokenizer(), space, 64).items
    steps = [
        StepCutter(0, micro_batch_size=1, rank=rank, world_size=2, collate=lambda chosen: collate_labels(chosen, 0))(
            items
        )
        for rank in range(2)
    ]
    assert steps[0]["tokens"] == sum(item.num_targets for item in items)
    assert [len(step["micro_batches"]) for step in steps] == [3, 3]
    counts = [int(batch["num_samples"]) for step in steps for batch in step["micro_batches"]]
    assert sorted(counts) == [0, 1, 1, 1, 1, 1]
    assert sum(len(batch["rows"]) for step in steps for batch in step["micro_batches"]) == steps[0]["tokens"]


# -- real data ------------------------------------------------------------------------------------------------------


@pytest.fixture
def blurb():
    folder = Path(os.environ.get("COUNTERPOISE_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "blurb"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "sentences", "words", "entities"),
    [("ncbi_disease", 940, 24_497, 960), ("bc5cdr_chem", 4_797, 124_750, 5_385)],
)
def test_published_counts(blurb, name, sentences, words, entities):
    read = read_labelled(blurb / name / "test.tsv", task="token-classification")
    assert len(read.examples) == sentences
    assert sum(len(example.words) for example in read.examples) == words
    assert sum(tag.startswith("B-") for example in read.examples for tag in example.tags) == entities
    assert len(read.space.labels) == 3


@pytest.mark.shared
@pytest.mark.parametrize("name", ["bc5cdr_chem", "bc5cdr_disease", "ncbi_disease", "bc2gm", "jnlpba", "ebm_pico"])
def test_reported_counts(blurb, name):
    """Entities (labelled words of EBM PICO) in the files are as many as `evaluation.blurb` says that BLURB has."""
    alone = name == "ebm_pico"
    checked = 0
    for split, expected in zip(("train", "dev", "test"), DATA_SETS[name.replace("_", "-")].sizes, strict=True):
        for path in (blurb / name).glob(f"{split}.tsv*"):
            read = read_labelled(path, task="token-classification", one_word_entities=alone)
            counted = sum(tag.startswith("B-") for example in read.examples for tag in example.tags)
            assert counted == (87_308 if (name, split) == ("ebm_pico", "dev") else expected), split
            checked += 1
    assert checked == (2 if name in ("jnlpba", "ebm_pico") else 3)


@pytest.mark.shared
def test_words_of_each_type(blurb):
    read = read_labelled(blurb / "ebm_pico" / "test.tsv", task="token-classification", one_word_entities=True)
    counts = Counter(tag for example in read.examples for tag in example.tags)
    assert (counts["B-PAR"], counts["B-INT"], counts["B-OUT"]) == (4_711, 3_563, 8_090)
    assert read.space.labels == ("O", "B-INT", "B-OUT", "B-PAR")


@pytest.mark.shared
def test_hallmarks(blurb):
    reads = [read_labelled(blurb / "hoc" / f"{split}.jsonl", task="multi-label") for split in ("train", "dev", "test")]
    assert [len(read.examples) for read in reads] == [1_108, 157, 315]
    assert len(reads[0].space.labels) == 10
    counts = Counter(label for read in reads for example in read.examples for label in example.labels)
    assert counts["sustaining proliferative signaling"] == 462
    assert counts["cellular energetics"] == 105


@pytest.mark.shared
def test_blurb_texts(blurb):
    gad = read_labelled(blurb / "gad" / "train.jsonl", task="sequence-classification")
    assert (len(gad.examples), sum(e.label == "1" for e in gad.examples)) == (4_261, 2_227)
    columns = {"text": "sentence1", "text_pair": "sentence2"}
    biosses = read_labelled(blurb / "biosses" / "train.jsonl", task="regression", columns=columns)
    assert len(biosses.examples) == 64
    assert all(0 <= e.value <= 4 and e.text_pair for e in biosses.examples)


@pytest.mark.shared
def test_tags_without_beginnings_are_refused(blurb):
    """EBM PICO has I- alone: not IOB2, and not to be read as if it were."""
    message = refusal(blurb / "ebm_pico" / "test.tsv", "token-classification")
    assert message.startswith("test.tsv, line 3: tag 'I-INT' follows 'O'")
