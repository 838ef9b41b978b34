"""Strict reading of generated answers: what is an answer and, above all, what is none."""

import pytest

from counterpoise.evaluation.answers import chosen, first_line, listed, number

LETTERS = ("A", "B", "C", "D")
TEXTS = ("the liver", "the heart", "a lung", "the heart and a lung")
WORDS = ("yes", "no", "maybe")


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("B", 1),
        ("b", 1),
        (" B.\nbecause", 1),
        ("(B)", 1),
        ("(b) the heart", 1),
        ("B) the heart", 1),
        ("B: the heart", 1),
        ("**B**", 1),
        ("Answer: C", 2),
        ("The correct answer is D.", 3),
        ("The heart.", 1),
        ("the heart and a lung", 3),
        ("C - a lung", 2),
        ("", None),
        ("E", None),
        ("Both A and B", None),
        ("A lot of evidence says so", None),
        ("not B", None),
        ("I think it is B", None),
        ("Bowel", None),
        ("AB", None),
    ],
)
def test_letters(text, index):
    assert chosen(text, LETTERS, TEXTS) == index


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("yes", 0),
        ("Yes.", 0),
        ("No, it does not.", 1),
        ("maybe\nyes", 2),
        ('"no"', 1),
        ("Answer: maybe", 2),
        ("nothing is known", None),
        ("It is yes", None),
        ("yes no", None),
        ("The answer", None),
    ],
)
def test_words(text, index):
    assert chosen(text, WORDS) == index


def test_the_longest_option_wins():
    assert chosen("agonist activator", ("agonist", "agonist activator")) == 1
    assert chosen("agonist", ("agonist", "agonist activator")) == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3.0),
        ("2.4.", 2.4),
        ("-1", -1.0),
        ("4/4", None),
        ("3 out of 4", 3.0),
        ("2.4 (close)", 2.4),
        ("3x", None),
        ("", None),
    ],
)
def test_numbers(text, value):
    assert number(text) == value


def test_lists():
    options = ["resisting cell death", "inducing angiogenesis"]
    assert listed("Inducing angiogenesis; resisting cell death; inducing angiogenesis", options) == (options[::-1], 0)
    assert listed("inducing", options) == ([], 1)
    assert listed("", options) == ([], 1)
    assert listed("none", options) == ([], 0)


def test_first_line():
    assert first_line("\n\n `B` \nA") == "B"
