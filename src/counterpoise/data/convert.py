"""Turn a data set into another format or kind of file, record by record (``counterpoise data convert``).

    done = convert(open_data("qa.csv", columns={"prompt": "Question", "completion": "Answer"}), Path("qa.jsonl"))
    done.records, done.notes

What each format can hold: `data.writing_formats`. Memory does not grow with the data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.data.chunks import Chunk, DataSource, Problems
from counterpoise.data.formats import RecordError, to_example
from counterpoise.data.record_files import Encoded, Layout, check_output, record_file
from counterpoise.data.records import Problem
from counterpoise.data.workers import Progress, Workers, each_chunk
from counterpoise.data.writing_formats import COLUMNS, check_target, to_record
from counterpoise.errors import UserError, nearest

READ = {**COLUMNS, "messages": ("messages", "conversations"), "sharegpt": ("system", "conversations")}
"""Columns that a format reads."""


@dataclass(frozen=True)
class Conversion:
    """What was written; ``notes`` says in sentences what the file does not hold, or not for every reader."""

    out: Path
    records: int
    dropped: int
    first_dropped: tuple[Problem, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Converted:
    """A chunk in its new form; with ``apart`` its records one by one."""

    encoded: list[Encoded]
    records: int
    problems: list[Problem]
    left: frozenset[str]
    """Columns that were neither read nor kept."""
    unlearned: int
    """Answers that are not to be learned."""
    shortened: int
    """Conversations of which only the first question and answer is left."""
    long_completions: int
    """Completions that hold further questions."""


@dataclass(frozen=True)
class Convert:
    """The work on a chunk, picklable."""

    format: str
    columns: Mapping[str, str] | None
    to: str
    layout: Layout
    keep: tuple[str, ...] = ()
    first_turn: bool = False
    apart: bool = False
    more: Mapping[str, str] | None = None
    """Columns that every record gets."""

    def __call__(self, chunk: Chunk) -> Converted:
        known = {*READ.get(self.format, ()), *self._read_columns(), *self.keep, "id"}
        rows, problems = list[dict[str, Any]](), list[Problem]()
        met: set[tuple[str, ...]] = set()  # records of one kind have the same columns
        unlearned = shortened = long_completions = 0
        for item, _, _, _ in chunk.read():
            if isinstance(item, Problem):
                problems.append(item)
                continue
            try:
                example = to_example(item.record, format=self.format, columns=self.columns, source=item.source)
                row = to_record(example, self.to, in_table=self.layout.is_table, first_turn=self.first_turn)
            except RecordError as error:
                problems.append(item.problem(str(error)))
                continue
            for message in example.messages:
                unlearned += message.role == "assistant" and not message.train
            shortened += self.first_turn and len(example.messages) > 2 + (example.messages[0].role == "system")
            completion = row.get("completion")
            long_completions += isinstance(completion, list) and len(completion) > 1
            met.add(tuple(item.record))
            for column in self.keep:
                row[column] = item.record.get(column)
            if self.more:
                row |= self.more
            rows.append(row)
        encoded = [self.layout.encode([row]) for row in rows] if self.apart else [self.layout.encode(rows)]
        left = frozenset(column for columns in met for column in columns) - known
        return Converted(encoded, len(rows), problems, left, unlearned, shortened, long_completions)

    def _read_columns(self) -> set[str]:
        found: set[str] = set()
        for given in (self.columns or {}).values():
            found |= {given, *re.findall(r"\{([^{}]+)\}", given)}
        return found


def convert(
    data: DataSource,
    out: Path,
    *,
    to: str = "messages",
    keep: Sequence[str] = (),
    first_turn: bool = False,
    overwrite: bool = False,
    skip_bad: bool = False,
    workers: int | None = None,
    on_progress: Progress | None = None,
) -> Conversion:
    """Write a data set as another format.

    Args:
        data: what to read.
        out: the file to write; its ending says how (`data.record_files`).
        to: the format.
        keep: columns to carry over besides ``id``.
        first_turn: of longer conversations the first question and answer alone, where the format holds no more.
        overwrite: replace ``out`` if it is there.
        skip_bad: drop records that cannot be read or held, and count them, instead of stopping at the first.
        workers: processes; None: as many as pay.
        on_progress: told megabytes read, where they are known.

    Raises:
        UserError: one sentence, with file and line where it is about a record; nothing is written then.
    """
    check_target(to, first_turn=first_turn)
    layout = target_layout(out, to, keep)
    _check_keep(data, keep, layout)
    check_output(out, [data.path], overwrite)
    work = Convert(data.format, data.columns, to, layout, tuple(keep), first_turn)
    problems, records, left = Problems(skip_bad), 0, set[str]()
    unlearned = shortened = long_completions = 0
    with record_file(out, layout) as file, Workers.for_bytes(data.size, workers) as pool:
        for _, found in each_chunk(data, work, pool, on_progress):
            problems.add(found.problems)
            for encoded in found.encoded:
                file.write(encoded)
            records += found.records
            left |= found.left
            unlearned += found.unlearned
            shortened += found.shortened
            long_completions += found.long_completions
        if not records:
            raise UserError(f"{data.name}: none of its {problems.count:,} records can be used: {problems.first[0]}")
    notes = []
    if left:
        columns = ", ".join(sorted(left))
        notes.append(f"these columns were left out: {columns} (--keep COLUMN carries one over)")
    if shortened:
        notes.append(f"{shortened:,} longer conversations were cut to their first question and answer")
    if unlearned and to in ("sharegpt", "messages") and not first_turn:
        notes.append(f"{unlearned:,} answers are marked train: false; programs that do not know this will learn them")
    if long_completions:
        notes.append(
            f"{long_completions:,} completions hold further questions; programs that learn completions whole learn them"
        )
    return Conversion(out, records, problems.count, tuple(problems.first), tuple(notes))


def target_layout(out: Path, to: str, more: Sequence[str] = ()) -> Layout:
    """Return how a format is written to this kind of file. Raises `UserError` for a csv of a format with lists."""
    layout = Layout.of(out, ("id", *COLUMNS[to], *more))
    if layout.kind == ".csv" and to in ("sharegpt", "messages"):
        raise UserError(
            f"{out.name}: a csv cannot hold the lists of turns of {to}; write .jsonl or .parquet, or pass --to "
            "prompt-completion"
        )
    return layout


def _check_keep(data: DataSource, keep: Sequence[str], layout: Layout) -> None:
    known = [str(name) for name in (data.first.record if data.first else {})]
    for column in keep:
        if column in layout.columns[: len(layout.columns) - len(keep)]:
            raise UserError(f"--keep {column}: the format has a column of this name already")
        if column not in known:
            raise UserError(
                f"--keep {column}: the first record of {data.name} has no such column{nearest(column, known)}; it has "
                f"{', '.join(known)}"
            )
