"""A run that streams its data: it trains, and after a kill it meets the samples that an unbroken run meets."""

import json
import shutil
from pathlib import Path

import pytest
from tiny_runs import examples

from counterpoise.errors import UserError
from counterpoise.studies.run import train
from counterpoise.training.config import RunConfig


def run_config(tmp_path, name, model, **data):
    source = tmp_path / "rows.jsonl"
    records = [{"prompt": e.messages[0].content, "completion": e.messages[1].content} for e in examples(23)]
    source.write_text("".join(json.dumps(r) + "\n" for r in records))
    return RunConfig(
        model=str(model),
        data={"source": str(source), "streaming": True, "shuffle_buffer": 10} | data,
        objective={"name": "bft", "window": 4},
        adapter={"kind": "lora", "rank": 2},
        training={"batch_size": 4, "max_steps": 9, "checkpoint_every": 2, "precision": "float32", "max_checkpoints": 9},
        output=str(tmp_path / name),
    )


def rows(tmp_path, name):
    return (tmp_path / name / "metrics.jsonl").read_text()


def test_streaming_and_going_on(llama_folder, tmp_path):
    outcome = train(run_config(tmp_path, "whole", llama_folder), show_progress=False)
    assert outcome["training"]["steps"] == 9
    found = [json.loads(line) for line in rows(tmp_path, "whole").splitlines()]
    # Buffers of 8, 8 and 7 rows a pass: steps of 4, 4, 4, 4, 4, 3, and on with the second pass.
    assert [row["samples"] for row in found] == [4, 4, 4, 4, 4, 3, 4, 4, 4]

    config = run_config(tmp_path, "cut", llama_folder)
    train(config, show_progress=False)
    folder = tmp_path / "cut"
    for step in (6, 8, 9):
        shutil.rmtree(folder / f"checkpoint-{step}", ignore_errors=True)
    (folder / "results.json").unlink()
    outcome = train(config, show_progress=False)
    assert outcome["training"]["resumed_from"] == 4
    assert rows(tmp_path, "cut") == rows(tmp_path, "whole")


def test_records_that_cannot_be_used(llama_folder, tmp_path, capsys):
    config = run_config(tmp_path, "run", llama_folder)
    with Path(config.data.source).open("a") as file:
        file.write('{"prompt": "a"\n')
    with pytest.raises(UserError, match="line 24: not valid JSON"):
        train(config, show_progress=False)
    config = run_config(tmp_path, "skipped", llama_folder, skip_bad=True)
    with Path(config.data.source).open("a") as file:
        file.write('{"prompt": "a"\n')
    train(config)
    assert capsys.readouterr().err.count("warning: dropped") == 1
