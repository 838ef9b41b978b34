"""One process a unit: a second one that is started on the same folder is told, instead of writing between the lines.

    with locked(place, say=print):
        ...                                  # train and measure what lies in ``place``
    with waited_for(place, say=print):
        ...                                  # the same, after whoever holds it now
    holder(place)                            # "process 4711 on node-3", or "" where nobody is at work
    left = work_through(units, place, work)  # one unit after the other, beside processes that do the same

The lock is a file with process and host. One that a killed process left on this host is taken over; of another host
nobody here can tell, so its lock is believed.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil

from counterpoise.disk import draft_of
from counterpoise.errors import UserError

FILE = "working.json"
PAUSE = 1.0
"""Seconds between two looks at a lock that is waited for."""
T = TypeVar("T")


class Held(UserError):  # noqa: N818 - often nothing went wrong
    """Another process is at work in a folder."""


class Waits(UserError):  # noqa: N818 - likewise
    """A unit cannot be worked on before another one is finished; raised before anything is done for it."""


@contextmanager
def locked(place: Path, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold the lock of a folder, which is made if need be.

    Raises:
        Held: another process has it.
    """
    place.mkdir(parents=True, exist_ok=True)
    path = place / FILE
    if not _take(path):
        if (other := holder(place)) or not _take_over(path):
            raise Held(
                f"{place} is being worked on by {other or 'another process'}; wait for it, or delete {path} if that "
                "process is gone"
            )
        say(f"  {place}: goes on where a process that was killed left it")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def waited_for(place: Path, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold the lock of a folder; where another process has it, say so once and wait for it."""
    told = False
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(locked(place, say))
                break
            except Held as other:
                if not told:
                    say(f"  {other}; waiting")
                told = True
                time.sleep(PAUSE)
        yield


def work_through(
    units: Sequence[T],
    place: Callable[[T], Path],
    work: Callable[[T], None],
    say: Callable[[str], None] = lambda _: None,
    *,
    among: Sequence[T] = (),
) -> list[T]:
    """Do the work of each unit while its lock is held; return the units that are left to other processes.

    Units that another process works on, and those that wait for another unit, are tried again after the others.

    Args:
        units: in the order in which they are worked on.
        place: the folder of a unit.
        work: does what is left of a unit, which is nothing if it is finished.
        say: told which units are put off.
        among: all units, if ``units`` are not all: what a unit waits for may be another process's.

    Raises:
        Waits: for a unit that nobody works on.
    """

    def others() -> bool:
        return any(holder(place(unit)) for unit in among or units)

    left = list(units)
    while left:
        shared, later = others(), []
        for unit in left:
            try:
                with locked(place(unit), say):
                    work(unit)
            except (Held, Waits) as why:
                if isinstance(why, Waits) and not (shared or others()):
                    raise
                say(f"  put off: {why}")
                later.append(unit)
        if len(later) == len(left):
            break
        left = later
    return left


def holder(place: Path) -> str:
    """Return who is at work in a folder: process and host; empty if nobody, or a process of this host that is gone."""
    return _alive(place / FILE)


def with_holder(why: str, place: Path) -> str:
    """Return ``why`` a unit is not finished with who works on it, if anybody does."""
    at_work = holder(place)
    return f"{why}; {at_work} works on it" if at_work else why


def _take(path: Path) -> bool:
    owner = {"process": os.getpid(), "host": socket.gethostname(), "began": psutil.Process().create_time()}
    draft = draft_of(path)
    draft.write_text(json.dumps(owner), encoding="utf-8")
    try:
        os.link(draft, path)  # with all that is in it, or not at all
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _take_over(path: Path) -> bool:
    """Put the lock of a process that is gone out of the way and take it, unless another process was faster."""
    aside = path.with_name(f"{draft_of(path).name}.gone")
    with suppress(FileNotFoundError):
        path.rename(aside)  # of several processes, one alone can
        if _alive(aside):  # another one had just taken it over
            aside.rename(path)
            return False
        aside.unlink()
    return _take(path)


def _alive(path: Path) -> str:
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return ""
    if owner["host"] == socket.gethostname():
        try:  # the number of a process that ended is given out again
            if abs(psutil.Process(owner["process"]).create_time() - owner["began"]) > 1:
                return ""
        except psutil.NoSuchProcess:
            return ""
    return f"process {owner['process']} on {owner['host']}"
