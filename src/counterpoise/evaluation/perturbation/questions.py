"""From the rows of a screen to questions: what is asked, and the training rows that may be told.

found = read_questions(tasks.get("perturbqa-k562-de"), "test", data_dir="biomedical")
found.asked[0]                       # Question(perturbation, gene, cell_line, label, source)
places = sample_genes(found.asked, limit=1200, per_gene=12, seed="perturbqa-k562-de/0")
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from counterpoise.data.catalog import select_records
from counterpoise.data.formats import RecordError, text_at, value_at
from counterpoise.data.records import Located, Problem, read_records
from counterpoise.errors import UserError
from counterpoise.evaluation.perturbation.cell_lines import CELL_LINES, cell_line_of
from counterpoise.evaluation.perturbation.settings import PerturbationView

if TYPE_CHECKING:
    from pathlib import Path

    from counterpoise.evaluation.tasks.spec import TaskSpec


class Question(NamedTuple):
    """One row: does ``gene`` respond to ``perturbation`` in ``cell_line``? ``label`` is 1 (yes, or up) or 0."""

    perturbation: str
    gene: str
    cell_line: str
    label: int
    source: str


@dataclass
class Questions:
    """What is asked, and what is known from training."""

    asked: list[Question]
    known: list[Question]
    about_perturbation: dict[str, str] = field(default_factory=dict)
    about_gene: dict[str, str] = field(default_factory=dict)
    about_cell_line: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    """Rows that could not be used."""
    notes: list[str] = field(default_factory=list)


def read_questions(spec: TaskSpec, split: str, data_dir: str | Path | None = None) -> Questions:
    """Read the questions of a split and the rows of ``train``.

    Asked for ``train`` itself, both are the same rows, and retrieval leaves out those of the perturbation in question.
    Any split but ``test`` may be cut out of ``train``: rows of its perturbations are then not known.

    Raises:
        UserError: a file or a column that is missing, no row that can be used, or a perturbation that is tested and
            trained on in the same cell line: its own rows would give the answer away.
    """
    from counterpoise.evaluation.tasks.items import local_file

    assert spec.perturbation is not None
    found = Questions([], [])
    for part in dict.fromkeys((split, "train")):
        path = local_file(spec, part, data_dir)
        where = spec.data[part]
        records = (
            record
            for record in select_records(read_records(path), where, part)
            if isinstance(record, Problem) or _matches(record, where.where)
        )
        rows, problems = _rows(spec, records, found)
        if not rows:
            why = f"none of {len(problems):,} rows can be used; the first: {problems[0]}" if problems else "no rows"
            raise UserError(f"{spec.name}: {path}: {why} (split {part})")
        if where.count is not None and where.count != len(rows):
            found.notes.append(
                f"{spec.name}: {part} has {len(rows):,} rows where the published data has {where.count:,}, so its "
                "scores are not comparable"
            )
        found.problems = list(dict.fromkeys([*found.problems, *problems]))  # a broken line is one of every split
        if part == split:
            found.asked = rows
        if part == "train":
            found.known = rows
    tested = {(row.cell_line, row.perturbation) for row in found.asked}
    both = sorted(tested & {(row.cell_line, row.perturbation) for row in found.known})
    if both and split == "test":
        named = ", ".join(perturbation for _, perturbation in both[:3]) + (" ..." if len(both) > 3 else "")
        raise UserError(
            f"{spec.name}: {len(both)} perturbation{'s are' if len(both) > 1 else ' is'} in test and in train "
            f"({named}), so training rows would give answers away; expected each in one split"
        )
    if both and split != "train":
        found.known = [row for row in found.known if (row.cell_line, row.perturbation) not in tested]
    return found


def _matches(record: Located, where: Mapping[str, Any]) -> bool:
    missing = [column for column in where if column not in record.record]
    if missing:
        raise _without(record, missing[0])
    return all(record.record[column] == value for column, value in where.items())


def _without(record: Located, column: str) -> UserError:
    listed = ", ".join(record.record)
    return UserError(f"{record.file}, {record.place}: has no column {column!r}; it has {listed}")


def _rows(
    spec: TaskSpec, records: Iterable[Located | Problem], found: Questions
) -> tuple[list[Question], list[Problem]]:
    view = spec.perturbation
    assert view is not None
    needed = [view.columns.perturbation, view.columns.gene, spec.answer]
    needed += [name for name in (view.columns.cell_line, view.columns.about_perturbation) if name]
    rows: list[Question] = []
    problems: list[Problem] = []
    checked = False
    for record in records:
        if isinstance(record, Problem):
            problems.append(record)
            continue
        if not checked:  # a table lacks a column in all rows or in none
            checked = True
            missing = [column for column in needed if column not in record.record]
            if missing:
                raise _without(record, missing[0])
        try:
            rows.append(_question(view, spec.answer, record, found))
        except RecordError as error:
            problems.append(record.problem(str(error)))
    return rows, problems


def _question(view: PerturbationView, answer: str, located: Located, found: Questions) -> Question:
    record, columns = located.record, view.columns
    perturbation = text_at(record, columns.perturbation, filled=True).strip()
    gene = text_at(record, columns.gene, filled=True).strip()
    label = value_at(record, answer)
    if isinstance(label, bool) or str(label).strip() not in ("0", "1"):
        raise RecordError(f"column {answer!r} is {label!r}; expected 0 or 1")
    if columns.about_perturbation:
        found.about_perturbation[perturbation] = text_at(record, columns.about_perturbation, filled=True).strip()
    if columns.about_gene and (about := text_at(record, columns.about_gene, optional=True).strip()):
        found.about_gene[gene] = about
    cell_line = view.cell_line or text_at(record, columns.cell_line, filled=True).strip()
    known = cell_line_of(cell_line)
    about = text_at(record, columns.about_cell_line, optional=True).strip() if columns.about_cell_line else ""
    if known is None and not about:
        raise RecordError(
            f"column {columns.cell_line!r} is {cell_line!r}, which is no known cell line; expected "
            f"{', '.join(CELL_LINES)}, or its description in a column named by columns.about_cell_line"
        )
    cell_line = known[0] if known else cell_line
    found.about_cell_line[cell_line] = about or (known[1] if known else "")
    return Question(perturbation, gene, cell_line, int(str(label).strip()), located.source)


def sample_genes(questions: Sequence[Question], limit: int, per_gene: int, seed: str) -> list[int]:
    """Choose whole genes that have both labels, ``limit`` questions at most; return places in ascending order.

    A gene keeps up to ``per_gene`` of its perturbations, half of each label where there are as many: what a sample
    across genes by label would do to the metric (genes of one label, which do not count) cannot happen here. The
    per-gene AUROC expected of such a sample is that of all questions on those genes, as it does not depend on how
    frequent a label is; accuracy and pooled AUROC do. A larger limit keeps the genes of a smaller one.

    Raises:
        UserError: a limit below 2, or no gene with both labels.
    """
    if limit < 2:
        raise UserError(f"limit is {limit}; a gene needs a question of each label, so expected at least 2")
    of_gene: dict[tuple[str, str], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for place, question in enumerate(questions):
        of_gene[question.cell_line, question.gene][question.label].append(place)
    genes = sorted(gene for gene, (none, some) in of_gene.items() if none and some)
    if not genes:
        raise UserError("no gene has questions of both labels, so there is no AUROC to sample for")
    random.Random(seed).shuffle(genes)
    chosen: list[int] = []
    for gene in genes:
        draw = random.Random(f"{seed}/{gene}")
        size = min(per_gene, limit)
        rare, common = sorted(of_gene[gene], key=len)
        n_rare = min(len(rare), max(size // 2, size - len(common)))
        n_common = min(len(common), size - n_rare)
        if len(chosen) + n_rare + n_common > limit:
            break
        chosen += [*draw.sample(rare, n_rare), *draw.sample(common, n_common)]
    return sorted(chosen)
