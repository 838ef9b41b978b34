"""Two processes (gloo, CPU) train as one does on the same global batch: DDP, FSDP2, uneven last batch included.

The run is the product's own command, ``counterpoise train run.yaml``, alone and under a launcher, results compared.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml
from safetensors.torch import load_file
from tiny_runs import examples

from counterpoise.evaluation.results import write_json

pytestmark = pytest.mark.slow
FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
}
"""What ``accelerate launch`` sets for examples/distributed/fsdp2.yaml; on CPUs it starts no processes itself."""


def write_run(tmp_path, name, model, **training):
    """Thirteen samples in steps of 4: the last step of an epoch has one sample, so one of two ranks has none."""
    records = [{"prompt": e.messages[0].content, "completion": e.messages[1].content} for e in examples(14)]
    write_json(tmp_path / "rows.json", records)
    config = {
        "model": str(model),
        "data": {"source": str(tmp_path / "rows.json"), "held_out": 0.05},
        "objective": {"name": "bft", "window": 4},
        "adapter": {"kind": "full"},
        "training": {
            "epochs": 2, "batch_size": 4, "micro_batch_size": 1, "learning_rate": 1e-3, "precision": "float32",
            "checkpoint_every": 2, "seed": 5, "max_checkpoints": 10,
        } | training,
        "evaluation": {"every": 3},
        "output": {"folder": str(tmp_path / name)},
    }  # fmt: skip
    path = tmp_path / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def launch(path, processes, sharding=None, overrides=()):
    run = ["-m", "counterpoise", "train", str(path), "--quiet", *overrides]
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        [sys.executable, *(several if processes > 1 else []), *run],
        capture_output=True,
        text=True,
        env=environment | (sharding or {}),
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-8000:]
    return done


def rows(tmp_path, name):
    return [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]


def weights(tmp_path, name):
    return load_file(tmp_path / name / "model" / "model.safetensors")


def assert_same_run(tmp_path, a, b):
    left, right = rows(tmp_path, a), rows(tmp_path, b)
    assert len(left) == len(right) == 8 + 3  # two epochs of four steps; held-out NLL at steps 3, 6 and 8
    for mine, other in zip(left, right, strict=True):
        assert mine.keys() == other.keys()
        for key in mine:
            assert mine[key] == pytest.approx(other[key], rel=2e-5, abs=1e-7), (key, mine, other)
    ours, theirs = weights(tmp_path, a), weights(tmp_path, b)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert (ours[name] - theirs[name]).abs().max() < 1e-5, name


@pytest.mark.parametrize("sharding", [{}, FSDP], ids=["ddp", "fsdp2"])
def test_two_processes_are_one(llama_folder, tmp_path, sharding):
    launch(write_run(tmp_path, "one", llama_folder), 1)
    launch(write_run(tmp_path, "two", llama_folder), 2, sharding)
    assert_same_run(tmp_path, "one", "two")
    assert json.loads((tmp_path / "two" / "environment.json").read_text())["processes"] == 2


@pytest.mark.parametrize("sharding", [{}, FSDP], ids=["ddp", "fsdp2"])
@pytest.mark.parametrize("first", [1, 2])
def test_a_checkpoint_of_either_goes_on_on_the_other(llama_folder, tmp_path, sharding, first):
    """Five steps by ``first`` processes, the rest by the other number of them; all as in an unbroken run."""
    launch(write_run(tmp_path, "whole", llama_folder), 1)
    path = write_run(tmp_path, "cut", llama_folder)
    launch(path, first, sharding)
    folder = tmp_path / "cut"
    for step in (6, 8):  # as if the run had been killed between steps 5 and 6
        shutil.rmtree(folder / f"checkpoint-{step}")
    shutil.rmtree(folder / "model")
    (folder / "results.json").unlink()
    launch(path, 3 - first, sharding)
    assert_same_run(tmp_path, "whole", "cut")
    assert json.loads((folder / "results.json").read_text())["training"]["resumed_from"] == 4


def test_fewer_samples_than_processes(llama_folder, tmp_path):
    path = write_run(tmp_path, "run", llama_folder, batch_size=1)
    with pytest.raises(AssertionError, match=r"batch_size is 1; expected at least the number of processes, 2"):
        launch(path, 2)
