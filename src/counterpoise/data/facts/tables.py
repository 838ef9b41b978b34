"""Read the embedded tables: gzip-compressed, tab-separated, one header line, no quoting, no missing-value rules.

    for symbol, name, split in rows("genes.tsv.gz", "symbol", "name", "split"):
        ...

Plain string splitting keeps the import light: nothing here needs pandas.
"""

import gzip
from collections.abc import Iterator
from importlib.resources import files


def rows(table: str, *columns: str, package: str = __package__) -> Iterator[list[str]]:
    """Yield each row of an embedded table as a list of strings.

    Args:
        table: file name in the package, such as ``"genes.tsv.gz"``.
        columns: the header that the file must have, in order.
        package: dotted name of the package that holds the table (default: this one).

    Raises:
        ValueError: the header differs, so the tables and the code come from different versions.
    """
    text = gzip.decompress(files(package).joinpath(table).read_bytes()).decode("utf-8")
    lines = text.split("\n")
    if lines[0].split("\t") != list(columns):
        raise ValueError(
            f"{table}: the header is {lines[0]!r}; expected the columns {', '.join(columns)}. "
            "Rebuild the tables with the script that SOURCE.md beside them names."
        )
    for line in lines[1:]:
        if line:
            yield line.split("\t")
