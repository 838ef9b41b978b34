"""Two processes (gloo, CPU) train as one does on the same global batch: DDP, FSDP2, uneven last batch included.

The run is the product's own command, ``counterpoise train run.yaml``, alone and under a launcher, results compared.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tiny_runs import examples
from transformers import LlamaForCausalLM

from counterpoise.evaluation.results import write_json
from counterpoise.studies.run import train
from counterpoise.training.config_file import load_run_config
from tiny_models import tiny_llama_config, write_model

pytestmark = pytest.mark.slow
FSDP = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
}
"""What ``accelerate launch`` sets for examples/distributed/fsdp2.yaml; here torchrun starts the processes."""


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


def alone(path):
    train(load_run_config(path), show_progress=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the model and what one process makes of it."""
    folder = tmp_path_factory.mktemp("world")
    torch.manual_seed(0)
    model = write_model(LlamaForCausalLM(tiny_llama_config()), folder / "tiny-llama")
    alone(write_run(folder, "one", model))
    return folder


def cut_short(home, name, copy):
    """Copy a finished run as if it had been killed between steps 5 and 6, its last checkpoint at step 4."""
    shutil.copytree(home / name, home / copy)
    for step in (6, 8):
        shutil.rmtree(home / copy / f"checkpoint-{step}")
    shutil.rmtree(home / copy / "model")
    (home / copy / "results.json").unlink()
    written = home / copy / "run.yaml"
    written.write_text(written.read_text().replace(str(home / name), str(home / copy)))
    return write_run(home, copy, home / "tiny-llama")


def resumed_from(home, name):
    return json.loads((home / name / "results.json").read_text())["training"]["resumed_from"]


@pytest.mark.parametrize("kind", ["ddp", "fsdp2"])
def test_two_processes_are_one(home, kind):
    """Also when either goes on from the other's checkpoint."""
    sharding = FSDP if kind == "fsdp2" else {}
    launch(write_run(home, kind, home / "tiny-llama"), 2, sharding)
    assert_same_run(home, "one", kind)
    assert json.loads((home / kind / "environment.json").read_text())["processes"] == 2

    alone(cut_short(home, kind, f"{kind} to one"))
    assert_same_run(home, "one", f"{kind} to one")
    assert resumed_from(home, f"{kind} to one") == 4

    launch(cut_short(home, "one", f"one to {kind}"), 2, sharding)
    assert_same_run(home, "one", f"one to {kind}")
    assert resumed_from(home, f"one to {kind}") == 4


def test_fewer_samples_than_processes(home):
    path = write_run(home, "run", home / "tiny-llama", batch_size=1)
    with pytest.raises(AssertionError, match=r"batch_size is 1; expected at least the number of processes, 2"):
        launch(path, 2)
