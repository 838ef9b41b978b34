"""The page of a study: what is bold, what is said in words, and that every number in it comes from study.json."""

import copy
import re

import pytest

from counterpoise.studies.compare.means import blurb_means
from counterpoise.studies.compare.outcome import _add_best_floors
from counterpoise.studies.compare.table import floor_cell, markdown, score_cell


def score(arm="sft", value=0.7, low=0.6, high=0.8, **changes):
    row = {
        "arm": arm, "trained_on": "gad", "task": "gad", "metric": "positive micro F1", "value": value, "low": low,
        "high": high, "n": 200, "seeds": [0], "learning_rate": None, "higher_is_better": True, "forgetting": False,
        "floors": {"majority": 0.55, "chance": 0.5},
    }  # fmt: skip
    return row | changes


def comparison(family="baseline", ours="sft", value=0.2, p=0.01, **changes):
    row = {
        "family": family, "task": "gad", "metric": "positive micro F1", "ours": ours, "theirs": "zero-shot",
        "trained_on": "gad", "higher_is_better": True, "value": value, "low": value - 0.1, "high": value + 0.1,
        "n": 200, "p_value": p, "p_holm": p,
    }  # fmt: skip
    return row | changes


def outcome(scores=(), comparisons=(), **changes):
    scores = copy.deepcopy(list(scores))
    _add_best_floors(scores)
    arm = {"train": None, "evaluation": {}, "only": None, "learning_rates": None}
    arms = {"zero-shot": arm} | {
        s["arm"]: arm | {"train": {"objective": {"name": s["arm"]}}} for s in scores if s["arm"] != "zero-shot"
    }
    study = {
        "arms": arms, "forgetting": ["general-sentences"],
        "baseline": "zero-shot", "learning_rates": [], "seeds": [0], "run": {"model": "m"},
        "evaluation": {"limit": 200, "split": "test", "shots": 0, "seed": 0, "methods": []},
    }  # fmt: skip
    env = {
        "git_commit": "abc123", "counterpoise": "0.1.0", "packages": {"torch": "2.13.0"}, "processor": "x86_64",
        "cpu_capability": "AVX2", "threads": 2, "gpus": [],
    }  # fmt: skip
    made = {
        "name": "tiny", "command": "counterpoise compare study.yaml", "study": study, "rows": [], "scores": scores,
        "comparisons": list(comparisons), "tuning": [], "blurb": {}, "groups": [], "left_out": [], "notes": [],
        "environment": env,
    }  # fmt: skip
    return made | changes


@pytest.mark.parametrize(
    ("changes", "bold"),
    [
        ({"low": 0.6}, True),
        ({"low": 0.55}, False),  # the interval begins at the floor
        ({"low": 0.4}, False),  # the value is above, the interval is not
        ({"value": 0.3, "low": 0.2, "high": 0.4}, False),
        ({"floors": {}}, False),
        ({"floors": {"mean value": float("nan")}}, False),
        ({"higher_is_better": False, "value": 0.3, "low": 0.2, "high": 0.4}, True),  # less is better: the least floor
        ({"higher_is_better": False, "value": 0.3, "low": 0.2, "high": 0.51}, False),
    ],
)
def test_bold_only_where_the_interval_is_above_the_best_floor(changes, bold):
    scores = [score(**changes)]
    _add_best_floors(scores)
    assert score_cell(scores[0]).startswith("**") == bold


def test_the_best_floor_is_named_and_counts_for_every_arm():
    """What one model answers without the question is better than it seems: no arm is bold below it."""
    scores = [score("zero-shot", floors={"majority": 0.55, "options alone": 0.65}), score("sft")]
    _add_best_floors(scores)
    assert {floor_cell(row) for row in scores} == {"0.650 options alone (zero-shot)"}
    assert not score_cell(scores[1]).startswith("**")
    text = markdown(outcome(scores))
    assert "| gad | positive micro F1 | 200 | 0.650 options alone (zero-shot) | 0.700 [0.600, 0.800] |" in text


