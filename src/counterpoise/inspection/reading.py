"""What is inspected: conversations, or running text.

    read = read_records_of(DataRequest("medquad", limit=500, data_dir="biomedical"))     # conversations
    read = read_records_of(DataRequest("notes.txt"))                                    # a document a line

A source is anything that training reads (`data.reading`, ``task:NAME``, ``biology:gene-sets``), a .txt file, or a data
file with a column ``text``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from counterpoise.data.example import Example
from counterpoise.data.formats import RecordError, detect, rename
from counterpoise.data.records import Located, Problem, check_file, kind_of, read_records
from counterpoise.errors import UserError
from counterpoise.evaluation.nll import general_sentences
from counterpoise.evaluation.sources import read_source

TEMPLATES = ("auto", "chat", "plain", "text")
GENERAL = "embedded general sentences"


@dataclass(frozen=True)
class DataRequest:
    """Which data, and how to read them; as the data section of a run config.

    ``template``: chat (the tokenizer's own), plain, text (running text), or auto: text for a .txt file and for records
    with a column ``text`` that are in no other format, else chat.
    """

    source: str
    split: str | None = None
    limit: int | None = None
    format: str = "auto"
    columns: Mapping[str, str] | None = None
    skip_bad: bool = False
    data_dir: str | Path | None = None
    template: str = "auto"


@dataclass(frozen=True)
class Record:
    """One conversation or text, as people read it. ``messages`` is empty for running text."""

    source: str
    id: str
    prompt: str
    completion: str
    messages: tuple[dict[str, Any], ...] = ()
    example: Example | None = None


@dataclass(frozen=True)
class Records:
    """What was read, in the order of the source."""

    name: str
    records: list[Record]
    is_text: bool
    dropped: list[Problem] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell the same records from others."""
        digest = hashlib.sha256()
        for record in self.records:
            digest.update(json.dumps([record.completion, record.messages]).encode())
        return digest.hexdigest()[:16]


def read_records_of(request: DataRequest) -> Records:
    """Read a source.

    Raises:
        UserError: it is missing, empty or in an unknown format, or a record cannot be used (unless ``skip_bad``).
    """
    if request.template not in TEMPLATES:
        raise UserError(f"template is {request.template!r}; expected {', '.join(TEMPLATES)}")
    path = Path(request.source).expanduser()
    if path.suffix.lower() == ".txt":
        return _lines_of(request, path)
    is_file = path.is_file() and bool(kind_of(path))
    if is_file and request.template in ("auto", "text") and request.format == "auto":
        first = next((r for r in read_records(path) if isinstance(r, Located)), None)
        if first is not None and _has_text(first.record, request.columns):
            return _texts_of(request, path)
    return _conversations(request)


def general_text() -> Records:
    """Return the embedded general sentences: plain English about everything but biology."""
    return Records(GENERAL, [Record(f"sentence {n}", "", "", t) for n, t in enumerate(general_sentences(), 1)], True)


def _has_text(record: Mapping[str, Any], columns: Mapping[str, str] | None) -> bool:
    if columns and "text" in columns:
        return True
    try:
        detect(record, columns)
    except RecordError:
        return "text" in record
    return False


def _lines_of(request: DataRequest, path: Path) -> Records:
    """A document a line; blank lines are none."""
    if request.template in ("chat", "plain"):
        raise UserError(f"{request.source}: a .txt file is running text; leave template {request.template} out")
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    if request.split is not None:
        raise UserError(f"{path}: a file has no split {request.split!r}; leave split out")
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = ((n, line.strip()) for n, line in enumerate(file, start=1) if line.strip())
            found = [Record(f"{path.name}:{n}", "", "", line) for n, line in islice(lines, request.limit)]
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 (byte {error.start + 1}); save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not found:
        raise UserError(f"{path}: holds no text; expected a document a line")
    return Records(request.source, found, True)


def _texts_of(request: DataRequest, path: Path) -> Records:
    """The column ``text`` of a data file."""
    check_file(path)
    if request.split is not None:
        raise UserError(f"{path}: a file has no split {request.split!r}; leave split out")
    found: list[Record] = []
    dropped: list[Problem] = []
    for located in read_records(path):
        problem = located if isinstance(located, Problem) else None
        if isinstance(located, Located):
            try:
                record = rename(located.record, request.columns)
                text = record.get("text")
                if not isinstance(text, str):
                    raise RecordError("column 'text' holds no text")
                key = record.get("id")
                found.append(Record(located.source, "" if key is None else str(key), "", text))
            except RecordError as error:
                problem = located.problem(str(error))
        if problem is not None and not request.skip_bad:
            raise UserError(f"{problem}; fix the {problem.place.split()[0]}, or pass --skip-bad to drop it")
        if problem is not None:
            dropped.append(problem)
        if len(found) == request.limit:
            break
    if not found:
        raise UserError(f"{request.source}: holds no text; expected records with a column 'text'")
    return Records(request.source, found, True, dropped)


def _conversations(request: DataRequest) -> Records:
    read = read_source(
        request.source,
        format=request.format,
        columns=request.columns,
        skip_bad=request.skip_bad,
        limit=request.limit,
        split=request.split,
        data_dir=request.data_dir,
    )
    is_text = request.template == "text"
    return Records(request.source, [_record(example, is_text) for example in read.examples], is_text, read.dropped)


def _record(example: Example, is_text: bool) -> Record:
    if is_text:
        return Record(example.source, example.id, "", "\n".join(turn.content for turn in example.messages))
    return Record(
        example.source,
        example.id,
        "\n".join(turn.content for turn in example.messages if not turn.is_learned),
        "\n".join(turn.content for turn in example.learned),
        tuple({"role": turn.role, "content": turn.content, "train": turn.train} for turn in example.messages),
        example,
    )
