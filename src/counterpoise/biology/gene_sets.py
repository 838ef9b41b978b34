"""Gene sets in files: gmt, csv, tsv, jsonl, json, parquet, plain text and AnnData.

    read_gene_sets("pathways.gmt")                         # id, name or link, genes; parted by tabs
    read_gene_sets("clusters.csv")                         # gene column found by its name; a set column groups
    read_gene_sets("clusters.csv", column="symbol")
    read_gene_sets("genes.txt")                            # one name a line: one set; several: a set a line
    read_gene_sets("cells.h5ad", column="highly_variable") # a column of .var, see `gene_set_anndata`
    write_gmt("sets.gmt", sets)

Names are kept as they are written; `identifiers` resolves them. Text is UTF-8; all but h5ad and parquet may be
gzip-compressed.
"""

import gzip
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from counterpoise.biology.gene_set_tables import BETWEEN, table_sets
from counterpoise.data.records import kind_of
from counterpoise.disk import replace_text
from counterpoise.errors import UserError, nearest

KINDS = ".gmt, .txt, .csv, .tsv, .jsonl, .json (each also .gz), .parquet or .h5ad"
MANY, TOO_MANY = 500, 2000
"""Genes of a set from which on a process name says little, and from which on a set is refused."""


@dataclass(frozen=True, slots=True)
class GeneSet:
    """A gene set: an id, genes as written and in order, a name where one is known, and where it comes from."""

    id: str
    genes: tuple[str, ...]
    name: str = ""
    source: str = ""


def read_gene_sets(path: str | Path, column: str | None = None) -> list[GeneSet]:
    """Read the gene sets of a file, in its order; their source is the file's name without suffix.

    Args:
        path: the suffix tells the kind. ``.gmt``: id, description and genes, parted by tabs; the description is the
            name unless it is a link. ``.txt``: names parted by blanks, commas, semicolons or bars; if every line has
            one name the file is one set, else each line is one (``#`` starts a comment). Tables and ``.jsonl``: see
            `gene_set_tables`. ``.h5ad``: see `gene_set_anndata`.
        column: the column that holds the genes; for ``.h5ad`` the column of ``.var`` that chooses or groups them.

    Raises:
        UserError: no such file or column, an unknown kind, broken text, two sets with one id, or no set at all.
    """
    path = Path(path)
    if not path.is_file():
        names = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UserError(f"{path}: no such file{nearest(path.name, sorted(names))}")
    bare = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    kind = bare.suffix.lower()
    found: Iterable[tuple[str, Collection[str], str, str]]
    if kind == ".h5ad" and bare is path:
        from counterpoise.biology.gene_set_anndata import anndata_sets

        found = anndata_sets(path, column)
    elif kind in (".gmt", ".txt"):
        if column is not None:
            raise UserError(f"{path.name}: a {kind} file has no columns; leave the column {column!r} out")
        found = _gmt(path) if kind == ".gmt" else _text(path, bare.stem)
    elif kind_of(path):
        found = table_sets(path, bare.stem, column)
    else:
        raise UserError(f"{path.name}: unknown kind of gene set file; expected {KINDS}")

    sets: dict[str, GeneSet] = {}
    places: dict[str, str] = {}
    for set_id, genes, name, place in found:
        if set_id in sets:
            raise UserError(
                f"{path.name}, {place}: the id {set_id!r} is already that of {places[set_id]}; "
                "expected an id of its own for each set"
            )
        sets[set_id], places[set_id] = GeneSet(set_id, tuple(genes), name, bare.stem), place
    if not sets:
        raise UserError(f"{path.name}: there is no gene set in it; expected at least one")
    return list(sets.values())


def write_gmt(path: str | Path, sets: Iterable[GeneSet]) -> None:
    """Write gene sets as a .gmt file: id, name, genes, parted by tabs, a line a set.

    Raises:
        UserError: a set has no genes or no id, or a tab or line break stands in one of its texts.
    """
    lines = []
    for each in sets:
        fields = [each.id, each.name, *each.genes]
        if not each.id or not each.genes or not all(each.genes):
            raise UserError(f"gene set {each.id!r}: the id, the genes or one of them is empty; a .gmt line needs all")
        if any(mark in field for field in fields for mark in "\t\r\n"):
            raise UserError(
                f"gene set {each.id!r}: a tab or line break stands in a text; .gmt parts its fields by them"
            )
        lines.append("\t".join(fields) + "\n")
    replace_text(Path(path), "".join(lines))


def check_set(genes: Collection[str], *, limit: int = TOO_MANY) -> list[str]:
    """Return what should be said about the size of a set before it is named, as sentences; usually nothing.

    Args:
        genes: resolved symbols.
        limit: more genes than this are refused.

    Raises:
        UserError: there is no gene, or there are more than ``limit``: no one process name fits such a set.
    """
    if not genes:
        raise UserError("the gene set is empty: none of its names was recognised as a human gene")
    if len(genes) > limit:
        raise UserError(
            f"the gene set has {len(genes):,} genes and the limit is {limit:,}: no process name would tell much about "
            "it; give the strongest genes, or clusters of them"
        )
    if len(genes) == 1:
        return ["The set has one gene: a name can only be one of that gene's own processes."]
    if len(genes) > MANY:
        return [f"The set has {len(genes):,} genes; above {MANY} a process name is too broad to tell much."]
    return []


def _gmt(path: Path) -> Iterator[tuple[str, list[str], str, str]]:
    for number, line in _lines(path):
        fields = [field.strip() for field in line.split("\t")]
        while len(fields) > 3 and not fields[-1]:
            fields.pop()  # spreadsheets fill every line up to the longest
        place = f"line {number}"
        if len(fields) < 3:
            raise UserError(
                f"{path.name}, {place}: {len(fields)} field{'s' * (len(fields) > 1)} where a .gmt line has at least "
                "three, parted by tabs: id, description, genes"
            )
        set_id, description, *genes = fields
        if not set_id:
            raise UserError(f"{path.name}, {place}: the first field is empty; expected the id of the set")
        if not any(genes):
            raise UserError(f"{path.name}, {place}: the set {set_id!r} has no genes; expected at least one")
        linked = "://" in description or description.lower() in ("na", "n/a", "none", "-")
        # Enrichr's files carry a weight behind each gene: "TP53,1.0".
        yield set_id, [gene.split(",")[0] for gene in genes if gene], "" if linked else description, place


def _text(path: Path, stem: str) -> Iterator[tuple[str, list[str], str, str]]:
    rows = [(number, [name for name in BETWEEN.split(line.split("#")[0]) if name]) for number, line in _lines(path)]
    rows = [(number, names) for number, names in rows if names]
    if all(len(names) == 1 for _, names in rows) or len(rows) == 1:
        if rows:
            yield stem, [name for _, names in rows for name in names], "", "line 1"
        return
    for number, names in rows:
        yield f"{stem}:{number}", names, "", f"line {number}"


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not blank."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path.name}: not a complete gzip file ({error}); fetch or pack it again") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = f"byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line"
            raise UserError(f"{path.name}, line {number}: not UTF-8 ({byte}); save it as UTF-8") from None
        if text.strip():
            yield number, text
