"""Killed with SIGKILL at a random step and run again: ``metrics.jsonl`` is the same to the last digit."""

import random
import signal
import subprocess
import sys
import time

import pytest
import yaml
from tiny_runs import examples

from counterpoise.evaluation.results import write_json

STEPS = 24


def write_run(folder, model, tmp_path, **objective):
    records = [{"prompt": e.messages[0].content, "completion": e.messages[1].content} for e in examples(40)]
    write_json(tmp_path / "rows.json", records)
    config = {
        "model": str(model),
        "data": {"source": str(tmp_path / "rows.json"), "held_out": 0.1},
        "objective": objective,
        "adapter": {"kind": "lora", "rank": 4, "dropout": 0.1},
        "training": {
            "epochs": 6, "batch_size": 9, "micro_batch_size": 3, "max_steps": STEPS, "learning_rate": 1e-3,
            "checkpoint_every": 3, "precision": "float32", "seed": 5,
        },
        "evaluation": {"every": 4},
        "output": {"folder": str(folder)},
    }  # fmt: skip
    path = tmp_path / f"{folder.name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def command(path):
    return [sys.executable, "-m", "counterpoise", "train", str(path), "--quiet"]


def kill_after(path, folder, lines):
    """Start a run, wait for so many lines of its log, and kill it."""
    process = subprocess.Popen(command(path), stderr=subprocess.PIPE, text=True)
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
    subprocess.run(command(write_run(unbroken, llama_folder, tmp_path, **objective)), check=True, capture_output=True)
    path = write_run(broken, llama_folder, tmp_path, **objective)
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    for _ in range(2):
        kill_after(path, broken, rng.randint(1, STEPS - 2))
        log = broken / "metrics.jsonl"
        with log.open("a") as file:
            file.write('{"step": 9')  # a line that the kill cut short
    subprocess.run(command(path), check=True, capture_output=True)
    assert (broken / "metrics.jsonl").read_bytes() == (unbroken / "metrics.jsonl").read_bytes(), f"seed {seed}"
    assert (unbroken / "metrics.jsonl").read_text().count("\n") == STEPS + STEPS // 4


def test_a_checkpoint_cut_short_is_not_used(tmp_path):
    from counterpoise.training.checkpoints import COMPLETE, cut_log, newest_complete, remove_incomplete

    for step, whole in ((3, True), (10, True), (12, False)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if whole:
            (tmp_path / f"checkpoint-{step}" / COMPLETE).touch()
    assert newest_complete(tmp_path).name == "checkpoint-10"
    remove_incomplete(tmp_path)
    assert not (tmp_path / "checkpoint-12").exists()
    log = tmp_path / "metrics.jsonl"
    log.write_text('{"step": 9}\n{"step": 10}\n{"step": 10, "held_out_nll": 1}\n{"step": 11}\n{"st')
    cut_log(log, 10)
    assert log.read_text() == '{"step": 9}\n{"step": 10}\n{"step": 10, "held_out_nll": 1}\n'
