"""Objectives as text: what `label` prints comes back as the same objective, for every name and option."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise import objectives
from counterpoise.errors import UserError
from counterpoise.inspection.objective_text import parse_objective, parse_objectives

VALUES = {  # one value beside the default for each option there is
    "floor": 0.25,
    "sft_share": {"start": 1.0, "end": 1e-05, "over": 0.33},
    "window": "25%",
    "variant": "v1-geometric",
    "use": "sample",
    "gamma": 1e-05,
    "alpha": 0.75,
    "kl_weight": 0.1,
    "least": 0.02,
    "threshold": 0.2,
    "temperature": 2.0,
    "most": 4,
}


@pytest.mark.parametrize("name", objectives.names())
def test_every_option_comes_back(name):
    for option in [option.name for option in fields(objectives.OBJECTIVES[name])]:
        made = objectives.get(name, **{option: VALUES[option]})
        assert "=" in made.label(), f"{option} is at its default, so nothing is tested"
        assert parse_objective(made.label()) == made
    everything = objectives.get(name, **{o.name: VALUES[o.name] for o in fields(objectives.OBJECTIVES[name])})
    assert parse_objective(everything.label()) == everything


@given(
    st.sampled_from(["v1", "v1-geometric", "v3"]),
    st.one_of(st.integers(1, 2000), st.floats(0.01, 1.0), st.integers(1, 100).map(lambda n: f"{n}%")),
    st.floats(0.0, 1.0),
    st.floats(1e-3, 50.0),
)
def test_any_bft_comes_back(variant, window, floor, gamma):
    made = objectives.get("bft", variant=variant, window=window, floor=floor, gamma=gamma)
    assert parse_objective(made.label()) == made


def test_what_people_type():
    assert parse_objective(" bft( window = 8 ,variant=v1 ) ") == objectives.get("bft", window=8, variant="v1")
    schedule = objectives.get("dft", sft_share={"start": 1, "end": 0, "over": 0.5})
    assert parse_objective("dft(sft_share={start: 1, end: 0, over: 0.5})") == schedule
    assert parse_objective("sft()") == objectives.get("sft")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bfd", "did you mean 'bft'"),
        ("bft(windw=8)", "did you mean 'window'"),
        ("bft(window)", "'window' is no option"),
        ("bft(window=0)", "window is 0"),
        ("bft(window=)", "is no option"),
        ("bft window=8", "cannot be read"),
        ("bft(window=8", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said(text, said):
    with pytest.raises(UserError) as error:
        parse_objective(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_one_objective_twice():
    with pytest.raises(UserError, match="bft is given twice"):
        parse_objectives(["sft", "bft", "bft(variant=v3)"])
