"""The front of gained against lost: against a plain O(n^2) definition, and its draws against those of differences."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_study import write_study

from counterpoise.evaluation.measurement import Measurement
from counterpoise.studies.compare import compare, load_study, markdown
from counterpoise.studies.compare.frontier import frontiers, on_front
from counterpoise.studies.compare.outcome import Side
from counterpoise.studies.compare.statistics import difference


def reference(gained, lost):
    """An arm is on the front if no other is at least as good in both and better in one."""

    def beats(j, i):
        no_worse = gained[j] >= gained[i] and lost[j] <= lost[i]
        return no_worse and (gained[j] > gained[i] or lost[j] < lost[i])

    return [not any(beats(j, i) for j in range(len(gained))) for i in range(len(gained))]


coarse = st.integers(-3, 3).map(float)  # many ties
arms = st.integers(1, 7).flatmap(lambda n: st.tuples(*[st.lists(coarse, min_size=n, max_size=n)] * 2))


@settings(max_examples=300, deadline=None)
@given(arms)
def test_the_front_is_what_it_is_by_definition(both):
    gained, lost = both
    assert on_front(np.array([gained]), np.array([lost]))[0].tolist() == reference(gained, lost)


def test_draws_are_apart():
    rng = np.random.default_rng(0)
    gained, lost = rng.normal(size=(50, 6)), rng.normal(size=(50, 6))
    found = on_front(gained, lost)
    assert found.tolist() == [reference(*row) for row in zip(gained, lost, strict=True)]


def test_what_is_not_finite_is_on_no_front():
    assert on_front(np.array([[np.nan, 0.0]]), np.array([[0.0, 1.0]])).tolist() == [[False, True]]


RNG = np.random.default_rng(1)
HARD = RNG.normal(size=80)  # what all arms find hard, so that differences are clearer than values


def side(arm, on, task, mean, seeds=(0, 1), higher=True, n=80, metric="m"):
    made = []
    for seed in seeds:
        totals = mean + HARD[:n] + 0.1 * np.random.default_rng([seed, n]).normal(size=n)
        one = SimpleNamespace(
            arm=SimpleNamespace(name=arm), on=on, seed=seed, name=task, spec=SimpleNamespace(name=task), metric=metric,
            scored=([str(i) for i in range(n)], Measurement(task, metric, totals, np.ones(n), higher)),
        )  # fmt: skip
        made.append(one)
    return Side(made)


def sides_of(values):
    """values: arm -> (mean on "know", mean NLL on "text"), the first being the untrained baseline."""
    sides = {}
    for place, (arm, (know, text)) in enumerate(values.items()):
        on, seeds = ("all", (0, 1)) if place else ("none", (0,))
        sides[arm, on, "know"] = side(arm, on, "know", know, seeds)
        sides[arm, on, "text"] = side(arm, on, "text", text, seeds, higher=False, n=60)
    return sides


def study_of(values, pairs=(("know", "text"),)):
    baseline = next(iter(values))
    config = SimpleNamespace(
        baseline=baseline, frontier=[SimpleNamespace(gained=gained, lost=lost) for gained, lost in pairs]
    )
    return SimpleNamespace(config=config, arms={arm: SimpleNamespace(trained=arm != baseline) for arm in values})


VALUES = {"base": (0.0, 3.0), "bold": (1.0, 3.5), "mild": (0.5, 3.1), "poor": (0.2, 3.6)}


def test_gained_and_lost_are_paired_differences_to_the_baseline():
    sides = sides_of(VALUES)
    (found,) = frontiers(study_of(VALUES), sides)
    points = {point["arm"]: point for point in found["points"]}
    assert list(points) == list(VALUES)
    assert points["base"]["gained"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    for arm in ("bold", "mild", "poor"):
        for key, task, sign in (("gained", "know", 1), ("lost", "text", 1)):
            plain = difference(*sides[arm, "all", task].against(sides["base", "none", task]))
            ours = points[arm][key]
            assert ours["value"] == pytest.approx(sign * plain.value)
            assert (ours["low"], ours["high"]) == pytest.approx((plain.low, plain.high), abs=0.01)
            assert ours["high"] - ours["low"] < 0.2, "paired: what all find hard is no difference"
    assert points["bold"]["gained"]["value"] == pytest.approx(1.0, abs=0.05)
    assert points["bold"]["lost"]["value"] == pytest.approx(0.5, abs=0.05), "more NLL is knowledge lost"
    assert found["gained"] == {"task": "know", "metric": "m", "higher_is_better": True}
    assert found["lost"]["higher_is_better"] is False


def test_shares_tell_what_is_clear():
    twin = VALUES | {"twin": (0.5, 3.1)}
    (found,) = frontiers(study_of(twin), sides_of(twin))
    share = {point["arm"]: point["front_share"] for point in found["points"]}
    front = {point["arm"]: point["on_front"] for point in found["points"]}
    assert front == {"base": True, "bold": True, "mild": True, "poor": False, "twin": True}
    assert share["bold"] == share["base"] == 1.0
    assert share["poor"] == 0.0
    assert share["mild"] == share["twin"] == 1.0, "the same in every draw: neither beats the other"


def test_an_arm_without_one_of_the_two_is_left_out():
    sides = sides_of(VALUES)
    del sides["mild", "all", "text"]
    sides["poor", "all", "know"] = side("poor", "all", "know", 0.2, metric="another")
    (found,) = frontiers(study_of(VALUES), sides)
    assert [point["arm"] for point in found["points"]] == ["base", "bold"]
    del sides["base", "none", "text"]
    assert frontiers(study_of(VALUES), sides) == []


def test_a_study_asks_for_it(tmp_path):
    path = write_study(
        tmp_path, tasks=["gad", "biosses"], baseline="base", arms={"base": {}}, axes={"objective": ["sft", "dft"]},
        frontier=[{"gained": "gad", "lost": "general-sentences"}], seeds=[0, 1],
    )  # fmt: skip
    outcome = compare(load_study(path), folder=tmp_path / "runs", data_dir=tmp_path / "data")
    (found,) = outcome["frontiers"]
    assert [(point["arm"], point["trained_on"]) for point in found["points"]] == [
        ("base", "none"), ("sft", "gad"), ("dft", "gad"),
    ]  # fmt: skip
    assert found["gained"]["metric"].startswith("positive micro F1")
    changes = {
        (row["ours"], row["task"]): row["value"] for row in outcome["comparisons"]
        if row["trained_on"] == "gad" and row["theirs"] == "base"
    }  # fmt: skip
    for point in found["points"][1:]:
        assert point["gained"]["value"] == pytest.approx(changes[point["arm"], "gad"])
        assert point["lost"]["value"] == pytest.approx(changes[point["arm"], "general-sentences"])
    text = markdown(outcome)
    assert "Gained on gad (positive micro F1" in text
    assert "| sft | gad | " in text
    found["points"][1]["front_share"], found["points"][2]["front_share"] = 0.04, 0.06
    said = [line for line in markdown(outcome).splitlines() if line.startswith("Clearly beaten")]
    assert len(said) == 1
    assert said[0].startswith(
        "Clearly beaten in what is gained on gad (positive micro F1) and lost on general-sentences (NLL) (on the front"
    )
    assert "sft trained on gad" in said[0]
    assert "dft" not in said[0]
