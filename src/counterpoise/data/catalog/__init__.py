"""The catalog: data sets by name, each a YAML beside this file with licence, citation, columns and splits.

    catalog.names()                                                # ['gene-process', 'gene_summaries', 'medquad', ...]
    catalog.get("medquad").licence
    catalog.examples("medquad", "train", data_dir="biomedical")    # list of Example

`gene-process` is embedded in the package. The others are read from local copies in the data folder (``data_dir``, else
the environment variable COUNTERPOISE_DATA); nothing is downloaded. A split is one of

    {file: F}                                the whole file
    {file: F, rows: [0, 500]}                records 0 to 499 of it
    {file: F, by: focus, share: [0, 0.9]}    records whose column, hashed (sha256, case ignored), falls into the share
    {file: F, gene: symbol}                  records of genes that are in this split of gene-process
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from counterpoise.data.example import Example
from counterpoise.data.records import Located, Problem, read_records
from counterpoise.errors import UserError, nearest

DATA_DIR_VARIABLE = "COUNTERPOISE_DATA"


class Split(BaseModel):
    """Where the records of one split are (see the head of this module)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = ""
    rows: tuple[int, int] | None = None
    by: str | None = None
    share: tuple[float, float] = (0.0, 1.0)
    gene: str | None = None
    embedded: str | None = None


def split_file(part: Split, data_dir: str | Path | None = None) -> Path | None:
    """Return the local file of a split, whether it is there or not; None if it has none or no folder is known."""
    folder = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    return Path(folder).expanduser() / part.file if folder and part.file else None


class Entry(BaseModel):
    """One data set of the catalog; ``rows`` counts the records of each split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    task: str
    licence: str
    redistribution: str
    citation: str
    homepage: str
    hub: str | None = None
    hub_columns: dict[str, str] | None = None
    format: str
    columns: dict[str, str] | None = None
    splits: dict[str, Split]
    rows: dict[str, int]

    @property
    def is_embedded(self) -> bool:
        """True if the package itself holds the data."""
        return any(split.embedded for split in self.splits.values())

    def path(self, split: str, data_dir: str | Path | None = None) -> Path | None:
        """Return the local file of a split, whether it is there or not; None if embedded or no folder is known."""
        return split_file(self.splits[split], data_dir)

    def is_available(self, data_dir: str | Path | None = None) -> bool:
        """True if every split can be read without fetching anything."""
        paths = [self.path(split, data_dir) for split in self.splits]
        return self.is_embedded or all(path is not None and path.is_file() for path in paths)


@cache
def _entries() -> Mapping[str, Entry]:
    import yaml

    files = sorted(Path(__file__).parent.glob("*.yaml"))
    entries = [Entry.model_validate(yaml.safe_load(file.read_text(encoding="utf-8"))) for file in files]
    return {entry.name: entry for entry in entries}


def names() -> list[str]:
    """Return the names of the data sets, sorted."""
    return sorted(_entries())


def get(name: str) -> Entry:
    """Return one entry; an unknown name raises `UserError` that lists the names."""
    if name not in _entries():
        raise UserError(f"data set {name!r} is unknown{nearest(name, names())}; expected {', '.join(names())}")
    return _entries()[name]


def examples(name: str, split: str = "train", data_dir: str | Path | None = None) -> list[Example]:
    """Return the examples of one split.

    Raises:
        UserError: unknown name or split, or no local copy (the message says where to get it), or a broken record.
    """
    from counterpoise.data.reading import read_examples

    get(name)
    return read_examples(name, split=split, data_dir=data_dir).examples


def records(name: str, split: str = "train", data_dir: str | Path | None = None) -> Iterator[Located | Problem]:
    """Return the raw records of one split, one at a time, as `data.records.read_records` does."""
    entry = get(name)
    if split not in entry.splits:
        choices = tuple(entry.splits)
        raise UserError(f"{name} has no split {split!r}{nearest(split, choices)}; expected {', '.join(choices)}")
    part = entry.splits[split]
    if part.embedded:
        return _embedded(name, split)
    path = entry.path(split, data_dir)
    if path is None or not path.is_file():
        raise UserError(_where_to_get(entry, part, path))
    return select_records(read_records(path), part, split)


def _where_to_get(entry: Entry, part: Split, path: Path | None) -> str:
    looked = f"{path} is not there" if path else f"no data folder is given (--data-dir or {DATA_DIR_VARIABLE})"
    sentence = (
        f"{entry.name}: {looked}; get it from {entry.homepage} ({entry.licence}) as {part.file} in the data folder"
    )
    if entry.hub:
        columns = ", ".join(f"{key}: {value}" for key, value in (entry.hub_columns or {}).items())
        sentence += f", or read hub:{entry.hub}" + (f" with columns: {{{columns}}}" if columns else "")
    return sentence


def _embedded(name: str, split: str) -> Iterator[Located | Problem]:
    from counterpoise.data import facts

    for number, record in enumerate(facts.training_records(split=split), start=1):
        yield Located(record, name, f"row {number} of split {split}", f"{name}/{split}:{number}")


def select_records(found: Iterator[Located | Problem], part: Split, split: str) -> Iterator[Located | Problem]:
    """Keep the records of one split; a record that cannot be read belongs to every split."""
    first, last = part.rows or (0, None)
    for number, record in enumerate(found):
        if number < first or (last is not None and number >= last):
            continue
        if isinstance(record, Problem) or _belongs(record.record, part, split):
            yield record


def _belongs(record: Mapping[str, Any], part: Split, split: str) -> bool:
    if part.gene is not None:
        from counterpoise.data import facts

        gene = facts.load().genes.get(record.get(part.gene, ""))
        return (gene.split if gene else "train") == split
    if part.by is None:
        return True
    key = str(record.get(part.by, "")).strip().casefold()
    position = int.from_bytes(hashlib.sha256(key.encode("utf-8", "replace")).digest()[:4], "big") / 2**32
    return part.share[0] <= position < part.share[1]
