"""Overlap between tasks and training data: told with scores, and left out of training where a run config says so.

overlap(items_by_task, training_texts(["facts.jsonl", "task:gad"]))["text"]
kept, report = without_overlap(examples, ["pubmedqa", "group:blurb"], data_dir)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoise.data.contamination import TestIndex, examples_text, filter_examples
from counterpoise.data.contamination_report import ContaminationReport
from counterpoise.data.example import Example
from counterpoise.errors import UserError
from counterpoise.evaluation.runner import check_tasks
from counterpoise.evaluation.sources import iter_source
from counterpoise.evaluation.tasks.item import Item
from counterpoise.evaluation.tasks.items import is_available, read_items


def scan(items: Mapping[str, Sequence[Item]], training: Iterable[tuple[str, str]], n: int = 8) -> ContaminationReport:
    """Compare the items of tasks with training texts, (place, text) each, by runs of ``n`` words."""
    index = TestIndex(n)
    for task, found in items.items():
        for item in found:
            index.add(task, item.id, item.text or item.prompt)
    return index.scan(training)


def overlap(items: Mapping[str, Sequence[Item]], training: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return what `scan` finds as plain data for ``results.json``, and as ``text`` for people."""
    report = scan(items, training)
    return {**report.as_dict(), "text": str(report)}


def training_texts(sources: Sequence[str], data_dir: str | Path | None = None) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of every training example of the sources (`evaluation.sources`)."""
    for source in sources:
        for example in iter_source(source, data_dir=data_dir):
            yield example.source, examples_text(example)


def items_of(names: Sequence[str], data_dir: str | Path | None = None) -> dict[str, list[Item]]:
    """Return the test items of tasks, by task; of a group those that are on this disk.

    Raises UserError for a task that is named and not there, and where nothing is left.
    """
    found = {}
    for spec in check_tasks(names):
        here = spec.is_embedded or is_available(spec, data_dir, ("test",))
        if here or spec.name in names:
            found[spec.name] = read_items(spec, "test", data_dir=data_dir).items
    if not found:
        raise UserError(f"none of the tasks in {', '.join(names)} is in the data folder (--data-dir)")
    return found


def without_overlap(
    examples: Sequence[Example], names: Sequence[str], data_dir: str | Path | None = None
) -> tuple[list[Example], ContaminationReport]:
    """Return the training examples that hold none of these tasks' test items, and what was found.

    Examples are dropped until no item has half of its runs of 8 words, or all of its text, in what is left; items of
    fewer than five words are let be.
    """
    report = scan(items_of(names, data_dir), ((example.source, examples_text(example)) for example in examples))
    return list(filter_examples(examples, report)), report
