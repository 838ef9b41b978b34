"""Several requests under way at once, each result as soon as it is there.

>>> sorted(in_parallel(lambda x: x * x, [1, 2, 3], threads=2))
[(0, 1), (1, 4), (2, 9)]
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def in_parallel(function: Callable[[A], B], items: Sequence[A], threads: int) -> Iterator[tuple[int, B]]:
    """Yield (index, function(item)) in the order in which results come.

    An exception of ``function`` is raised here. When the caller stops (by an exception, Ctrl-C or ``close``), no
    further item is begun, and what is under way is not waited for: the threads are daemons.
    """
    results: queue.SimpleQueue[tuple[int, B | None, BaseException | None]] = queue.SimpleQueue()
    stopped = threading.Event()
    todo = iter(range(len(items)))
    lock = threading.Lock()

    def work() -> None:
        while not stopped.is_set():
            with lock:
                i = next(todo, None)
            if i is None:
                return
            try:
                results.put((i, function(items[i]), None))
            except BaseException as error:
                results.put((i, None, error))

    for _ in range(min(threads, len(items))):
        threading.Thread(target=work, daemon=True, name="endpoint request").start()
    try:
        for _ in range(len(items)):
            i, result, error = results.get()
            if error is not None:
                raise error
            yield i, result  # type: ignore[misc]
    finally:
        stopped.set()
