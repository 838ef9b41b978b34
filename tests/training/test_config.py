# ruff: noqa: E501 - a table of cases reads better unbroken
"""The run config: shorthands, overrides, and one sentence for whatever is wrong."""

import pytest
import yaml

from counterpoise.errors import UserError
from counterpoise.training.config_file import apply_override, check_run_config, load_run_config, parse_yaml

MINIMAL = {"data": "facts.jsonl"}


def test_a_minimal_config_resolves_in_run_order():
    config = check_run_config(MINIMAL)
    plain = config.plain()
    assert list(plain) == ["model", "data", "objective", "adapter", "training", "evaluation", "output"]
    assert plain["model"]["name"] == "smollm2-135m"
    assert plain["data"]["source"] == "facts.jsonl"
    assert config.objective.build().label() == "bft"
    assert check_run_config(plain) == config, "the resolved config reads back as itself"


def test_words_stand_for_sections():
    config = check_run_config({"model": "owner/name", "data": "x.csv", "objective": "dft", "adapter": "full"})
    assert (config.model.name, config.objective.name, config.adapter.kind) == ("owner/name", "dft", "full")


@pytest.mark.parametrize("number", ["1e-4", "3E-05", "1", ".5", "2.5e1"])
def test_numbers_that_yaml_1_1_reads_as_text(number):
    assert parse_yaml(f"x: {number}")["x"] == pytest.approx(float(number))


def test_other_yaml_values_stay_what_they_are():
    assert parse_yaml("a: 12\nb: 1.0\nc: yes it is\nd: null\ne: [1, 2]\nf: '1e-4'\ng: 25%\nh: 1_000") == {
        "a": 12, "b": 1.0, "c": "yes it is", "d": None, "e": [1, 2], "f": "1e-4", "g": "25%", "h": 1000,
    }  # fmt: skip
    assert type(parse_yaml("12")) is int


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("training.learning_rate=3e-4", ("training", "learning_rate"), 3e-4),
        ("objective=dft", ("objective", "name"), "dft"),
        ("objective.window=25%", ("objective", "window"), "25%"),
        ("objective.sft_share={start: 1, end: 0, over: 0.3}", ("objective", "sft_share"), {"start": 1, "end": 0, "over": 0.3}),
        ("training.max_steps=null", ("training", "max_steps"), None),
        ("output.folder=runs/x", ("output", "folder"), "runs/x"),
    ],
)  # fmt: skip
def test_overrides(override, path, value):
    plain = check_run_config({**MINIMAL, "objective": {"name": "bft", "gamma": 2}}, [override]).plain()
    for part in path:
        plain = plain[part]
    assert plain == value


def test_changing_the_objective_drops_its_options_and_changing_the_source_keeps_the_section():
    data = {"data": {"source": "a.jsonl", "max_length": 64}, "objective": {"name": "bft", "window": 8}}
    assert apply_override(data, "objective=dft")["objective"] == {"name": "dft"}
    assert apply_override(data, "data=b.jsonl")["data"] == {"source": "b.jsonl", "max_length": 64}
    assert data["objective"] == {"name": "bft", "window": 8}, "the original is left alone"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, r"data is missing"),
        ({"data": {}}, r"data.source is missing; expected the file, catalogue name, hub id, task:NAME"),
        ({**MINIMAL, "training": {"learning_rat": 1}}, r"training.learning_rat is not a key \(did you mean 'learning_rate'\?\)"),
        ({**MINIMAL, "trainin": {}}, r"trainin is not a key \(did you mean 'training'\?\); keys here: model, data"),
        ({**MINIMAL, "training": {"learning_rate": "1e-4x"}}, r'training.learning_rate is "1e-4x"; expected a number, such as 1e-4'),
        ({**MINIMAL, "training": {"batch_size": "many"}}, r'training.batch_size is "many"; expected a whole number'),
        ({**MINIMAL, "training": {"batch_size": 0}}, r"training.batch_size is 0; expected a number of at least 1"),
        ({**MINIMAL, "training": {"packing": "row"}}, r"training.packing is \"row\" \(did you mean 'rows'\?\)"),
        ({"data": {"source": "a.jsonl", "streaming": True}}, r"streaming does not know how long the data is"),
        ({"data": {"source": "a.jsonl", "streaming": True, "held_out": 0.1}}, r"held_out takes a share of the whole data"),
        ({**MINIMAL, "training": {"schedule": "cosin"}}, r"training.schedule is \"cosin\" \(did you mean 'cosine'\?\)"),
        ({**MINIMAL, "objective": "btf"}, r"unknown objective 'btf' \(did you mean 'bft'\?\); choose from sft, dft, bft"),
        ({**MINIMAL, "objective": {"name": "bft", "windw": 3}}, r"objective bft has no option 'windw' \(did you mean 'window'\?\)"),
        ({**MINIMAL, "objective": {"name": "bft", "window": "wide"}}, r"window is 'wide'; expected a number of tokens"),
        ({**MINIMAL, "adapter": {"kind": "lora", "rnak": 8}}, r"adapter.rnak is not a key \(did you mean 'rank'\?\)"),
        ({**MINIMAL, "adapter": "lroa"}, r"adapter.kind is \"lroa\" \(did you mean 'lora'\?\)"),
        ({**MINIMAL, "evaluation": {"shots": -1}}, r"evaluation.shots is -1; expected a number of at least 0"),
    ],
)  # fmt: skip
def test_wrong_configs(data, says):
    with pytest.raises(UserError, match=says):
        check_run_config(data, name="run.yaml")


@pytest.mark.parametrize("override", ["training", "=3", "data.source.deeper=1"])
def test_wrong_overrides(override):
    with pytest.raises(UserError, match="override"):
        check_run_config({"data": {"source": "x"}}, [override])


def test_files(tmp_path):
    good = tmp_path / "run.yaml"
    good.write_text(yaml.safe_dump(MINIMAL))
    assert load_run_config(good, ["training.epochs=2"]).training.epochs == 2
    with pytest.raises(UserError, match=r"run.yml: no such file \(did you mean 'run.yaml'\?\)"):
        load_run_config(tmp_path / "run.yml")
    (tmp_path / "bad.yaml").write_text("a: [1, 2")
    with pytest.raises(UserError, match=r"bad.yaml: not readable as YAML.*line 1"):
        load_run_config(tmp_path / "bad.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(UserError, match="expected keys such as"):
        load_run_config(tmp_path / "list.yaml")
