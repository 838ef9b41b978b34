"""Killed, stopped, out of disk, and run again by the same command: the same log and weights, to the last bit."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from tiny_runs import examples
from transformers import LlamaForCausalLM

from counterpoise.evaluation.results import write_json
from counterpoise.training.checkpoints import COMPLETE, newest_complete, step_of
from tiny_models import tiny_llama_config, write_model

STEPS = 24


def write_run(folder, model, tmp_path, checkpoint_every=3, **objective):
    records = [{"prompt": e.messages[0].content, "completion": e.messages[1].content} for e in examples(40)]
    write_json(tmp_path / "rows.json", records)
    config = {
        "model": str(model),
        "data": {"source": str(tmp_path / "rows.json"), "held_out": 0.1},
        "objective": objective,
        "adapter": {"kind": "lora", "rank": 4, "dropout": 0.1},
        "training": {
            "epochs": 6, "batch_size": 9, "micro_batch_size": 3, "max_steps": STEPS, "learning_rate": 1e-3,
            "checkpoint_every": checkpoint_every, "precision": "float32", "seed": 5,
        },
        "evaluation": {"every": 4},
        "output": {"folder": str(folder)},
    }  # fmt: skip
    path = tmp_path / f"{folder.name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}


def finish(path):
    subprocess.run(command(path), check=True, capture_output=True, env=ONE_THREAD)


def command(path):
    return [sys.executable, "-m", "counterpoise", "train", str(path), "--quiet"]


def kill_after(path, folder, lines):
    """Start a run, wait for so many lines of its log, and kill it."""
    process = subprocess.Popen(command(path), stderr=subprocess.PIPE, text=True, env=ONE_THREAD)
    log = folder / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and log.read_text().count("\n") >= lines:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors


@pytest.mark.slow
def test_killed_and_resumed(llama_folder, tmp_path):
    """Dropout, accumulation, an uneven last batch, held-out measurements and several epochs included; killed twice."""
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    objective = {"name": "bft", "window": 4, "sft_share": {"start": 1.0, "end": 0.0, "over": 0.5}}
    finish(write_run(unbroken, llama_folder, tmp_path, **objective))
    path = write_run(broken, llama_folder, tmp_path, **objective)
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    for _ in range(2):
        kill_after(path, broken, rng.randint(1, STEPS - 2))
        log = broken / "metrics.jsonl"
        with log.open("a") as file:
            file.write('{"step": 9')  # a line that the kill cut short
    finish(path)
    assert (broken / "metrics.jsonl").read_bytes() == (unbroken / "metrics.jsonl").read_bytes(), f"seed {seed}"
    assert (unbroken / "metrics.jsonl").read_text().count("\n") == STEPS + STEPS // 4


def same_end(folder, unbroken):
    """Whether log and adapter are those of the unbroken run, to the last bit."""
    names = ("metrics.jsonl", "model/adapter_model.safetensors")
    return all((folder / name).read_bytes() == (unbroken / name).read_bytes() for name in names)


def interrupted(words, folder, number, to=None):
    """Start a run, send a signal once it has logged two lines more, and return how it ended and what it said.

    ``to`` finds the process to send it to among the started one's children.
    """
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=ONE_THREAD)
    log = folder / "metrics.jsonl"
    enough = (log.read_text().count("\n") if log.exists() else 0) + 2
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and log.read_text().count("\n") >= enough:
            os.kill(process.pid if to is None else to(process.pid), number)
            break
        time.sleep(0.005)
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """A run of the model of all the others (``llama_folder``), made once."""
    torch.manual_seed(0)
    work = tmp_path_factory.mktemp("unbroken")
    model = write_model(LlamaForCausalLM(tiny_llama_config()), work / "tiny-llama")
    finish(write_run(work / "run", model, work, name="bft"))
    return work / "run"


@pytest.mark.slow
def test_sigterm_and_ctrl_c(llama_folder, tmp_path, unbroken):
    """A step is finished and saved, one sentence said; the same command goes on, to the unbroken run's last bit."""
    folder = tmp_path / "broken"
    path = write_run(folder, llama_folder, tmp_path, name="bft")
    for number in (signal.SIGTERM, signal.SIGINT):
        before = newest_complete(folder) if folder.exists() else None
        code, errors = interrupted(command(path), folder, number)
        newest = newest_complete(folder)
        assert code == 128 + number, errors
        said = f"counterpoise: stopped by {number.name} after step {step_of(newest)} of {STEPS}, whose checkpoint is in"
        assert said in errors
        assert "Traceback" not in errors
        assert step_of(newest) > step_of(before)
    finish(path)
    assert same_end(folder, unbroken)


