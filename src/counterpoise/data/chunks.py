"""A data set in chunks, for tools that pass over any amount of data in constant memory.

    data = open_data("facts.jsonl")                  # or a catalog name, csv, parquet, hub:owner/name ...
    for chunk in data.chunks():
        for item, number, start, end in chunk.read(): ...        # `Located`, or `Problem`

The lines of .jsonl files (.gz too) are in a chunk as they stand, and may be parsed by another process
(`data.workers`). Everything else has to be parsed as it is read.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from counterpoise.data.example import Example
from counterpoise.data.formats import RecordError, check_format, detect, to_example
from counterpoise.data.reading import open_source
from counterpoise.data.records import BOM, Located, Problem, file_errors, json_record, kind_of, open_bytes
from counterpoise.errors import UserError

CHUNK = 1 << 20
"""Bytes of lines in a chunk; a line is never cut, so that one longer than this is a chunk by itself."""
ITEMS = 1000
"""Records in a chunk of what is no .jsonl file."""
LOOKED_AT = 1000
"""Records among which one with a known format is looked for; further on, each is taken by its own."""
Item = Located | Problem


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some successive records: as ``lines`` of a .jsonl file, or already parsed as ``items``.

    Attributes:
        file: its name.
        first: the number of the first line or record, from 1.
        size: bytes of the file that it stands for, for the display of progress; 0 if unknown.
        path, start, length: of a file that is not packed, where its lines stand, so that another process can read them.
    """

    file: str
    first: int
    size: int
    lines: bytes = b""
    items: tuple[Item, ...] = ()
    path: Path | None = None
    start: int = 0
    length: int = 0

    def to_send(self) -> Chunk:
        """Return what another process needs: the place of the lines rather than the lines, where there is one."""
        return self if self.path is None else replace(self, lines=b"")

    def received(self) -> Chunk:
        """Return the chunk that `to_send` was asked of. Raises `UserError` if the file is not what it was."""
        if self.path is None:
            return self
        with file_errors(self.path), self.path.open("rb") as file:
            file.seek(self.start)
            lines = file.read(self.length)
        if len(lines) < self.length:
            raise UserError(f"{self.path}: became shorter while it was read; leave it alone until this is done")
        return replace(self, lines=lines)

    def read(self) -> Iterator[tuple[Item, int, int, int]]:
        """Yield each record with its number (that of its line, if any), and the bytes of ``lines`` where it starts and
        ends."""
        if not self.lines:
            for number, item in enumerate(self.items, start=self.first):
                yield item, number, 0, 0
            return
        end = 0
        for number, line in enumerate(io.BytesIO(self.lines), start=self.first):
            start, end = end, end + len(line)
            found = json_record(line, self.file, number)
            if found is not None:
                yield found, number, start + (len(BOM) if number == 1 and line.startswith(BOM) else 0), end


@dataclass(frozen=True)
class DataSource:
    """A data set that can be read from its start again and again.

    Attributes:
        name: as it was given.
        path: the local file; None for what is no file.
        format, columns: as for `data.reading.read_examples`; the format is what the first usable record has.
        open_items: returns the records.
        first: the first record that could be read, or None.
    """

    name: str
    path: Path | None
    format: str
    columns: Mapping[str, str] | None
    open_items: Callable[[], Iterable[Item]]
    first: Located | None = None

    @property
    def is_lines(self) -> bool:
        """True for a .jsonl file."""
        return self.path is not None and kind_of(self.path) in (".jsonl", ".ndjson")

    @property
    def size(self) -> int:
        """Bytes of the file on disk; 0 for what is no file."""
        return self.path.stat().st_size if self.path is not None else 0

    def chunks(self) -> Iterator[Chunk]:
        """Read the data set from its start. Raises `UserError` where the file as a whole cannot be read."""
        if self.is_lines:
            assert self.path is not None
            yield from _line_chunks(self.path)
            return
        items, first = iter(self.open_items()), 1
        while held := tuple(islice(items, ITEMS)):
            yield Chunk(self.name, first, 0, items=held)
            first += len(held)

    def examples(self) -> Iterator[Example]:
        """Yield the conversations, one at a time; records that cannot be used are left out."""
        for chunk in self.chunks():
            for item, _, _, _ in chunk.read():
                if isinstance(item, Located):
                    try:
                        yield to_example(item.record, format=self.format, columns=self.columns, source=item.source)
                    except RecordError:
                        continue


def open_data(
    source: str | Path,
    *,
    format: str = "auto",
    columns: Mapping[str, str] | None = None,
    split: str | None = None,
    data_dir: str | Path | None = None,
) -> DataSource:
    """Open what `data.reading.read_examples` reads; the arguments are those.

    Raises:
        UserError: the source is missing, is no data set, or holds nothing.
    """
    check_format(format)

    def items() -> Iterable[Item]:
        return open_source(source, format, columns, split, data_dir)[0]

    _, as_format, as_columns = open_source(source, format, columns, split, data_dir)
    path = Path(source).expanduser()
    is_file = not str(source).startswith("hub:") and path.is_file()
    return _looked_into(DataSource(str(source), path if is_file else None, as_format, as_columns, items))


def made_data(name: str, read: Callable[[], Iterable[Example | Problem]]) -> DataSource:
    """Give conversations that are made as they are read (items of tasks, say) the face of a data set."""

    def items() -> Iterable[Item]:
        for found in read():
            if isinstance(found, Problem):
                yield found
                continue
            turns = [{"role": m.role, "content": m.content, "train": m.train} for m in found.messages]
            yield Located({"id": found.id, "messages": turns}, name, found.source, found.source)

    return _looked_into(DataSource(name, None, "messages", None, items))


def _looked_into(data: DataSource) -> DataSource:
    """Find the first record, and the format by the first that has one."""
    first, problem, format = None, None, data.format
    for number, item in enumerate(data.open_items()):
        if isinstance(item, Problem):
            problem = problem or item
            continue
        first = first or item
        if format == "auto" and number < LOOKED_AT:
            try:
                format = detect(item.record, data.columns)
            except RecordError:
                continue
        break
    if first is None:
        if problem is not None:
            raise UserError(f"{data.name}: none of its records can be read; the first: {problem}")
        raise UserError(f"{data.name}: holds no records; expected at least one")
    return replace(data, first=first, format=format)


def _line_chunks(path: Path) -> Iterator[Chunk]:
    number, done, start = 1, 0, 0
    packed = path.suffix.lower() == ".gz"
    with file_errors(path), open_bytes(path) as file:
        on_disk = getattr(file, "fileobj", None) or file  # of a .gz file: the packed bytes
        while block := file.read(CHUNK):
            if not block.endswith(b"\n"):
                block += file.readline()
            size, done = on_disk.tell() - done, on_disk.tell()
            place = (None, 0, 0) if packed else (path, start, len(block))
            yield Chunk(path.name, number, size, block, (), *place)
            number += block.count(b"\n")
            start += len(block)


@dataclass
class Problems:
    """Records that cannot be used: the first is an error, or with ``skip`` they are counted and ``shown`` are kept."""

    skip: bool
    shown: int = 20
    count: int = 0

    def __post_init__(self) -> None:
        self.first: list[Problem] = []

    def add(self, found: Iterable[Problem]) -> None:
        """Count some. Raises `UserError` for the first unless they are to be skipped."""
        for problem in found:
            if not self.skip:
                raise UserError(f"{problem}; fix the {problem.place.split()[0]}, or pass --skip-bad to drop it")
            self.count += 1
            if len(self.first) < self.shown:
                self.first.append(problem)
