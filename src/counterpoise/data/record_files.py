"""Records into files: .jsonl, .csv or .parquet, by the name's ending; whole or not at all, and never over the source.

    layout = Layout.of(Path("out.csv"), columns=("id", "prompt", "completion"))
    with record_file(Path("out.csv"), layout) as file:
        file.write(layout.encode(records))           # `encode` may run in another process than `write`

.jsonl, .ndjson and .csv may be packed (.gz). Text is UTF-8 without a byte order mark; csv is as RFC 4180 has it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, cast

import orjson

from counterpoise.data.records import kind_of
from counterpoise.disk import check_writable, replacing, writing
from counterpoise.errors import UserError

KINDS = (".jsonl", ".ndjson", ".csv", ".parquet")
ROW_GROUP = 8192
"""Rows that are held until they are written to a .parquet file; the first so many decide the types of its columns."""

_AS_TEXT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
"""What orjson would write in ways of its own, and `json_line` as text."""
Encoded = bytes | list[dict[str, Any]]


@dataclass(frozen=True)
class Layout:
    """How records become a file.

    Attributes:
        kind: one of `KINDS`.
        columns: of a table (csv, parquet), in their order; missing values are "".
        schema: of a .parquet file (pyarrow); None: inferred from its first rows.
    """

    kind: str
    columns: tuple[str, ...] = ()
    schema: Any = None

    @classmethod
    def of(cls, path: Path, columns: Sequence[str] = ()) -> Layout:
        """Return the layout by a name's ending. Raises `UserError` for one that cannot be written."""
        kind = kind_of(path)
        packed = path.suffix.lower() == ".gz"
        if kind not in KINDS or (packed and kind == ".parquet"):
            raise UserError(f"{path.name}: cannot write this kind of file; expected {', '.join(KINDS)}")
        return cls(kind, tuple(columns))

    @property
    def is_table(self) -> bool:
        """True where every record has the same columns."""
        return self.kind in (".csv", ".parquet")

    def encode(self, records: Sequence[Mapping[str, Any]]) -> Encoded:
        """Return records as they are written: bytes, or for .parquet the rows."""
        if self.kind == ".parquet":
            if self.schema is not None:
                return [dict(record) for record in records]
            return [{column: record.get(column, "") for column in self.columns} for record in records]
        if self.kind == ".csv":
            text = io.StringIO()
            csv.writer(text).writerows([_cell(record.get(column)) for column in self.columns] for record in records)
            return text.getvalue().encode("utf-8", "backslashreplace")
        return b"".join(json_line(record) for record in records)


def json_line(record: Mapping[str, Any]) -> bytes:
    """Return a record as a line of .jsonl; what JSON does not know (dates of a .parquet file) becomes text."""
    try:
        line = orjson.dumps(record, default=str, option=_AS_TEXT | orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half a character, which JSON can hold as an escape only; a number of more than 64 bits
        line = b"null"
    if b"null" in line:  # or, perhaps, what was NaN
        text = json.dumps(record, ensure_ascii=False, default=str, separators=(",", ":"))
        line = text.encode("utf-8", "backslashreplace") + b"\n"
    return line


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


class RecordFile(Protocol):
    """A file that is being written."""

    def write(self, encoded: Any, /) -> object:
        """Append what `Layout.encode` returned."""


def check_output(out: Path, sources: Sequence[Path | None], overwrite: bool) -> None:
    """Raise `UserError` if ``out`` is a source, is there already (unless ``overwrite``), or cannot be written."""
    for source in sources:
        if source is not None and (out == source or (out.exists() and out.samefile(source))):
            raise UserError(f"{out}: is the file that is read; name another to write")
    if out.is_file() and not overwrite:
        raise UserError(f"{out}: is there already; pass --overwrite, or name another file")
    check_writable(out)


@contextmanager
def record_file(path: Path, layout: Layout) -> Iterator[RecordFile]:
    """`record_files` for one file."""
    with record_files([path], layout) as files:
        yield files[0]


@contextmanager
def record_files(paths: Sequence[Path], layout: Layout) -> Iterator[list[RecordFile]]:
    """Open files of records to be written; they are all there at the end of this context, and none after an error.

    Raises:
        UserError: the disk is full, or a file cannot be written.
    """
    with writing(paths[0], "free some space, or write somewhere else"), ExitStack() as drafts:
        named = [(drafts.enter_context(replacing(path)), path) for path in paths]
        with ExitStack() as files:  # all are written and closed before the first takes its place
            yield [files.enter_context(_opened(draft, path, layout)) for draft, path in named]


@contextmanager
def _opened(draft: Path, path: Path, layout: Layout) -> Iterator[RecordFile]:
    if layout.kind == ".parquet":
        with _Parquet(draft, path.name, layout) as table:
            yield table
        return
    with draft.open("wb") as plain:
        if path.suffix.lower() == ".gz":  # without name and time, so that the same records give the same file
            with gzip.GzipFile("", "wb", fileobj=plain, mtime=0) as packed:
                yield _headed(cast(IO[bytes], packed), layout)
        else:
            yield _headed(plain, layout)


def _headed(file: IO[bytes], layout: Layout) -> IO[bytes]:
    if layout.kind == ".csv":
        file.write(cast(bytes, layout.encode([dict(zip(layout.columns, layout.columns, strict=True))])))
    return file


class _Parquet:
    """Rows to a .parquet file, a row group at a time."""

    def __init__(self, path: Path, name: str, layout: Layout) -> None:
        self.path, self.name, self.schema = path, name, layout.schema
        self.rows: list[dict[str, Any]] = []
        self.written = 0
        self.writer: Any = None

    def __enter__(self) -> _Parquet:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None and (self.rows or self.writer is None):
                self._flush()
        finally:
            if self.writer is not None:
                self.writer.close()

    def write(self, rows: list[dict[str, Any]]) -> None:
        self.rows += rows
        if len(self.rows) >= ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pa.Table.from_pylist(self.rows, schema=self.schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise UserError(
                f"{self.name}: rows from {self.written + 1:,} on do not all have the same types of columns "
                f"({str(error).splitlines()[0]}); write .jsonl instead"
            ) from None
        if self.writer is None:
            if self.schema is None:  # a column that is empty so far may hold texts further on
                types = [pa.string() if pa.types.is_null(field.type) else field.type for field in table.schema]
                self.schema = pa.schema(list(zip(table.schema.names, types, strict=True)))
                table = table.cast(self.schema)
            self.writer = pq.ParquetWriter(self.path, self.schema)
        self.writer.write_table(table)
        self.written += len(self.rows)
        self.rows = []
