"""Test items, near-duplicates and same meanings: what is left out, what is kept, and in which order they are judged."""

import json
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from counterpoise.data.contamination import TestIndex
from counterpoise.errors import UserError
from counterpoise.instructing import Recipe, Seeds
from counterpoise.instructing.filters import Filters, check_seeds
from counterpoise.instructing.leakage import TestSets
from counterpoise.instructing.record import Record

SEED = Record("anatomy", "Name the longest bone of the human body.", "", "The femur.")
TOLD = Record(
    "history", "Sum it up.", "In this old house two cats and nine mice lived for many years.", "Cats and mice."
)
ITEM = "A man of fifty is found asleep at noon in the cold kitchen of a house with two chimneys. What is wrong?"


def held_out(**items):
    found = TestSets(TestIndex())
    found.add("exam", items)
    return found


def filters(recipe=None, held=None, encoder=None):
    seeds = Seeds("own", {"femur": SEED, "cats": TOLD})
    template = "Here is one: {examples}\nThe facts must be true and known to all. Write {count}."
    return Filters(seeds, recipe or Recipe(), template, held or held_out(), encoder)


def record(instruction, output="It is so, as every book says.", given=""):
    return Record("anatomy", instruction, given, output)


def test_a_run_of_eight_words_of_a_test_item_in_any_part_is_a_leak():
    judge = filters(held=held_out(q1=ITEM)).judge
    part = "found asleep at noon in the cold kitchen"
    verdicts = judge(
        [
            ("instruction", record(f"Why was the cook {part}?")),
            ("input", record("Tell what happened to this woman.", given=f"She was {part.upper()}!")),
            ("output", record("Tell a short story on sleep.", output=f"He was {part}.")),
            ("seven", record("Why was she asleep at noon in the cold kitchen?")),
        ]
    )
    assert [one.reason for one in verdicts] == ["test item"] * 3 + [""]
    assert verdicts[0].detail == '"found asleep at noon in the cold kitchen" stands in exam, item q1'


def test_short_items_count_whole_and_terms_do_not():
    held = held_out(term="tumor necrosis factor alpha", short="Does sleep cure all colds?")
    assert held.items == {"exam": 1}
    assert set(held.hits({"a": "It asks: does sleep cure all colds? Yes.", "b": "tumor necrosis factor alpha"})) == {
        "a"
    }


def test_each_text_is_told_its_own_item():
    held = held_out(q1=ITEM, q2="One two three four five six seven eight nine ten.")
    hits = held.hits({"x": "zero one two three four five six seven eight nine", "y": ITEM, "z": "nothing of it"})
    assert {key: hit.item for key, hit in hits.items()} == {"x": "q2", "y": "q1"}
    assert hits["x"].words == "one two three four five six seven eight nine"


def test_seeds_with_test_questions_are_refused_by_name():
    seeds = Seeds("own.jsonl", {"femur": SEED, "exam": replace(SEED, instruction=ITEM)})
    check_seeds(Seeds("own.jsonl", {"femur": SEED}), held_out(q1=ITEM))
    with pytest.raises(UserError) as caught:
        check_seeds(seeds, held_out(q1=ITEM))
    assert str(caught.value).startswith("own.jsonl: 1 seed holds text of a test set (exam: ")
    assert "exam, item q1" in str(caught.value)
    many = Seeds("own.jsonl", {f"s{i}": replace(SEED, instruction=f"{i} {ITEM}") for i in range(5)})
    with pytest.raises(UserError, match=r"5 seeds hold .* and in 2 more: s3, s4"):
        check_seeds(many, held_out(q1=ITEM))


