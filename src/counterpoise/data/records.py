"""Records from one local file, one at a time: dicts where a line can be read, a `Problem` where it cannot.

    for record in read_records(Path("facts.jsonl")):
        ...                                       # Located(record={"prompt": ...}, source="facts.jsonl:1", ...)

.jsonl and .ndjson, .json (a list, or {"data": [...]}), .csv (quoted where needed), .tsv (never quoted), each also
as .gz, and .parquet. Text is UTF-8; every csv and tsv field is text as it stands: "NA" stays "NA", "007" stays "007".
Only .json is held in memory whole; the others are streamed.
"""

import csv
import gzip
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import orjson

from counterpoise.errors import UserError, nearest

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
BOM = b"\xef\xbb\xbf"
PAST_64_BITS = 2.0**63
"""From here on a float may be what orjson makes of a whole number that does not fit into 64 bits."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A record that could not be used: in which file, where ("line 3"), and why."""

    file: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, {self.place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Located:
    """A record and the place it came from: file, place ("line 3"), source ("facts.jsonl:3")."""

    record: Mapping[str, Any]
    file: str
    place: str
    source: str

    def problem(self, reason: str) -> Problem:
        """Say what is wrong with this record."""
        return Problem(self.file, self.place, reason)


def kind_of(path: Path) -> str:
    """Return the data suffix of a file name, ".gz" left aside (".jsonl"), or "" if it is no data file's name."""
    suffix = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    return suffix.lower() if suffix.lower() in SUFFIXES else ""


def read_records(path: Path) -> Iterator[Located | Problem]:
    """Yield every record of a file in order; a line that cannot be read comes as a `Problem` and reading goes on.

    Raises `UserError` where the file as a whole cannot be read: missing, a folder, an unknown kind, a broken
    archive, a .json file with a syntax error.
    """
    check_file(path)
    readers = {".json": _json, ".csv": _csv, ".tsv": _tsv, ".parquet": _parquet}
    with file_errors(path):
        yield from readers.get(kind_of(path), _json_lines)(path)


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a file as a whole, inside this context, into a `UserError`."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path.name}: not a complete gzip file ({error}); fetch or pack it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None


def check_file(path: Path) -> None:
    """Raise `UserError` unless ``path`` is a data file that exists; the message names the nearest file there is."""
    if path.is_dir():
        files = sorted(file.name for file in path.iterdir() if kind_of(file))
        listed = ", ".join(files[:5]) or "it holds no data file"
        raise UserError(f"{path} is a folder; name one file in it ({listed})")
    if not path.exists():
        if not path.parent.is_dir():
            raise UserError(f"{path}: there is no folder {path.parent}")
        hint = nearest(path.name, sorted(file.name for file in path.parent.iterdir()))
        raise UserError(f"{path}: no such file{hint}")
    if not kind_of(path) or (kind_of(path) == ".parquet" and path.suffix.lower() == ".gz"):
        raise UserError(f"{path.name}: unknown kind of file; expected {', '.join(SUFFIXES)} (all but parquet also .gz)")


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file to read, unpacked if its name ends in .gz."""
    if path.suffix.lower() == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")


def text_lines(path: Path, broken: dict[int, str]) -> Iterator[str]:
    """Yield decoded lines with their newline; what is not UTF-8 is replaced, and noted in ``broken`` by line number."""
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            if number == 1:
                line = line.removeprefix(BOM)
            try:
                yield line.decode("utf-8")
            except UnicodeDecodeError as error:
                broken[number] = _not_utf8(line, error)
                yield line.decode("utf-8", errors="replace")


def _not_utf8(line: bytes, error: UnicodeDecodeError) -> str:
    return f"not UTF-8 (byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line); save it as UTF-8"


def _json_lines(path: Path) -> Iterator[Located | Problem]:
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            found = json_record(line, path.name, number)
            if found is not None:
                yield found


def json_record(line: bytes, file: str, number: int) -> Located | Problem | None:
    """Read one line of a .jsonl file, which of them it is from 1; None for a blank line."""
    if number == 1:
        line = line.removeprefix(BOM)
    try:
        record = orjson.loads(line)
        if type(record) is not dict or _may_be_rounded(record):
            return plain_json_record(line, file, number)
    except (ValueError, RecursionError):
        return plain_json_record(line, file, number)
    return _located(record, file, f"line {number}", number)


def plain_json_record(line: bytes, file: str, number: int) -> Located | Problem | None:
    """`json_record` by the standard library alone, without regard to a byte order mark.

    It takes what orjson refuses (NaN, half characters, blank lines) and says what is wrong with the rest, and it keeps
    whole numbers of any size exact.
    """
    place = f"line {number}"
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Problem(file, place, _not_utf8(line, error))
    if not text or text.isspace():
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Problem(file, place, f"not valid JSON ({_json_reason(error)})")
    return _located(record, file, place, number)


def _may_be_rounded(value: Any) -> bool:
    """Whether a whole number in a record or list may have lost digits."""
    for part in value.values() if type(value) is dict else value:
        kind = type(part)
        if kind is str:
            continue
        if abs(part) >= PAST_64_BITS if kind is float else kind in (dict, list) and _may_be_rounded(part):
            return True
    return False


def _json_reason(error: ValueError | RecursionError, with_line: bool = False) -> str:
    if isinstance(error, json.JSONDecodeError):
        line = f"line {error.lineno}, " if with_line else ""
        return f"{error.msg} at {line}column {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _json(path: Path) -> Iterator[Located | Problem]:
    with open_bytes(path) as file:
        data = file.read()
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x} at byte {error.start + 1} of the file"
        raise UserError(f"{path.name}, line {line}: not UTF-8 ({byte}); save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        reason = f"{path.name}: not valid JSON ({_json_reason(error, with_line=True)})"
        if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
            raise UserError(f"{reason}; if it holds one record a line, name it .jsonl") from None
        raise UserError(f"{reason}; a .json file is read whole or not at all") from None
    rows = content.get("data") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise UserError(f'{path.name}: expected a list of records, or {{"data": [...]}}')
    for number, record in enumerate(rows, start=1):
        yield _located(record, path.name, f"record {number}", number)


def _located(record: Any, file: str, place: str, number: int) -> Located | Problem:
    if not isinstance(record, dict):
        return Problem(file, place, f"expected an object with named columns, found {json.dumps(record)[:40]}")
    return Located(record, file, place, f"{file}:{number}")


def _csv(path: Path) -> Iterator[Located | Problem]:
    broken: dict[int, str] = {}
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # the default ends a field at 131,072 characters
    rows = csv.reader(text_lines(path, broken), strict=True)
    header: list[str] | None = None
    while True:
        start = rows.line_num + 1
        try:
            fields = next(rows, None)
        except csv.Error as error:
            ended = str(error) == "unexpected end of data"
            fields, reason = [], f"not valid csv ({'a quoted field is never closed' if ended else error})"
        else:
            reason = ""
        if fields is None:
            return
        reason = next((broken.pop(n) for n in range(start, rows.line_num + 1) if n in broken), reason)
        if header is None:
            header = _header(path, fields, reason)
        elif reason or fields:
            yield _row(path, header, fields, start, reason)


def _tsv(path: Path) -> Iterator[Located | Problem]:
    broken: dict[int, str] = {}
    header: list[str] | None = None
    for number, line in enumerate(text_lines(path, broken), start=1):
        fields = line.rstrip("\r\n").split("\t")
        reason = broken.pop(number, "")
        if header is None:
            header = _header(path, fields, reason)
        elif reason or fields != [""]:
            yield _row(path, header, fields, number, reason)


def _header(path: Path, fields: list[str], reason: str) -> list[str]:
    """Check the first line of a table: without it no column has a name, so an error there is the file's."""
    if not reason and len(set(fields)) < len(fields):
        repeated = next(name for name in fields if fields.count(name) > 1)
        reason = f"the header names column {repeated!r} twice"
    if not reason and not any(fields):
        reason = "the header is empty; expected the names of the columns"
    if reason:
        raise UserError(f"{path.name}, line 1: {reason}")
    return fields


def _row(path: Path, header: list[str], fields: list[str], number: int, reason: str) -> Located | Problem:
    if not reason and len(fields) != len(header):
        place = f"column {header[len(fields)]!r} is missing" if len(fields) < len(header) else "there are too many"
        reason = f"has {len(fields)} fields where the header has {len(header)} ({place})"
    if reason:
        return Problem(path.name, f"line {number}", reason)
    return _located(dict(zip(header, fields, strict=True)), path.name, f"line {number}", number)


def _parquet(path: Path) -> Iterator[Located | Problem]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=1024):
                for record in batch.to_pylist():
                    number += 1
                    yield _located(record, path.name, f"row {number}", number)
    except pa.ArrowException as error:
        after = f" after row {number}" if number else ""
        raise UserError(f"{path.name}: not a readable parquet file{after} ({str(error).splitlines()[0]})") from None


def reading_summary(source: str, kept: int, dropped: Sequence[Problem], shown: int) -> str:
    """Say in a few lines what was kept of a source and what was dropped, listing the first ``shown`` problems."""
    lines = [f"{source}: kept {kept:,} examples, dropped {len(dropped):,}"]
    lines += [f"  {problem}" for problem in dropped[:shown]]
    if len(dropped) > shown:
        lines.append(f"  and {len(dropped) - shown:,} more")
    return "\n".join(lines)
