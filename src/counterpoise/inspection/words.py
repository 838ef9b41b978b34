"""Lists of English words, from the text files beside this one."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def stop_words() -> frozenset[str]:
    """Return English function words: what a text in English is full of, whatever it is about."""
    return _read("stop_words.txt")


@cache
def everyday_words() -> frozenset[str]:
    """Return words that general English shares with the names of genes and biological processes."""
    return _read("everyday_words.txt")


@cache
def other_languages() -> dict[str, frozenset[str]]:
    """Return language -> function words that English does not have."""
    text = (resources.files("counterpoise.inspection") / "other_languages.txt").read_text(encoding="utf-8")
    parted = (line.partition(":") for line in text.splitlines())
    return {name: frozenset(words.split()) - stop_words() - {"die", "o"} for name, _, words in parted}


def _read(name: str) -> frozenset[str]:
    text = (resources.files("counterpoise.inspection") / name).read_text(encoding="utf-8")
    return frozenset(text.split())
