"""Arms made of axes: their names and configs, what is wrong with a grid, and whether all saw the same."""

import json
from pathlib import Path

import pytest
import yaml
from tiny_study import write_study

from counterpoise import objectives
from counterpoise.errors import UserError
from counterpoise.studies.compare import compare, load_study, markdown
from counterpoise.studies.compare.axes import axis_keys, axis_values, grid_arms
from counterpoise.studies.compare.budget import budget_note

EXAMPLES = Path(__file__).parents[2] / "examples" / "studies"
RUN = {"model": "m", "objective": "sft", "adapter": {"kind": "lora", "rank": 4}}


def names(*grids):
    return [arm.name for arm in grid_arms(grids, RUN, "study.yaml")]


@pytest.mark.parametrize(
    ("axis", "value", "name"),
    [
        ("objective", {"name": "bft", "variant": "v1-geometric"}, "bft-v1-geometric"),
        ("objective", {"name": "bft", "window": "25%"}, "bft-window-25percent"),
        ("objective", {"name": "bft", "sft_share": {"start": 1, "end": 0}}, "bft-sft-share-start-1-end-0"),
        ("objective", {"name": "fading", "value": {"name": "bft", "sft_share": 0.5}}, "fading"),
        ("objective.name", "dft", "dft"),
        ("objective.floor", 0.1, "floor-0.1"),
        ("adapter", {"kind": "lora", "rank": 16}, "lora-r16"),
        ("adapter.rank", 16, "r16"),
        ("adapter.targets", ["q_proj", "v_proj"], "targets-q_proj-v_proj"),
        ("model", "org/some-model", "some-model"),
        ("data", "task:gad+hoc", "gad+hoc"),
        ("data.source", "folder/facts.jsonl", "facts.jsonl"),
        ("data.limit", None, "limit-none"),
        ("training.learning_rate", 1e-5, "lr-1e-05"),
        ("training.group_by_length", False, "group-by-length-false"),
        ("training", {"epochs": 2.0, "batch_size": 8}, "epochs-2-batch-size-8"),
    ],
)
def test_a_name_is_made_of_values(axis, value, name):
    assert names({axis: [value]}) == [name]


def test_combinations_options_stand_behind_what_they_belong_to():
    grid = {"adapter": ["lora", "dora"], "objective.window": [4, 8], "adapter.rank": [2], "objective": ["bft"]}
    arms = grid_arms([grid], RUN, "study.yaml")
    assert [arm.name for arm in arms] == [
        "lora-r2_bft-window-4", "lora-r2_bft-window-8", "dora-r2_bft-window-4", "dora-r2_bft-window-8",
    ]  # fmt: skip
    assert arms[3].train == {"adapter": {"kind": "dora", "rank": 2}, "objective": {"name": "bft", "window": 8}}
    assert arms[3].settings == {"adapter": "dora", "objective.window": "8", "adapter.rank": "2", "objective": "bft"}
    assert axis_values(arms)["objective.window"] == ["4", "8"]


def test_several_grids_are_put_side_by_side():
    assert names({"objective": ["sft", "dft"]}, {"objective": ["bft"], "objective.window": [4]}) == [
        "sft", "dft", "bft-window-4",
    ]  # fmt: skip


def test_every_key_of_a_run_and_every_option_can_be_an_axis():
    known = axis_keys()
    assert {"model", "model.attention", "data.limit", "adapter.rank", "training", "training.scaling"} <= set(known)
    assert {f"objective.{option}" for name in objectives.names() for option in objectives.option_names(name)} <= set(
        known
    )
    assert not [key for key in known if key.startswith(("output", "evaluation")) or key.endswith("seed")]


@pytest.mark.parametrize(
    ("grids", "says"),
    [
        ([{"objectiv": ["sft"]}], r"^study.yaml: axes.objectiv is no key .*did you mean 'objective'"),
        ([{"learning_rat": [1]}], r"^study.yaml: axes.learning_rat is .*did you mean 'training.learning_rate'"),
        ([{"objective.windw": [1]}], r"axes.objective.windw is no key .*did you mean 'objective.window'"),
        ([{"zzz": [1]}], r"axes.zzz is no key of the run config; "),
        ([{"seed": [0, 1]}], r"^study.yaml: axes.seed: seeds are no axis"),
        ([{"training.seed": [0, 1]}], r"axes.training.seed: seeds are no axis"),
        ([{"output.folder": ["x"]}], r"axes.output.folder is what the study itself decides"),
        ([{"objective": []}], r"^study.yaml: axes.objective is \[\]; expected a list of values, at least one"),
        ([{"objective": "sft"}], r"axes.objective is 'sft'; expected a list of values"),
        ([{"adapter.rank": [4, 8, 4]}], r"^study.yaml: axes.adapter.rank has 4 twice"),
        ([{"objective": ["sft"], "objective.name": ["dft"]}], r"axes.objective.name is the axis objective once more"),
        (
            [{"objective": ["bft", "sft"], "objective.window": [4]}],
            r"^study.yaml: axes: arm sft-window-4: objective sft has no option window; give axes as a list of grids",
        ),
        ([{"objective.window": [4]}], r"arm window-4: objective sft has no option window"),
        ([{"objective": ["sft"]}, {"objective": ["dft", "sft"]}], r"^study.yaml: axes: arm sft comes out of two grids"),
        ([{"model": ["a/x", "b/x"]}], r"^study.yaml: axes: two arms would be called x; give one .* a name"),
    ],
)
def test_what_is_wrong_with_a_grid(grids, says):
    with pytest.raises(UserError, match=says):
        grid_arms(grids, RUN, "study.yaml")


