"""Which checkpoints of a run are whole, and how a run's log is cut back to one of them.

A run that is killed at any moment, even while it writes a checkpoint, goes on from the newest whole one as if nothing
had happened: parameters, optimiser, schedule, random state and the order of samples are restored, and ``metrics.jsonl``
loses the lines after it.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

TRAINABLE = "trainable.safetensors"
"""The trained parameters, by name."""
COMPLETE = "COMPLETE"
"""Written last: a checkpoint folder without it was cut short."""


def newest_complete(folder: Path) -> Path | None:
    """Return the checkpoint of ``folder`` with the highest step that was written to its end, or None."""
    whole = [path for path in _checkpoints(folder) if (path / COMPLETE).is_file()]
    return max(whole, key=_step, default=None)


def remove_incomplete(folder: Path) -> None:
    """Delete checkpoints that were cut short."""
    for path in _checkpoints(folder):
        if not (path / COMPLETE).is_file():
            shutil.rmtree(path)


def step_of(checkpoint: Path | None) -> int:
    """Return the optimiser steps done at a checkpoint; 0 for None."""
    return 0 if checkpoint is None else _step(checkpoint)


def cut_log(path: Path, last_step: int) -> None:
    """Drop the lines of a metrics log that come after ``last_step``, and a last line that was cut short."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            step = json.loads(line)["step"]
        except (json.JSONDecodeError, KeyError):
            break
        if step > last_step or not line.endswith("\n"):
            break
        kept.append(line)
    draft = path.with_suffix(".tmp")
    draft.write_text("".join(kept), encoding="utf-8")
    draft.replace(path)


def _checkpoints(folder: Path) -> list[Path]:
    return [p for p in folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", p.name) and p.is_dir()]


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))
