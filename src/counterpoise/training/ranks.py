"""Which of several processes this is, when a run was started by ``accelerate launch`` or ``torchrun``.

    with main_first():            # the main process does it, the others follow: a cache is filled once
        loaded = load_model(name, device=own_device())
    if is_main(): write results

One process alone needs none of it: every function then does nothing.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch

PATIENCE = timedelta(hours=12)
"""How long ranks wait for one another: while the main one evaluates, the others have nothing to say."""


def world_size() -> int:
    """Return the number of processes of this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this process writes the results."""
    return int(os.environ.get("RANK", "0")) == 0


def under_deepspeed() -> bool:
    """Whether the launcher asked for DeepSpeed's ZeRO."""
    return os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true"


def own_device() -> torch.device | None:
    """Return the device of this one of several processes; None for a process alone, which takes what there is."""
    if world_size() == 1:
        return None
    on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true") or not torch.cuda.is_available()
    return torch.device("cpu") if on_cpu else torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


@contextmanager
def main_first() -> Iterator[None]:
    """Let the first process of each machine go through before the others."""
    if world_size() == 1:
        yield
        return
    with _state().local_main_process_first():
        yield


def wait() -> None:
    """Wait until every process is here."""
    if world_size() > 1:
        _state().wait_for_everyone()


def _state() -> Any:
    from accelerate import PartialState

    device = own_device()
    if device is None or device.type != "cpu":
        return PartialState(timeout=PATIENCE)
    if not torch.distributed.is_initialized():
        atexit.register(_leave)
    if under_deepspeed():  # accelerate takes "cpu" to mean: without DeepSpeed
        return PartialState(backend="gloo", timeout=PATIENCE)
    return PartialState(cpu=True, timeout=PATIENCE)


def _leave() -> None:
    """End gloo's threads before the interpreter does, which now and then aborts a process that is done."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
