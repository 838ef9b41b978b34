"""The BLURB score: published rows give their totals; what is missing is said; settings agree with our metrics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.data.labelled_reading import LabelledExample, LabelSpace
from counterpoise.errors import UserError
from counterpoise.evaluation.blurb import DATA_SETS, PUBLISHED, TASK_TYPES, blurb_score
from counterpoise.evaluation.labels import measure_labels

TOTALS = {
    "PubMedBERT": 81.16,
    "PubMedBERT (LinkBERT paper)": 81.10,
    "BioLinkBERT-base": 83.39,
    "BioLinkBERT-large": 84.30,
}


@pytest.mark.parametrize("name", list(TOTALS))
def test_published_rows_give_their_totals(name):
    row = PUBLISHED[name]
    found = blurb_score(row.scores)
    assert found.overall is not None
    assert round(found.overall, 2) == row.total == TOTALS[name]
    assert found.partial == found.overall
    assert found.missing == ()
    assert str(found) == f"BLURB {TOTALS[name]:.2f} (all 13 data sets)"


def test_thirteen_sets_of_six_types():
    assert {kind: len(sets) for kind, sets in TASK_TYPES.items()} == {
        "NER": 5, "PICO": 1, "RE": 3, "STS": 1, "DC": 1, "QA": 2,
    }  # fmt: skip
    assert len(DATA_SETS) == 13
    assert set(PUBLISHED) == set(TOTALS)


def test_a_type_weighs_as_much_as_another():
    """One more point on the one set of sentence pairs is five times one on a set of entities."""
    scores = dict.fromkeys(DATA_SETS, 50.0)
    base = blurb_score(scores).overall
    assert blurb_score(scores | {"biosses": 56.0}).overall - base == pytest.approx(1.0)
    assert blurb_score(scores | {"bc2gm": 56.0}).overall - base == pytest.approx(0.2)


@given(st.dictionaries(st.sampled_from(sorted(DATA_SETS)), st.floats(0, 100), min_size=1))
def test_a_missing_set_leaves_no_score(scores):
    found = blurb_score(scores)
    assert set(found.missing) == set(DATA_SETS) - set(scores)
    assert (found.overall is None) == bool(found.missing)
    for kind, sets in TASK_TYPES.items():
        there = [scores[s.name] for s in sets if s.name in scores]
        assert (kind in found.by_type) == (len(there) == len(sets))
        assert (kind in found.partial_by_type) == bool(there)
        if there:
            assert found.partial_by_type[kind] == pytest.approx(sum(there) / len(there))
    assert found.partial == pytest.approx(sum(found.partial_by_type.values()) / len(found.partial_by_type))


def test_what_is_missing_is_said():
    scores = {name: 80.0 for name in DATA_SETS if name not in ("bioasq", "chemprot")}
    found = blurb_score(scores | {"pubmedqa": 50.0})
    assert found.by_type == {"NER": 80.0, "PICO": 80.0, "STS": 80.0, "DC": 80.0}
    assert str(found) == (
        "no BLURB score: chemprot, bioasq missing; mean over the 6 task types of the 11 data sets that are there: 75.00"
    )


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ({}, "there are no scores"),
        ({"bc2g": 80.0}, r"'bc2g' is no data set of BLURB \(did you mean 'bc2gm'\?\); expected bc5cdr-chem"),
        ({"hoc": float("nan")}, "the score of hoc is nan; expected a finite number"),
    ],
)
def test_what_cannot_be_averaged(scores, says):
    with pytest.raises(UserError, match=says):
        blurb_score(scores)


def test_metrics_are_those_that_are_measured():
    """Every metric named, questions apart, is made by `measure_labels` for a task of that kind."""
    tagged = [LabelledExample(words=("a",), tags=("B-X",))]
    made = {
        "NER": measure_labels("t", LabelSpace("token-classification", ("O", "B-X")), tagged, [("B-X",)]),
        "STS": measure_labels("t", LabelSpace("regression"), [LabelledExample("t", value=1.0)], [1.0]),
        "DC": measure_labels("t", LabelSpace("multi-label", ("a",)), [LabelledExample("t", labels=("a",))], [("a",)]),
    }
    made["PICO"] = made["NER"]
    for found in TASK_TYPES["RE"]:
        space = LabelSpace("sequence-classification", (found.negative, "positive"))
        examples = [LabelledExample("t", label="positive")]
        made["RE"] = measure_labels("t", space, examples, ["positive"], negative=found.negative)
        assert found.metric in made["RE"]
    for kind, metrics in made.items():
        assert all(found.metric in metrics for found in TASK_TYPES[kind])
