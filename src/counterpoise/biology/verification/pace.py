"""Requests to one service at most so fast, over all threads of this process.

pace = Pace(3)           # requests a second
pace.wait()              # before each request
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Hands out evenly spaced moments; may be used from several threads.

    Args:
        per_second: requests a second at most.
        clock: seconds, of any origin.
        sleep: waits, in seconds.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.per_second = per_second
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._next = -float("inf")

    def wait(self) -> None:
        """Return when the next request may be sent; the moment is this caller's alone."""
        with self._lock:
            now = self._clock()
            mine = max(now, self._next)
            self._next = mine + 1 / self.per_second
        if mine > now:
            self._sleep(mine - now)

    def hold(self, seconds: float) -> None:
        """Let nobody send within the next ``seconds``: the service asked for it."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)
