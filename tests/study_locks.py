"""Locks of a study as other processes leave them, and several processes that begin at once."""

import json
import multiprocessing
import socket

from counterpoise.studies.compare.lock import FILE


def lock(place, process, host=None, began=0.0):
    """Write the lock of a folder, which is made if need be, and return its file; ``host`` None: this one."""
    place.mkdir(parents=True, exist_ok=True)
    file = place / FILE
    file.write_text(json.dumps({"process": process, "host": host or socket.gethostname(), "began": began}))
    return file


def at_once(count, work, folder):
    """Return what ``work(folder)`` returned in each of several processes that began together."""
    fork = multiprocessing.get_context("fork")
    start, said = fork.Barrier(count), fork.SimpleQueue()
    processes = [fork.Process(target=_after, args=(start, work, folder, said)) for _ in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [said.get() for _ in processes]


def _after(start, work, folder, said):
    start.wait()
    said.put(work(folder))
