"""A table of many rows that sorts and filters; use it by way of ``components``.

sample_table("samples", [Column("nll", "NLL", "number")], {"nll": [1.2, None]}, caption="Every sample.")
"""

from __future__ import annotations

import base64
import gzip
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup

from counterpoise.report import numbers
from counterpoise.report.parts import check_name, grouped, plain, render, rounded
from counterpoise.report.safe_text import excerpt, script_json, shown

STATIC_ROWS = 50
"""Rows that stand in the page without the script."""
COMPRESSED_FROM = 5_000
"""A table of more rows lies in the page gzipped; a browser too old to unpack it keeps the first rows."""
CELL_CHARACTERS = 300
"""Of a text in a table; fewer where the rows are so many that all texts together would pass TABLE_CHARACTERS."""
TABLE_CHARACTERS = 8_000_000
CHOICES = 100
"""A label column of more values, or of a value of its own for each row, is searched as text, not chosen from a list."""
SHORT_TEXT = 24
"""A column of texts up to this long is as narrow as one of labels."""


@dataclass(frozen=True)
class Column:
    """A column of a :func:`sample_table`.

    Args:
        key: name of its data among the rows.
        title: heading.
        kind: ``text``; ``label``, a text of few values that one can choose from; ``number``; ``percent``, a share that
            is shown times 100.
        digits: decimals that are kept of a number. A share loses two of them to the percent sign: 3 shows ``12.3 %``.
        help: what the column means, in a sentence.
    """

    key: str
    title: str
    kind: Literal["text", "number", "percent", "label"]
    digits: int = 3
    help: str = ""

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return self.kind in ("number", "percent")


def sample_table(name: str, columns: Sequence[Column], rows: Mapping[str, Sequence[Any]], *, caption: str) -> Markup:
    """Return a table that sorts and filters; 100,000 rows are fine, since only visible ones are in the document.

    Args:
        name: unique on the page: lower-case letters, digits and hyphens.
        columns: what to show, in order.
        rows: for each column's key one value a row. None, NaN and infinity stand for a missing number and sort last.
        caption: what the rows are.

    Raises:
        ValueError: ``name`` is no such name, a column has no data, or columns differ in length.
    """
    check_name(name)
    lengths = {column.key: len(rows[column.key]) for column in columns if column.key in rows}
    if missing := [column.key for column in columns if column.key not in rows]:
        raise ValueError(f"table {name}: no data for the columns {numbers.listed(missing)}")
    if len(set(lengths.values())) > 1:
        raise ValueError(f"table {name}: columns differ in length: {lengths}")
    n = next(iter(lengths.values()), 0)
    length = max(40, min(CELL_CHARACTERS, TABLE_CHARACTERS // max(n, 1)))
    cells = {c.key: _numbers(c, rows[c.key]) if c.numeric else _texts(rows[c.key], length) for c in columns}
    table = {"rows": n, "columns": [_packed(column, cells[column.key]) for column in columns]}
    first = [[_cell(column, cells[column.key][i]) for column in columns] for i in range(min(n, STATIC_ROWS))]
    data, encoding = script_json(table), ""
    if n > COMPRESSED_FROM:
        data, encoding = f'"{base64.b64encode(gzip.compress(data.encode(), 6, mtime=0)).decode()}"', "gzip"
    return render(
        "sample_table.html.j2",
        name=name,
        caption=caption,
        columns=columns,
        kinds=[_width(column, cells[column.key]) for column in columns],
        first=first,
        rows=n,
        data=Markup(data),
        encoding=encoding,
    )


def _width(column: Column, values: Sequence[Any]) -> str:
    """The class of a column: texts that are all short need little room."""
    short = column.kind == "text" and max(map(len, values), default=0) <= SHORT_TEXT
    return "label" if short else column.kind


def _packed(column: Column, values: list[Any]) -> dict[str, Any]:
    """One column as the script reads it; labels as numbers into the list of their values."""
    packed: dict[str, Any] = {"title": column.title, "kind": column.kind, "digits": _decimals(column)}
    if column.kind == "label":
        labels = sorted(set(values))
        if len(labels) <= CHOICES and len(labels) < max(len(values), 2):
            codes = {label: i for i, label in enumerate(labels)}
            return {**packed, "labels": labels, "values": [codes[value] for value in values]}
        packed["kind"] = "text"
    return {**packed, "values": values}


def _numbers(column: Column, values: Sequence[Any]) -> list[float | int | None]:
    found: list[float | int | None] = []
    for value in values:
        number = math.nan if value is None else float(value)
        found.append(rounded(number, column.digits) if math.isfinite(number) else None)
    return found


def _texts(values: Sequence[Any], length: int) -> list[str]:
    return ["" if value is None else excerpt(value, length) for value in values]


def _decimals(column: Column) -> int:
    return max(column.digits - 2, 0) if column.kind == "percent" else column.digits


def _cell(column: Column, value: Any) -> Markup | str:
    """A cell as the script would show it."""
    if not column.numeric:
        return shown(value)
    if value is None:
        return numbers.ABSENT
    if column.kind == "percent":
        return f"{grouped(100 * value, _decimals(column))}\N{NO-BREAK SPACE}%"
    return plain(value, column.digits)
