"""What a training run cost: read from its folder, summed over all calls that it took.

cost_of(Path("runs/s/sft/gad/seed-0/run"))["seconds"]
"""

from __future__ import annotations

import ctypes
import functools
import gc
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

CLEAR = Path("/proc/self/clear_refs")
"""Linux: writing 5 here sets the peak of resident memory back to what is resident now."""


def forget_peak() -> bool:
    """Start the peak of resident memory anew, so that a run in a long process is told its own; False if impossible.

    What was freed but is still held by the C library is given back first, or it would count.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        CLEAR.write_text("5")
    except OSError:
        return False
    return True


def cost_of(folder: Path) -> dict[str, Any]:
    """Return seconds of training, samples and input tokens seen, trainable parameters, and peak memory in bytes.

    A run that was killed and went on counts in full. The peak is that of the last call, data, evaluation and the
    program itself included; None where the system cannot tell it apart from that of runs before.
    """
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    made_with = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    steps = logged_steps(folder)
    return {
        "seconds": round(sum(row["seconds"] for row in _rows(folder / "timing.jsonl")), 2),
        "samples": int(sum(row["samples"] for row in steps)),
        "tokens": int(sum(row["input_tokens"] for row in steps)),
        "trainable_parameters": results["parameters"]["trainable"],
        "peak_memory_bytes": made_with["peak_memory_bytes"] if _can_forget() else None,
    }


@functools.cache
def _can_forget() -> bool:
    return forget_peak()


def logged_steps(folder: Path) -> list[dict[str, Any]]:
    """Return the steps that a finished run logged; what was measured between them is left out."""
    return [row for row in _rows(folder / "metrics.jsonl") if "loss" in row]


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
