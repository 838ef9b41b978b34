"""A GO term by what a model calls it: its id, its name, or the nearest name there is.

>>> TermLookup(["BP"]).find("DNA Repair")
Match(go_id='GO:0006281', exact=True)

Nearest is the name that shares most words with the query (Jaccard index of the word sets, at least `NEAR`), the shorter
and then the alphabetically first of equals. Terms of other ontologies than those asked for are never found.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from counterpoise.biology.ontology import OntologyName, load_ontology

NEAR = 0.5
"""Least share of common words; below it a name speaks of something else."""
_LITTLE = frozenset(["a", "an", "and", "by", "for", "from", "in", "of", "on", "or", "the", "to", "via", "with"])


@dataclass(frozen=True)
class Match:
    """A term, and whether the query named it exactly (up to case, plural and punctuation)."""

    go_id: str
    exact: bool


class TermLookup:
    """Looks terms up in some of the three ontologies; the index is made at the first query."""

    def __init__(self, kinds: Sequence[OntologyName]) -> None:
        self._kinds = frozenset(kinds)

    def find(self, query: str) -> Match | None:
        """Return the term of this id or name, else that of the nearest name, else None."""
        if go := re.search(r"GO:\d{7}", query, re.IGNORECASE):
            go_id = go[0].upper()
            return Match(go_id, True) if go_id in self._words else None
        words = _words(query)
        if exact := self._by_words.get(words):
            return Match(exact, True)
        wanted = set(words)
        shared = Counter(go_id for word in wanted for go_id in self._with_word.get(word, ()))
        scored = [(both / (len(wanted) + len(set(self._words[go_id])) - both), go_id) for go_id, both in shared.items()]
        near = [
            (-score, len(self._words[go_id]), self._words[go_id], go_id) for score, go_id in scored if score >= NEAR
        ]
        return Match(min(near)[-1], False) if near else None

    @cached_property
    def _words(self) -> dict[str, tuple[str, ...]]:
        terms = load_ontology().terms.values()
        return {term.go_id: _words(term.name) for term in terms if term.ontology in self._kinds}

    @cached_property
    def _by_words(self) -> dict[tuple[str, ...], str]:
        return {words: go_id for go_id, words in sorted(self._words.items(), reverse=True)}

    @cached_property
    def _with_word(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for go_id, words in self._words.items():
            for word in set(words):
                found[word].append(go_id)
        return found


def _words(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case and the singular, without little ones; signalling is signaling."""
    found = re.findall(r"[a-z0-9]+", name.lower().replace("signalling", "signaling"))
    return tuple(_singular(word) for word in found if word not in _LITTLE)


def _singular(word: str) -> str:
    if len(word) < 5 or not word.endswith("s") or word.endswith(("ss", "is", "us")):
        return word
    return word[:-2] if word.endswith("sses") else word[:-3] + "y" if word.endswith("ies") else word[:-1]
