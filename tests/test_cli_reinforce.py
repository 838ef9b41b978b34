"""``counterpoise reinforce``: the command around a run and around a study."""

import json

import pytest
import yaml

from study_locks import lock
from tiny_policies import write_guesser

TRAINING = {"steps": 2, "prompts_per_step": 2, "group_size": 4, "max_completion": 3, "precision": "float32"}
RUN = {
    "prompts": {"source": "gene-process", "limit": 6},
    "filter": {"samples": 4},
    "adapter": {"kind": "lora", "rank": 2},
    "training": TRAINING,
    "evaluation": {"tasks": ["gene-process"], "limit": 4},
}


@pytest.fixture(scope="module")
def guesser(tmp_path_factory):
    return write_guesser(tmp_path_factory.mktemp("guesser") / "model", "ABCD")


@pytest.fixture
def write(tmp_path):
    def write_yaml(name, plain):
        path = tmp_path / name
        path.write_text(yaml.safe_dump(plain))
        return path

    return write_yaml


def test_a_run_is_made_shown_and_shown_again(run, write, guesser, tmp_path):
    path = write("run.yaml", RUN | {"model": str(guesser), "output": str(tmp_path / "out")})
    code, out, err = run("reinforce", path, "training.seed=1")
    assert code == 0, err
    assert "prompts are kept" in err
    assert "exact-option" in out
    assert "change" in out
    assert "rewards took" in out
    assert f"run folder: {tmp_path / 'out'}" in out
    page = (tmp_path / "out" / "report.html").read_text()
    assert "counterpoise reinforce" in page
    assert "Answers before and after" in page
    code, out, err = run("reinforce", path, "training.seed=1", "--json", "--quiet")
    assert (code, err) == (0, "")
    assert json.loads(out)["training"]["steps"] == 2
    code, _, err = run("reinforce", path, "training.seed=2")
    assert code == 2
    assert "holds a run with another config (training.seed: was 1, is 2)" in err


def test_a_study_is_listed_run_and_printed(run, write, guesser, tmp_path):
    path = write("study.yaml", {"name": "s", "arms": {"base": str(guesser), "bft": str(guesser)}, "reinforce": RUN})
    words = ("reinforce", path, "--folder", tmp_path / "out")
    code, out, _ = run(*words, "--dry-run")
    assert code == 0
    assert out.splitlines()[0] == f"base, seed 0: not started ({tmp_path / 'out' / 'base' / 'seed-0'})"
    assert not (tmp_path / "out").exists()
    code, out, err = run(*words, "--markdown", tmp_path / "page" / "study.md")
    assert code == 0, err
    assert "## Before and after" in out
    assert (tmp_path / "page" / "study.md").read_text() == (tmp_path / "out" / "study.md").read_text()
    assert f"page: {tmp_path / 'out' / 'report.html'}" in out
    assert "2 starting models, 2 steps of GRPO each" in (tmp_path / "out" / "report.html").read_text()
    code, out, err = run(*words, "--json", "--quiet")
    assert (code, err) == (0, "")
    assert {row["arm"] for row in json.loads(out)["scores"]} == {"base", "bft"}
    code, out, _ = run(*words, "--dry-run")
    assert [line.split(" (")[0] for line in out.splitlines()] == ["base, seed 0: done", "bft, seed 0: done"]


def test_what_other_processes_work_on_is_left_to_them(run, write, guesser, tmp_path):
    path = write("study.yaml", {"name": "s", "arms": {"base": str(guesser)}, "reinforce": RUN})
    held = lock(tmp_path / "out" / "base" / "seed-0", 12, host="node-3")
    code, out, err = run("reinforce", path, "--folder", tmp_path / "out", "--json")
    assert (code, out) == (0, "")
    assert "other processes are at work" in err
    assert "base, seed 0: not started; process 12 on node-3 works on it" in err
    held.unlink()
    code, out, err = run("reinforce", path, "--folder", tmp_path / "out", "--json")  # as if that process were gone
    assert code == 0, err
    assert len(json.loads(out)["curves"]) == 1
    assert not held.exists()


def test_what_is_wrong_is_one_sentence(run, write, tmp_path):
    path = write("run.yaml", RUN | {"training": {"stepz": 1}})
    for words, says in (
        ((path,), "training.stepz is not a key (did you mean 'steps'?)"),
        ((tmp_path / "runn.yaml",), "no such file (did you mean 'run.yaml'?)"),
        ((path, "--dry-run"), "--dry-run is for a study"),
        ((path, "--folder", "x"), "--folder is for a study"),
    ):
        code, _, err = run("reinforce", *words)
        assert code == 2
        assert says in err
        assert "Traceback" not in err
    study = write("study.yaml", {"name": "s", "arms": {"base": "m"}, "reinforce": RUN})
    code, _, err = run("reinforce", study, "--overwrite")
    assert code == 2
    assert "--overwrite is for a run" in err


def test_the_keys_are_listed(run):
    code, out, _ = run("reinforce", "--keys")
    assert code == 0
    assert "training.group_size" in out
    assert "rewards.format" in out
