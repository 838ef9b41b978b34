"""The embedded tables: made by ``tools/build_biology.py``, described in ``SOURCE.md``, read with `rows`."""

from collections.abc import Iterator

from counterpoise.data.facts import tables


def rows(table: str, *columns: str) -> Iterator[list[str]]:
    """Yield each row of a table of this folder, such as ``"genes.tsv.gz"``; see `counterpoise.data.facts.tables`."""
    return tables.rows(table, *columns, package=__name__)
