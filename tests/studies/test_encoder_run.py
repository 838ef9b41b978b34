"""A BERT is trained by a run config like any model: entities, classes, numbers; the same results rows, with floors."""

import json

import pytest

from counterpoise.data.labelled_reading import read_labelled
from counterpoise.errors import UserError
from counterpoise.evaluation.label_prediction import predict_labels
from counterpoise.models.encoder import labels_of, load_encoder
from counterpoise.studies.run import train
from counterpoise.training.config import RunConfig
from tiny_encoders import toy_scores, toy_tagged, toy_texts, write_encoder


def record(example):
    if example.tags:
        return {"tokens": list(example.words), "tags": list(example.tags)}
    text = {"text": example.text} | ({"text_pair": example.text_pair} if example.text_pair else {})
    return text | ({"label": example.label} if example.label else {"score": example.value})


def write_data(path, examples):
    path.write_text("".join(json.dumps(record(example)) + "\n" for example in examples))
    return str(path)


def run_config(tmp_path, task, made, **sections):
    source = write_data(tmp_path / "train.jsonl", made(500)[0])
    test = write_data(tmp_path / "test.jsonl", made(60, seed=1)[0])
    model = write_encoder("bert", tmp_path / "tiny-bert")
    settings = {
        "model": {"name": str(model), "task": task},
        "data": {"source": source, "test": test, "max_length": 64},
        "objective": "sft",
        "adapter": "full",
        "training": {
            "epochs": 20, "batch_size": 16, "micro_batch_size": 8, "learning_rate": 2e-3, "precision": "float32",
            "checkpoint_every": None,
        },
        "output": str(tmp_path / "run"),
    }  # fmt: skip
    for name, section in sections.items():
        merged = isinstance(section, dict) and isinstance(settings[name], dict)
        settings[name] = settings[name] | section if merged else section
    return RunConfig(**settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "made", "metric", "floor"),
    [
        ("token-classification", toy_tagged, "entity F1", "training dictionary"),
        ("sequence-classification", toy_texts, "accuracy", "majority label"),
        ("regression", toy_scores, "Pearson", "mean value"),
    ],
)
def test_a_tiny_bert_learns(tmp_path, task, made, metric, floor):
    config = run_config(tmp_path, task, made)
    outcome = train(config, show_progress=False)
    before, after = [
        next(r for r in outcome["rows"] if r["metric"] == metric and r["objective"] == o) for o in ("none", "sft")
    ]
    assert after["value"] > before["value"]
    assert after["low"] > after["floors"][floor]
    assert after["n"] == 60
    (change,) = [c for c in outcome["comparisons"] if c["metric"] == metric]
    assert change["value"] == pytest.approx(after["value"] - before["value"])
    assert {r["metric"] for r in outcome["rows"]} >= {"NLL", metric}

    again = load_encoder(tmp_path / "run" / "model")
    space = labels_of(again.model)
    assert space.task == task
    found = read_labelled(config.data.test, task=task, labels=space.labels)
    from counterpoise.data.labelled import encode_labels

    items = encode_labels(found.examples, again.tokenizer, space, 64).items
    predicted = predict_labels(again.model, items, again.tokenizer.pad_token_id)
    if task == "sequence-classification":
        right = sum(p == e.label for p, e in zip(predicted, found.examples, strict=True))
        assert right / len(predicted) == pytest.approx(after["value"])
    assert (tmp_path / "run" / "model" / "README.md").is_file()
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["data"]["held_out"] == 60


def test_micro_batches_leave_an_encoder_run_as_it_is(tmp_path):
    found = []
    for micro in (16, 3):
        folder = tmp_path / str(micro)
        folder.mkdir()
        changes = {"epochs": 1, "micro_batch_size": micro}
        config = run_config(folder, "token-classification", toy_tagged, training=changes, objective="bft")
        train(config, show_progress=False)
        rows = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
        found.append([row["loss"] for row in rows])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"training": {"packing": "rows"}}, r"training.packing is for language models"),
        ({"training": {"compile": True}}, r"training.compile is for language models"),
        ({"evaluation": {"tasks": ["gene-process"]}}, r"evaluation.tasks are for language models"),
        ({"adapter": {"kind": "p-tuning"}}, r"p-tuning"),
    ],
)
def test_what_an_encoder_cannot_do(tmp_path, sections, says):
    sections = {"evaluation": {}, **sections}
    settings = {k: v for k, v in sections.items() if k != "evaluation"}
    config = run_config(tmp_path, "token-classification", toy_tagged, **settings)
    if sections["evaluation"]:
        config = config.model_copy(update={"evaluation": config.evaluation.model_copy(update=sections["evaluation"])})
    with pytest.raises(UserError, match=says):
        train(config, show_progress=False)


def test_an_objective_that_needs_probabilities_is_refused_for_a_regression(tmp_path):
    with pytest.raises(UserError, match=r"objective.name is bft.*expected sft"):
        train(run_config(tmp_path, "regression", toy_scores, objective="bft"), show_progress=False)
