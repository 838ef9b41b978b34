"""Several starting models under one setup: the same prompts, the same steps, gains beside one another."""

import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import yaml

from counterpoise.errors import UserError
from counterpoise.reinforcement.learnable import learnable
from counterpoise.reinforcement.prompts import load_prompts
from counterpoise.reinforcement.study import (
    check_reinforce_study,
    is_study,
    load_reinforce_study,
    run_reinforce_study,
    what_is_left,
)
from counterpoise.reinforcement.study_table import markdown
from counterpoise.report.reinforcement_page import reinforcement_page
from study_locks import lock
from tiny_policies import write_guesser

EXAMPLES = Path(__file__).parents[2] / "examples" / "studies"
REINFORCED = [path for path in EXAMPLES.glob("*.yaml") if f"reinforce examples/studies/{path.name}" in path.read_text()]
BLOCK = {
    "prompts": {"source": "gene-process", "limit": 6},
    "filter": {"samples": 4},
    "adapter": {"kind": "lora", "rank": 2},
    "training": {
        "steps": 2,
        "prompts_per_step": 2,
        "group_size": 4,
        "max_completion": 3,
        "checkpoint_every": None,
        "precision": "float32",
        "learning_rate": 1e-2,
    },
    "evaluation": {"tasks": ["gene-process"], "limit": 5},
}


def plain(first="smollm2-135m", second="smollm2-135m", **changes):
    return {"name": "tiny", "arms": {"base": str(first), "bft": str(second)}, "reinforce": BLOCK} | changes


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    models = write_guesser(folder / "m1", "ABCD"), write_guesser(folder / "m2", "ABC")
    study = check_reinforce_study(plain(*models, seeds=[0, 1], also={"gene-process": ["answer NLL"]}))
    left = what_is_left(study, folder / "out")
    return study, folder / "out", left, run_reinforce_study(study, folder / "out", command="counterpoise x")


def test_every_run_is_made_and_listed(made):
    study, folder, left, _ = made
    assert {why for _, why in left} == {"not started"}
    assert [(unit.arm, unit.seed) for unit, _ in left] == [("base", 0), ("bft", 0), ("base", 1), ("bft", 1)]
    assert {why for _, why in what_is_left(study, folder)} == {""}
    assert json.loads((folder / "results.json").read_text())["study"]["name"] == "tiny"


def test_all_arms_had_the_same_prompts_in_the_same_order(made):
    study, folder, _, outcome = made
    kept = [json.loads((unit.place(folder) / "prompts.json").read_text()) for unit in study.units()]
    assert len({json.dumps(one["kept"]) for one in kept}) == 1
    assert (folder / "pass_rates.jsonl").is_file()
    assert outcome["filter"]["policy"] == "base"
    assert outcome["steps"] == [2]


def test_scores_are_means_over_seeds_with_intervals(made):
    _, _, _, outcome = made
    scores = {row["arm"]: row for row in outcome["scores"]}
    assert set(scores) == {"base", "bft"}
    for arm, row in scores.items():
        ours = [r for r in outcome["rows"] if r["arm"] == arm and r["metric"] == row["metric"]]
        for stage in ("before", "after"):
            each = [r["value"] for r in ours if r["stage"] == stage]
            assert len(each) == 2
            assert row[stage]["value"] == pytest.approx(sum(each) / 2)
            assert row[stage]["low"] <= row[stage]["value"] <= row[stage]["high"]
        assert row["after_by_seed"] == pytest.approx(each)
        assert row["change"]["value"] == pytest.approx(row["after"]["value"] - row["before"]["value"])
    (gain,) = outcome["gains"]
    assert gain["value"] == pytest.approx(scores["bft"]["change"]["value"] - scores["base"]["change"]["value"])
    assert gain["low"] <= gain["value"] <= gain["high"]
    assert 0 < gain["p_value"] <= gain["p_holm"] <= 1


def test_arms_are_compared_by_further_measures(made):
    _, _, _, outcome = made
    scores, gains = outcome["also"]["scores"], outcome["also"]["gains"]
    assert [(row["arm"], row["task"], row["metric"]) for row in scores] == [
        (arm, "gene-process", "answer NLL") for arm in ("base", "bft")
    ]
    for row in scores:
        assert not row["higher_is_better"]
        for stage in ("before", "after"):
            each = [
                one["value"]
                for one in outcome["rows"]
                if (one["arm"], one["metric"], one["stage"]) == (row["arm"], "answer NLL", stage)
            ]
            assert row[stage]["value"] == pytest.approx(sum(each) / 2)
    (gain,) = gains
    changes = [row["change"]["value"] for row in scores]
    assert gain["value"] == pytest.approx(changes[0] - changes[1])
    assert gain["p_holm"] == gain["p_value"]  # corrected by itself
    text = markdown(outcome)
    assert text.index("## By other measures") < text.index("| gene-process | answer NLL (lower is better) | bft |")
    assert "By the other measures that the study asks for" in reinforcement_page(outcome)


