"""Small checks for reading what services answer: ValueError or TypeError where a value is not what it should be.

>>> probability(0.25), count(3)
(0.25, 3)
"""

from __future__ import annotations

from typing import Any


def probability(value: Any) -> float:
    """Return a number from 0 to 1 (which NaN is not)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("not a probability")
    return float(value)


def count(value: Any) -> int:
    """Return a whole number of at least 0; text of digits is one too, as NCBI writes them."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("not a count")
    return value


def rows(value: Any) -> list[Any]:
    """Return a list."""
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def text(value: Any) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
