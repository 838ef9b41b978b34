"""Tasks as training data: ``task:gad`` or ``task:gad+hoc`` wherever a run config names a source.

    read = task_examples("task:gad+hoc", data_dir="biomedical")      # prompts with their answers, for a language model
    read = task_labels("task:gad", task="sequence-classification")   # labelled text, for an encoder

``split`` is "train" if not given; ``limit`` is a random sample of so many items of each task.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from counterpoise.data.labelled_reading import LabelledSet, LabelSpace
from counterpoise.data.reading import ReadResult
from counterpoise.data.records import Problem
from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.evaluation.tasks.items import LABEL_TASKS, TaskItems, labelled_examples, read_items, training_examples
from counterpoise.evaluation.tasks.spec import TaskSpec

PREFIX = "task:"


def is_task_source(source: str) -> bool:
    """True for a source that names tasks."""
    return source.startswith(PREFIX)


def task_examples(
    source: str,
    *,
    split: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    data_dir: str | Path | None = None,
) -> ReadResult:
    """Return the items of tasks as conversations.

    Raises:
        UserError: an unknown task or split, data that is missing, or a record that cannot be used (unless
            ``skip_bad``), with file and line.
    """
    examples, dropped = [], []
    for spec, found in _read(source, split, limit, seed, skip_bad, data_dir):
        if spec.kind == "nll":
            raise UserError(f"{source}: {spec.name} has no answers to learn; leave it out")
        examples += training_examples(found.items)
        dropped += found.problems
    return ReadResult(source, examples, dropped)


def task_labels(
    source: str,
    *,
    task: str,
    split: str | None = None,
    labels: Sequence[str] | None = None,
    limit: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    data_dir: str | Path | None = None,
) -> LabelledSet:
    """Return the items of one task as labelled text; arguments as for :func:`task_examples`.

    Args:
        task: what the encoder is to learn (``model.task``).
        labels: those that must be the task's own, in any order; None for no such check.

    Raises:
        UserError: as there, and several tasks, or one that is not ``task``.
    """
    found = list(_read(source, split, limit, seed, skip_bad, data_dir))
    if len(found) > 1:
        raise UserError(f"{source}: an encoder learns one task; name one")
    spec, read = found[0]
    wanted = LABEL_TASKS.get(spec.kind)
    examples = labelled_examples(spec, read.items)
    if wanted != task:
        raise UserError(f"{source}: set model.task to {wanted}, which this task is; it is {task}")
    space = _space(spec, read)
    if labels is not None and set(labels) != set(space.labels):
        raise UserError(f"{source}: its labels are {', '.join(space.labels)}, not {', '.join(labels)}")
    return LabelledSet(source, space, examples, read.problems)


def _space(spec: TaskSpec, read: TaskItems) -> LabelSpace:
    from counterpoise.evaluation.task_metrics import label_space

    return label_space(spec, read.items)


def _read(
    source: str, split: str | None, limit: int | None, seed: int, skip_bad: bool, data_dir: str | Path | None
) -> list[tuple[TaskSpec, TaskItems]]:
    names = [name.strip() for name in source.removeprefix(PREFIX).split("+")]
    result = []
    for spec in [tasks.get(name) for name in names]:
        found = read_items(spec, split or "train", data_dir=data_dir, limit=limit, seed=seed)
        if found.problems and not skip_bad:
            first: Problem = found.problems[0]
            raise UserError(f"{first}; fix the {first.place.split()[0]}, or pass --skip-bad to drop it")
        result.append((spec, found))
    return result