def test_tasks_are_read_from_the_package_and_from_the_data_folder(tmp_path):
    sentence = (resources.files("counterpoise.evaluation") / "general_sentences.txt").read_text("utf-8").splitlines()[0]
    alone = TestSets.load(None)
    assert "general-sentences" in alone.items
    assert "medqa" in alone.missing
    assert alone.hits({"a": f"It says that {sentence}"})["a"].task == "general-sentences"
    (tmp_path / "medqa").mkdir()
    row = {"id": "x-1", "subject": "s", "question": ITEM, "options": ["cold", "gas"], "answer": 1}
    (tmp_path / "medqa" / "medqa_us_test_even.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    found = TestSets.load(tmp_path)
    assert found.items["medqa"] == 1
    assert "medqa" not in found.missing
    assert str(found.hits({"a": ITEM})["a"]).endswith("medqa, item x-1")


def test_near_duplicates_of_seeds_of_kept_ones_and_within_a_batch():
    judge = filters()
    verdicts = judge.judge(
        [
            ("1", record("Name the longest bone of the whole human body.")),
            ("2", record("Which muscle bends the elbow?")),
            ("3", record("Which muscle bends the left elbow?")),
            ("4", record("Which muscle bends the elbow?", given="Choose among the triceps and the biceps brachii.")),
        ]
    )
    assert [one.reason for one in verdicts] == ["near-duplicate", "", "near-duplicate", ""]
    assert verdicts[0].detail == "ROUGE-L 0.94 with femur"
    assert verdicts[2].detail == "ROUGE-L 0.91 with 2"
    again = judge.judge([("5", record("Which muscle bends an elbow?"))])[0]
    assert (again.reason, again.detail) == ("near-duplicate", "ROUGE-L 0.80 with 2")
    lenient = filters(Recipe(similar_above=0.95))
    assert lenient.judge([("1", record("Name the longest bone of the whole human body."))])[0].reason == ""


def test_words_of_the_prompt_are_no_answer():
    verdicts = filters().judge(
        [
            ("1", record("Say what a fact is.", output="All facts must be true and known to all.")),
            ("2", record("Say what is known.", output="It is true and known to most of us.")),
            ("3", record("Tell a story of old.", output="Two cats and nine mice lived for many months.")),
            ("4", record("Tell of animals now.", output="Here two cats and nine mice lived, for two years.")),
            ("5", record("Sum it up.", given="A dog barked at the moon all night.")),  # a seed's instruction
            ("6", record("Say what was asked.", output="Name the longest bone of the human body, please.")),
            ("7", record("Sum it up!")),
        ]
    )
    assert [one.reason for one in verdicts] == ["copy", "", "copy", "", "", "copy", "no input"]
    assert verdicts[0].detail == "the template: facts must be true and"
    assert verdicts[2].detail == "cats: two cats and nine mice lived for many"
    assert verdicts[5].detail == "femur: name the longest bone of the human body"


def test_what_was_left_out_is_nobodys_duplicate():
    judge = filters()
    bad = record("Which muscle bends the elbow?", output="I'm sorry, I cannot help with that.")
    verdicts = judge.judge([("1", bad), ("2", record("Which muscle bends the elbow?"))])
    assert [one.reason for one in verdicts] == ["refusal", ""]


class Angles:
    """An encoder that reads the angle in a text's last word."""

    def vectors(self, texts):
        angles = [float(text.rstrip(".?").split()[-1]) if text[-2].isdigit() else 90.0 for text in texts]
        return np.array([[np.cos(np.radians(a)), np.sin(np.radians(a))] for a in angles], dtype=np.float32)


def test_the_same_in_other_words():
    judge = filters(Recipe(meaning_above=0.9), encoder=Angles())
    verdicts = judge.judge(
        [
            ("1", record("Say how warm blood is at angle 0.")),
            ("2", record("Which temperature do veins have near 10?")),
            ("3", record("Tell me about skin and 40.")),
            ("4", record("Does anything lie beyond bones, say 85?")),
        ]
    )
    assert [one.reason for one in verdicts] == ["", "same meaning", "", "same meaning"]
    assert verdicts[1].detail == "cosine 0.98 with 1"
    assert verdicts[3].detail == "cosine 1.00 with femur"  # a seed's angle is 90
    assert judge.judge([("5", record("Something else altogether on hair, 41."))])[0].detail == "cosine 1.00 with 3"


def test_many_vectors_are_kept():
    from counterpoise.instructing.same_meaning import SameMeaning

    vectors = np.eye(200, dtype=np.float32)
    found = SameMeaning(Angles(), 0.9)
    for i in range(200):
        assert found.nearest(vectors[i]) is None
        found.keep(str(i), vectors[i])
    assert [found.nearest(vectors[i]) for i in (0, 63, 64, 199)] == [(str(i), 1.0) for i in (0, 63, 64, 199)]


def test_a_kept_record_has_the_seeds_spelling_and_its_nearest_seed():
    verdict = filters().judge([("1", replace(record("Name the longest nerve of a horse."), category="ANATOMY."))])[0]
    assert verdict.record.category == "anatomy"
    assert verdict.nearest_seed == ("femur", pytest.approx(2 * 4 / 15))
