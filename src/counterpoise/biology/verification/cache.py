"""Answers of online services kept on disk: nothing is asked twice, and a run can be repeated without a network.

    cache = Cache(folder)
    cache.put("pubmed", {"query": "TP53"}, answer)
    cache.get("pubmed", {"query": "TP53"}, max_age_days=90)

One JSON file an answer, in a folder a tool, named by the SHA-256 of the key: address of the service, version of
its reading, arguments, and the sources that were asked (so that an answer got without a mask never serves under one).
Files are written beside their place and renamed. Failures are not kept. Delete the folder to forget everything.
"""

from __future__ import annotations

import hashlib
import json
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from counterpoise.disk import replace_text
from counterpoise.models.cache import cache_folder


@dataclass(frozen=True)
class Answer:
    """What a service said, read and cleaned.

    Attributes:
        lines, terms: as in `Finding`.
        version: what the service calls its data, if it says so.
        asked: the day, such as 2026-07-01.
    """

    lines: tuple[str, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()
    version: str = ""
    asked: str = ""


def default_folder() -> Path:
    """Return where answers are kept unless another folder is named: ``verification`` of the user cache."""
    return cache_folder() / "verification"


class Cache:
    """Answers by tool and key; may be used from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._warned = False
        self._lock = threading.Lock()

    def holds(self, tool: str) -> bool:
        """True if there is any answer of this tool."""
        return next((self.folder / tool).glob("??/*.json"), None) is not None

    def get(self, tool: str, key: Mapping[str, Any], max_age_days: float | None = None) -> Answer | None:
        """Return the answer; None if there is none, it is older, or its file cannot be read as one."""
        try:
            kept = json.loads(self._path(tool, key).read_text(encoding="utf-8"))
            found = kept["answer"]
            terms = tuple((str(i), str(name)) for i, name in found["terms"])
            lines = tuple(str(line) for line in found["lines"])
            answer = Answer(lines, terms, str(found["version"]), str(found["asked"]))
            age = datetime.now(UTC).date() - datetime.strptime(answer.asked, "%Y-%m-%d").date()
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if kept.get("key") != json.loads(_text(key)) or (max_age_days is not None and age.days > max_age_days):
            return None
        return answer

    def put(self, tool: str, key: Mapping[str, Any], answer: Answer) -> None:
        """Keep an answer; where that cannot be done, warn once and go on without."""
        path = self._path(tool, key)
        row = {"tool": tool, "key": json.loads(_text(key)), "answer": vars(answer)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock:  # drafts are told apart by process, not by thread
                replace_text(path, json.dumps(row, ensure_ascii=False) + "\n")
        except OSError as error:
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"{self.folder}: answers of services are not kept ({error.strerror}); choose another folder",
                    stacklevel=2,
                )

    def _path(self, tool: str, key: Mapping[str, Any]) -> Path:
        name = hashlib.sha256(_text(key).encode()).hexdigest()
        return self.folder / tool / name[:2] / f"{name}.json"


def _text(key: Mapping[str, Any]) -> str:
    return json.dumps(key, sort_keys=True, ensure_ascii=True)
