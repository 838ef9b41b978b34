"""Waits before a request is sent again."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from counterpoise.endpoints.waiting import LONGEST_WAIT, may_pass, retry_after, wait_before


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3), ("0.5", 0.5), ("", 0), ("soon", 0), ("-3", 0), ("1e400", 0), ("9" * 400, float("inf"))],
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after(value) == seconds


def test_retry_after_as_a_date():
    now = datetime.now(UTC)
    assert 58 < retry_after(format_datetime(now + timedelta(seconds=60), usegmt=True)) <= 60
    assert retry_after(format_datetime(now - timedelta(seconds=60), usegmt=True)) == 0


def test_waits_double_up_to_the_longest_and_are_never_below_what_was_asked():
    chance = random.Random(0)
    for attempt in range(12):
        doubled = min(2.0**attempt, LONGEST_WAIT)
        assert doubled / 2 <= wait_before(attempt, 0, chance) <= doubled
        assert wait_before(attempt, 500, chance) == 500


def test_what_may_pass():
    passing = [status for status in range(300, 600) if may_pass(status)]
    assert passing == [408, 409, 425, 429, 500, *range(502, 600)]