def test_a_measure_that_there_is_not_is_said_after_the_first_run(made):
    study, folder, _, _ = made
    other = check_reinforce_study(study.config.model_dump() | {"also": {"gene-process": ["answer NNL"]}})
    with pytest.raises(
        UserError, match=r"also.gene-process names 'answer NNL', by which .* \(did you mean 'answer NLL'"
    ):
        run_reinforce_study(other, folder)


def test_the_tables_say_what_they_are_of(made):
    text = markdown(made[3])
    assert text.startswith("# tiny\n")
    assert "All arms had the same prompts in the same order, filtered under base:" in text
    assert "| gene-process | accuracy, prior-corrected | bft |" in text
    assert "over seeds and items" in text
    assert "Made with `counterpoise x`" in text
    for line in text.splitlines():
        if line.startswith("| gene-process"):
            assert line.count("|") in (8, 10)


def test_curves_are_the_logs_step_by_step(made):
    study, folder, _, outcome = made
    assert [(run["arm"], run["seed"]) for run in outcome["curves"]] == [(a, s) for a in ("base", "bft") for s in (0, 1)]
    for unit in study.units():
        rows = [json.loads(line) for line in (unit.place(folder) / "metrics.jsonl").read_text().splitlines()]
        (found,) = [run for run in outcome["curves"] if (run["arm"], run["seed"]) == (unit.arm, unit.seed)]
        assert found["steps"] == [1, 2]
        assert found["reward"] == [row["reward"] for row in rows]
        assert found["rewards/exact-option"] == [row["rewards/exact-option/mean"] for row in rows]
        assert found["zero_std_share"] == [row["zero_std_share"] for row in rows]


