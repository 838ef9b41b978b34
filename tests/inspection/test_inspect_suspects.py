"""Likely bad data: each rule finds what it is for, and leaves clean text alone."""

import numpy as np
import pytest

from counterpoise.data.encoded import Encoded
from counterpoise.inspection.encoding import EncodedRecords
from counterpoise.inspection.reading import Record
from counterpoise.inspection.suspects import MOJIBAKE, REASONS, Suspicion, suspects

CLEAN = [
    "The gene product is a protein of the inner membrane, and it is needed for the growth of the cell in the dark.",
    "Patients with this disease are often treated by a doctor who knows which of the drugs can be given to them.",
    "It is not known how the virus enters the cell, but there are several ways in which it could have been taken up.",
    "Most of the people who have this condition do not need to be treated, since it goes away on its own in a year.",
]


def reasons_of(rows, nll=None, p_conf=None, truncated=()):
    """``rows``: (prompt, completion) pairs, behind which clean samples are put."""
    clean = [(f"Question {i}?", f"{CLEAN[i % 4]} This was seen in {i} of the cases.") for i in range(40)]
    records = [Record(f"row {i}", "", prompt, completion) for i, (prompt, completion) in enumerate([*rows, *clean])]
    items = [Encoded([1], [True], truncated="answer" if i in truncated else "") for i in range(len(records))]
    one = np.ones(len(records), dtype=np.int64)
    encoded = EncodedRecords(records, items, one, one.astype(np.int32), {}, [])
    own = np.random.default_rng(0).normal(2.0, 0.2, len(records))
    if nll is not None:
        own[: len(nll)] = nll
    sure = np.full(len(records), 0.5, dtype=np.float32)
    if p_conf is not None:
        sure[: len(p_conf)] = p_conf
    found = suspects(encoded, own, sure)
    assert found[len(rows) :] == [[]] * 40, "clean samples are not suspect"
    return found[: len(rows)]


def test_low_confidence_needs_both_an_outlier_and_a_weak_window():
    rows = [(f"Q{i}", CLEAN[i]) for i in range(3)]
    found = reasons_of(rows, nll=[7.0, 7.0, 2.0], p_conf=[0.01, 0.3, 0.01])
    assert found == [["low-confidence"], [], []]


def test_thresholds_of_low_confidence_can_be_set():
    record = [Record(f"r{i}", "", f"p{i}", f"one two three {i}") for i in range(9)]
    one = np.ones(9, dtype=np.int64)
    encoded = EncodedRecords(record, [Encoded([1], [True])] * 9, one, one.astype(np.int32), {}, [])
    nll = np.array([1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.1, 0.9, 1.6])
    assert suspects(encoded, nll, None, Suspicion(z=3.5))[-1] == ["low-confidence"]
    assert suspects(encoded, nll, None, Suspicion(z=6.0))[-1] == []
    assert suspects(encoded, np.ones(9), None) == [[]] * 9, "all alike: nothing is far out"


def test_truncated():
    rows = [
        ("Q1", "The protein is found in the membrane of the cell and it is needed for"),
        ("Q2", "apoptosis"),
        ("Q3", 'He said that it is "known to be so."'),
        ("Q4", "This answer was cut by the limit of tokens in the middle."),
    ]
    assert reasons_of(rows, truncated=[3]) == [["truncated"], [], [], ["truncated"]]


def test_without_full_stops_in_the_set_none_is_missing():
    records = [Record(f"r{i}", "", f"p{i}", f"the process of growth number {i} in cells") for i in range(20)]
    one = np.ones(20, dtype=np.int64)
    encoded = EncodedRecords(records, [Encoded([1], [True])] * 20, one, one.astype(np.int32), {}, [])
    assert suspects(encoded, np.ones(20), None) == [[]] * 20


@pytest.mark.parametrize(
    "text",
    ["cafÃ© au lait", "donâ€™t", "5 Â°C", "TNF-Î± and IL-1Î²", "Ï‰-3", "a \ufffd b", "ï»¿start", "naÃ¯ve", "100 â‚¬"],
)
def test_mojibake_is_found(text):
    assert MOJIBAKE.search(text)


@pytest.mark.parametrize("text", ["é", "à", "ñ", "ö", "ß", "°", "±", "µ", "α", "β", "ω", "–", "’", "“", "€", "½", "³"])
def test_every_letter_broken_once_is_found(text):
    broken = text.encode("utf-8").decode("cp1252", "replace")
    assert MOJIBAKE.search(f"x{broken}y")


@pytest.mark.parametrize(
    "text",
    [
        "café, naïve, Ångström, São Paulo, L'ÎLE, SÃO, «CAFÉ», «HAÏ» and ‘Â’",
        "Sjögren, Ménière, Behçet, Guillain–Barré, Löffler, Kőrösi, Łódź, Ærø, Þór",
        "TNF-α, IL-1β, 5 °C, ±3, µg, Ω, 10⁶, ½, €100, 𝛼, 🧬, “quoted” … don’t",
        "ΑΒΓ αβγ привет 你好 Ünïcödé ÃÃÃ ÂÂ",
        "Âge, Ânes, Ãoli, Île-de-France, Ïambe",
    ],
)
def test_clean_accents_are_not_mojibake(text):
    assert not MOJIBAKE.search(text)


def test_mojibake_in_a_sample():
    assert reasons_of([("Q", CLEAN[0] + " It is called cafÃ©.")]) == [["mojibake"]]


def test_wrong_language():
    german = (
        "Das Protein befindet sich in der inneren Membran und wird für das Wachstum der Zelle im Dunkeln benötigt, "
        "wobei noch nicht bekannt ist, wie es dorthin gelangt."
    )
    chinese = "这种蛋白质位于细胞内膜，是细胞在黑暗中生长所必需的。"
    greek = (
        "The cytokines TNF-α, IL-1β and IFN-γ are found in the blood of patients who have this disease of the liver."
    )
    spanish = (
        "La proteína se encuentra en la membrana interna de la célula y es necesaria para el crecimiento de los "
        "organismos en la oscuridad, aunque no se sabe cómo llega."
    )
    symptoms = (
        "Fever, cough, chills, "
        + "rash, nausea, vomiting, diarrhea, headache, fatigue, weakness, pallor, " * 3
        + "pain."
    )
    rows = [(f"Q{i}", text) for i, text in enumerate([german, chinese, spanish, greek, symptoms])]
    assert reasons_of(rows) == [["wrong-language"]] * 3 + [[]] * 2


def test_a_set_in_another_language_is_no_suspect():
    text = (
        "Das Protein befindet sich in der inneren Membran und wird für das Wachstum der Zelle im Dunkeln benötigt {}."
    )
    records = [Record(f"r{i}", "", f"p{i}", text.format(i) * 2) for i in range(20)]
    one = np.ones(20, dtype=np.int64)
    encoded = EncodedRecords(records, [Encoded([1], [True])] * 20, one, one.astype(np.int32), {}, [])
    assert suspects(encoded, np.ones(20), None) == [[]] * 20


def test_repetitions():
    rows = [
        ("What is it?", CLEAN[0]),
        ("what IS it", CLEAN[0].upper()),
        ("Another question?", CLEAN[0]),
        ("Is it so?", "Yes."),
        ("Is it not so?", "Yes."),
    ]
    assert reasons_of(rows) == [[], ["duplicate"], ["repeated-answer"], [], []]


def test_an_empty_answer():
    assert reasons_of([("Q", " \n")]) == [["empty"]]


def test_reasons_are_all_documented():
    import counterpoise.inspection.suspects as module

    assert all(f"\n{reason} " in module.__doc__ for reason in REASONS)
