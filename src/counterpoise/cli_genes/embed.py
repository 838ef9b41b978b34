"""``counterpoise genes embed``: texts or names as vectors, in a file, in AnnData, and on a page."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from counterpoise import __version__
from counterpoise.cli_evaluate import Json, checked, command_line, progress
from counterpoise.disk import check_writable
from counterpoise.errors import UserError

if TYPE_CHECKING:
    from counterpoise.biology.vectors import Vectors
    from counterpoise.biology.vectors.inputs import Texts

DEFAULT_KEY = "X_profile"


def embed(
    profiles: Annotated[
        Path | None, typer.Argument(help="A .parquet file that counterpoise genes profile wrote.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="A table with texts: .csv, .tsv, .jsonl or .parquet.")
    ] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of --file with the texts.")] = None,
    name_column: Annotated[
        str | None, typer.Option(help="Column of --file with the names; default: the first.")
    ] = None,
    genes: Annotated[
        str | None,
        typer.Option(help="No texts: a file of genes, or symbols with commas between; their names are read."),
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option(help="No texts: a file of vectors (.parquet, .npz, .csv ...), to convert or look at.")
    ] = None,
    names_only: Annotated[
        bool, typer.Option("--names-only", help="Read the names instead of the texts: the control of any text.")
    ] = False,
    encoder: Annotated[
        str | None,
        typer.Option(help="minilm (default), medcpt, medcpt-article, sapbert, or any encoder's id or folder."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A language model's states instead: alias, id, folder, run folder, MODEL+ADAPTER."),
    ] = None,
    layer: Annotated[
        int | None, typer.Option(help="With --model: 0 (embeddings) ... -1 (the last layer, the default).")
    ] = None,
    pooling: Annotated[
        str | None, typer.Option(help="With --model: mean (default), last or weighted (token t counts t times).")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="With --model: of the weights; float32 (default), bfloat16 or auto.")
    ] = None,
    long: Annotated[
        str, typer.Option(help="Texts longer than is read at once: cut (and counted), or split and averaged.")
    ] = "cut",
    out: Annotated[
        Path | None, typer.Option(help="Write the vectors to this .parquet, .safetensors, .npz or .csv file.")
    ] = None,
    h5ad: Annotated[Path | None, typer.Option(help="An .h5ad file whose genes get the vectors.")] = None,
    write: Annotated[Path | None, typer.Option(help="With --h5ad: the file to write it to.")] = None,
    key: Annotated[str, typer.Option(help="With --h5ad: the key in .varm (genes) and .obsm (cells).")] = DEFAULT_KEY,
    column: Annotated[
        str | None, typer.Option(help="With --h5ad: column of .var with gene names; default: the names of its rows.")
    ] = None,
    missing: Annotated[
        str, typer.Option(help="With --h5ad: genes without a vector get the mean of the others, or drop.")
    ] = "mean",
    cells: Annotated[
        bool, typer.Option("--cells/--no-cells", help="With --h5ad: expression-weighted vectors of cells, too.")
    ] = True,
    expression: Annotated[
        str | None, typer.Option(help="With --h5ad: layer that weighs the genes of a cell; default: .X.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write an HTML page with a map and the nearest neighbours to this file.")
    ] = None,
    colour: Annotated[
        Path | None,
        typer.Option(help="With --page: a table whose first column has the names; the others colour the map."),
    ] = None,
    neighbours: Annotated[int, typer.Option(min=1, max=50, help="With --page: neighbours of each name.")] = 10,
    seed: Annotated[int, typer.Option(help="With --page: of the map's layout.")] = 0,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but errors.")] = False,
) -> None:
    """Make vectors of profiles, texts or names; write them to a file, into AnnData, and show them on a page."""
    from counterpoise.biology.vectors import write_vectors
    from counterpoise.biology.vectors.files import check_ending

    checked("--long", [long], ("cut", "split"))
    checked("--missing", [missing], ("mean", "drop"))
    _check_belongings(
        {
            "--file": (file, {"--text-column": text_column, "--name-column": name_column}),
            "--h5ad": (h5ad, {"--write": write, "--column": column, "--expression": expression}),
            "--model": (model, {"--layer": layer, "--pooling": pooling, "--precision": precision}),
            "--page": (page, {"--colour": colour}),
        }
    )
    if model is not None and encoder is not None:
        raise UserError("--model and --encoder both say what reads the texts; expected one of them")
    if (h5ad is None) != (write is None):
        raise UserError("--h5ad is read and --write is written; expected both or neither")
    if out is None and write is None and page is None:
        raise UserError("nothing would be kept; expected --out FILE, --h5ad with --write, or --page FILE")
    if out is not None:
        check_ending(out)
    for path in (out, write, page):
        if path is not None:
            check_writable(path)
    start = time.monotonic()
    given, texts, notes = _given(profiles, file, text_column, name_column, genes, vectors)
    adata = _read_h5ad(h5ad) if h5ad is not None else None
    if given is None:
        assert texts is not None
        with progress(quiet or not sys.stderr.isatty()) as on_progress:
            given = _vectors(texts, names_only, encoder, model, layer, pooling, precision, long, on_progress)
    elif names_only or encoder is not None or model is not None:
        raise UserError("--vectors are made already; leave --encoder, --model and --names-only out")
    notes += _lengths(given)
    if out is not None:
        write_vectors(out, given)
    if adata is not None and write is not None:
        notes += _into_h5ad(adata, given, write, key, column, missing, cells, expression)
    run = {
        "command": command_line(),
        "vectors": len(given),
        "dimension": given.dimension,
        "digest": given.digest,
        "about": given.about,
        "notes": notes,
        "out": str(out or ""),
        "h5ad": str(write or ""),
        "page": str(page or ""),
        "seconds": time.monotonic() - start,
        "counterpoise": __version__,
    }
    if page is not None:
        _write_page(given, page, texts, colour, neighbours, seed, run)
    show(run, as_json)


def show(run: dict[str, Any], as_json: bool) -> None:
    """Print what was made, as sentences or as JSON."""
    if as_json:
        typer.echo(json.dumps(run, indent=1, ensure_ascii=False))
        return
    from counterpoise.report.safe_text import spelled

    about = run["about"]
    made = about.get("encoder") or about.get("model") or "a file"
    layer = f", layer {about['layer']} of {about['layers']}" if "layer" in about else ""
    pooling = f", {about['pooling']}" if "pooling" in about else ""
    typer.echo(spelled(f"{run['vectors']:,} vectors of {run['dimension']:,} numbers by {made}{layer}{pooling}"))
    for note in run["notes"]:
        typer.echo(spelled(f"note: {note}"), err=True)
    for what in ("out", "h5ad", "page"):
        if run[what]:
            typer.echo(f"{'vectors' if what == 'out' else what}: {run[what]}")


def _check_belongings(options: dict[str, tuple[Any, dict[str, Any]]]) -> None:
    """Raise UserError for an option that belongs to another one that is not there."""
    for owner, (value, belongings) in options.items():
        if value is None and (lonely := [name for name, each in belongings.items() if each is not None]):
            raise UserError(f"{lonely[0]} goes with {owner}, which is not given")


def _given(
    profiles: Path | None,
    file: Path | None,
    text_column: str | None,
    name_column: str | None,
    genes: str | None,
    vectors: Path | None,
) -> tuple[Vectors | None, Texts | None, list[str]]:
    """Return vectors, or texts to make them of, and sentences on what was left out; UserError unless one is given."""
    from counterpoise.biology.vectors import read_vectors
    from counterpoise.biology.vectors.inputs import profile_texts, table_texts

    sources = {"PROFILES": profiles, "--file": file, "--genes": genes, "--vectors": vectors}
    chosen = [name for name, value in sources.items() if value is not None]
    if len(chosen) != 1:
        what = f"{' and '.join(chosen)} are given" if chosen else "nothing is given to make vectors of"
        raise UserError(f"{what}; expected one of a file of profiles, --file, --genes or --vectors")
    if vectors is not None:
        return read_vectors(vectors, genes=False), None, []
    if genes is not None:
        return None, *_gene_names(genes)
    if file is not None:
        if text_column is None:
            raise UserError(f"{file.name}: which column holds the texts? expected --text-column")
        texts = table_texts(file, text_column, name_column)
    else:
        assert profiles is not None
        texts = profile_texts(profiles)
    return None, texts, list(texts.notes)


def _gene_names(genes: str) -> tuple[Texts, list[str]]:
    """Return approved symbols as their own texts, and how many names are none."""
    from counterpoise.biology.gene_sets import read_gene_sets
    from counterpoise.biology.vectors.identifiers import approved
    from counterpoise.biology.vectors.inputs import Texts

    path = Path(genes)
    if path.is_file():
        names = list(dict.fromkeys(gene for each in read_gene_sets(path) for gene in each.genes))
        found = approved(names, path.name)
    else:
        names = list(dict.fromkeys(name.strip() for name in genes.split(",") if name.strip()))
        found = approved(names, "--genes")
    notes = [found.sentence()] if len(found.symbols) < len(names) else []
    return Texts({symbol: symbol for symbol in found.symbols}), notes


def _vectors(
    texts: Texts,
    names_only: bool,
    encoder: str | None,
    model: str | None,
    layer: int | None,
    pooling: str | None,
    precision: str | None,
    long: str,
    on_progress: Any,
) -> Vectors:
    from counterpoise.biology.vectors import embed_hidden, embed_texts

    are_names = names_only or all(name == text for name, text in texts.texts.items())
    read = {name: name for name in texts.texts} if are_names else texts.texts
    shared: dict[str, Any] = {"long": cast("Any", long), "on_progress": on_progress}
    if model is not None:
        kinds = checked("--precision", [precision or "float32"], ("float32", "bfloat16", "auto"))
        made = embed_hidden(
            read, model, -1 if layer is None else layer, pooling or "mean", precision=cast("Any", kinds[0]), **shared
        )
    else:
        made = embed_texts(read, encoder or "minilm", **shared)
    source = {"source": "names alone"} if are_names else {}
    return replace(made, about={**made.about, **source, **texts.about})


def _lengths(vectors: Vectors) -> list[str]:
    """Say how many texts are those of another name too, and how many were longer than is read."""
    about = vectors.about
    notes = []
    if alike := about.get("texts", 0) - about.get("different_texts", about.get("texts", 0)):
        notes.append(
            f"{alike:,} of {about['texts']:,} texts are word for word that of another name, and so is the vector"
        )
    if not about.get("longer_than_read"):
        return notes
    done = "read in windows that were averaged" if about["long"] == "split" else "cut there (--long split reads all)"
    return [
        *notes,
        f"{about['longer_than_read']:,} of {about['texts']:,} texts are longer than the {about['max_tokens']:,} tokens "
        f"that are read at once: {done}",
    ]


def _read_h5ad(path: Path) -> Any:
    from counterpoise.biology.vectors import read_h5ad

    return read_h5ad(path)


def _into_h5ad(
    adata: Any,
    vectors: Vectors,
    path: Path,
    key: str,
    column: str | None,
    missing: str,
    cells: bool,
    layer: str | None,
) -> list[str]:
    """Write vectors of genes, and of cells, into the AnnData and that to its file; return what is to be said."""
    from counterpoise.biology.vectors import add_cell_vectors, add_gene_vectors, write_h5ad

    notes = []
    if cells:
        notes.append(f".obsm[{key!r}]: {add_cell_vectors(adata, vectors, key, column=column, layer=layer)}")
    adata, told = add_gene_vectors(adata, vectors, key, column=column, missing=cast("Any", missing))
    write_h5ad(path, adata)
    return [f".varm[{key!r}]: {told}", *notes]


def _write_page(
    vectors: Vectors,
    path: Path,
    texts: Texts | None,
    colour: Path | None,
    neighbours: int,
    seed: int,
    run: dict[str, Any],
) -> None:
    from counterpoise.biology.vectors.inputs import table_groups
    from counterpoise.report.vectors_page import write_vectors_page

    groups = dict(texts.groups) if texts is not None else {}
    if colour is not None:
        groups = {**table_groups(colour, vectors.names), **groups}
    write_vectors_page(vectors, path, groups=groups, neighbours=neighbours, seed=seed, run=run)
