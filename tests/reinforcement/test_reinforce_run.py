"""A whole run on embedded questions: the folder, the filter that is kept, before and after, resume, the card."""

import json
import shutil

import pytest
import yaml

from counterpoise.errors import UserError
from counterpoise.evaluation.subjects import LocalModel
from counterpoise.reinforcement import run as runs
from counterpoise.reinforcement.config import check_reinforce_config
from counterpoise.reinforcement.record import constant_answers
from counterpoise.reinforcement.run import reinforce
from tiny_policies import write_guesser

CUT = 1


@pytest.fixture(scope="module")
def guesser(tmp_path_factory):
    """Answers A, B, C or D at random: right in one of four."""
    return write_guesser(tmp_path_factory.mktemp("guesser") / "model", "ABCD")


def config(guesser, folder, *overrides, **training):
    plain = {
        "model": str(guesser),
        "prompts": {"source": "gene-process", "limit": 8},
        "filter": {"samples": 4},
        "adapter": {"kind": "lora", "rank": 2},
        "training": {"steps": 3, "prompts_per_step": 2, "group_size": 4, "max_completion": 3, "checkpoint_every": 1}
        | {"precision": "float32", "learning_rate": 1e-3}
        | training,
        "evaluation": {"tasks": ["gene-process"], "limit": 6},
        "output": str(folder),
    }
    return check_reinforce_config(plain, overrides)


