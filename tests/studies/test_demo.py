"""The demo's machinery on a tiny model: every part runs, arms share their start, and the page is written."""

import json
import math

import pytest
import torch

from counterpoise.errors import UserError
from counterpoise.report.page import write_demo_page
from counterpoise.studies.demo import Demo, run_demo
from counterpoise.studies.demo_recipe import ARMS, RATES, Arm, Recipe, tuned_rates


@pytest.fixture
def recipe(llama_folder):
    return Recipe(model=str(llama_folder), layers=2, batch_size=4, warm_up_steps=2, steps=2, max_length=512)


@pytest.mark.slow
def test_the_whole_story(recipe, tmp_path):
    arms = [arm for arm in ARMS if arm.key in ("sft", "bft", "bft-fading")]
    outcome = run_demo(tmp_path / "demo", recipe=recipe, arms=arms, split="dev", show_progress=False)
    assert [arm["key"] for arm in outcome["arms"]] == ["base", "warm-up", "sft", "bft", "bft-fading"]
    assert outcome == json.loads((tmp_path / "demo" / "results.json").read_text(), parse_constant=pytest.fail)
    assert {row["n"] for row in outcome["rows"] if row["task"] == "gene-process"} == {300}
    for row in outcome["rows"]:
        assert row["low"] <= row["value"] <= row["high"]
        assert math.isfinite(row["value"])
    assert outcome["floors"]["naive Bayes, same rows"]["n"] == 300
    assert {c["theirs"] for c in outcome["comparisons"] if c["ours"] == "BFT"} == {"base model", "warm-up only", "SFT"}
    shares = outcome["weights"]["shares"]["BFT"]
    assert sum(shares[group] for group in ("low", "middle", "high")) == pytest.approx(1.0)
    seen = [[point["step"] for point in arm["curve"]] for arm in outcome["arms"][2:]]
    assert seen == [[1, 2]] * 3
    write_demo_page(outcome, tmp_path / "demo" / "report.html")
    assert (tmp_path / "demo" / "report.html").stat().st_size > 20_000


def test_arms_start_from_the_same_weights_and_do_not_leak_into_each_other(recipe, tmp_path):
    demo = Demo(tmp_path, recipe, show_progress=False)
    demo.warm_up()
    start = demo.state()
    first = demo.train("a", ARMS[0].build(), 1e-3, demo.arm_items, "a")
    moved = demo.state()
    assert any(not torch.equal(moved[name], start[name]) for name in start)
    demo.restore(start)
    assert all(torch.equal(value, start[name]) for name, value in demo.state().items())
    again = demo.train("b", ARMS[0].build(), 1e-3, demo.arm_items, "b")
    assert first.tokens == again.tokens
    assert (tmp_path / "a" / "metrics.jsonl").read_bytes() == (tmp_path / "b" / "metrics.jsonl").read_bytes()


def test_the_recorded_tuning_is_equal_for_all_and_complete():
    """Every arm was tried at every rate of one grid; its rate is the best of its own dev scores."""
    tuned = tuned_rates()
    assert tuned["rates"] == list(RATES)
    for arm in ARMS:
        grid = tuned["arms"][arm.key]["grid"]
        assert [row["rate"] for row in grid] == list(RATES)
        assert tuned["arms"][arm.key]["objective"] == arm.build().label()
        best = max(row["gene-process: corrected accuracy"] for row in grid)
        chosen = next(row for row in grid if row["rate"] == tuned["arms"][arm.key]["rate"])
        assert chosen["gene-process: corrected accuracy"] == best


def test_an_arm_without_a_rate_is_refused_first(tmp_path):
    with pytest.raises(UserError, match="no tuned rate for new"):
        run_demo(tmp_path, arms=[Arm("new", "New", "focal")])