def on_two(path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    return [*launcher, *command(path)[1:]]


def children(process):
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the second process in /proc")
def test_a_signal_to_one_of_two_processes_stops_both(llama_folder, tmp_path):
    """At the same step, saved once, and the main one says so, although the signal went to the other."""
    folder = tmp_path / "two"
    path = write_run(folder, llama_folder, tmp_path, name="bft")
    code, errors = interrupted(on_two(path), folder, signal.SIGTERM, to=lambda process: children(process)[1])
    newest = newest_complete(folder)
    assert code != 0
    said = f"counterpoise: stopped by SIGTERM after step {step_of(newest)} of {STEPS}"
    assert errors.count(said) == 1, errors
    assert "an error of ours" not in errors
    assert "counterpoise/training" not in errors, "the launcher shows a traceback of its own, we none"
    last = (folder / "metrics.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["step"] == step_of(newest)


@pytest.mark.slow
def test_two_processes_that_diverge_say_so_once(llama_folder, tmp_path):
    """With the samples of both, several micro-batches a step; the checkpoint that holds the wreck is gone."""
    folder = tmp_path / "two"
    path = write_run(folder, llama_folder, tmp_path, 1, name="sft")
    changes = ["training.learning_rate=1e38", "training.warmup_share=0", "training.micro_batch_size=2"]
    done = subprocess.run([*on_two(path), *changes], capture_output=True, text=True, env=ONE_THREAD)
    assert done.returncode != 0
    said = re.findall(r"counterpoise: training stopped before step (\d+) .*; samples in the batch: (.*)", done.stderr)
    assert len(said) == 1, done.stderr
    assert len(set(said[0][1].split(", "))) == 9
    assert "counterpoise/training" not in done.stderr
    assert step_of(newest_complete(folder)) < int(said[0][0]) - 1


@pytest.fixture
def small_disk(tmp_path):
    """A file system of four megabytes, and a function that leaves so many bytes of it free."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("only root may mount a small disk here")

    def leave(free):
        (folder / "ballast").unlink(missing_ok=True)
        space = os.statvfs(folder)
        if free is not None:
            (folder / "ballast").write_bytes(bytes(space.f_bavail * space.f_frsize - free))

    yield folder, leave
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("free", "every", "says"),
    [
        (260_000, 3, r"checkpoint-6: the disk is full, so this .* the same command goes on from \S*checkpoint-3$"),
        (100_000, 3, r"checkpoint-3: the disk is full, so this .* no checkpoint had been written yet$"),
        (50_000, None, r"run/model: the disk is full; the model was not saved; free some space"),
    ],
    ids=["after a checkpoint", "before any", "at the end"],
)
def test_a_disk_that_is_really_full(llama_folder, tmp_path, unbroken, small_disk, free, every, says):
    """Exit code 2 and a sentence; what is left is whole; with room, the same command ends as an unbroken run does."""
    disk, leave = small_disk
    leave(free)
    path = write_run(disk / "run", llama_folder, tmp_path, every, name="bft")
    done = subprocess.run(command(path), capture_output=True, text=True, env=ONE_THREAD)
    assert done.returncode == 2, done.stderr
    assert re.search(says, done.stderr.strip(), re.MULTILINE), done.stderr
    assert "Traceback" not in done.stderr
    assert all((found / COMPLETE).exists() for found in (disk / "run").glob("checkpoint-*"))
    leave(None)
    finish(path)
    assert same_end(disk / "run", unbroken)