def test_answers_are_those_that_were_kept_those_that_changed_first(made):
    study, folder, _, outcome = made
    (of,) = outcome["answers"]
    assert (of["task"], of["items"]) == ("gene-process", 5)
    counts = dict.fromkeys(of["changed"], 0)
    changes = []
    for item in of["shown"]:
        assert item["right"]
        assert [answer["arm"] for answer in item["answers"]] == ["base", "bft"]
        different = [answer["arm"] for answer in item["answers"] if answer["before"] != answer["after"]]
        for arm in different:
            counts[arm] += 1
        changes.append(len(different))
    assert counts == of["changed"]
    assert changes == sorted(changes, reverse=True)
    replies = (study.units()[0].place(folder) / "before.items" / "gene-process.replies.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in replies]
    asked = {row["messages"][-1][1]: row for row in rows if row["reply"]["id"].endswith("|options")}
    for item in of["shown"]:
        row = asked[item["prompt"]]
        scores = row["reply"]["log_likelihoods"]
        assert item["answers"][0]["before"] == row["options"][scores.index(max(scores))]


def test_a_gain_above_0_is_better_whichever_way_the_metric_goes():
    from counterpoise.evaluation.measurement import Measurement
    from counterpoise.reinforcement.study_outcome import _gain

    def side(values, higher):
        return [Measurement("t", "m", np.array(values), np.ones(len(values)), higher)]

    first, second = ([1.0, 2.0], [1.5, 2.5]), ([1.0, 2.0], [3.0, 4.0])
    for higher, sign in ((True, 1), (False, -1)):
        cut = [side(values, higher) for values in (*first, *second)]
        gain = _gain(cut, 1)
        assert gain["value"] == pytest.approx(sign * 1.5)
        assert gain["low"] == pytest.approx(gain["high"])
        assert gain["low"] == pytest.approx(sign * 1.5)


def test_a_study_goes_on_where_it_was(made, monkeypatch):
    study, folder, _, outcome = made
    monkeypatch.setattr("counterpoise.reinforcement.start.load_start", None)
    (folder / "results.json").unlink()
    said = []
    again = run_reinforce_study(study, folder, command="counterpoise x", say=said.append)
    assert again["scores"] == outcome["scores"]
    assert said == []
    other = check_reinforce_study(study.config.model_dump() | {"reinforce": BLOCK | {"grpo": {"clip": 0.1}}})
    with pytest.raises(UserError, match=r"^arms.base: .*grpo.clip.*; delete .*seed-0 to have it made anew"):
        run_reinforce_study(other, folder)


def test_several_processes_share_a_study(made, monkeypatch, tmp_path):
    """A run that another process works on is left to it; what is free is made, and the last one to end sums up."""
    study, folder, _, outcome = made
    shutil.copytree(folder, tmp_path / "out")
    theirs = study.units()[1].place(tmp_path / "out")
    (tmp_path / "out" / "results.json").unlink()
    (theirs / "results.json").unlink()
    begun = []

    def record(config, **_):
        begun.append(config.output.folder)
        return json.loads((config.output.folder / "results.json").read_text())

    monkeypatch.setattr("counterpoise.reinforcement.run.reinforce", record)
    held = lock(theirs, 12, host="node-3")
    assert run_reinforce_study(study, tmp_path / "out") is None
    assert begun == [unit.place(tmp_path / "out") for unit in study.units() if unit.place(tmp_path / "out") != theirs]
    assert [why for _, why in what_is_left(study, tmp_path / "out") if why] == [
        "stopped at step 2 of 2; process 12 on node-3 works on it"
    ]
    assert not (tmp_path / "out" / "results.json").exists()
    shutil.copy(study.units()[1].place(folder) / "results.json", theirs)  # the other process ends
    held.unlink()
    assert run_reinforce_study(study, tmp_path / "out")["scores"] == outcome["scores"]


def test_a_log_that_another_process_is_writing_is_looked_at(made, tmp_path):
    study, folder, _, _ = made
    shutil.copytree(folder, tmp_path / "out")
    theirs = study.units()[1].place(tmp_path / "out")
    (theirs / "results.json").unlink()
    log = theirs / "metrics.jsonl"
    log.write_text(log.read_text().splitlines()[0] + '\n{"step": 2, "lo')
    assert [why for _, why in what_is_left(study, tmp_path / "out") if why] == ["stopped at step 1 of 2"]


def test_shared_pass_rates_are_sampled_by_one_process(made, tmp_path):
    """The second one waits, and then finds the samples there."""
    study, folder, _, _ = made
    journal = Path(shutil.copy(folder / "pass_rates.jsonl", tmp_path))
    written = journal.read_bytes()
    config = study.run_config(study.units()[1], tmp_path)
    config.output.folder.mkdir(parents=True)
    held = lock(tmp_path, 12, host="node-3")
    said = []

    def hear(text):
        said.append(text)
        if "waiting" in text:
            held.unlink()  # the other process is done

    prompts = load_prompts("gene-process", limit=6, seed=config.prompts.seed)
    kept, _ = learnable(config, prompts, None, journal, hear, nullcontext)
    assert "process 12 on node-3" in said[0]
    assert "waiting" in said[0]
    assert sum("node-3" in line for line in said) == 1
    assert json.loads((config.output.folder / "prompts.json").read_text())["kept"] == [prompt.id for prompt in kept]
    assert journal.read_bytes() == written


def test_each_arm_may_choose_its_own_prompts(made):
    study, folder, _, _ = made
    own = check_reinforce_study(study.config.model_dump() | {"policy": "own"})
    assert own.run_config(own.units()[1], folder).filter.policy is None
    named = check_reinforce_study(study.config.model_dump() | {"policy": "bft"})
    assert [unit.arm for unit in named.units()] == ["bft", "base"] * 2
    assert named.run_config(named.units()[1], folder).filter.policy == study.config.arms["bft"]


def test_a_study_file_is_told_from_a_run(tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(plain()))
    (tmp_path / "run.yaml").write_text("prompts: gene-process\n")
    assert is_study(tmp_path / "study.yaml")
    assert not is_study(tmp_path / "run.yaml")
    study = load_reinforce_study(tmp_path / "study.yaml", ["training.steps=7", "prompts=gene-process"])
    assert study.run_config(study.units()[0], tmp_path).training.steps == 7


@pytest.mark.parametrize("path", REINFORCED, ids=lambda path: path.stem)
def test_every_example_is_a_study_that_says_how_it_is_run(path, tmp_path):
    study = load_reinforce_study(path)
    assert study.config.name == path.stem
    assert "two CPU cores" in path.read_text()
    for unit in study.units():
        assert study.run_config(unit, tmp_path).training.seed == unit.seed
    made_by = {model.split("/")[1] for model in study.config.arms.values() if model.startswith("runs/")}
    assert made_by
    assert all(f"counterpoise compare examples/studies/{name}.yaml" in path.read_text() for name in made_by)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arms": {}}, "arms is empty"),
        ({"arms": {"own": "m"}}, "an arm is called own"),
        ({"arms": {"a/b": "m"}}, "'a/b' cannot name a folder"),
        ({"policy": "bfd"}, "policy is bfd, which is no arm .did you mean 'bft'"),
        ({"reinforce": BLOCK | {"model": "m"}}, "reinforce.model is set; expected none"),
        ({"reinforce": BLOCK | {"training": {"seed": 3}}}, "reinforce.training.seed is set; expected seeds"),
        ({"reinforce": BLOCK | {"training": {"stepz": 3}}}, "study: reinforce: training.stepz is not a key"),
        ({"reinforce": BLOCK | {"filter": {"policy": "m"}}}, "reinforce.filter.policy is set; expected policy"),
        (
            {"also": {"gene-proces": ["NLL"]}},
            "also names 'gene-proces', which is none of .*did you mean 'gene-process'",
        ),
        ({"armz": {}}, "armz is not a key .did you mean 'arms'"),
        ({"seeds": []}, "seeds"),
    ],
)
def test_what_is_wrong_with_a_study_is_one_sentence(changes, says):
    with pytest.raises(UserError, match=says):
        check_reinforce_study(plain(**changes))
