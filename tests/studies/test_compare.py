"""Whole studies with tiny models: each thing runs once, a killed study goes on, and what is wrong is told at once."""

import json
from pathlib import Path

import pytest
import yaml
from tiny_study import without_times, write_study

from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.studies.compare import compare, load_study, measuring


def run(path, folder="runs", **options):
    options = {"folder": path.parent / folder, "data_dir": path.parent / "data"} | options
    return compare(load_study(path), **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The file of a study that was run, what it said, and what came out."""
    path, said = write_study(tmp_path_factory.mktemp("study")), []
    return path, said, run(path, say=said.append)


def made(folder):
    """Every file below ``folder`` that training or a model wrote, with the time that it was written."""
    names = ("*.jsonl", "*.safetensors", "results.json", "gad.json", "biosses.json")
    return {path: path.stat().st_mtime_ns for name in names for path in folder.rglob(name)}


def test_every_arm_is_measured_on_what_it_can_do(finished):
    _, said, outcome = finished
    scores = {(score["arm"], score["trained_on"], score["task"]) for score in outcome["scores"]}
    assert scores == {
        ("zero-shot", "none", "gad"), ("zero-shot", "none", "biosses"), ("zero-shot", "none", "general-sentences"),
        ("2-shot", "none", "gad"),
        ("sft", "gad", "gad"), ("sft", "gad", "general-sentences"),
        ("sft", "biosses", "biosses"), ("sft", "biosses", "general-sentences"),
        ("bft", "gad", "gad"), ("bft", "gad", "general-sentences"),
        ("bert", "gad", "gad"), ("bert", "biosses", "biosses"),
    }  # fmt: skip
    assert [line for line in said if line.startswith("[")] == [
        "[1/7] zero-shot", "[2/7] 2-shot", "[3/7] sft, trained on gad, seed 0", "[4/7] sft, trained on biosses, seed 0",
        "[5/7] bft, trained on gad, seed 0", "[6/7] bert, trained on gad, seed 0",
        "[7/7] bert, trained on biosses, seed 0",
    ]  # fmt: skip


def test_rows_tell_arm_objective_floors_and_cost(finished):
    path, _, outcome = finished
    rows = {(row["arm"], row["task"], row["metric"]): row for row in outcome["rows"]}
    bft = rows["bft", "gad", "positive micro F1"]
    assert bft["objective"].startswith("bft (variant=v3")
    assert bft["n"] == 8
    assert bft["floors"]["majority"] == pytest.approx(10 / 13)
    assert bft["quoted"]
    assert not rows["bft", "gad", "accuracy"]["quoted"]
    assert bft["cost"]["samples"] == 8
    assert bft["cost"]["seconds"] > 0
    assert bft["cost"]["trainable_parameters"] > rows["bert", "gad", "accuracy"]["cost"]["trainable_parameters"]
    assert rows["zero-shot", "gad", "accuracy"]["cost"] is None
    alone = json.loads((path.parent / "runs" / "bft" / "gad" / "seed-0" / "gad.json").read_text())
    assert {row["metric"]: row["value"] for row in alone["rows"]}["accuracy"] == rows["bft", "gad", "accuracy"]["value"]


def test_forgetting_is_asked_the_same_way_of_every_arm(tmp_path):
    path = write_study(
        tmp_path,
        tasks=["biosses"],
        forgetting=["gad"],
        evaluation={"limit": 3},
        arms={"zero-shot": {}, "sft": {"evaluation": {"shots": 1}, "train": {"objective": "sft"}}},
    )
    run(path)
    place = tmp_path / "runs" / "sft" / "biosses" / "seed-0"
    shots = {task: json.loads((place / f"{task}.json").read_text())["settings"]["shots"] for task in ("gad", "biosses")}
    assert shots == {"gad": 0, "biosses": 1}


def test_comparisons_are_corrected_in_their_family(finished):
    _, _, outcome = finished
    families = {}
    for row in outcome["comparisons"]:
        families.setdefault(row["family"], []).append(row)
    assert {name: {(row["ours"], row["theirs"]) for row in rows} for name, rows in families.items()} == {
        "baseline": {(arm, "zero-shot") for arm in ("2-shot", "sft", "bft", "bert")},
        "forgetting": {("sft", "zero-shot"), ("bft", "zero-shot")},
        "sft": {("bft", "sft"), ("bert", "sft")},
        "sft-forgetting": {("bft", "sft")},
    }
    assert [len(families[name]) for name in ("baseline", "forgetting", "sft", "sft-forgetting")] == [6, 3, 3, 1]
    for rows in families.values():
        smallest = min(rows, key=lambda row: row["p_value"])
        assert smallest["p_holm"] == pytest.approx(min(1.0, len(rows) * smallest["p_value"]))
    values = {(s["arm"], s["task"]): s["value"] for s in outcome["scores"]}
    (row,) = [r for r in families["baseline"] if (r["ours"], r["task"]) == ("bert", "gad")]
    assert row["value"] == pytest.approx(values["bert", "gad"] - values["zero-shot", "gad"])


def test_nothing_is_run_twice(finished, monkeypatch):
    path, _, outcome = finished
    before = made(path.parent / "runs")
    monkeypatch.setattr(measuring, "evaluate", lambda *_, **__: pytest.fail("a task was evaluated again"))
    assert without_times(run(path)) == without_times(outcome)
    assert made(path.parent / "runs") == before


def test_a_killed_study_goes_on_and_comes_out_the_same(finished, monkeypatch):
    path, _, outcome = finished
    folder = path.parent / "killed"
    real, calls = measuring.evaluate, []

    def dies(names, subject, ask, **options):
        calls.append(names)
        if len(calls) == 6:  # sft on gad: asked, but its results never written
            real(names, subject, ask, **options)
            options["out"].unlink()
            raise KeyboardInterrupt
        return real(names, subject, ask, **options)

    monkeypatch.setattr(measuring, "evaluate", dies)
    with pytest.raises(KeyboardInterrupt):
        run(path, "killed")
    assert not (folder / "study.json").exists()
    kept = made(folder)
    monkeypatch.setattr(measuring, "evaluate", real)
    again = without_times(run(path, "killed"))
    assert again == without_times(outcome)
    assert {p: t for p, t in made(folder).items() if p in kept and "items" not in p.name} == {
        p: t for p, t in kept.items() if "items" not in p.name
    }


def test_a_changed_arm_is_refused_by_name_and_the_others_are_kept(tmp_path):
    arms = {"zero-shot": {}, "sft": {"train": {"objective": "sft"}, "only": ["gad"]}}
    run(write_study(tmp_path, forgetting=None, arms=arms))
    before = made(tmp_path / "runs")
    arms["dft"] = {"train": {"objective": "dft"}, "only": ["gad"]}
    outcome = run(write_study(tmp_path, forgetting=None, arms=arms))
    assert {row["arm"] for row in outcome["rows"]} == {"zero-shot", "sft", "dft"}
    assert {path: time for path, time in made(tmp_path / "runs").items() if path in before} == before
    arms["sft"]["train"]["training"] = {"learning_rate": 2e-3}
    says = r"study.yaml: arms.sft: .*another config \(training.learning_rate: was 0.001, is 0.002\); delete .*seed-0"
    with pytest.raises(UserError, match=says):
        run(write_study(tmp_path, forgetting=None, arms=arms))


def test_one_arm_now_and_the_others_later(tmp_path):
    path = write_study(tmp_path, forgetting=None, arms={"zero-shot": {}, "2-shot": {"evaluation": {"shots": 2}}})
    outcome = run(path, only=["2-shot"])
    assert {score["arm"] for score in outcome["scores"]} == {"2-shot"}
    assert outcome["comparisons"] == []
    outcome = run(path, only=["zero-shot"])
    assert {score["arm"] for score in outcome["scores"]} == {"zero-shot", "2-shot"}
    assert len(outcome["comparisons"]) == 2
    with pytest.raises(UserError, match=r"--only is 'zero-shut', which is no arm \(did you mean 'zero-shot'\?\)"):
        run(path, only=["zero-shut"])


def test_what_another_process_finishes_meanwhile_is_compared_too(tmp_path):
    path = write_study(tmp_path, forgetting=None, arms={"zero-shot": {}, "2-shot": {"evaluation": {"shots": 2}}})
    said = []

    def say(text):
        said.append(text)
        if len(said) == 1:  # this arm is under way: now another call finishes the one that stands before it
            run(path, only=["zero-shot"])

    outcome = compare(
        load_study(path), folder=path.parent / "runs", data_dir=path.parent / "data", only=["2-shot"], say=say
    )
    assert said[0] == "[1/1] 2-shot"
    assert outcome["unfinished"] == []
    assert list(dict.fromkeys(score["arm"] for score in outcome["scores"])) == ["zero-shot", "2-shot"]


def test_results_of_other_settings_are_not_compared(tmp_path):
    arms = {"zero-shot": {}, "sft": {"train": {"objective": "sft"}}}
    run(write_study(tmp_path, tasks=["gad"], forgetting=None, arms=arms))
    path = write_study(tmp_path, tasks=["gad"], forgetting=None, arms=arms, evaluation={"limit": 5})
    path.write_text(path.read_text().replace("limit: 5", "limit: 5\n  precision: float32"))
    outcome = run(path, only=["zero-shot"])
    assert {(score["arm"], score["n"]) for score in outcome["scores"]} == {("zero-shot", 5)}
    assert {score["n"] for score in run(path)["scores"]} == {5}


def test_a_task_of_one_s_own(tmp_path):
    """A task file is named by its path, and {task} stands for that path."""
    write_study(tmp_path)
    spec = yaml.safe_load((Path(tasks.__file__).parent / "gad.yaml").read_text())
    own = tmp_path / "mine.yaml"
    own.write_text(yaml.safe_dump(spec | {"name": "mine"}))
    arms = {"zero-shot": {}, "sft": {"train": {"objective": "sft"}, "only": [str(own)]}}
    outcome = run(
        write_study(tmp_path, tasks=[str(own), "biosses"], forgetting=None, groups={"g": ["mine"]}, arms=arms)
    )
    assert {(score["arm"], score["task"]) for score in outcome["scores"]} == {
        ("zero-shot", "mine"), ("zero-shot", "biosses"), ("sft", "mine"),
    }  # fmt: skip
    config = yaml.safe_load((tmp_path / "runs" / "sft" / "mine" / "seed-0" / "run" / "run.yaml").read_text())
    assert config["data"]["source"] == f"task:{own}"


def test_a_larger_limit_asks_only_what_is_new(tmp_path):
    arms = {"zero-shot": {}}
    path = write_study(tmp_path, tasks=["gad"], forgetting=None, arms=arms)
    run(path)
    replies = tmp_path / "runs" / "zero-shot" / "all" / "seed-0" / "gad.items" / "gad.replies.jsonl"
    before = replies.read_text()
    more = {"limit": 12, "precision": "float32"}
    outcome = run(write_study(tmp_path, tasks=["gad"], forgetting=None, arms=arms, evaluation=more))
    assert outcome["scores"][0]["n"] == 12
    assert replies.read_text().startswith(before)


@pytest.mark.parametrize("task", ["gad", "pubmedqa"])
def test_learning_rates_are_chosen_on_dev(tmp_path, task):
    """PubMedQA has no split dev: some of its training items are kept from training, under every rate."""
    arms = {"zero-shot": {}, "sft": {"train": {"objective": "sft"}, "learning_rates": [1e-9, 3e-3]}}
    outcome = run(write_study(tmp_path, tasks=[task], forgetting=None, arms=arms))
    rows = outcome["tuning"]
    assert [row["learning_rate"] for row in rows] == [1e-9, 3e-3]
    best = max(rows, key=lambda row: row["dev"][task])
    assert [row["learning_rate"] for row in rows if row["chosen"]] == [best["learning_rate"]]
    place = tmp_path / "runs" / "sft" / task / "seed-0"
    for row in rows:
        found = json.loads((place / f"lr-{row['learning_rate']:g}" / "dev" / f"{task}.json").read_text())
        assert found["settings"]["split"] == "dev"
    (score,) = [score for score in outcome["scores"] if score["arm"] == "sft"]
    assert score["learning_rate"] == best["learning_rate"]
    assert (place / f"lr-{best['learning_rate']:g}" / f"{task}.json").is_file()
    if task == "pubmedqa":
        config = yaml.safe_load((place / "lr-0.003" / "run" / "run.yaml").read_text())
        items = place / "lr-0.003" / "dev" / "pubmedqa.items" / "pubmedqa.items.jsonl"
        kept_out = {json.loads(line)["source"] for line in items.read_text().splitlines()[1:]}
        from counterpoise.evaluation.tasks.source import task_examples

        trained = task_examples(config["data"]["source"], data_dir=tmp_path / "data").examples
        assert 0 < len(kept_out) <= 8
        assert not kept_out & {example.source for example in trained}
        assert 20 <= len(trained) < 30


def test_several_seeds_are_one_score(tmp_path):
    arms = {"zero-shot": {}, "sft": {"train": {"objective": "sft"}}}
    outcome = run(write_study(tmp_path, tasks=["biosses"], forgetting=None, arms=arms, seeds=[0, 1]))
    values = {
        row["seed"]: row["value"] for row in outcome["rows"] if row["arm"] == "sft" and row["metric"] == "Pearson"
    }
    (score,) = [score for score in outcome["scores"] if score["arm"] == "sft"]
    assert score["seeds"] == [0, 1]
    assert values[0] != values[1]
    assert score["value"] == pytest.approx((values[0] + values[1]) / 2)
    (row,) = outcome["comparisons"]
    (base,) = [score["value"] for score in outcome["scores"] if score["arm"] == "zero-shot"]
    assert row["value"] == pytest.approx(score["value"] - base)


def test_one_model_for_all_tasks_and_means_of_groups(tmp_path):
    arms = {"zero-shot": {}, "both": {"train": {"data": {"source": "task:gad+biosses"}, "objective": "sft"}}}
    groups = {"all": ["gad", "biosses"], "one": ["gad"]}
    outcome = run(write_study(tmp_path, forgetting=None, arms=arms, groups=groups))
    assert {score["trained_on"] for score in outcome["scores"]} == {"none", "all"}
    values = {(score["arm"], score["task"]): score["value"] for score in outcome["scores"]}
    rows = {(row["group"], row["arm"]): row for row in outcome["groups"]}
    assert len(rows) == 4
    for arm in arms:
        assert rows["all", arm]["mean"] == pytest.approx((values[arm, "gad"] + values[arm, "biosses"]) / 2)
    row = rows["all", "both"]
    assert row["points"] == pytest.approx(row["mean"] - rows["all", "zero-shot"]["mean"])
    assert row["low"] <= row["points"] <= row["high"]
    assert row["relative"] is None or row["relative"] == pytest.approx(row["points"] / row["baseline_mean"])


ARMS = {"zero-shot": {}, "sft": {"train": {"objective": "sft"}}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arms": {"sft": {"trian": {}}}}, r"^study.yaml: arms.sft.trian is not a key \(did you mean 'train'\?\)"),
        ({"arms": {"sft": "lora"}}, r"^study.yaml: arms.sft is 'lora'; expected keys: train"),
        ({"task": ["gad"]}, r"^study.yaml: task is not a key \(did you mean 'tasks'\?\)"),
        ({"tasks": None}, r"^study.yaml: tasks is missing"),
        ({"tasks": ["gadd"]}, r"^study.yaml: tasks: task 'gadd' is unknown \(did you mean 'gad'\?\)"),
        ({"baseline": "zero"}, r"^study.yaml: baseline is 'zero', which is no arm.*; expected zero-shot, "),
        ({"evaluation": {"limit": "few"}}, r'^study.yaml: evaluation.limit is "few"; expected a whole number'),
        ({"groups": {"IE": ["hoc"]}}, r"^study.yaml: groups.IE names 'hoc', which is none of tasks"),
        ({"forgetting": ["gad"]}, r"^study.yaml: gad is in tasks and in forgetting"),
        ({"seeds": [0, 0]}, r"^study.yaml: seeds has \[0, 0\], one of them twice"),
        ({"name": "a/b"}, r"^study.yaml: name names a folder"),
        (
            {"arms": {"zero-shot": {}, "n": {"evaluation": {"shot": 5}}}},
            r"^study.yaml: arms.n.evaluation.shot is not a key \(did you mean 'shots'\?\)",
        ),
        (
            {"tasks": ["medqa"], "arms": {"zero-shot": {}, "5-shot": {"evaluation": {"shots": 5}}}},
            r"^study.yaml: arms.5-shot: medqa has no examples to show; set evaluation.shots to 0",
        ),
        ({"tasks": ["medqa"], "arms": ARMS}, r"^study.yaml: arms.sft: medqa has no split to learn from"),
        (
            {"arms": ARMS | {"sft": {"train": {"training": {"epoch": 1}}}}},
            r"^study.yaml: arms.sft.train: training.epoch is not a key \(did you mean 'epochs'\?\)",
        ),
        (
            {"arms": ARMS | {"sft": {"train": {"objective": "sftt"}}}},
            r"^study.yaml: arms.sft.train: .*sftt.*did you mean",
        ),
        ({"arms": ARMS | {"sft": {"train": {"output": "x"}}}}, r"^study.yaml: arms.sft.train.output is what the study"),
        ({"arms": ARMS | {"sft": {"train": {}, "only": ["hoc"]}}}, r"^study.yaml: arms.sft.only names hoc"),
        (
            {"arms": ARMS | {"e": {"train": {"model": {"name": "x", "task": "auto"}, "data": {"source": "task:gad"}}}}},
            r"^study.yaml: arms.e: an encoder learns one task",
        ),
        (
            {"tasks": ["meqsum"], "arms": {"zero-shot": {}, "e": {"train": {"model": {"name": "x", "task": "auto"}}}}},
            r"^study.yaml: arms.e: none of the study's tasks is left for it",
        ),
        (
            {
                "tasks": ["pubmedqa"],
                "arms": ARMS | {"sft": {"train": {"data": {"source": "task:pubmedqa"}}, "learning_rates": [1, 2]}},
            },
            r"^study.yaml: arms.sft: learning_rates are chosen on split dev, which none of the tasks that it learns",
        ),
    ],
)
def test_what_is_wrong_with_a_study_file(tmp_path, changes, says):
    with pytest.raises(UserError, match=says):
        load_study(write_study(tmp_path, **changes))


def test_a_file_that_is_no_study(tmp_path):
    (tmp_path / "study.yaml").write_text("arms: [")
    with pytest.raises(UserError, match=r"study.yaml: not readable as YAML"):
        load_study(tmp_path / "study.yaml")
    with pytest.raises(UserError, match=r"studi.yaml: no such file \(did you mean 'study.yaml'\?\)"):
        load_study(tmp_path / "studi.yaml")


def test_examples_are_studies():
    folder = Path(__file__).parents[2] / "examples" / "studies"
    study = load_study(folder / "blurb-small.yaml")
    assert list(study.arms) == ["zero-shot", "5-shot", "sft", "dft", "bft", "minilm"]
    assert {arm.learns for arm in study.arms.values() if arm.trained} == {
        ("pubmedqa", "ncbi-disease", "gad", "biosses", "hoc")
    }
    study = load_study(folder / "instruction-groups.yaml")
    assert {arm.learns for name, arm in study.arms.items() if arm.trained} == {("all",)}
    assert set(study.config.groups) == {"QA", "IE", "GEN"}


def test_the_command(tmp_path, monkeypatch):
    import typer
    from typer.testing import CliRunner

    from counterpoise.cli_compare import compare as command

    monkeypatch.chdir(tmp_path)
    path = write_study(tmp_path, tasks=["gad"], forgetting=None, arms={"zero-shot": {}})
    app = typer.Typer()
    app.command()(command)
    table = tmp_path / "docs" / "tiny.md"
    arguments = [str(path), "--data-dir", str(tmp_path / "data"), "--markdown", str(table)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "| gad | positive micro F1 | 8 |" in result.stdout
    assert "[1/1] zero-shot" in result.stderr
    assert table.read_text() == (tmp_path / "runs" / "tiny" / "study.md").read_text()
    result = CliRunner().invoke(app, [*arguments, "--json", "--quiet"])
    assert json.loads(result.stdout)["scores"][0]["arm"] == "zero-shot"
    assert result.stderr == ""
