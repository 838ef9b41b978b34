"""The shipped task files, and what a wrong one is told."""

from pathlib import Path

import pytest

from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.evaluation.blurb import DATA_SETS
from counterpoise.evaluation.task_queries import METHODS
from counterpoise.evaluation.tasks.spec import TaskSpec

GOOD = """\
name: mine
version: 1
title: Mine
group: medical-qa
kind: choice
metric: accuracy
licence: CC0
redistribution: "yes"
citation: me
homepage: https://example.org
data:
  test: {file: mine.jsonl}
prompt: "{question} {options}"
letters: true
options: options
answer: answer
"""


def test_every_task_is_whole_and_named_as_its_file():
    for name in tasks.names():
        spec = tasks.get(name)
        assert spec.name == name
        assert spec.citation
        assert spec.homepage.startswith("http")
        assert spec.kind in METHODS
        assert not spec.prompt or "Answer" in spec.prompt or spec.kind == "text"


def test_the_thirteen_sets_of_blurb_are_tasks():
    """With BLURB's metric, and BLURB's test size where the task counts what BLURB counts."""
    for name, entry in DATA_SETS.items():
        spec = tasks.get(name)
        assert spec.metric == entry.metric
        test = spec.data["test"]
        counted = test.entities if entry.unit in ("mentions", "labelled words") else test.count
        assert counted == entry.sizes[2]


def test_groups():
    assert "pubmedqa" in tasks.names("medical-qa")
    assert tasks.names("forgetting") == ["general-sentences", "mmlu-general"]


def test_a_file_of_the_users_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    assert tasks.get(str(path)).name == "mine"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("kind: choice", "kind: chioce", r"mine.yaml: kind: Input should be 'choice'"),
        ("options: options\n", "", r"mine.yaml: a task of kind choice needs options"),
        ("test: {file", "dev: {file", r"mine.yaml: data has no split named test"),
        ("{options}", "", r"mine.yaml: letters is true, but the prompt does not say where"),
        ("version: 1", "version: 1\nnegative: none", r"negative is 'none', which is none of the options"),
        ("version: 1", "version: 1\nshots: train", r"shots is 'train', which is no split"),
        ("version: 1", "version: 1\ncolour: red", r"mine.yaml: colour: Extra inputs"),
        ("name: mine", "name: [", r"mine.yaml: not valid YAML"),
    ],
)
def test_a_wrong_task_file(tmp_path, old, new, says):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(UserError, match=says):
        TaskSpec.read(path)


def test_an_unknown_task_names_the_nearest():
    with pytest.raises(UserError, match=r"task 'pubmedq' is unknown \(did you mean 'pubmedqa'\?\)"):
        tasks.get("pubmedq")


def test_a_missing_task_file(tmp_path):
    with pytest.raises(UserError, match=r"nothing.yaml: cannot be read"):
        TaskSpec.read(Path(tmp_path / "nothing.yaml"))
