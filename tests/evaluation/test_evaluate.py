"""The whole evaluation: a tiny real model on made-up data, its results file, going on, scoring again, two processes."""

import json
import subprocess
import sys

import pytest
import torch
import yaml
from scripted import Scripted, likes
from transformers import LlamaForCausalLM

from counterpoise.errors import UserError
from counterpoise.evaluation.evaluate import Identity, evaluate, folder_fingerprint, rescore
from counterpoise.evaluation.extras import Extras
from counterpoise.evaluation.runner import Ask
from counterpoise.evaluation.subjects import LocalModel
from tiny_models import tiny_llama_config, write_model


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"

    def write(name, rows):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    for split, n in (("train", 6), ("test", 9)):
        texts = [f"{split} sentence {i} says a lot about @GENE$ and how it is tied to @DISEASE$" for i in range(n)]
        write(
            f"blurb/gad/{split}.jsonl", [{"id": f"{split}{i}", "text": t, "label": i % 2} for i, t in enumerate(texts)]
        )
    write(
        "meqsum/meqsum.jsonl",
        [{"id": str(i), "question": f"Long question {i}?", "summary": f"Short {i}?"} for i in range(504)],
    )
    options = ["Here", "There"]
    questions = [
        {"id": str(i), "subject": f"s{i % 2}", "question": f"{i}?", "options": options, "answer": 0} for i in range(4)
    ]
    write("medqa/medqa_us_test_even.jsonl", questions)
    return folder


@pytest.fixture
def long_llama(tmp_path):
    """A tiny Llama whose positions hold a whole prompt of bytes."""
    torch.manual_seed(0)
    return write_model(LlamaForCausalLM(tiny_llama_config(max_position_embeddings=1024)), tmp_path / "llama")


class ByRule:
    """A subject whose backend answers by a rule."""

    def __init__(self, rule, **settings):
        self.made = Scripted(rule)
        self._settings = settings

    def identity(self):
        return Identity("rule", "sft", "lora", 3)

    def settings(self):
        return {"identity": vars(self.identity()), **self._settings}

    def backend(self):
        return self.made


def test_results_of_a_tiny_model(long_llama, data, tmp_path):
    out = tmp_path / "results.json"
    asked = Ask(data, shots=2, methods=("options", "generated"))
    model = LocalModel(str(long_llama), format="chat", precision="float32")
    found = evaluate(["gad", "general-sentences", "medqa"], model, Ask(data), out=out)
    assert json.loads(out.read_text()) == found
    rows = {(row["task"], row["metric"]): row for row in found["rows"]}
    accuracy = rows["gad", "accuracy"]
    assert accuracy["n"] == 9
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert accuracy["floors"]["majority"] == pytest.approx(5 / 9)
    assert (accuracy["objective"], accuracy["adapter"]) == ("none", "none")
    assert rows["general-sentences", "NLL"]["n"] == 60
    assert found["quote"] == {"gad": "positive micro F1", "general-sentences": "NLL", "medqa": "accuracy"}
    assert set(found["subjects"]["medqa"]) == {"s0", "s1"}
    assert found["left_out"]["medqa"]["notes"][0].startswith("medqa: test has 4 items")
    assert found["environment"]["packages"]["torch"]
    again = rescore(out)
    assert again["rows"] == found["rows"]
    with pytest.raises(UserError, match=r"holds answers of another evaluation \(shots: was 0, is 2\)"):
        evaluate(["gad"], model, asked, out=out)
    more = evaluate(["gad"], model, asked, out=out, overwrite=True)
    assert {"accuracy", "accuracy, generated"} <= {row["metric"] for row in more["rows"]}