SFT = {"base": {}, "sft": {"train": {"objective": "sft"}}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"axes": ["objective"]}, r"^study.yaml: axes is \['objective'\]; expected keys with lists of values"),
        ({"axes": [{}]}, r"^study.yaml: axes is \[\{\}\]; expected keys with lists"),
        ({"arms": None}, r"^study.yaml: there is no arm; expected arms, by name, or axes"),
        ({"arms": SFT, "axes": {"objective": ["sft"]}}, r"^study.yaml: arms and axes both have an arm sft; rename"),
        (
            {"arms": SFT | {"plain": {"train": {"objective": {"name": "sft", "floor": 0.0}}}}},
            r"^study.yaml: arms sft and plain are the same in all settings; leave one of them out",
        ),
        (
            {"arms": {"base": {}, "b": {"train": {"objective": "bft"}}}, "axes": {"objective.variant": ["v1", "v3"]}},
            r"^study.yaml: arms b and v3 are the same",
        ),
        ({"arms": {"base": {}, "again": {}}}, r"^study.yaml: arms base and again are the same"),
        (
            {"arms": {"base": {}}, "axes": {"training.batch_size": [4, 0]}},
            r"^study.yaml: arms.batch-size-0.train: training.batch_size is 0; expected a number of at least 1",
        ),
        ({"arms": SFT, "seeds": [0, 1, 1]}, r"^study.yaml: seeds has \[0, 1, 1\], one of them twice"),
        (
            {"arms": SFT, "frontier": [{"gained": "gadd", "lost": "general-sentences"}]},
            r"^study.yaml: frontier.0.gained is 'gadd', which is none of tasks and forgetting \(did you mean 'gad'\?\)",
        ),
        ({"arms": SFT, "frontier": [{"gain": "gad"}]}, r"^study.yaml: frontier.0.gain"),
    ],
)
def test_what_is_wrong_with_a_study_of_axes(tmp_path, changes, says):
    with pytest.raises(UserError, match=says):
        load_study(write_study(tmp_path, **({"baseline": "base"} | changes)))


def test_arms_that_differ_in_rates_tasks_or_prompts_are_not_the_same(tmp_path):
    plain = {"objective": "sft"}
    arms = {
        "base": {}, "2-shot": {"evaluation": {"shots": 2}, "only": ["gad"]}, "sft": {"train": plain},
        "sft-gad": {"train": plain, "only": ["gad"]},
        "sft-tuned": {"train": plain, "learning_rates": [1e-3, 2e-3]},
    }  # fmt: skip
    assert list(load_study(write_study(tmp_path, baseline="base", arms=arms)).arms) == list(arms)
    arms["sft-rate"] = {"train": plain, "learning_rates": [1e-3]}  # the shared config's own
    with pytest.raises(UserError, match="arms sft and sft-rate are the same"):
        load_study(write_study(tmp_path, baseline="base", arms=arms))


def test_a_rate_that_is_an_axis_is_not_searched_for(tmp_path):
    axes = {"training.learning_rate": [1e-3, 2e-3]}
    study = load_study(
        write_study(tmp_path, baseline="base", arms={"base": {}}, axes=axes, learning_rates=[1e-4, 3e-4])
    )
    assert {name: arm.rates for name, arm in study.arms.items()} == {"base": (), "lr-0.001": (), "lr-0.002": ()}


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """A study of three objectives and two sizes of data, carried out."""
    path = write_study(
        tmp_path_factory.mktemp("grid"), tasks=["biosses"], baseline="base", arms={"base": {}},
        axes=[{"objective": ["sft", "dft"]}, {"objective": ["bft"], "objective.window": [2], "data.limit": [4]}],
        frontier=[{"gained": "biosses", "lost": "general-sentences"}],
    )  # fmt: skip
    return path, compare(load_study(path), folder=path.parent / "runs", data_dir=path.parent / "data")


