"""Conversations from whatever a run config or a command may name: the one place that knows all kinds of sources.

read = read_source("task:gad+hoc", limit=200, data_dir="biomedical")      # items of tasks with their answers
read = read_source("biology:gene-sets", limit=2000, data_dir="biomedical")  # instructions made from GO
read = read_source("facts.jsonl")                                         # file, catalogue name, hub id
for example in iter_source("facts.jsonl"): ...                            # one at a time, where that is possible
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from counterpoise.biology.instructions.source import is_biology_source, iter_instructions, read_instructions
from counterpoise.data.example import Example
from counterpoise.data.reading import ReadResult, iter_examples, read_examples
from counterpoise.data.records import Problem
from counterpoise.evaluation.tasks.source import is_task_source, task_examples


def has_splits(source: str) -> bool:
    """True for a source whose splits are ours, train, dev and test: tasks, and what is made from facts."""
    return is_task_source(source) or is_biology_source(source)


def read_source(
    source: str,
    *,
    format: str = "auto",
    columns: Mapping[str, str] | None = None,
    skip_bad: bool = False,
    limit: int | None = None,
    split: str | None = None,
    data_dir: str | Path | None = None,
    say: Callable[[str], object] | None = None,
) -> ReadResult:
    """Read a whole source.

    Args:
        source: ``task:NAME+NAME``, ``biology:gene-sets``, or what `data.reading` reads.
        format, columns: as there; of no effect on the first two.
        skip_bad: drop records that cannot be used and list them, instead of stopping at the first.
        limit: the first so many examples; of each task a random sample of so many.
        split: of what has splits; "train" if not given.
        data_dir: folder of local copies of data sets.
        say: told what was made of facts, and what was left out.

    Raises:
        UserError: as those that read it.
    """
    if is_task_source(source):
        return task_examples(source, split=split, limit=limit, skip_bad=skip_bad, data_dir=data_dir)
    if is_biology_source(source):
        return read_instructions(source, split=split, limit=limit, data_dir=data_dir, say=say)
    return read_examples(
        source, format=format, columns=columns, skip_bad=skip_bad, limit=limit, split=split, data_dir=data_dir
    )


def iter_source(
    source: str,
    *,
    format: str = "auto",
    columns: Mapping[str, str] | None = None,
    on_bad: Callable[[Problem], object] | None = None,
    limit: int | None = None,
    split: str | None = None,
    data_dir: str | Path | None = None,
) -> Iterable[Example]:
    """Return the examples of a source, one at a time but for tasks, which are read whole; as `read_source`.

    ``on_bad`` is called with each record that cannot be used, and reading goes on; without it the first is an error.
    """
    if is_task_source(source):
        return task_examples(source, split=split, limit=limit, data_dir=data_dir).examples
    if is_biology_source(source):
        return iter_instructions(source, split=split, limit=limit, data_dir=data_dir)
    return iter_examples(
        source, format=format, columns=columns, on_bad=on_bad, limit=limit, split=split, data_dir=data_dir
    )