def test_the_run_folder_says_what_the_model_is(long_llama, data, tmp_path):
    """Objective, adapter and seed of the rows come from the run around the model; its folder itself may be named."""
    from counterpoise.studies.run import train
    from counterpoise.training.config import RunConfig

    config = RunConfig.model_validate(
        {
            "model": str(long_llama),
            "data": "task:gad",
            "objective": {"name": "bft", "variant": "v1"},
            "adapter": "lora",
            "training": {"epochs": 1, "batch_size": 3, "precision": "float32", "seed": 5},
            "evaluation": {"tasks": ["gad"], "limit": 5},
            "output": str(tmp_path / "run"),
        }
    )
    outcome = train(config, data_dir=data, show_progress=False)
    trained = {row["metric"]: row for row in outcome["rows"] if row["task"] == "gad" and row["objective"] != "none"}
    assert trained["accuracy"]["n"] == 5
    assert "majority" in trained["accuracy"]["floors"]
    found = evaluate(["gad"], LocalModel(str(tmp_path / "run"), precision="float32"), Ask(data, limit=5, seed=5))
    row = next(row for row in found["rows"] if row["metric"] == "accuracy")
    assert (row["objective"], row["adapter"], row["seed"]) == ("bft (variant=v1)", "lora", 5)
    assert row["value"] == trained["accuracy"]["value"]
    both = LocalModel(f"{long_llama}+{tmp_path / 'run'}", precision="float32")
    assert evaluate(["gad"], both, Ask(data, limit=5, seed=5))["rows"] == found["rows"]


def test_a_run_that_names_an_unknown_task_ends_at_once(long_llama, data, tmp_path):
    from counterpoise.studies.run import train
    from counterpoise.training.config import RunConfig

    config = {"model": str(long_llama), "data": "task:gad", "output": str(tmp_path / "run")}
    with pytest.raises(UserError, match=r"task 'gene-proces' is unknown \(did you mean 'gene-process'\?\)"):
        train(RunConfig.model_validate({**config, "evaluation": {"tasks": ["gene-proces"]}}), data_dir=data)


def test_an_encoder_is_evaluated_on_the_task_it_learned(data, tmp_path):
    from counterpoise.studies.run import train
    from counterpoise.training.config import RunConfig
    from tiny_encoders import write_encoder

    folder = write_encoder("bert", tmp_path / "bert")
    config = RunConfig.model_validate(
        {
            "model": {"name": str(folder), "task": "sequence-classification"},
            "data": {"source": "task:gad", "test": "task:gad", "max_length": 64},
            "objective": "sft",
            "adapter": "full",
            "training": {"epochs": 2, "batch_size": 3, "precision": "float32"},
            "output": str(tmp_path / "run"),
        }
    )
    outcome = train(config, data_dir=data, show_progress=False)
    found = evaluate(
        ["gad"], LocalModel(str(tmp_path / "run"), precision="float32"), Ask(data), out=tmp_path / "r.json"
    )
    after = next(r for r in outcome["rows"] if r["metric"] == "accuracy" and r["objective"] == "sft")
    row = next(row for row in found["rows"] if row["metric"] == "accuracy")
    assert (row["value"], row["objective"]) == (after["value"], "sft")
    assert rescore(tmp_path / "r.json")["rows"] == found["rows"]
    with pytest.raises(UserError, match=r"medqa is no task for an encoder"):
        evaluate(["medqa"], LocalModel(str(tmp_path / "run")), Ask(data))


def test_overlap_is_told_with_the_score(data, tmp_path):
    leaked = tmp_path / "train.jsonl"
    row = json.loads((data / "blurb/gad/test.jsonl").read_text().splitlines()[0])
    leaked.write_text(json.dumps({"prompt": row["text"], "completion": "yes"}) + "\n")
    found = evaluate(["gad"], ByRule(likes("yes")), Ask(data), extras=Extras(training=(str(leaked), "task:gad")))
    task = found["contamination"]["tasks"][0]
    assert (task["task"], task["items"], task["contained"]) == ("gad", 9, 1)
    assert "train.jsonl:1" in found["contamination"]["text"]


def test_texts_are_compared_and_judged(data, tmp_path):
    from fake_endpoint import FakeEndpoint

    verdict = json.dumps({"explanation": "so", "met": True})
    with FakeEndpoint() as server:
        server.chat = lambda messages: (verdict, "stop")
        extras = Extras(judge=server.url, judge_model="m")
        subject = ByRule(likes("Short 1?"))
        found = evaluate(["meqsum"], subject, Ask(data, limit=3), out=tmp_path / "r.json", extras=extras)
    rows = {row["metric"]: row for row in found["rows"]}
    assert "judge score" in rows
    assert rows["ROUGE-L"]["n"] == 3
    assert found["judge"]["meqsum"]["judged"] == 3
    assert found["judge"]["meqsum"]["rubric"].startswith("question-summary")
    assert (tmp_path / "r.items" / "meqsum.judge" / "verdicts.jsonl").exists()


