"""A hundred kills with SIGKILL at random moments, many of them inside a save, lose nothing but unsaved steps."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_hundred_kills(llama_folder, tmp_path):
    """After each: a whole newest checkpoint, from which the next life goes on; at the end, the unbroken run's bytes."""
    seed = random.randrange(10**6)
    paths = os.pathsep.join(map(str, (TESTS, TESTS / "training", TESTS.parent / "src")))
    done = subprocess.run(
        [sys.executable, str(TESTS / "invariances" / "killing.py"), str(llama_folder), str(tmp_path), "100", str(seed)],
        capture_output=True,
        text=True,
        timeout=400,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, f"seed {seed}\n" + done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert not found["problems"], f"{found}\n" + done.stderr[-4000:]
    assert found["kills"] == 100
    assert found["inside saves"] >= 20, found
