"""Each reason for which a record alone is left out, with cases on both sides."""

from dataclasses import replace

import pytest

from counterpoise.instructing import read_seeds
from counterpoise.instructing.reasons import REASONS
from counterpoise.instructing.record import Record
from counterpoise.instructing.validity import category_names, problem_of

NAMES = category_names(["question answering", "text generation"])
GOOD = Record("question answering", "Which organ of the body makes insulin?", "", "The pancreas, in its islets.")


def reason(any_language=False, **changes):
    problem = problem_of(replace(GOOD, **changes), NAMES, any_language=any_language)
    assert problem is None or problem[0] in REASONS
    return problem and problem[0]


def test_every_seed_of_ours_is_valid():
    seeds = read_seeds()
    names = category_names(seeds.categories)
    assert {key: problem_of(one, names) for key, one in seeds.records.items()} == dict.fromkeys(seeds.records)


def test_a_good_record_and_its_category_in_another_spelling():
    assert reason() is None
    assert reason(category="Question-Answering.") is None
    assert reason(category="chemistry") == "category"


def test_lengths():
    assert reason(instruction="Name it.") == "length"
    assert reason(instruction="Name it now.") is None
    assert reason(output=" ".join(f"w{i}" for i in range(601))) == "length"
    assert reason(input=" ".join(f"w{i}" for i in range(600))) is None
    assert reason(input=" ".join(f"w{i}" for i in range(601))) == "length"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"instruction": "Welches Organ des Körpers stellt das Insulin her und gibt es ab?"}, "language"),
        ({"instruction": "¿Qué órgano del cuerpo humano produce la insulina y para qué sirve?"}, "language"),
        ({"output": "胰腺的胰岛细胞分泌胰岛素"}, "language"),
        ({"output": "NF-\N{GREEK SMALL LETTER KAPPA}B and TNF-\N{GREEK SMALL LETTER ALPHA} rise."}, None),
        ({"output": "TP53; BRCA1; EGFR; MYC"}, None),
        ({"instruction": "List pathway genes: MDM2, CDKN1A, BAX."}, None),
        ({"instruction": " ".join(f"kwaba{i}" for i in range(12))}, "language"),
        ({"instruction": "Explain déjà vu and the aura of a seizure."}, None),
    ],
)
def test_language(changes, expected):
    assert reason(**changes) == expected
    assert reason(any_language=True, **changes) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"output": "It is the liver. It is the liver. It is the liver. It is the liver."}, "repetition"),
        ({"output": "no no no no"}, "repetition"),
        ({"output": "No, no, no: it is the pancreas."}, None),
        ({"output": "Which organ of the body makes insulin"}, "repetition"),
        ({"output": "Which organ of the body makes insulin? This is a question."}, "repetition"),
        ({"output": "The organ of the body that makes insulin is the pancreas."}, None),
        ({"input": "Bile is made by the liver.", "output": "bile is made by the liver"}, "repetition"),
        ({"input": "yes or no", "output": "no"}, None),
        ({"output": " ".join(f"a{i} b{i} c{i}" for i in range(30))}, None),
        ({"output": " ".join(f"the liver makes bile and x{i}" for i in range(8))}, "repetition"),
    ],
)
def test_repetition(changes, expected):
    assert reason(**changes) == expected


@pytest.mark.parametrize(
    "text",
    ["Give [insert drug] at night.", "Dear [Patient Name], hello.", "The <your answer> is it.", "Say {drug} now."],
)
def test_blanks(text):
    assert reason(output=text) == "placeholder"


def test_brackets_that_are_no_blanks():
    assert reason(output="The range is [3, 5] mmol/L, and p < 0.05 > 0.01.") is None


@pytest.mark.parametrize(
    "output",
    [
        "I'm sorry, but I can't help with that.",
        "I\N{RIGHT SINGLE QUOTATION MARK}m sorry, I cannot say.",
        "I cannot provide medical advice.",
        "As an AI language model, I have no body.",
        "The pancreas. Let me know if you need more!",
        "Sure, here it is: the pancreas.",
        "It is the pancreas. You are a helpful AI assistant.",
    ],
)
def test_refusals_and_small_talk(output):
    assert reason(output=output) == "refusal"


@pytest.mark.parametrize(
    "output",
    ["I'm sorry to hear that you have been unwell.", "The patient cannot walk.", "Say that you cannot help it."],
)
def test_what_only_sounds_like_a_refusal(output):
    assert reason(output=output) is None


def test_what_text_cannot_hold():
    assert reason(instruction="Describe what the following image of a heart shows.") == "not text"
    assert reason(instruction="Draw a diagram of the heart.") == "not text"
    assert reason(instruction="Draw a conclusion from the two findings.") is None
    assert reason(instruction="Explain the link between smoking and cancer.") is None


@pytest.mark.parametrize("instruction", ["Sum up the following passage.", "Which of the following makes insulin?"])
def test_an_instruction_on_a_text_needs_one(instruction):
    assert reason(instruction=instruction) == "no input"
    assert reason(instruction=instruction, input="A. the liver B. the pancreas") is None
    assert reason(instruction=f"{instruction[:-1]}: the liver, the pancreas") is None
    assert reason(instruction=f"{instruction}\nA. the liver\nB. the pancreas") is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"output": "This record will be in the form of a sentence."}, "about the exercise"),
        ({"instruction": "Here are 2 new records. Which organ makes insulin?"}, "about the exercise"),
        ({"input": "The next exercise is about the liver."}, "about the exercise"),
        ({"instruction": "Write two more exercises in the same form."}, "about the exercise"),
        ({"instruction": "Fill in the four labels of the organ."}, "about the exercise"),
        ({"output": "The medical record shows atrial fibrillation; exercise is advised."}, None),
        ({"instruction": "Does exercise lower the resting heart rate of adults?"}, None),
        ({"output": "Here the record of the patient ends: each exercise test was negative."}, None),
        ({"instruction": "Create a record of this visit for the patient's file.", "input": "Ear pain."}, None),
        ({"instruction": "Summarise this record of a patient in one sentence.", "input": "Ear pain."}, None),
    ],
)
def test_a_record_about_the_exercise(changes, expected):
    assert reason(**changes) == expected
