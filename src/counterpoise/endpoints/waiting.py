"""How long to wait before a request is sent again, for endpoints and for the services of biology alike.

>>> retry_after("7")
7.0
>>> may_pass(503), may_pass(501), may_pass(404)
(True, False, False)
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds before the second attempt, and the longest that doubling leads to."""
PASSING = (408, 409, 425, 429)
"""Refusals that pass, besides 5xx."""


def may_pass(status: int) -> bool:
    """True for a refusal that another attempt may mend (501, not implemented, will not pass)."""
    return status in PASSING or (status >= 500 and status != 501)


def wait_before(attempt: int, least: float, chance: random.Random) -> float:
    """Seconds to wait after the failed ``attempt`` (from 0): doubling, with a random part, never below ``least``."""
    doubled = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT)
    return max(least, doubled * chance.uniform(0.5, 1.0))


def retry_after(value: str) -> float:
    """Seconds that a Retry-After header asks for: a number or a date; 0 if it says nothing that can be read."""
    try:
        return max(0.0, float(value)) if value.strip().replace(".", "", 1).isdigit() else _until(value)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _until(date: str) -> float:
    moment = parsedate_to_datetime(date)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
