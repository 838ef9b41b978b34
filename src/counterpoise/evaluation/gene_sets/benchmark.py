"""The gene sets of a task for a naming run, and the sources that no tool may be asked there.

sets = benchmark_sets("gene-sets-go", data_dir="biomedical", limit=50)
masked = masked_sources("gene-sets-go")                  # for make_toolbox(masked_sources=...)
records = name_gene_sets(sets, subject, mode="agent", toolbox=make_toolbox(masked_sources=masked))
score_records(records, "gene-sets-go", data_dir="biomedical")
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise.data.catalog import split_file
from counterpoise.data.records import Problem, read_records
from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.evaluation.tasks.items import read_items
from counterpoise.evaluation.tasks.spec import GeneSetNames, TaskSpec, TaskSplit

if TYPE_CHECKING:
    from counterpoise.biology.gene_sets import GeneSet


def gene_set_task(task: str | TaskSpec) -> tuple[TaskSpec, GeneSetNames]:
    """Return a task and what it says of its gene sets; UserError if it is another kind of task."""
    spec = tasks.get(task) if isinstance(task, str) else task
    if spec.gene_sets is None:
        choices = ", ".join(name for name in tasks.names("biology") if tasks.get(name).gene_sets is not None)
        raise UserError(f"{spec.name} is no task of naming gene sets; expected {choices}, or a file of that kind")
    return spec, spec.gene_sets


def masked_sources(task: str | TaskSpec) -> frozenset[str]:
    """Return the sources that hold a task's answers, by the names that tools give them (`biology.verification`)."""
    return frozenset(gene_set_task(task)[1].masked_sources)


def benchmark_sets(
    task: str | TaskSpec,
    split: str = "test",
    *,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> list[GeneSet]:
    """Return the gene sets of a task, without their true names, which a prompt could otherwise show.

    Arguments and errors are those of `tasks.items.read_items`; the same sets are chosen as by an evaluation of the task
    with that limit and seed.
    """
    from counterpoise.biology.gene_sets import GeneSet

    spec, _ = gene_set_task(task)
    items = read_items(spec, split, data_dir=data_dir, limit=limit, seed=seed).items
    return [GeneSet(item.id, item.words, source=spec.name) for item in items]


def background_names(spec: TaskSpec, data_dir: str | Path | None = None) -> list[str]:
    """Return the names that a task ranks among, file after file.

    Raises:
        UserError: a file that is missing, or a column that a record lacks.
    """
    _, gene_sets = gene_set_task(spec)
    names = []
    for part in gene_sets.background:
        path = split_file(TaskSplit(file=part.file), data_dir)
        if path is None or not path.is_file():
            where = path or f"{part.file} in a data folder (--data-dir)"
            raise UserError(f"{spec.name}: {where} is not there; without the names in it there are no percentiles")
        for record in read_records(path):
            if isinstance(record, Problem) or not isinstance(name := record.record.get(part.column), str):
                raise UserError(f"{spec.name}: {path}: a record has no text in column {part.column!r}")
            names.append(name)
    return names
