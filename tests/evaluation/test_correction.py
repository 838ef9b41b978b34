"""Holm's correction against its definition and its properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.evaluation.correction import holm

P_VALUES = st.lists(st.floats(0.0, 1.0), max_size=12)


def test_textbook_example():
    # sorted: .005 x 4, .01 x 3, .03 x 2, .04 x 1; the last may not fall below the one before it
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_no_comparison_and_one_comparison_are_left_alone():
    assert holm([]) == []
    assert holm([0.2]) == [0.2]


@given(P_VALUES)
def test_between_the_raw_value_and_bonferroni_and_in_the_same_order(p_values):
    corrected = holm(p_values)
    for raw, new in zip(p_values, corrected, strict=True):
        assert raw <= new <= 1.0
        assert new <= max(raw, min(1.0, raw * len(p_values))) + 1e-12
    by_raw = [new for _, new in sorted(zip(p_values, corrected, strict=True))]
    assert by_raw == sorted(by_raw)


@given(P_VALUES, st.floats(0.001, 0.2))
def test_rejects_what_the_step_down_procedure_rejects(p_values, level):
    rejected = []
    for rank, p in enumerate(sorted(p_values)):
        if (len(p_values) - rank) * p > level:
            break
        rejected.append(p)
    assert sum(p <= level for p in holm(p_values)) == len(rejected)


@pytest.mark.parametrize("wrong", [float("nan"), -0.1, 1.1])
def test_a_value_that_is_no_probability_is_an_error(wrong):
    with pytest.raises(ValueError, match="expected a number from 0 to 1"):
        holm([0.5, wrong])
