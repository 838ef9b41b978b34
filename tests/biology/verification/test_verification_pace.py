"""The rate limit: evenly spaced moments over all threads, by a clock that nobody has to wait for."""

import threading

import pytest
from service_server import Clock

from counterpoise.biology.verification.pace import Pace


def test_the_first_goes_at_once_and_the_next_a_third_of_a_second_later():
    clock = Clock()
    pace = Pace(3, clock, clock.sleep)
    for _ in range(3):
        pace.wait()
    assert clock.slept == pytest.approx([1 / 3, 1 / 3])


def test_after_a_pause_nobody_waits():
    clock = Clock()
    pace = Pace(3, clock, clock.sleep)
    pace.wait()
    clock.now += 10
    pace.wait()
    assert clock.slept == []


def test_threads_get_different_moments():
    slept: list[float] = []
    pace = Pace(4, clock=lambda: 100.0, sleep=slept.append)  # the clock stands still: moments are told by the waits
    gate = threading.Barrier(6)

    def work() -> None:
        gate.wait()
        for _ in range(5):
            pace.wait()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slept) == pytest.approx([i / 4 for i in range(1, 30)])


def test_a_hold_is_for_everybody_and_never_shortens_a_longer_one():
    clock = Clock()
    pace = Pace(10, clock, clock.sleep)
    pace.hold(7)
    pace.hold(2)
    pace.wait()
    assert clock.slept == [7]
