"""Metrics that a study compares arms by besides the one that is quoted, and frontiers over them."""

import pytest
from tiny_study import write_study

from counterpoise.errors import UserError
from counterpoise.studies.compare import compare, load_study, markdown

ALSO = {"gad": ["accuracy, per token", "answer NLL"], "general-sentences": ["confidence"]}
FRONTIER = [
    {"gained": "gad", "lost": "general-sentences"},
    {"gained": "gad: answer NLL", "lost": "general-sentences: confidence"},
]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    path = write_study(
        tmp_path_factory.mktemp("also"), tasks=["gad"], baseline="base", seeds=[0, 1], also=ALSO, frontier=FRONTIER,
        arms={"base": {}}, axes=[{"objective": ["sft", "dft"]}],
    )  # fmt: skip
    return path, compare(load_study(path), folder=path.parent / "runs", data_dir=path.parent / "data")


def test_scores_are_those_of_the_rows(done):
    _, outcome = done
    scores = outcome["also"]["scores"]
    named = {(score["arm"], score["task"], score["metric"]) for score in scores}
    assert named == {
        (arm, task, metric) for arm in ("base", "sft", "dft") for task, metrics in ALSO.items() for metric in metrics
    }
    for score in scores:
        rows = [
            row["value"] for row in outcome["rows"] if all(row[key] == score[key] for key in ("arm", "task", "metric"))
        ]
        assert len(rows) == len(score["seeds"])
        assert score["value"] == pytest.approx(sum(rows) / len(rows), abs=1e-9)
        assert score["forgetting"] == (score["task"] == "general-sentences")
    assert {score["metric"]: score["higher_is_better"] for score in scores} == {
        "accuracy, per token": True, "answer NLL": False, "confidence": True,
    }  # fmt: skip
    assert not any(row["quoted"] for row in outcome["rows"] if row["metric"] in ("answer NLL", "confidence"))


def test_floors_are_those_of_the_metric(done):
    _, outcome = done
    floors = {(score["metric"], score["best_floor_name"]) for score in outcome["also"]["scores"]}
    quoted = next(score for score in outcome["scores"] if score["task"] == "gad")
    assert ("answer NLL", "") in floors  # of NLL none is known, and that of accuracy is none of it
    assert quoted["best_floor"] is not None


def test_differences_are_of_one_metric_and_corrected_among_themselves(done):
    _, outcome = done
    rows = outcome["also"]["comparisons"]
    families = {
        "baseline": {("sft", "base"), ("dft", "base")},
        "forgetting": {("sft", "base"), ("dft", "base")},
        "sft": {("dft", "sft")},
        "sft-forgetting": {("dft", "sft")},
    }
    values = {(s["arm"], s["task"], s["metric"]): s["value"] for s in outcome["also"]["scores"]}
    for family, pairs in families.items():
        of = [row for row in rows if row["family"] == family]
        metrics = ALSO["general-sentences" if "forgetting" in family else "gad"]
        assert {(row["ours"], row["theirs"], row["metric"]) for row in of} == {
            (*pair, metric) for pair in pairs for metric in metrics
        }
        for row in of:
            ours, theirs = (values[row[side], row["task"], row["metric"]] for side in ("ours", "theirs"))
            assert row["value"] == pytest.approx(ours - theirs)
            assert row["p_holm"] >= row["p_value"]
    without = {key: value for key, value in outcome.items() if key not in ("also", "frontiers")}
    assert not [row for row in without["comparisons"] if row["metric"] in ("answer NLL", "confidence")]


def test_a_frontier_over_another_metric(done):
    _, outcome = done
    quoted, other = outcome["frontiers"]
    assert quoted["gained"]["metric"] == "positive micro F1"
    assert other["gained"] == {"task": "gad", "metric": "answer NLL", "higher_is_better": False}
    assert other["lost"] == {"task": "general-sentences", "metric": "confidence", "higher_is_better": True}
    values = {(s["arm"], s["task"], s["metric"]): s["value"] for s in outcome["also"]["scores"]}
    for point in other["points"]:
        arm = point["arm"]
        gained = values["base", "gad", "answer NLL"] - values[arm, "gad", "answer NLL"]
        lost = values["base", "general-sentences", "confidence"] - values[arm, "general-sentences", "confidence"]
        assert point["gained"]["value"] == pytest.approx(gained, abs=1e-9)
        assert point["lost"]["value"] == pytest.approx(lost, abs=1e-9)


def test_the_table_tells_them_with_both_differences(done):
    _, outcome = done
    text = markdown(outcome)
    section = text.split("## By other measures")[1].split("## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| gad | answer NLL (less is better)")]
    assert [line.split(" | ")[4] for line in rows] == ["base", "sft", "dft"]
    assert [line.count("p ") for line in rows] == [0, 1, 2]
    assert "By other measures" not in markdown(outcome | {"also": {"scores": [], "comparisons": []}})
    old = {key: value for key, value in outcome.items() if key != "also"}
    assert "By other measures" not in markdown(old)  # of a study.json from before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"also": {"gadd": ["answer NLL"]}},
            r"^study.yaml: also names 'gadd', which is none of tasks and forgetting \(did you mean 'gad'\?\)",
        ),
        (
            {"also": ALSO, "frontier": [{"gained": "gad: accuracy, generated", "lost": "general-sentences"}]},
            r"^study.yaml: frontier.0.gained is 'gad: accuracy, generated', which is none of tasks and forgetting, "
            r"nor a TASK: METRIC of also",
        ),
        ({"also": ["answer NLL"]}, r"^study.yaml: also is \['answer NLL'\]: "),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        load_study(write_study(tmp_path, **changes))


def test_a_metric_that_the_task_has_not_is_said_after_the_first_model(tmp_path):
    path = write_study(tmp_path, also={"gad": ["answer NLLs"]})
    with pytest.raises(UserError) as error:
        compare(load_study(path), folder=tmp_path / "runs", data_dir=tmp_path / "data")
    assert "also.gad names 'answer NLLs', by which it is not measured (did you mean 'answer NLL'?)" in str(error.value)
    assert [folder.name for folder in (tmp_path / "runs").iterdir() if folder.is_dir()] == ["zero-shot"]
    # What was measured is not measured again once the name is right.
    path = write_study(tmp_path, also={"gad": ["answer NLL"]})
    outcome = compare(load_study(path), folder=tmp_path / "runs", data_dir=tmp_path / "data")
    assert {score["arm"] for score in outcome["also"]["scores"]} == {"zero-shot", "2-shot", "sft", "bft"}
