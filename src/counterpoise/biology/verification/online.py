"""What every online tool shares: the cache before the network, the offline switch, and failures told in a sentence.

A subclass says what it is and overrides `ask`; everything else is here. Gene lists and queries are sent to the service:
that is what going online means, and why it is off unless asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from counterpoise.biology.verification.cache import Answer, Cache
from counterpoise.biology.verification.client import ServiceClient, ServiceFailed
from counterpoise.biology.verification.finding import Finding, listed
from counterpoise.biology.verification.tool import Takes, function_schema, known_symbols

MAX_AGE_DAYS = 90.0
"""Age from which an answer is asked for again; offline an answer of any age serves, and says its date."""


class OnlineTool(ABC):
    """A tool that asks a web service.

    Args:
        client: of the service.
        sources: those that may be asked; at least one of the class's.
        cache: answers kept on disk; None keeps nothing.
        offline: answer from the cache alone.
        max_age_days: see `MAX_AGE_DAYS`.
        top: facts at most (for each source, where there are several).
    """

    name: str
    service: str
    """Key of its address in `make_toolbox`; tools of one service keep one pace."""
    title: str
    """Of the service, for people."""
    description: str
    takes: Takes
    every_source: frozenset[str]
    """What the service could be asked for."""
    version = 1
    """Of the reading of its answers: raised when `ask` changes, so that older cached answers are left."""

    def __init__(
        self,
        client: ServiceClient,
        sources: frozenset[str] | None = None,
        *,
        cache: Cache | None = None,
        offline: bool = False,
        max_age_days: float = MAX_AGE_DAYS,
        top: int = 5,
    ) -> None:
        self.sources = self.every_source if sources is None else self.every_source & sources
        if not self.sources:
            raise ValueError(f"{self.name}: no source is left to ask")
        self.client, self.top = client, top
        self._cache, self._offline, self._max_age = cache, offline, max_age_days

    @abstractmethod
    def ask(self, arguments: dict[str, Any]) -> Answer:
        """Ask the service; `ServiceFailed` says why there is no answer."""

    def schema(self) -> dict[str, Any]:
        """Return the tool as a function in the form of OpenAI's chat interface."""
        return function_schema(self.name, self.description, self.takes)

    def run(self, **arguments: Any) -> Finding:
        """Ask the cache, then the service. ``genes`` and ``gene`` are sent as approved symbols where they are known."""
        asked, told = self._prepared(arguments)
        if not all(asked.values()):
            return Finding(self.name, self.title, told, failure="none of the names is a human gene that is known here")
        key = {
            "address": self.client.base,
            "version": self.version,
            "top": self.top,
            "sources": sorted(self.sources),
            **asked,
        }
        answer = self._cache.get(self.name, key, None if self._offline else self._max_age) if self._cache else None
        cached = answer is not None
        if answer is None and self._offline:
            reason = "not asked: this run is offline, and the cache holds no answer to this"
            return Finding(self.name, self.title, told, failure=reason)
        if answer is None:
            try:
                answer = replace(self.ask(asked), asked=datetime.now(UTC).date().isoformat())
            except ServiceFailed as problem:
                return Finding(self.name, self.title, told, failure=f"{self.title}: {problem}")
            if self._cache:
                self._cache.put(self.name, key, answer)
        return Finding(self.name, self._source(answer), told, answer.lines, answer.terms, cached=cached)

    def cached_any(self) -> bool:
        """True if the cache holds an answer of this tool."""
        return self._cache is not None and self._cache.holds(self.name)

    def _source(self, answer: Answer) -> str:
        version = f" {answer.version}" if answer.version else ""
        return f"{self.title}{version} ({listed(sorted(self.sources))}), asked on {answer.asked}"

    def _prepared(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what is asked (the cache's key: genes sorted) and what the finding tells of it."""
        asked = dict(arguments)
        if "genes" in arguments:
            asked["genes"], missing = known_symbols(arguments["genes"])
            told = {**arguments, "genes": asked["genes"], **({"unrecognised": missing} if missing else {})}
            return {**asked, "genes": sorted(asked["genes"])}, told
        if "gene" in arguments:  # a single name that is not known here is asked as it stands: tables age
            symbols, _ = known_symbols([arguments["gene"]])
            asked["gene"] = symbols[0] if symbols else arguments["gene"]
        return asked, dict(asked)
