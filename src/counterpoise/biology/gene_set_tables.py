"""Gene sets in tables (.csv, .tsv, .parquet) and records (.jsonl, .json): which column holds what.

    gene,cluster          genes grouped by a set column: a set a cluster
    TP53,3

    id,name,genes         a set a row, its genes in one field, parted by blanks, commas, semicolons or bars
    S1,apoptosis,"BAX BAK1"

    gene,logfc            no set column and one name a field: the whole table is one set
    TP53,2.1

    {"id": "S1", "name": "apoptosis", "genes": ["BAX", "BAK1"]}

Columns are found by the names below, without regard to case; ``column`` names the one with the genes instead.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoise.data.records import Problem, read_records
from counterpoise.errors import UserError, nearest

GENE_COLUMNS = [
    "genes",
    "gene",
    "symbols",
    "symbol",
    "gene_symbols",
    "gene_symbol",
    "gene_names",
    "gene_name",
    "hgnc_symbol",
    "gene_ids",
    "gene_id",
    "ensembl",
    "ensembl_id",
    "entrez",
    "entrez_id",
]
SET_COLUMNS = ["set", "set_id", "id", "gene_set", "geneset", "term_id", "term", "pathway", "cluster", "group", "module"]
NAME_COLUMNS = ["name", "set_name", "term_name", "title", "description"]
"""Columns by name, in lower case, best first."""

BETWEEN = re.compile(r"[\s,;|]+")
"""What parts the names in a field or a line."""


def table_sets(path: Path, stem: str, column: str | None) -> Iterator[tuple[str, list[str], str, str]]:
    """Yield (id, genes as written, name, place) of each set of a table, in the order of their first rows.

    Args:
        path: a file that `data.records` reads.
        stem: the id of a table that is one set; rows without an id are called ``stem:row``.
        column: the column with the genes; None to find it by its name.

    Raises:
        UserError: a row cannot be read, a column is missing, or a record's genes are no list of names.
    """
    records = []
    for record in read_records(path):
        if isinstance(record, Problem):
            raise UserError(str(record))
        records.append(record)
    if not records:
        return
    headers = list(dict.fromkeys(name for record in records for name in record.record))
    gene_column = _gene_column(path, headers, column)
    others = [name for name in headers if name != gene_column]
    set_column, name_column = _find(SET_COLUMNS, others), _find(NAME_COLUMNS, others)

    cells = []
    for record in records:
        try:
            cells.append(_names(record.record.get(gene_column)))
        except TypeError as error:
            raise UserError(str(record.problem(f"column {gene_column!r} {error}"))) from None
    listed = any(isinstance(record.record.get(gene_column), list) for record in records)
    whole = set_column is None and not listed and all(len(names) <= 1 for names in cells)

    found: dict[str, tuple[list[str], str, str]] = {}
    for row, (record, names) in enumerate(zip(records, cells, strict=True), start=1):
        if whole:
            set_id, name = stem, ""
        else:
            set_id = _text(record.record, set_column) or ("" if set_column else f"{stem}:{row}")
            name = _text(record.record, name_column)
        if not set_id:
            raise UserError(str(record.problem(f"column {set_column!r} is empty; expected the id of the row's set")))
        several = listed or len(names) > 1  # a whole set in a row: the id must not come again
        if several and set_id in found:
            raise UserError(
                str(record.problem(f"the id {set_id!r} is already that of {found[set_id][2]}; expected one of its own"))
            )
        found.setdefault(set_id, ([], name, record.place))[0].extend(names)
    for set_id, (genes, name, place) in found.items():
        yield set_id, genes, name, place


def _gene_column(path: Path, headers: Sequence[str], column: str | None) -> str:
    listed = ", ".join(repr(name) for name in headers[:20]) + (" ..." if len(headers) > 20 else "")
    if column is not None:
        if column not in headers:
            raise UserError(
                f"{path.name}: there is no column {column!r}{nearest(column, list(headers))}; it has {listed}"
            )
        return column
    found = _find(GENE_COLUMNS, headers)
    if found is None:
        raise UserError(
            f"{path.name}: no column is called {', '.join(GENE_COLUMNS[:4])} or the like; name the one with the genes "
            f"(it has {listed})"
        )
    return found


def _find(wanted: Sequence[str], headers: Sequence[str]) -> str | None:
    by_name = {name.strip().lower().replace(" ", "_").replace("-", "_"): name for name in reversed(headers)}
    return next((by_name[name] for name in wanted if name in by_name), None)


def _names(cell: Any) -> list[str]:
    """Return the names in a field. Raises `TypeError`, its text a predicate, if it is neither text nor a list of it."""
    if cell is None:
        return []
    if isinstance(cell, int) and not isinstance(cell, bool):
        cell = str(cell)
    if isinstance(cell, str):
        return [name for name in BETWEEN.split(cell) if name]
    if not isinstance(cell, list) or not all(isinstance(name, str | int) for name in cell):
        raise TypeError("holds something else than gene names; expected text or a list of names")
    return [str(name).strip() for name in cell if str(name).strip()]


def _text(record: Mapping[str, Any], column: str | None) -> str:
    value = record.get(column) if column is not None else None
    return "" if value is None else str(value).strip()
