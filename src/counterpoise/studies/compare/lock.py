"""One process a unit: a second one that is started on the same folder is told, instead of writing between the lines.

    with locked(place, say=print):
        ...                                  # train and measure what lies in ``place``
    with waited_for(place, say=print):
        ...                                  # the same, after whoever holds it now
    holder(place)                            # "process 4711 on node-3", or "" where nobody is at work

The lock is a file with process and host. One that a killed process left on this host is taken over; of another host
nobody here can tell, so its lock is believed.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from counterpoise.disk import draft_of
from counterpoise.errors import UserError

FILE = "working.json"
PAUSE = 1.0
"""Seconds between two looks at a lock that is waited for."""


class Held(UserError):  # noqa: N818 - often nothing went wrong
    """Another process is at work in a folder."""


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


def holder(place: Path) -> str:
    """Return who is at work in a folder: process and host; empty if nobody, or a process of this host that is gone."""
    return _alive(place / FILE)


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