def test_an_arm_that_was_not_asked_has_a_dash():
    other = score("encoder", task="biosses", metric="Pearson", trained_on="biosses")
    text = markdown(outcome([score("zero-shot"), other]))
    assert re.search(r"\| gad \| positive micro F1 \| 200 \| 0.550 majority \| \*\*0.700 .*\*\* \| - \|", text)
    assert re.search(r"\| biosses \| Pearson \| 200 \| 0.550 majority \| - \| \*\*0.700", text)


def test_what_went_badly_is_said():
    below, near = score("zero-shot", 0.3, 0.2, 0.4), score("dft", 0.6, 0.5, 0.7)
    text = markdown(outcome([below, near, score("sft")]))
    assert "Below the best floor: zero-shot on gad (0.300 against 0.550, majority)." in text
    assert "Not clearly above the best floor (the interval holds it): dft on gad (0.600 against 0.550" in text
    assert "Above the best floor on every task that was measured: sft." in text
    text = markdown(outcome([score("sft")]))
    assert "Below" not in text
    assert "Not clearly" not in text


def test_differences_for_the_worse_are_counted_by_their_direction():
    nll = {"task": "general-sentences", "metric": "NLL", "higher_is_better": False, "family": "forgetting"}
    rows = [
        comparison(value=0.2, p=0.001), comparison(ours="dft", value=-0.2, p=0.02), comparison(ours="bft", p=0.2),
        comparison(value=0.3, p=0.0001, **nll), comparison(ours="dft", value=-0.3, p=0.01, **nll),
    ]  # fmt: skip
    text = markdown(outcome([score()], rows))
    clear = "2 are clear after correction (p < 0.05, interval without 0), 1 of them for the worse"
    assert f"Of 3 differences to zero-shot, {clear}: dft on gad." in text
    assert f"{clear}: sft trained on gad on general-sentences." in text
    assert "| gad | positive micro F1 | dft - zero-shot | 200 | -0.200 [-0.300, -0.100] | 0.020 |" in text
    assert "p-values corrected over 3 comparisons" in text


def test_forgetting_stands_beside_the_baseline():
    base = score("zero-shot", 4.0, 3.9, 4.1, task="general-sentences", metric="NLL", forgetting=True, floors={},
                 higher_is_better=False, trained_on="none")  # fmt: skip
    tuned = base | {"arm": "sft", "value": 4.2, "trained_on": "gad"}
    change = comparison("forgetting", value=0.2, p=0.0001, task="general-sentences", metric="NLL")
    text = markdown(outcome([base, tuned, score("bert")], [change]))
    assert "- bert: answers no prompts" in text
    assert "- sft: answers" not in text
    assert "| general-sentences | NLL (less is better) | zero-shot | - | 200 | 4.000 [3.900, 4.100] | - | - |" in text
    assert "| sft | gad | 200 | 4.200 [3.900, 4.100] | +0.200 [+0.100, +0.300] | < 0.001 |" in text


def test_how_it_was_made():
    text = markdown(outcome([score()]))
    assert "Made with `counterpoise compare study.yaml` at commit abc123 of counterpoise 0.1.0 (torch 2.13.0)" in text
    assert "x86_64 (AVX2), 2 threads" in text
    assert "a random sample of at most 200 items of split test each, no examples in the prompt" in text
    assert "Training seeds: 0." in text
    assert "| sft | objective sft | the default alone |" in text