def test_every_combination_is_trained_as_it_says(grid):
    path, outcome = grid
    configs = {
        run.parents[3].name: yaml.safe_load(run.read_text()) for run in (path.parent / "runs").rglob("run/run.yaml")
    }
    assert {arm: (config["objective"], config["data"]["limit"]) for arm, config in configs.items()} == {
        "sft": ({"name": "sft"}, 8), "dft": ({"name": "dft"}, 8),
        "bft-window-2_limit-4": ({"name": "bft", "window": 2}, 4),
    }  # fmt: skip
    assert outcome["axes"] == {"objective": ["sft", "dft", "bft"], "objective.window": ["2"], "data.limit": ["4"]}
    assert outcome["arm_settings"]["bft-window-2_limit-4"] == {
        "objective": "bft", "objective.window": "2", "data.limit": "4",
    }  # fmt: skip
    assert outcome["arm_settings"]["sft"] == {"objective": "sft"}
    assert {score["arm"] for score in outcome["scores"]} == {"base", "sft", "dft", "bft-window-2_limit-4"}


def test_the_written_study_is_the_same_study(grid):
    path, _ = grid
    again = load_study(path.parent / "runs" / "study.yaml")
    assert again.config == load_study(path).config
    assert list(again.arms) == ["base", "sft", "dft", "bft-window-2_limit-4"]


def test_what_each_arm_saw_is_read_from_its_run(grid):
    _, outcome = grid
    rows = {row["arm"]: row for row in outcome["budget"]}
    assert [rows["sft"][key] for key in ("trained_on", "seed", "steps", "samples")] == ["biosses", 0, 2, 8]
    assert {key: rows["sft"][key] for key in rows["sft"] if key != "arm"} == {
        key: rows["dft"][key] for key in rows["dft"] if key != "arm"
    }
    assert rows["bft-window-2_limit-4"]["order"] != rows["sft"]["order"]
    note = outcome["budget_note"]
    assert note.startswith("The trained arms did not all see the same: on biosses with seed 0: sft, dft (2 steps, 8 s")
    assert "; bft-window-2_limit-4 (2 steps, 8 samples, " in note
    assert note.endswith("; the axis data.limit is meant to change that.")
    assert note in markdown(outcome)


def saw(arm, order="a", steps=2, seed=0, on="all"):
    return {"arm": arm, "trained_on": on, "seed": seed, "steps": steps, "samples": 8, "tokens": 99, "order": order}


def test_arms_are_held_to_what_others_saw_with_the_same_seed_and_task():
    assert budget_note([saw("sft"), saw("dft"), saw("sft", "b", seed=1), saw("dft", "b", seed=1)]) == ""
    assert budget_note([saw("sft"), saw("dft", "b", on="gad")]) == ""
    note = budget_note([saw("sft"), saw("dft", "b")])
    assert note == (
        "The trained arms did not all see the same: on all with seed 0: sft (2 steps, 8 samples, 99 tokens); "
        "dft (2 steps, 8 samples, 99 tokens, in another order)."
    )
    note = budget_note([saw("sft", seed=s) for s in (0, 1)] + [saw("dft", steps=3, seed=s) for s in (0, 1)])
    assert "on all with seed 0 and on all with seed 1: sft (2 steps" in note
    assert note.count("dft") == 1


def test_a_study_of_equal_budgets_says_so(grid):
    _, outcome = grid
    equal = json.loads(json.dumps(outcome))
    equal["budget"] = [row for row in equal["budget"] if row["arm"] in ("sft", "dft")]
    equal["budget_note"] = budget_note(equal["budget"])
    assert "All trained arms saw the same samples in the same order" in markdown(equal)


COMPARED = sorted(
    path for path in EXAMPLES.glob("*.yaml") if f"counterpoise compare examples/studies/{path.name}" in path.read_text()
)


def test_the_other_examples_are_of_another_command():
    others = {path.stem for path in EXAMPLES.glob("*.yaml")} - {path.stem for path in COMPARED}
    assert others == {"representations", "reinforce", "reinforce-floors"}


@pytest.mark.parametrize("path", COMPARED, ids=lambda path: path.stem)
def test_every_example_is_a_study_that_says_how_it_is_run(path, monkeypatch):
    monkeypatch.delenv("COUNTERPOISE_DATA", raising=False)
    study = load_study(path)
    assert study.config.name == path.stem
    assert sum(arm.trained for arm in study.arms.values()) >= 3
    header = path.read_text().split("\n\n")[0]
    assert f"counterpoise compare examples/studies/{path.name}" in header
    assert "two CPU cores" in header
    needs_data = any(spec.data for spec in (*study.tasks, *study.forgetting))
    assert ("--data-dir" in header) == needs_data


def test_the_frontiers_hold_every_objective():
    for name in ("frontier-facts", "frontier-answers"):
        study = load_study(EXAMPLES / f"{name}.yaml")
        found = {arm.plain["objective"]["name"] for arm in study.arms.values() if arm.trained}
        assert found == set(objectives.names())
        assert {"objective", "objective.floor", "objective.sft_share", "objective.window"} <= set(study.axes)
        assert "training.learning_rate" in study.axes
