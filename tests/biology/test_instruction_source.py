"""``biology:gene-sets`` is a source of training data like any other."""

import json
from pathlib import Path

import pytest
import torch

from counterpoise.biology import instructions
from counterpoise.biology.instructions.source import (
    instruction_set,
    is_biology_source,
    iter_instructions,
    read_instructions,
)
from counterpoise.errors import UserError
from counterpoise.evaluation.overlap import training_texts
from counterpoise.inspection.reading import DataRequest, read_records_of
from counterpoise.studies.run import train
from counterpoise.training.config import RunConfig
from tiny_models import tiny_llama_config, write_model

EXAMPLE = Path(__file__).parents[2] / "examples" / "gene-sets.yaml"
SOURCE = "biology:gene-sets?exclude=none&kinds=claim+odd&rows=24"


@pytest.fixture
def model(tmp_path):
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    return write_model(LlamaForCausalLM(tiny_llama_config(max_position_embeddings=2048)), tmp_path / "tiny")


def run_config(tmp_path, model, data, **training):
    return RunConfig(
        model=str(model),
        data={"source": SOURCE, "max_length": 2048} | data,
        objective={"name": "bft", "window": 8},
        adapter={"kind": "lora", "rank": 2},
        training={"batch_size": 4, "max_steps": 2, "checkpoint_every": None, "precision": "float32"} | training,
        output=str(tmp_path / "run"),
    )


def test_options_reach_the_builder(tmp_path):
    held_out = tmp_path / "held_out.txt"
    held_out.write_text("GO:0007094\n")
    text = f"biology:gene-sets?exclude={held_out}&kinds=naming+claim&draws=3&steps=1&seed=7&rows=9"
    made = instruction_set(text, "dev")
    assert (made.kinds, made.draws, made.seed, made.limit) == (("naming", "claim"), 3, 7, 9)
    assert made.material.split == "dev"
    same = instructions.build(
        "dev", exclude=(str(held_out),), kinds=("naming", "claim"), draws=3, steps=1, seed=7, limit=9
    )
    assert list(made) == list(same)
    assert is_biology_source(text)
    assert not is_biology_source("task:gad")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("biology:gene-set", r"no instructions 'gene-set' \(did you mean 'gene-sets'\?\); expected biology:gene-sets"),
        ("biology:gene-sets?kind=odd", r"option 'kind' is unknown \(did you mean 'kinds'\?\)"),
        ("biology:gene-sets?exclude=none&draws=two", r"draws is 'two'; expected a whole number"),
        (
            "biology:gene-sets?exclude=none&kinds=odds",
            r"biology:gene-sets\?exclude=none&kinds=odds: kinds names 'odds'",
        ),
        ("biology:gene-sets?exclude=", r"exclude is empty"),
    ],
)
def test_a_source_that_is_wrong_is_told(source, says):
    with pytest.raises(UserError, match=says):
        read_instructions(source)


def test_rows_become_conversations_and_the_counts_are_told():
    said = []
    read = read_instructions(SOURCE, limit=10, say=said.append)
    assert read.examples == list(iter_instructions(SOURCE, limit=10))
    assert len(read.examples) == 10
    example, row = read.examples[0], next(iter(instruction_set(SOURCE)))
    assert [(turn.role, turn.content) for turn in example.messages] == [
        ("user", row.prompt),
        ("assistant", row.completion),
    ]
    assert example.id == row.id
    assert example.source == f"biology:gene-sets/{row.id}"
    assert "rows: 10 (" in said[0]
    assert len(read_instructions(SOURCE).examples) == 24


def test_other_readers_of_sources_know_it():
    texts = list(training_texts([SOURCE]))
    assert len(texts) == 24
    assert texts[0][0].startswith("biology:gene-sets/train/")
    found = read_records_of(DataRequest(SOURCE, split="test", limit=3))
    assert [record.source.split("/")[1] for record in found.records] == ["test"] * 3


def test_a_tiny_model_is_trained_from_it_and_tested_on_other_genes(tmp_path, model):
    outcome = train(run_config(tmp_path, model, {"test": SOURCE.replace("24", "4")}), show_progress=False)
    assert outcome["training"]["steps"] == 2
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < loss < 20 for loss in losses)
    described = json.loads((tmp_path / "run" / "environment.json").read_text())["data"]
    assert (described["source"], described["examples"], described["held_out"]) == (SOURCE, 24, 4)
    assert described["fingerprint"] == read_instructions(SOURCE).fingerprint


def test_the_example_trains_as_it_stands_where_no_benchmark_is_at_hand(tmp_path, model, run, monkeypatch):
    monkeypatch.delenv("COUNTERPOISE_DATA", raising=False)
    small = [f"model={model}", "training.max_steps=2", "training.precision=float32", f"output={tmp_path / 'run'}"]
    code, _, said = run("train", EXAMPLE, *small)
    assert code == 2
    assert "exclude=none" in said
    sources = [f"data.{key}=biology:gene-sets?exclude=none&rows={rows}" for key, rows in (("source", 40), ("test", 4))]
    code, _, said = run("train", EXAMPLE, "--overwrite", *small, *sources)
    assert code == 0, said
    assert "rows: 40 (" in said
    assert "left out for 0 benchmark sets: 0 terms" in said
    rows = json.loads((tmp_path / "run" / "results.json").read_text())["rows"]
    assert [(row["metric"], row["objective"].split()[0]) for row in rows] == [("NLL", "none"), ("NLL", "bft")]


def test_it_streams(tmp_path, model):
    outcome = train(run_config(tmp_path, model, {"streaming": True, "shuffle_buffer": 8}), show_progress=False)
    assert outcome["training"]["steps"] == 2


def test_without_the_benchmarks_a_run_stops_before_the_model_is_loaded(tmp_path, monkeypatch):
    monkeypatch.delenv("COUNTERPOISE_DATA", raising=False)
    config = run_config(tmp_path, "no-such-model", {"source": "biology:gene-sets"})
    with pytest.raises(UserError, match=r"biology:gene-sets: gene-sets-go cannot be kept out of training"):
        train(config, show_progress=False)
