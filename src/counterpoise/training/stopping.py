"""SIGTERM and Ctrl-C end a run in good order: the step in hand is finished, a checkpoint written, then it stops.

    with StopRequest() as request:
        while not request.signal_number: ...

A second Ctrl-C stops at once, as Ctrl-C does elsewhere: the run then goes on from its last checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

import torch.distributed as dist

from counterpoise.errors import Stopped, UserError
from counterpoise.training.ranks import is_main

SIGNALS = (signal.SIGTERM, signal.SIGINT)
SAME_PRESS = 1.0
"""Seconds within which another SIGINT is the same Ctrl-C: a launcher passes on what its processes got themselves."""


class StopRequest:
    """Inside this context the first SIGTERM or SIGINT is noted in ``signal_number`` (0: none) instead of ending us.

    One that came too late to be heeded, after the last step, does what it always does when the context ends.
    """

    def __init__(self) -> None:
        self.signal_number = 0
        self._noted_at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python allows handlers in no other
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        if self.signal_number and kind is None:
            signal.raise_signal(self.signal_number)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.signal_number:
            if number == signal.SIGINT and now - self._noted_at > SAME_PRESS:
                raise KeyboardInterrupt
            return
        self.signal_number, self._noted_at = number, now
        if is_main():
            name = signal.Signals(number).name
            text = f"\n{name}: finishing this step and writing a checkpoint (Ctrl-C stops at once)\n"
            with contextlib.suppress(OSError):  # past sys.stderr, which may be in the middle of a line of its own
                os.write(2, text.encode())


def said_once(error: UserError | Stopped) -> BaseException:
    """Return what a rank raises where all ranks meet the same error: the main one says it, the others end quietly.

    The ranks part for good: left to the end of Python, the threads that connect them may end in an abort.
    """
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
    if is_main():
        return error
    return SystemExit(128 + error.signal_number if isinstance(error, Stopped) else 2)
