"""What a run may change when it goes on in its folder, and what it may not."""

import json
import shutil

import pytest
from tiny_runs import examples

from counterpoise.errors import UserError
from counterpoise.studies.run import train
from counterpoise.training.config import RunConfig


def run_config(tmp_path, model, **training):
    source = tmp_path / "rows.jsonl"
    records = [{"prompt": e.messages[0].content, "completion": e.messages[1].content} for e in examples(8)]
    source.write_text("".join(json.dumps(r) + "\n" for r in records))
    return RunConfig(
        model=str(model),
        data=str(source),
        objective={"name": "bft", "window": 4},
        adapter={"kind": "lora", "rank": 2},
        training={"batch_size": 4, "epochs": 2, "checkpoint_every": 2, "precision": "float32"} | training,
        output=str(tmp_path / "run"),
    )


@pytest.fixture
def cut(llama_folder, tmp_path):
    """A run of four steps, cut short after its checkpoint at step 2."""
    train(run_config(tmp_path, llama_folder), show_progress=False)
    folder = tmp_path / "run"
    whole = (folder / "metrics.jsonl").read_text().splitlines()
    shutil.rmtree(folder / "checkpoint-4")
    (folder / "results.json").unlink()
    return folder, [json.loads(line) for line in whole]


def test_a_run_that_goes_on_may_be_cut_up_in_another_way(cut, llama_folder, tmp_path):
    folder, whole = cut
    changed = run_config(tmp_path, llama_folder, micro_batch_size=1, packing="flat", gradient_checkpointing=True)
    outcome = train(changed, show_progress=False)
    assert outcome["training"]["resumed_from"] == 2
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["loss"] for row in found] == pytest.approx([row["loss"] for row in whole], rel=1e-5)
    assert "packing: flat" in (folder / "run.yaml").read_text()


def test_but_not_learn_something_else(cut, llama_folder, tmp_path):
    with pytest.raises(UserError, match=r"another config \(training.learning_rate: was 0.0001, is 0.1\)"):
        train(run_config(tmp_path, llama_folder, learning_rate=0.1), show_progress=False)


def test_a_kill_while_the_config_was_written_is_no_obstacle(llama_folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.yaml.tmp").write_text("model: na")
    assert train(run_config(tmp_path, llama_folder), show_progress=False)["training"]["steps"] == 4
