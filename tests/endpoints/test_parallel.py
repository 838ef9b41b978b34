"""Results as they come, several at once, and a prompt end."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from counterpoise.endpoints.parallel import in_parallel
from fake_endpoint import FakeEndpoint


def test_results_come_as_they_are_ready_with_their_index():
    gate = threading.Event()

    def work(name):
        if name == "slow":
            assert gate.wait(5)
        return name.upper()

    found = in_parallel(work, ["slow", "a", "b"], threads=2)
    first = [next(found), next(found)]
    gate.set()
    assert first == [(1, "A"), (2, "B")]
    assert list(found) == [(0, "SLOW")]


def test_no_more_than_threads_run_at_once():
    running, most, lock = 0, 0, threading.Lock()

    def work(_):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    assert len(list(in_parallel(work, range(20), threads=3))) == 20
    assert most == 3


def test_an_exception_is_raised_in_the_caller_and_ends_the_work():
    begun = []

    def work(i):
        begun.append(i)
        if i == 1:
            raise KeyError("one")
        time.sleep(0.02)

    with pytest.raises(KeyError, match="one"):
        list(in_parallel(work, range(100), threads=2))
    time.sleep(0.1)
    assert len(begun) < 10


def test_closing_does_not_wait_for_what_is_under_way():
    gate = threading.Event()
    begun = []

    def work(i):
        begun.append(i)
        if i:
            gate.wait(20)
        return i

    found = in_parallel(work, range(50), threads=3)
    assert next(found) == (0, 0)
    started = time.monotonic()
    found.close()
    assert time.monotonic() - started < 1.0
    gate.set()
    time.sleep(0.1)
    assert len(begun) <= 4


def test_nothing_to_do():
    assert list(in_parallel(str, [], threads=4)) == []


INTERRUPTED = """
import sys
from counterpoise.endpoints import EndpointClient
from counterpoise.endpoints.parallel import in_parallel
client = EndpointClient(sys.argv[1], model="m", timeout=60)
ask = lambda i: client.chat([{"role": "user", "content": str(i)}], max_tokens=1)
print("begun", flush=True)
list(in_parallel(ask, range(20), threads=3))
"""


def test_ctrl_c_ends_a_process_whose_requests_hang():
    """Neither the requests under way nor those to come hold it up."""
    with FakeEndpoint() as server:
        server.always = "hang"
        script = [sys.executable, "-c", INTERRUPTED, server.url]
        process = subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "begun\n"
        until = time.monotonic() + 20
        while len(server.posts) < 3 and time.monotonic() < until:
            time.sleep(0.01)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=15)
        assert time.monotonic() - started < 5
        assert "KeyboardInterrupt" in err
        assert len(server.posts) == 3