def test_rates_cost_and_what_is_left_out():
    cost = {"seconds": 12.4, "samples": 500, "tokens": 45_000, "trainable_parameters": 4_884_480}
    rows = [
        {"arm": "sft", "trained_on": "gad", "seed": seed, "cost": cost | {"peak_memory_bytes": peak}}
        for seed, peak in ((0, 2_340_000_000), (0, 2_340_000_000), (1, None))
    ]
    tuning = [
        {"arm": "sft", "trained_on": "gad", "learning_rate": rate, "dev": {"gad": 0.5 + rate}, "chosen": rate > 2e-4}
        for rate in (1e-4, 3e-4)
    ]
    left = [{"arm": "zero-shot", "trained_on": "none", "seed": 0, "task": "gad", "items": 200, "unanswered": 3,
             "unparsed": 7, "unreadable": 1}]  # fmt: skip
    text = markdown(outcome([score()], rows=rows, tuning=tuning, left_out=left, notes=["gad: 5 items"]))
    assert text.count("| sft | gad | 0 | 12 | 2.34 | 4,884,480 | 500 | 45,000 |") == 1
    assert "| sft | gad | 1 | 12 | - | 4,884,480 |" in text
    assert "| sft | gad | 0.0003 | gad 0.500 | chosen |" in text
    assert "the one with the best metric on split dev was kept" in text
    assert "- zero-shot on gad: 3 of 200 items have no reply and are not scored" in text
    assert "- zero-shot on gad: 7 of 200 answers say nothing that can be read; they are wrong" in text
    assert "- zero-shot on gad: 1 record cannot be used" in text
    assert "- gad: 5 items" in text
    assert "peak memory of one run" in text


def test_a_blurb_mean_of_one_set_is_none():
    f1 = "positive micro F1"
    one = [score(arm, task="gad", metric=f1) for arm in ("sft", "bft")]
    assert blurb_means(one) == {}
    both = blurb_means([*one, score("sft", task="biosses", metric="Pearson")])
    assert {arm: found["sets"] for arm, found in both.items()} == {"sft": ["biosses", "gad"], "bft": ["gad"]}


def test_groups_and_blurb():
    groups = [
        {"group": "IE", "arm": arm, "tasks": ["gad"], "mean": mean, "points": points, "low": 0.1, "high": 0.3,
         "relative": relative}
        for arm, mean, points, relative in (("zero-shot", 0.5, None, None), ("sft", 0.7, 0.2, 0.4))
    ]  # fmt: skip
    blurb = {"sft": {"overall": None, "partial": 70.04, "sets": ["biosses", "gad"]},
             "bert": {"overall": 81.2, "partial": 81.2, "sets": ["all"]}}  # fmt: skip
    text = markdown(outcome([score()], groups=groups, blurb=blurb))
    assert "| IE | gad | zero-shot | 0.500 | - | - |" in text
    assert "| IE | gad | sft | 0.700 | +0.200 [+0.100, +0.300] | +40.0 % |" in text
    assert "| sft | - | 70.0 | biosses, gad |" in text
    assert "| bert | 81.2 | - | all |" in text
    assert "A partial mean is no BLURB score" in text


def test_every_table_has_as_many_cells_as_its_header():
    text = markdown(outcome([score(), score("zero-shot")], [comparison()]))
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_many_arms_are_rows_and_unfinished_ones_are_named():
    scores = [score(f"arm-{i}", 0.5 + i / 100, 0.4, 0.6) for i in range(12)]
    stopped = [{"arm": "arm-3", "trained_on": "gad", "seed": 1, "why": "stopped at step 4 of 9"}]
    text = markdown(outcome([s for s in scores if s["arm"] != "arm-3"], unfinished=stopped))
    assert "| task | metric | n | best floor | arm | value |" in text
    assert "| gad | positive micro F1 | 200 | 0.550 majority | arm-11 | 0.610 [0.400, 0.600] |" in text
    assert "arm-3 | 0.5" not in text
    assert "Not finished, and so in no mean, comparison or frontier below: arm-3 trained on gad." in text
    assert "| arm-3 | gad | 1 | stopped at step 4 of 9 |" in text
    few = markdown(outcome([score("zero-shot"), score("sft")], unfinished=[stopped[0] | {"arm": "zero-shot"}]))
    assert "| task | metric | n | best floor | zero-shot | sft |" in few