@pytest.mark.parametrize(
    ("names", "out", "extras", "says"),
    [
        ([], "r.json", Extras(), r"no task is named"),
        (["gad"], "r.txt", Extras(), r"r.txt: results are JSON"),
        (["gad"], "nowhere/r.json", Extras(), r"there is no folder"),
        (["meqsum"], None, Extras(judge="http://x"), r"name their file with --out"),
        (["gad"], "r.json", Extras(similarity="minilm"), r"similarity and a judge are for tasks with texts to write"),
        (["meqsum"], "r.json", Extras(rubric="nope"), r"nope"),
    ],
)
def test_what_cannot_be_done_is_said_before_a_model_is_loaded(data, tmp_path, names, out, extras, says):
    subject = ByRule(likes("yes"))
    with pytest.raises(UserError, match=says):
        evaluate(names, subject, Ask(data), out=out and tmp_path / out, extras=extras)
    assert not subject.made.asked


def test_weights_are_told_apart(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"one")
    first = folder_fingerprint(tmp_path)
    assert folder_fingerprint(tmp_path) == first
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert folder_fingerprint(tmp_path) != first


@pytest.mark.slow
def test_two_processes_give_the_numbers_of_one(long_llama, data, tmp_path):
    """Each asks its share; the rows are equal to those of one process, and a second start asks nothing anew."""
    common = [
        "evaluate", str(long_llama), "-t", "gad", "-t", "general-sentences", "--data-dir", str(data),
        "--precision", "float32", "--method", "options", "--method", "generated", "-q",
    ]  # fmt: skip
    alone, both = tmp_path / "one.json", tmp_path / "two.json"
    one = [sys.executable, "-m", "counterpoise", *common, "--out", str(alone)]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    two = [*launcher, "-m", "counterpoise", *common, "--out", str(both)]
    subprocess.run(one, check=True, capture_output=True)
    done = subprocess.run(two, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("positive micro F1, generated") == 1, "one process tells"
    first, second = (json.loads(path.read_text())["rows"] for path in (alone, both))
    for ours, theirs in zip(first, second, strict=True):
        assert ours["metric"] == theirs["metric"]
        assert ours["value"] == pytest.approx(theirs["value"], abs=1e-5)
    assert len(list((tmp_path / "two.items").glob("gad.replies*.jsonl"))) == 2
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "two.items").iterdir()}
    subprocess.run(two, check=True, capture_output=True)
    assert sizes == {path.name: path.stat().st_size for path in (tmp_path / "two.items").iterdir()}


def test_what_a_run_leaves_out_for_overlap(long_llama, data, tmp_path):
    """A training example that holds a test item is dropped; one that holds none is kept."""
    from counterpoise.studies.run import train
    from counterpoise.training.config import RunConfig

    row = json.loads((data / "blurb/gad/test.jsonl").read_text().splitlines()[0])
    path = tmp_path / "train.jsonl"
    clean = [{"prompt": f"What is {i}?", "completion": "A number."} for i in range(4)]
    path.write_text("".join(json.dumps(r) + "\n" for r in [*clean, {"prompt": row["text"], "completion": "yes"}]))
    config = {
        "model": str(long_llama),
        "data": {"source": str(path), "without_overlap": ["gad"]},
        "adapter": "lora",
        "training": {"epochs": 1, "batch_size": 2, "precision": "float32"},
        "output": str(tmp_path / "run"),
    }
    outcome = train(RunConfig.model_validate(config), data_dir=data, show_progress=False)
    assert outcome["training"]["samples"] == 4
    assert yaml.safe_load((tmp_path / "run/run.yaml").read_text())["data"]["without_overlap"] == ["gad"]
