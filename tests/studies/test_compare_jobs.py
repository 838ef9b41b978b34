"""Studies in several jobs: what is left, commands and arrays, two processes in one folder, runs under a launcher."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading

import psutil
import pytest
import typer
from tiny_study import without_times, write_study
from typer.testing import CliRunner

from counterpoise.cli_compare import compare as command
from counterpoise.errors import Stopped, UserError
from counterpoise.studies.compare import compare, launch, load_study, markdown, measuring
from counterpoise.studies.compare.lock import FILE, Waits, holder, locked, waited_for, work_through
from counterpoise.studies.compare.runner import study_state
from counterpoise.studies.compare.units import chosen_units, how_far
from study_locks import at_once, lock

ARMS = {"base": {}, "sft": {"train": {"objective": "sft"}, "learning_rates": [1e-3, 2e-3]}}


def study_file(folder, **changes):
    given = {"tasks": ["gad"], "forgetting": None, "baseline": "base", "seeds": [0, 1]}
    given |= {"arms": ARMS, "axes": {"objective": ["dft"]}}
    return write_study(folder, **(given | changes))


def run(path, **options):
    return compare(load_study(path), folder=path.parent / "runs", data_dir=path.parent / "data", **options)


def why(path):
    return [(row["arm"], row["seed"], row["why"]) for row in study_state(load_study(path), path.parent / "runs")]


@pytest.fixture
def cli():
    app = typer.Typer()
    app.command()(command)

    def call(*words):
        return CliRunner().invoke(app, [str(word) for word in words])

    return call


@pytest.fixture(scope="module")
def by_jobs(tmp_path_factory):
    """A study carried out command by command, what was printed before, and the outcome of each command."""
    path = study_file(tmp_path_factory.mktemp("jobs"))
    app = typer.Typer()
    app.command()(command)
    where = ["--folder", str(path.parent / "runs"), "--data-dir", str(path.parent / "data")]
    printed = CliRunner().invoke(app, [str(path), *where, "--jobs", "shell"])
    assert printed.exit_code == 0, printed.output
    outcomes = []
    for line in printed.stdout.splitlines():
        if not line.startswith("#"):
            words = shlex.split(line)
            assert words[:2] == ["counterpoise", "compare"]
            found = CliRunner().invoke(app, [*words[2:], "--quiet", "--json"])
            assert found.exit_code == 0, found.output
            outcomes.append(json.loads(found.stdout))
    return path, printed.stdout, outcomes


def test_the_commands_of_a_study_are_the_study(by_jobs):
    path, printed, outcomes = by_jobs
    commands = [line for line in printed.splitlines() if not line.startswith("#")]
    own = [line.partition("--data-dir ")[2].split(" ", 1)[1:] for line in commands]
    assert own == [["--only base"], ["--only sft --seed 0"], ["--only dft --seed 0"], ["--only dft --seed 1"],
                   ["--only sft --seed 1"], []]  # fmt: skip
    lines = printed.splitlines()
    assert lines[0] == "# 0 of 5 models are finished; of those left, one a line:"
    assert lines[5].startswith("# only when all of these are done, since their learning rates are chosen by the first")
    assert [(row["arm"], row["seed"]) for row in outcomes[-1]["unfinished"]] == []
    whole = compare(load_study(path), folder=path.parent / "at-once", data_dir=path.parent / "data")
    whole = json.loads(json.dumps(whole))
    for outcome in (whole, outcomes[-1]):
        for row in outcome["tuning"]:
            row["seconds"] = 0
    assert without_times(outcomes[-1]) == without_times(whole)


def test_an_arm_without_all_its_seeds_is_in_no_mean(by_jobs):
    _, _, outcomes = by_jobs
    third = outcomes[2]  # base, sft with seed 0, dft with seed 0
    assert {score["arm"] for score in third["scores"]} == {"base"}
    assert third["comparisons"] == []
    assert [(row["arm"], row["trained_on"], row["seed"], row["why"]) for row in third["unfinished"]] == [
        ("sft", "gad", 1, "not started"), ("dft", "gad", 1, "not started"),
    ]  # fmt: skip
    assert {(row["arm"], row["seed"]) for row in third["rows"]} == {("base", 0), ("sft", 0), ("dft", 0)}
    text = markdown(third)
    assert (
        "Not finished, and so in no mean, comparison or frontier below: sft trained on gad, dft trained on gad" in text
    )
    assert "| sft | gad | 1 | not started |" in text
    assert "| unfinished | unfinished |" in text
    fourth = outcomes[3]
    assert {score["arm"]: score["seeds"] for score in fourth["scores"]} == {"base": [0], "dft": [0, 1]}
    assert "Not finished" not in markdown(outcomes[-1])


def test_what_is_done_and_what_is_left(by_jobs, cli):
    path, _, _ = by_jobs
    where = ["--folder", path.parent / "runs"]
    result = cli(path, *where, "--dry-run")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "arm   trained on  seed  state",
        "base  -           -     finished",
        "sft   gad         0     finished",
        "sft   gad         1     finished",
        "dft   gad         0     finished",
        "dft   gad         1     finished",
        "3 arms, 5 models: 5 finished, 0 left",
    ]
    assert cli(path, *where, "--jobs", "shell").stdout.count("\ncounterpoise compare") == 1
    assert cli(path, *where, "--jobs", "slurm").stdout.startswith("# all models are finished")
    path.write_text(path.read_text().replace("limit: 8\n  precision", "limit: 7\n  precision"))
    left = dict.fromkeys([row[2] for row in why(path)])
    assert list(left) == ["not measured on gad", "learning rate 0.001: not measured on gad, split dev",
                          "not started: seed 0 has not chosen its learning rate yet"]  # fmt: skip


def test_looking_changes_nothing(tmp_path, cli):
    path = study_file(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for words in (["--dry-run"], ["--jobs", "shell"], ["--jobs", "slurm"]):
        assert cli(path, "--folder", tmp_path / "runs", *words).exit_code == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_an_array_of_jobs(tmp_path, cli):
    path = study_file(tmp_path)
    text = cli(path, "--folder", "runs/a b", "--launcher", "accelerate launch", "--jobs", "slurm").stdout
    file = tmp_path / "jobs.sh"
    file.write_text(text)
    assert subprocess.run(["bash", "-n", file], check=False).returncode == 0
    assert "#SBATCH --array=0-3\n" in text
    assert "first=" not in text
    assert "stage2=$(sbatch --parsable --dependency=afterok:$stage1 --array=4-4 jobs.sh)" in text
    assert "sbatch --dependency=afterok:$stage2 --wrap=" in text
    (tmp_path / "counterpoise").write_text('#!/bin/bash\nprintf "%s|" "$@"\n')
    (tmp_path / "counterpoise").chmod(0o755)
    for index, own in ((0, "--only|base|"), (4, "--only|sft|--seed|1|")):
        environment = os.environ | {"SLURM_ARRAY_TASK_ID": str(index), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        said = subprocess.run(["bash", file], env=environment, capture_output=True, text=True, check=True).stdout
        assert said == f"compare|{path}|--folder|runs/a b|--launcher|accelerate launch|{own}"


def test_units_that_are_chosen(tmp_path):
    study = load_study(study_file(tmp_path, tasks=["gad", "biosses"]))

    def chosen(*args):
        return [(unit.arm.name, unit.on, unit.seed) for unit in chosen_units(study, *args)]

    assert len(chosen()) == 9
    assert chosen((), 1, "biosses") == [("sft", "biosses", 1), ("dft", "biosses", 1)]
    assert chosen(["base", "dft"], 0, "gad") == [("base", "none", 0), ("dft", "gad", 0)]
    assert chosen(["base"]) == [("base", "none", 0)]
    with pytest.raises(UserError, match="--seed is 7; expected one of the study's: 0, 1"):
        chosen((), 7)
    with pytest.raises(UserError, match=r"--trained-on is 'gadd', on which no arm is trained \(did you mean 'gad'\?\)"):
        chosen((), None, "gadd")


def test_a_seed_that_waits_for_another_one_s_rate_says_so(tmp_path):
    path = study_file(tmp_path)
    says = r"arms.sft: seed 0 has not chosen its learning rate yet \(rate 0.001: not started\); run seed 0 of it first"
    with pytest.raises(UserError, match=says):
        run(path, only=["sft"], seed=1)


def test_how_far_a_run_has_come(tmp_path):
    assert how_far(tmp_path) == "not started"
    (tmp_path / "run.yaml").write_text("training: {max_steps: null, epochs: 1.5}")
    assert how_far(tmp_path) == "stopped before its first step"
    rows = [{"step": n, "loss": 1.0, "epoch": n / 16} for n in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 4, "lo')
    assert how_far(tmp_path) == "stopped at step 3 of 24"
    (tmp_path / "run.yaml").write_text("training: {max_steps: 7, epochs: 1.0}")
    assert how_far(tmp_path) == "stopped at step 3 of 7"
    (tmp_path / "results.json").write_text("{}")
    assert how_far(tmp_path) == ""


def test_a_stopped_or_changed_run_is_told_and_left_alone(tmp_path, monkeypatch):
    path = study_file(tmp_path, seeds=[0], arms={"base": {}}, axes={"objective": ["sft", "dft"]})
    run(path)
    place = tmp_path / "runs" / "dft" / "gad" / "seed-0" / "run"
    (place / "results.json").rename(place / "aside")
    assert why(path) == [("base", 0, ""), ("sft", 0, ""), ("dft", 0, "stopped at step 2 of 2")]
    (place / "aside").rename(place / "results.json")
    written = place / "run.yaml"
    before = written.read_text()
    written.write_text(before.replace("batch_size: 4", "batch_size: 2"))
    (row,) = [row for row in why(path) if row[2]]
    assert row == ("dft", 0, "holds a run with another config (training.batch_size: was 2, is 4)")
    monkeypatch.setattr(measuring, "evaluate", lambda *_, **__: pytest.fail("a task was evaluated again"))
    outcome = run(path, only=["base"])
    assert {score["arm"] for score in outcome["scores"]} == {"base", "sft"}


def gone():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_two_processes_on_one_unit(tmp_path):
    with locked(tmp_path / "unit"):
        assert holder(tmp_path / "unit") == f"process {os.getpid()} on {socket.gethostname()}"
        says = f"is being worked on by process {os.getpid()} on .*; wait for it, or delete"
        with pytest.raises(UserError, match=says), locked(tmp_path / "unit"):
            pytest.fail("both are in")
    assert holder(tmp_path / "unit") == ""
    assert list((tmp_path / "unit").iterdir()) == []


def test_a_lock_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("counterpoise.studies.compare.lock.PAUSE", 0.05)
    lock(tmp_path, 12, host="node-3")
    said = []

    def hear(text):
        said.append(text)
        threading.Timer(0.2, (tmp_path / FILE).unlink).start()  # the other process ends, some looks later

    with waited_for(tmp_path, hear):
        assert json.loads((tmp_path / FILE).read_text())["process"] == os.getpid()
    assert len(said) == 1
    assert "process 12 on node-3" in said[0]
    assert said[0].endswith("waiting")
    assert holder(tmp_path) == ""


@pytest.mark.parametrize("left", ["gone", "other"])
def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, left):
    """Its number is free, or was given to another process since."""
    lock(tmp_path, gone() if left == "gone" else os.getpid(), began=psutil.Process().create_time() - 100)
    said = []
    with locked(tmp_path, said.append):
        assert json.loads((tmp_path / FILE).read_text())["process"] == os.getpid()
    assert "was killed" in said[0]
    lock(tmp_path, 1, host="elsewhere")
    with pytest.raises(UserError, match="process 1 on elsewhere"), locked(tmp_path):
        pytest.fail("nobody here can tell whether it is gone")


def test_of_many_that_take_over_one_gets_it(tmp_path):
    lock(tmp_path, gone())
    assert sorted(at_once(8, race, tmp_path)) == ["in"] + ["out"] * 7


def race(place):
    try:
        with locked(place):
            threading.Event().wait(2)
            return "in"
    except UserError:
        return "out"


def test_a_unit_at_work_elsewhere_is_left_to_it_and_told(tmp_path):
    path = study_file(tmp_path, seeds=[0], arms={"base": {}})
    place = tmp_path / "runs" / "dft" / "gad" / "seed-0"
    lock(place, 12, host="node-3")
    outcome = run(path)
    assert [row["why"] for row in outcome["unfinished"]] == ["not started; process 12 on node-3 works on it"]
    assert {score["arm"] for score in outcome["scores"]} == {"base"}
    assert [file.name for file in place.iterdir()] == [FILE]


def test_a_seed_waits_for_the_process_that_chooses_its_rate(tmp_path):
    path = study_file(tmp_path)
    lock(tmp_path / "runs" / "sft" / "gad" / "seed-0", 12, host="node-3")
    outcome = run(path, only=["sft"], seed=1)
    assert {row["seed"]: row["why"] for row in outcome["unfinished"] if row["arm"] == "sft"} == {
        0: "learning rate 0.001: not started; process 12 on node-3 works on it",
        1: "not started: seed 0 has not chosen its learning rate yet",
    }


def test_processes_work_through_units_together(tmp_path):
    """Each unit is done once, and none of the later ones waits for an earlier one."""
    done = [unit for units in at_once(3, do_all, tmp_path) for unit in units]
    assert sorted(done) == list("abcdef")


def do_all(folder):
    done = []

    def work(unit):
        if not (folder / unit / "done").exists():
            threading.Event().wait(0.1)
            (folder / unit / "done").touch()
            done.append(unit)

    work_through("abcdef", lambda unit: folder / unit, work)
    return done


def test_what_is_left_and_what_is_tried_again(tmp_path):
    """Another process ends its unit, and never its other one; a third waits for the first."""
    for unit in "bd":
        lock(tmp_path / unit, 12, host="node-3")
    done, said = [], []

    def work(unit):
        if unit == "a" and "b" not in done:
            raise Waits("b is not finished")
        if unit == "c":
            (tmp_path / "b" / FILE).unlink()
        done.append(unit)

    assert work_through("abcd", lambda unit: tmp_path / unit, work, said.append) == ["d"]
    assert done == ["c", "b", "a"]
    assert said[0] == "  put off: b is not finished"
    assert "node-3" in said[1]
    (tmp_path / "d" / FILE).unlink()
    done.remove("b")
    with pytest.raises(Waits, match="b is not finished"):  # whom else should it wait for?
        work_through("a", lambda unit: tmp_path / unit, work)
    lock(tmp_path / "b", 12, host="node-3")
    assert work_through("a", lambda unit: tmp_path / unit, work, among="ab") == ["a"]


@pytest.mark.parametrize(
    ("launcher", "says"),
    [
        ("no-such-launcher --x", "--launcher is 'no-such-launcher --x', which cannot be started"),
        ("false", "training under --launcher 'false' ended with exit code 1; what was wrong stands above"),
        ("true", "training under --launcher 'true' ended without results in .*run; expected a command that runs a Py"),
    ],
)
def test_a_launcher_that_fails(tmp_path, launcher, says):
    path = study_file(tmp_path, seeds=[0], arms={"base": {}})
    with pytest.raises(UserError, match="^study.yaml: arms.dft: .*" + says):
        run(path, only=["dft"], launcher=launcher)


def test_ctrl_c_reaches_what_was_launched(tmp_path):
    config = load_study(study_file(tmp_path)).arms["dft"].run_config(on="gad", seed=0, folder=tmp_path / "run")
    waiting = (
        "import signal, sys, time; signal.signal(2, lambda *_: sys.exit(130)); open(sys.argv[1], 'w'); time.sleep(60)"
    )
    (tmp_path / "wait.sh").write_text(f'#!/bin/bash\nexec {sys.executable} -c "{waiting}" {tmp_path}/up\n')
    (tmp_path / "wait.sh").chmod(0o755)

    def press():
        while not (tmp_path / "up").exists():
            threading.Event().wait(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    with pytest.raises(Stopped, match="stopped by SIGINT; the same command goes on") as stopped:
        launch.launch(str(tmp_path / "wait.sh"), config, tmp_path)
    assert stopped.value.signal_number == signal.SIGINT


@pytest.mark.slow
def test_two_launched_processes_train_what_this_one_would(tmp_path, monkeypatch):
    path = study_file(tmp_path, seeds=[0], arms={"base": {}})
    here = run(path)
    calls, popen = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda words, **options: calls.append(words) or popen(words, **options))
    launcher = f"{sys.executable} -m torch.distributed.run --standalone --nproc_per_node 2"
    there = compare(
        load_study(path), folder=tmp_path / "launched", data_dir=tmp_path / "data", launcher=launcher
    )  # fmt: skip
    (words,) = [words for words in calls if "counterpoise" in words]
    place = tmp_path / "launched" / "dft" / "gad" / "seed-0"
    assert words == [
        *launcher.split(), "-m", "counterpoise", "train", str(place / "train.yaml"), "--data-dir",
        str(tmp_path / "data"), "--quiet",
    ]  # fmt: skip
    assert json.loads((place / "run" / "environment.json").read_text())["processes"] == 2
    assert there["budget"] == here["budget"]
    assert [score["value"] for score in there["scores"]] == pytest.approx([score["value"] for score in here["scores"]])