@pytest.fixture(scope="module")
def finished(guesser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    return folder, reinforce(config(guesser, folder), show_progress=False)


def test_the_run_folder_holds_what_every_run_folder_holds(finished):
    folder, outcome = finished
    for name in ("run.yaml", "metrics.jsonl", "timing.jsonl", "results.json", "environment.json", "prompts.json"):
        assert (folder / name).is_file(), name
    assert json.loads((folder / "results.json").read_text()) == outcome
    assert yaml.safe_load((folder / "run.yaml").read_text())["adapter"]["kind"] == "lora"
    assert (folder / "model" / "adapter_model.safetensors").is_file()
    card = (folder / "model" / "README.md").read_text()
    assert "Not a medical device" in card
    assert "| gene-process | accuracy | after |" in card
    assert "`exact-option` x 1" in card
    assert json.loads((folder / "environment.json").read_text())["data"]["examples"] == outcome["filter"]["kept"]


def test_before_and_after_are_measured_on_the_same_items(finished):
    folder, outcome = finished
    rows = {(row["stage"], row["metric"]): row for row in outcome["rows"]}
    before, after = rows["before", "accuracy"], rows["after", "accuracy"]
    assert (before["objective"], after["objective"]) == ("none", "grpo")
    assert (before["adapter"], after["adapter"]) == ("none", "lora")
    assert before["n"] == after["n"] == 6
    change = next(row for row in outcome["comparisons"] if row["metric"] == "accuracy")
    assert change["value"] == pytest.approx(after["value"] - before["value"])
    asked = [(folder / f"{when}.items" / "gene-process.items.jsonl").read_text() for when in ("before", "after")]
    assert asked[0] == asked[1]


def test_the_filter_keeps_what_is_sometimes_right(finished):
    folder, outcome = finished
    kept = json.loads((folder / "prompts.json").read_text())
    assert len(kept["rates"]) == 8
    assert kept["kept"] == [name for name, rate in kept["rates"].items() if 0 < rate < 1]
    told = outcome["filter"]
    assert told["kept"] + told["never"] + told["always"] == 8
    assert len((folder / "pass_rates.jsonl").read_text().splitlines()) == 9
    assert told["sentence"] in (folder / "model" / "README.md").read_text()


def test_rewards_stand_beside_what_a_constant_answer_earns(finished):
    _, outcome = finished
    exact = outcome["rewards"]["exact-option"]
    assert exact["weight"] == 1.0
    assert 0 < exact["best_constant"]["mean"] < 1
    assert outcome["rewards"]["format"]["highest"] == pytest.approx(0.1)
    assert outcome["training"]["completions"] == 24
    assert 0 < outcome["training"]["reward_seconds"] < outcome["training"]["seconds"]


def test_answers_to_held_out_items_that_became_one_are_an_alarm(finished, tmp_path):
    folder, outcome = finished
    assert constant_answers(folder, 3) == []
    assert not [alarm for alarm in outcome["alarms"] if alarm["kind"].startswith("constant answer on")]
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    for when, said in (("before", "BADCBA"), ("after", "AAAAAA")):  # as text, which stands before likelihoods
        kept = run / f"{when}.items"
        lines = (kept / "gene-process.items.jsonl").read_text().splitlines()
        ids = [json.loads(line)["id"] for line in lines if "id" in json.loads(line)]
        rows = [{"messages": [], "reply": {"id": f"{i}|generated", "text": t}} for i, t in zip(ids, said, strict=True)]
        (kept / "gene-process.replies.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (alarm,) = constant_answers(run, 3)
    assert alarm.kind == "constant answer on gene-process"
    assert alarm.sentence.startswith('after training 100% of the items of gene-process are answered "a", before 33%')


def test_the_trained_adapter_loads_and_tells_what_it_is(finished):
    folder, _ = finished
    identity = LocalModel(str(folder)).identity()
    assert (identity.objective, identity.adapter) == ("grpo", "lora")


def test_a_finished_run_is_shown_again(finished, guesser, monkeypatch):
    folder, outcome = finished
    monkeypatch.setattr(runs, "measured", None)
    assert reinforce(config(guesser, folder), show_progress=False) == outcome


def test_a_run_that_was_killed_ends_as_an_unbroken_one(finished, guesser, tmp_path, monkeypatch):
    folder, outcome = finished
    again = tmp_path / "run"
    shutil.copytree(folder, again)
    for name in ("results.json", "after.json"):
        (again / name).unlink()
    for name in ("after.items", "model", "checkpoint-3"):
        shutil.rmtree(again / name)
    with (again / "metrics.jsonl").open("a") as log:
        log.write('{"step": 3, "lo')
    told = yaml.safe_load((again / "run.yaml").read_text())
    told["output"]["folder"] = str(again)
    (again / "run.yaml").write_text(yaml.safe_dump(told))
    asked = []
    monkeypatch.setattr("counterpoise.reinforcement.filtering.pass_rates", lambda *a, **k: asked.append(a))
    resumed = reinforce(config(guesser, again), show_progress=False)
    assert asked == []  # what the filter kept is read
    assert resumed["training"]["resumed_from"] == 2
    for key in ("rows", "comparisons", "filter", "alarms", "rewards"):
        assert resumed[key] == outcome[key], key
    assert (again / "metrics.jsonl").read_bytes() == (folder / "metrics.jsonl").read_bytes()
    weights = "model/adapter_model.safetensors"
    assert (again / weights).read_bytes() == (folder / weights).read_bytes()


def test_without_a_filter_and_without_tasks(guesser, tmp_path):
    overrides = ["filter.enabled=false", "evaluation.tasks=[]", "rewards.format=0", "output.save_model=false"]
    outcome = reinforce(config(guesser, tmp_path / "run", *overrides, steps=1), show_progress=False)
    assert outcome["rows"] == outcome["comparisons"] == []
    assert outcome["filter"]["sentence"] == "all 8 prompts are kept, since filter.enabled is false"
    assert not (tmp_path / "run" / "model").exists()
    assert not (tmp_path / "run" / "before.json").exists()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["rewards=exact-optio"], r"unknown reward 'exact-optio' .did you mean 'exact-option'"),
        (["rewards=span-f1"], "span-f1"),
        (["prompts.source=gene-proces"], "did you mean 'gene-process'"),
        (["evaluation.tasks=[gene-proces]"], "gene-proces"),
        (["prompts.source=pubmedqa"], "pubmedqa"),
        (["model=nothing"], "Unknown model 'nothing'"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_trained(guesser, tmp_path, monkeypatch, overrides, says):
    monkeypatch.delenv("COUNTERPOISE_DATA", raising=False)
    with pytest.raises(UserError, match=says) as error:
        reinforce(config(guesser, tmp_path / "run", *overrides), data_dir=tmp_path, show_progress=False)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_policy_that_is_never_right_is_told(tmp_path):
    silent = write_guesser(tmp_path / "model", "X")
    with pytest.raises(UserError, match="none of 8 prompts can be learnt from"):
        reinforce(config(silent, tmp_path / "run"), show_progress=False)


def test_a_run_in_the_form_of_a_study(finished, guesser):
    from counterpoise.reinforcement.record import as_study

    folder, outcome = finished
    told = as_study(outcome, config(guesser, folder), folder, command="counterpoise reinforce run.yaml")
    (score,) = told["scores"]
    assert (score["arm"], score["task"], score["metric"]) == ("run", "gene-process", outcome["quote"]["gene-process"])
    assert score["change"]["value"] == pytest.approx(score["after"]["value"] - score["before"]["value"])
    assert score["higher_is_better"]
    assert told["study"]["arms"] == {"run": str(guesser)}
    assert told["filter"]["arms"]["run"] == outcome["filter"]
    assert told["curves"][0]["steps"] == [1, 2, 3]
    assert told["environment"]["packages"]
