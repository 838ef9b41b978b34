"""Generated strings back to spans: the rules, their corner cases, round trips of made-up and of real entities."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from counterpoise.data.labelled_reading import LabelledExample, LabelSpace, read_labelled
from counterpoise.evaluation.labels import entities, measure_labels
from counterpoise.evaluation.spans import (
    Mapped,
    ParsedMentions,
    find_spans,
    measure_mentions,
    mention_tags,
    mentions_of,
    parse_mentions,
    parse_typed_mentions,
    write_mentions,
    write_typed_mentions,
)

PICO = {"participants": "PAR", "interventions": "INT", "outcomes": "OUT"}


# -- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("a b; c", ["a b", "c"]),
        ("  a b ;c;a b \nThese are the entities; all of them.", ["a b", "c", "a b"]),
        ("none", []),
        ("None.", []),
        ("none; a", ["none", "a"]),
        ("", []),
        ("\n\n a\n b", ["a"]),
        (" ; ; a;", ["a"]),
        ("E . coli sp .", ["E . coli sp ."]),
    ],
)
def test_parse_mentions(text, mentions):
    assert parse_mentions(text) == mentions


plain = st.text("ab N-", min_size=1).map(str.strip).filter(lambda text: text and text.rstrip(".").lower() != "none")


@given(st.lists(plain))
def test_answers_are_read_as_written(mentions):
    assert parse_mentions(write_mentions(mentions)) == mentions
    assert parse_mentions(write_mentions([])) == []


@given(st.fixed_dictionaries({kind: st.lists(plain) for kind in PICO.values()}))
def test_typed_answers_are_read_as_written(mentions):
    assert parse_typed_mentions(write_typed_mentions(mentions, PICO), PICO) == ParsedMentions(mentions, 0)


def test_typed_answers():
    text = "Participants: adults; 40 men | interventions : none | outcomes: ratio 1:2\nNo more."
    found, unparsed = parse_typed_mentions(text, PICO)
    assert found == {"PAR": ["adults", "40 men"], "INT": [], "OUT": ["ratio 1:2"]}
    assert unparsed == 0


@pytest.mark.parametrize(
    ("text", "unparsed", "participants"),
    [
        ("participants: a | what: b", 1, ["a"]),
        ("participants: a | participants: b", 1, ["a"]),
        ("participants a", 1, []),
        ("a; b | c", 2, []),
        ("", 1, []),
    ],
)
def test_malformed_parts_are_counted(text, unparsed, participants):
    found = parse_typed_mentions(text, PICO)
    assert found.unparsed == unparsed
    assert found.mentions == {"PAR": participants, "INT": [], "OUT": []}


def test_a_semicolon_takes_a_mention_apart():
    assert parse_mentions(write_mentions(["a ; b"])) == ["a", "b"]


# -- where mentions lie ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "mentions", "spans", "unmatched"),
    [
        ("the ovarian cancer grows", ["ovarian cancer"], [(1, 3)], []),
        ("cancer is cancer is cancer", ["cancer"], [(0, 1)], []),  # once written, once counted
        ("cancer is cancer is cancer", ["cancer", "cancer"], [(0, 1), (2, 3)], []),
        ("cancer grows", ["cancer", "cancer"], [(0, 1)], ["cancer"]),
        ("ovarian cancer", ["cancer", "ovarian cancer"], [(0, 2)], ["cancer"]),  # the longer one chooses first
        ("ovarian cancer or cancer", ["cancer", "ovarian cancer"], [(0, 2), (3, 4)], []),
        ("Cancer and cancer", ["cancer"], [(2, 3)], []),  # as written comes before another case
        ("Cancer and pain", ["cancer"], [(0, 1)], []),
        ("CANCER cancer", ["Cancer", "cancer"], [(0, 1), (1, 2)], []),  # the exact one is not taken by the other
        ("IL - 6 rises", ["IL-6"], [(0, 3)], []),
        ("IL-6 rises", ["IL - 6"], [(0, 1)], []),
        ("cancers precancer", ["cancer"], [], ["cancer"]),  # never inside a word
        ("breast-cancer", ["cancer"], [], ["cancer"]),
        ("a b a b a", ["a b a"], [(0, 3)], []),
        ("a b a b a", ["a b a", "a b a"], [(0, 3)], ["a b a"]),  # no overlap
        ("a b", ["c", " ", "b"], [(1, 2)], ["c", " "]),
        ("a b", [], [], []),
        ("İstanbul x", ["x"], [(1, 2)], []),  # its lower case is longer
        ("İSTANBUL x", ["i̇stanbul"], [(0, 1)], []),
    ],
)
def test_find_spans(sentence, mentions, spans, unmatched):
    assert find_spans(sentence.split(), mentions) == Mapped(tuple(spans), tuple(unmatched))


words_lists = st.lists(st.sampled_from(["a", "b", "A", "ab", "-", "c"]), min_size=1, max_size=9)


@given(words_lists, st.lists(st.lists(st.sampled_from(["a", "b", "A", "ab", "-", "c", "x"]), min_size=1), max_size=6))
def test_spans_read_as_a_mention_and_never_overlap(words, mentions):
    asked = [" ".join(parts) for parts in mentions]
    found = find_spans(words, asked)
    assert len(found.spans) + len(found.unmatched) == len(asked)
    covered = [i for start, end in found.spans for i in range(start, end)]
    assert len(covered) == len(set(covered))
    left = sorted("".join(text.split()).lower() for text in asked)
    for start, end in found.spans:
        left.remove("".join(words[start:end]).lower())
    assert left == sorted("".join(text.split()).lower() for text in found.unmatched)
    free = [word if i not in covered else None for i, word in enumerate(words)]
    for text in found.unmatched:  # nothing that could have been found was missed
        key = "".join(text.split()).lower()
        runs = [free[i:j] for i in range(len(words)) for j in range(i + 1, len(words) + 1)]
        assert all(None in run or "".join(run).lower() != key for run in runs)


tags_lists = st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]), min_size=1, max_size=9)


@given(st.data())
def test_round_trip_where_names_are_always_entities(data):
    """Gold entities to texts and back: the same spans, where no text occurs elsewhere in the sentence."""
    tags = data.draw(tags_lists)
    words = data.draw(st.lists(st.sampled_from("abcdABCD"), min_size=len(tags), max_size=len(tags)))
    gold = entities(tags)
    assume(gold)
    for kind, start, end in gold:
        key = "".join(words[start:end]).lower()
        places = [
            (i, j)
            for i in range(len(words))
            for j in range(i + 1, len(words) + 1)
            if "".join(words[i:j]).lower() == key
        ]
        assume(all((kind, i, j) in gold for i, j in places))
    mapped = {kind: find_spans(words, found) for kind, found in mentions_of(words, tags).items()}
    assert {(kind, *span) for kind, found in mapped.items() for span in found.spans} == gold
    assert all(found.unmatched == () for found in mapped.values())
    assert entities(mention_tags(words, mapped)) == gold


def test_mentions_of():
    words = ["A", "b", "and", "c", "d"]
    assert mentions_of(words, ["B-X", "I-X", "O", "B-Y", "B-X"]) == {"X": ["A b", "d"], "Y": ["c"]}
    assert mentions_of(words, ["O"] * 5) == {}
    assert mentions_of(words, ["B-X", "B-X", "O", "B-Y", "B-X"]) == {"X": ["A", "b", "d"], "Y": ["c"]}
    runs = mentions_of(words, ["B-X", "B-X", "O", "B-Y", "B-X"], one_word_entities=True)
    assert runs == {"X": ["A b", "d"], "Y": ["c"]}
    assert mentions_of(["a", "b"], ["I-X", "I-X"], one_word_entities=True) == {"X": ["a b"]}


def test_a_word_has_the_tag_of_the_first_type():
    mapped = {"X": Mapped(((0, 2),), ("lost",)), "Y": Mapped(((1, 3), (3, 4)))}
    assert mention_tags(["a", "b", "c", "d"], mapped) == ("B-X", "I-X", "O", "B-Y")


# -- metrics --------------------------------------------------------------------------------------------------------


def sentence(text):
    words, tags = zip(*(part.rsplit("/", 1) for part in text.split()), strict=True)
    return LabelledExample(words=words, tags=tags)


TWO = [sentence("ovarian/B-D cancer/I-D and/O pain/B-D"), sentence("the/O gene/O")]


def test_unmatched_mentions_are_false_positives():
    found = measure_mentions("t", TWO, [{"D": ["ovarian cancer", "gout"]}, {"D": ["gene", "flu"]}])
    assert found["entity F1"].sums.tolist() == [[1, 1, 1], [0, 2, 0]]
    assert found["entity precision"].value == pytest.approx(1 / 4)
    assert found["entity recall"].value == pytest.approx(1 / 2)
    assert found["entity F1"].value == pytest.approx(2 / 6)
    assert {metric.task for metric in found.values()} == {"t"}


def test_sentences_exactly_right_and_none_that_is_none():
    """A model that never says none has the same recall, and shows in these two."""
    said = [["ovarian cancer", "pain"], ["gene"]]
    always, rightly = (measure_mentions("t", TWO, [*said[:1], last]) for last in (["gene"], []))
    assert [always[metric].value for metric in ("entity recall", "exact match", "specificity")] == [1.0, 0.5, 0.0]
    assert [rightly[metric].value for metric in ("entity recall", "exact match", "specificity")] == [1.0, 1.0, 1.0]
    missed = measure_mentions("t", TWO, [["pain"], []])  # one of two: not exact, and no matter to specificity
    assert [missed[metric].value for metric in ("exact match", "specificity")] == [0.5, 1.0]
    nowhere = measure_mentions("t", TWO, [[], ["flu"]])  # what is said and stands nowhere is said all the same
    assert [nowhere[metric].value for metric in ("exact match", "specificity")] == [0.0, 0.0]
    assert "specificity" not in measure_mentions("t", TWO[:1], [[]])  # no sentence is without an entity


def test_the_interval_of_specificity_is_that_of_the_sentences_without_an_entity():
    examples = [TWO[0]] * 150 + [TWO[1]] * 50
    found = measure_mentions("t", examples, [[]] * 150 + [[], ["gene"]] * 25)["specificity"].estimate()
    assert found.value == 0.5
    assert 0.10 < (found.high - found.low) / 2 < 0.17  # 1.96 * sqrt(.25 / 50) = .14, not the .07 of 200


def test_a_repeated_mention_does_not_pay():
    once, often = (measure_mentions("t", TWO, [["pain"] * n, []])["entity F1"].value for n in (1, 5))
    assert once == pytest.approx(2 / 3)
    assert often == pytest.approx(2 / 7)


def test_the_type_counts():
    found = measure_mentions("t", TWO, [{"E": ["pain"]}, {}])
    assert found["entity F1"].sums.sum(0).tolist() == [0, 1, 2]


def test_one_type_needs_no_name_and_several_do():
    named = measure_mentions("t", TWO, [{"D": ["pain"]}, {}])["entity F1"]
    assert measure_mentions("t", TWO, [["pain"], []])["entity F1"].sums.tolist() == named.sums.tolist()
    with pytest.raises(ValueError, match="the examples have the types D, E; expected mentions by type"):
        measure_mentions("t", [*TWO, sentence("x/B-E")], [["pain"], [], []])
    with pytest.raises(ValueError, match="expected a prediction an example"):
        measure_mentions("t", TWO, [{}])


def test_no_answers_and_nothing_to_find_are_zero_not_an_error():
    found = measure_mentions("t", TWO, [{}, {}])
    assert [found[f"entity {metric}"].value for metric in ("F1", "precision", "recall")] == [0.0, 0.0, 0.0]
    words = measure_mentions("t", TWO[1:], [{}], one_word_entities=True)["word macro F1"]
    assert words.value == 0.0


@given(st.data())
def test_mapped_mentions_score_as_their_tags_do(data):
    """Where all are matched and no types overlap, generated mentions and predicted tags have the same F1."""
    rows = data.draw(st.lists(tags_lists, min_size=1, max_size=3))
    examples = [LabelledExample(words=tuple(f"w{i}" for i in range(len(tags))), tags=tuple(tags)) for tags in rows]
    said = [
        {
            kind: [" ".join(words) for words in data.draw(st.lists(st.sampled_from(pieces), unique=True))]
            for kind, pieces in (("X", [e.words[i : i + 2] for i in range(0, len(e.words), 4)]),
                                 ("Y", [e.words[i : i + 2] for i in range(2, len(e.words), 4)]))
            if pieces
        }
        for e in examples
    ]  # fmt: skip
    tags = [
        mention_tags(e.words, {kind: find_spans(e.words, found) for kind, found in mentions.items()})
        for e, mentions in zip(examples, said, strict=True)
    ]
    space = LabelSpace("token-classification", ("O", "B-X", "I-X", "B-Y", "I-Y"))
    by_tags = measure_labels("t", space, examples, tags)
    by_words = measure_mentions("t", examples, said)
    assert by_words.keys() == by_tags.keys() - {"word macro F1", "token accuracy"}
    assert {metric: by_words[metric].value for metric in by_words} == {m: by_tags[m].value for m in by_words}
    words = measure_mentions("t", examples, said, one_word_entities=True)["word macro F1"]
    assert words.value == by_tags["word macro F1"].value


def test_words_of_unmatched_mentions_are_false_positives():
    examples = [sentence("forty/B-PAR men/B-PAR took/O aspirin/B-INT")]
    said = [{"PAR": ["men", "old women"], "INT": ["Aspirin"], "OUT": []}]
    found = measure_mentions("t", examples, said, one_word_entities=True)
    assert set(found) == {"word macro F1"}
    by_type = found["word macro F1"].sums.reshape(3, 3)  # INT, OUT, PAR
    assert by_type.tolist() == [[1, 0, 0], [0, 0, 0], [1, 2, 1]]
    assert found["word macro F1"].value == pytest.approx((1 + 2 / 5) / 2)  # outcomes occur nowhere


def test_differences_are_paired_over_sentences():
    random = np.random.default_rng(0)
    examples = [sentence("x/O pain/B-D and/O fever/B-D"), sentence("pain/O")] * 60
    ours, theirs = (
        [{"D": [w for w in ("pain", "fever") if random.random() < share] if len(e.words) > 1 else []} for e in examples]
        for share in (0.9, 0.5)
    )
    for metric in ("entity F1", "entity precision", "entity recall"):
        better, worse = (measure_mentions("t", examples, said)[metric] for said in (ours, theirs))
        found = better.difference(worse, resamples=1_000)
        assert found.value == pytest.approx(better.value - worse.value)
        estimate = better.estimate(resamples=500)
        assert estimate.low <= estimate.value <= estimate.high
        if metric == "entity precision":
            assert found.value == 0.0  # nothing wrong was said
            assert found.p_value == 1.0
        else:
            assert 0 < found.low < found.value < found.high
            assert found.p_value < 0.01


# -- real data ------------------------------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "split", "ceiling"),
    [
        ("bc5cdr_chem", "test", 0.9998),
        ("bc5cdr_disease", "test", 1.0),
        ("ncbi_disease", "test", 0.9969),
        ("bc2gm", "test", 0.9997),
        ("jnlpba", "dev", 0.9962),
        ("ebm_pico", "test", 0.9981),
    ],
)
def test_ceiling_of_the_generative_form(name, split, ceiling):
    """The right answer, written and read again: what is lost by going through strings."""
    root = Path(os.environ.get("COUNTERPOISE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    path = root / "blurb" / name / f"{split}.tsv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    alone = name == "ebm_pico"
    examples = read_labelled(path, task="token-classification", one_word_entities=alone).examples
    kinds = {kind: kind for kind in sorted({tag[2:] for e in examples for tag in e.tags if tag != "O"})}
    answers = [
        write_typed_mentions(mentions_of(e.words, e.tags, one_word_entities=alone), PICO if alone else kinds)
        for e in examples
    ]
    read = [parse_typed_mentions(answer, PICO if alone else kinds) for answer in answers]
    assert sum(found.unparsed for found in read) == 0
    measured = measure_mentions(name, examples, [found.mentions for found in read], one_word_entities=alone)
    assert next(iter(measured.values())).value == pytest.approx(ceiling, abs=1e-4)
