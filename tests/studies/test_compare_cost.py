"""What a run cost, read from its folder."""

import json

import pytest

from counterpoise.studies.compare.cost import cost_of, forget_peak
from counterpoise.training.environment import peak_memory_bytes


def test_cost_is_that_of_all_steps(tmp_path):
    """Also of those before a kill, which results.json of the last call leaves out."""
    (tmp_path / "results.json").write_text(
        json.dumps({"parameters": {"total": 9, "trainable": 3}, "training": {"seconds": 1.0, "tokens": 20}})
    )
    (tmp_path / "environment.json").write_text(json.dumps({"peak_memory_bytes": 7}))
    steps = [{"step": i, "loss": 1.0, "samples": 4, "input_tokens": 10 * i} for i in (1, 2, 3)]
    lines = [*steps, {"step": 3, "held-out NLL": 2.0}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "timing.jsonl").write_text("".join(f'{{"step": {i}, "seconds": 0.5}}\n' for i in (1, 2, 3)))
    found = cost_of(tmp_path)
    assert found.pop("peak_memory_bytes") in (7, None)
    assert found == {"seconds": 1.5, "samples": 12, "tokens": 60, "trainable_parameters": 3}


def test_the_peak_starts_anew():
    if not forget_peak():
        pytest.skip("this system keeps the peak of a process")
    block = bytearray(200_000_000)
    high = peak_memory_bytes()
    del block
    assert forget_peak()
    assert peak_memory_bytes() < high - 100_000_000
