"""Work on the chunks of a data set on several cores, with the results in the order of the data.

    with Workers.for_bytes(data.size) as workers:
        for chunk, found in each_chunk(data, count, workers):
            ...
    def count(chunk): return sum(isinstance(item, Located) for item, _, _, _ in chunk.read())

Chunks of lines (.jsonl) go to worker processes; others, which this process has parsed already, are worked on here. What
is found does not depend on the number of processes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from counterpoise.data.chunks import Chunk, DataSource
from counterpoise.errors import UserError

WORTH_WORKERS = 32 << 20
"""Bytes of a file below which starting worker processes takes longer than they save."""
MOST_WORKERS = 8
"""Processes that are started unless more are asked for: one process reads and writes for all of them."""

T = TypeVar("T")
Progress = Callable[[str, int, int], object]
"""Told what is being done, and megabytes done and in all."""


class Workers:
    """Processes that work on chunks; ``count`` 1 starts none."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    @classmethod
    def for_bytes(cls, size: int, wanted: int | None = None) -> Self:
        """Return as many as are ``wanted``, else as there are cores where the data are large enough for it to pay."""
        if wanted is not None and wanted < 1:
            raise UserError(f"workers is {wanted}; expected a whole number of at least 1")
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cls(wanted or (min(cores, MOST_WORKERS) if size >= WORTH_WORKERS else 1))

    def __enter__(self) -> Self:
        if self.count > 1:  # spawned, because this process may have threads, which a fork would break
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, mp_context=context, initializer=_leave_ctrl_c)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def each(self, work: Callable[[Chunk], T], chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, T]]:
        """Yield every chunk with what ``work`` makes of it, in their order, a few chunks ahead.

        ``work`` must be picklable: a function of a module, or a dataclass with ``__call__``.
        """
        waiting: deque[tuple[Chunk, Future[T]]] = deque()
        for chunk in chunks:
            if self._pool is None or not chunk.lines:
                yield chunk, work(chunk)
                continue
            with _said(chunk):
                waiting.append((chunk, self._pool.submit(_received, work, chunk.to_send())))
            if len(waiting) > self.count + 1:
                yield _done(waiting)
        while waiting:
            yield _done(waiting)


def each_chunk(
    data: DataSource, work: Callable[[Chunk], T], workers: Workers, on_progress: Progress | None = None
) -> Iterator[tuple[Chunk, T]]:
    """Yield every chunk of a data set with what ``work`` makes of it, and tell how far it is, where that is known."""
    size, done = data.size, 0
    for chunk, found in workers.each(work, data.chunks()):
        yield chunk, found
        done += chunk.size
        if on_progress is not None and size:
            on_progress(f"reading {Path(data.name).name}", done // 10**6, max(size // 10**6, 1))


def _received(work: Callable[[Chunk], T], chunk: Chunk) -> T:
    return work(chunk.received())


def _done(waiting: deque[tuple[Chunk, Future[T]]]) -> tuple[Chunk, T]:
    chunk, future = waiting.popleft()
    with _said(chunk):
        return chunk, future.result()


@contextmanager
def _said(chunk: Chunk) -> Iterator[None]:
    """Say that a process was lost."""
    try:
        yield
    except BrokenProcessPool:
        raise UserError(
            f"{chunk.file}: a process that read it was ended from outside, probably for want of memory; "
            "run it again with --workers 1"
        ) from None


def _leave_ctrl_c() -> None:
    """The first process alone ends on Ctrl-C, and takes its workers with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
