"""The commands ``counterpoise genes ...``; `cli` puts them into the program."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from counterpoise import __version__
from counterpoise.cli_evaluate import Json, checked, progress
from counterpoise.disk import writing
from counterpoise.errors import UserError

if TYPE_CHECKING:
    from counterpoise.biology.gene_sets import GeneSet
    from counterpoise.biology.naming import Mode
    from counterpoise.biology.verification import Toolbox

MODES = ("direct", "agent", "enrichment")
SHOWN = 40
"""Sets that are printed where the rest stands in a file."""
TOLD = 3
"""Names or sets that a sentence lists."""

genes_app = typer.Typer(help="What genes do together: names for gene sets.", no_args_is_help=True)


@genes_app.callback()
def _group() -> None:
    """Keep ``name`` a command of its own while it is the only one."""


@genes_app.command(
    "name",
    epilog="Example: counterpoise genes name --file sets.gmt --model smollm2-135m --mode agent --out naming.jsonl "
    "--page naming.html",
)
def name(
    genes: Annotated[
        list[str] | None, typer.Argument(help="Symbols, aliases, Ensembl, Entrez or HGNC ids of one human gene set.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Gene sets: .gmt, .csv, .tsv, .jsonl, .txt, .parquet or .h5ad.")
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(help="Column of --file with the genes; of .h5ad: one of var that chooses or groups them."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many sets.")] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            help="enrichment (no language model), direct (one prompt), agent (every claim is checked). "
            "Default: direct with a model, else enrichment."
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Alias, hub id, folder, run folder; MODEL+ADAPTER puts an adapter on it.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Ask an OpenAI-compatible endpoint instead; its URL.")] = None,
    endpoint_model: Annotated[str | None, typer.Option(help="The model's name there; default: the only one.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds a request to the endpoint may take.")] = 120.0,
    retries: Annotated[int, typer.Option(min=0, help="How often a request to it is tried again.")] = 5,
    parallel: Annotated[int, typer.Option(min=1, help="Requests to it at a time.")] = 4,
    online: Annotated[
        bool, typer.Option("--online", help="Agent mode may ask g:Profiler, Enrichr, NCBI and PubTator.")
    ] = False,
    cache: Annotated[Path | None, typer.Option(help="Folder in which answers of online services are kept.")] = None,
    gmt: Annotated[
        list[Path] | None,
        typer.Option("--gmt", help="A .gmt file of your own to ask as well; may be given several times."),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option("--mask", help="A source that may not be asked, as go-bp or kegg; may be given several times."),
    ] = None,
    background: Annotated[
        Path | None, typer.Option(help="File of all genes that the sets were drawn from; default: those of the source.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Keep whole records here, one JSON line a set; run again, it goes on.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Write an HTML page to this file.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Forget what is in --out.")] = False,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but errors.")] = False,
) -> None:
    """Name the process of gene sets: a name, a confidence, an analysis, and evidence for each claim."""
    from counterpoise.biology.naming import name_gene_sets
    from counterpoise.report.naming_page import write_naming_page

    chosen = _mode(mode, model, endpoint)
    if chosen != "agent" and (online or cache is not None):
        raise UserError(f"--online and --cache are for --mode agent, which asks services; --mode {chosen} asks none")
    sets = _gene_sets(genes or [], file, column)[:limit]
    _check_recognised(sets, file)
    for path in (out, page):
        if path is not None:
            _check_writable(path)
    drawn_from = None if background is None else _background(background)
    toolbox = _toolbox(chosen, online, mask or (), cache, gmt or ())
    start = time.monotonic()
    with progress(quiet or not sys.stderr.isatty()) as on_progress:
        records = name_gene_sets(
            sets,
            _subject(model, endpoint, endpoint_model, timeout, retries, parallel, quiet),
            mode=chosen,
            toolbox=toolbox,
            background=drawn_from if chosen == "enrichment" else None,
            out=out,
            overwrite=overwrite,
            on_progress=on_progress,
        )
    records, notes = _beside(records, sets, toolbox, drawn_from)
    run = {
        "command": " ".join(["counterpoise", *(shlex.quote(word) for word in sys.argv[1:])]),
        "source": "" if file is None else file.name,
        "records": "" if out is None else out.name,
        "masked": mask or [],
        "offline": not online,
        "background": "" if background is None else background.name,
        "tools": [tool.name for tool in toolbox.tools] if chosen == "agent" else [],
        "left_out": dict(toolbox.left_out),
        "notes": notes,
        "seconds": time.monotonic() - start,
        "counterpoise": __version__,
    }
    if page is not None:
        write_naming_page(records, page, run)
    if as_json:
        typer.echo(json.dumps({**run, "sets": records}, indent=1, ensure_ascii=False))
    else:
        for note in notes:
            typer.echo(f"note: {note}", err=True)
        show(records, out=out, page=page)
    if not quiet:
        tell_incomplete(records, out)


def show(records: Sequence[Mapping[str, Any]], *, out: Path | None = None, page: Path | None = None) -> None:
    """Print one set in full, or several as a table; and where more stands."""
    from counterpoise.report.naming_text import one_set, sets_table

    if len(records) == 1:
        from counterpoise.biology.identifiers import load_genes

        for line in one_set(records[0], load_genes().resolve(records[0]["unknown"]).reasons):
            typer.echo(line)
    else:
        kept = out is not None or page is not None
        shown = records[:SHOWN] if kept else records
        Console(highlight=False, width=max(Console().width, 130), soft_wrap=True).print(sets_table(shown))
        if len(shown) < len(records):
            typer.echo(f"... and {len(records) - len(shown):,} sets more")
        if not kept:
            typer.echo("analysis and evidence of each set: --out FILE.jsonl, --page FILE.html or --json")
    for what, path in (("records", out), ("page", page)):
        if path is not None:
            typer.echo(f"{what}: {path}")


def tell_incomplete(records: Sequence[Mapping[str, Any]], out: Path | None) -> None:
    """Say on standard error which sets are incomplete, why the first is, and how to ask for them again."""
    from counterpoise.report.safe_text import excerpt, spelled

    partial = [record for record in records if not record["complete"]]
    if not partial:
        return
    some = ", ".join(str(record["id"]) for record in partial[:TOLD])
    some += f" and {len(partial) - TOLD:,} more" if len(partial) > TOLD else ""
    why = f" ({partial[0]['problems'][0]})" if partial[0]["problems"] else ""
    lost = sum(bool(record.get("ask_again")) for record in partial)
    again = f"; run it again to ask for {lost:,} of them once more" if lost and out is not None else ""
    text = f"{len(partial):,} of {len(records):,} gene sets incomplete: {some}{why}{again}"
    typer.echo(spelled(excerpt(text, 1_000)), err=True)  # ids and reasons are foreign text


def _mode(mode: str | None, model: str | None, endpoint: str | None) -> Mode:
    """Return the mode; UserError where it does not go with what is asked."""
    if model is not None and endpoint is not None:
        raise UserError("--model names a model in this process and --endpoint one on a server; expected one of them")
    asks = model is not None or endpoint is not None
    chosen = mode or ("direct" if asks else "enrichment")
    checked("--mode", [chosen], MODES)
    if chosen == "enrichment" and asks:
        raise UserError("--mode enrichment asks no model; leave --model and --endpoint out, or choose direct or agent")
    if chosen != "enrichment" and not asks:
        raise UserError(f"--mode {chosen} asks a language model; name one with --model, or --endpoint with its URL")
    return cast("Mode", chosen)


def _subject(
    model: str | None,
    endpoint: str | None,
    endpoint_model: str | None,
    timeout: float,
    retries: int,
    parallel: int,
    quiet: bool,
) -> Any:
    from counterpoise.evaluation.subjects import EndpointModel, LocalModel

    if endpoint is not None:
        return EndpointModel(endpoint, endpoint_model, "chat", timeout, retries, parallel)
    if model is None:
        return None
    subject = LocalModel(model)
    if not quiet:
        subject.say = lambda text: print(text, file=sys.stderr)
    return subject


def _toolbox(mode: Mode, online: bool, mask: Sequence[str], cache: Path | None, gmt: Sequence[Path]) -> Toolbox:
    """Return what claims are checked with; but for the agent, what enrichment alone needs."""
    from counterpoise.biology.verification import make_toolbox

    names = None if mode == "agent" else ["enrichment"]
    return make_toolbox(names, offline=not online, masked_sources=mask, cache=cache, gmt=gmt)


def _beside(
    records: list[dict[str, Any]], sets: Sequence[GeneSet], toolbox: Toolbox, background: Sequence[str] | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Put enrichment alone beside what a model named, and return it with a note where that is not possible."""
    from counterpoise.biology.naming import name_gene_sets

    if all(record["mode"] == "enrichment" for record in records):
        return records, []
    try:
        alone = name_gene_sets(sets, None, mode="enrichment", toolbox=toolbox, background=background)
    except UserError as why:  # every library is masked: the names are there all the same
        return records, [f"enrichment alone cannot be shown beside the names: {why}"]
    found = {record["id"]: record["enrichment"] for record in alone}
    return [{**record, "enrichment": found[record["id"]]} for record in records], []


def _gene_sets(words: Sequence[str], file: Path | None, column: str | None) -> list[GeneSet]:
    """Return the sets of the file, or the one of the command line."""
    from counterpoise.biology.gene_sets import BETWEEN, GeneSet, read_gene_sets

    genes = tuple(gene for word in words for gene in BETWEEN.split(word) if gene)
    if file is not None:
        if genes:
            raise UserError("genes are given both as words and by --file; expected one of them")
        return read_gene_sets(file, column)
    if column is not None:
        raise UserError("--column names a column of --file, and there is no --file")
    if not genes:
        raise UserError("no genes are given; expected names, as TP53 MDM2 CDKN1A, or a file of gene sets with --file")
    return [GeneSet("genes given", genes)]


def _check_recognised(sets: Sequence[GeneSet], file: Path | None) -> None:
    """Raise UserError where not one gene of any set is known, with the nearest symbols: likely a wrong column."""
    from counterpoise.biology.identifiers import load_genes

    table = load_genes()
    names = list(dict.fromkeys(gene for each in sets for gene in each.genes))
    found = table.resolve(names)
    if found.symbols or not names:
        return
    told = [f"{name!r} may be {' or '.join(symbols)}" for name, symbols in list(found.ambiguous.items())[:TOLD]]
    told += [f"{name!r} is {found.reasons[name]}{_near(name, list(table.genes))}" for name in found.unknown[:TOLD]]
    where = f"{file.name}: " if file is not None else ""
    count = f"none of the {len(names):,} names is" if len(names) > 1 else "the name is not"
    advice = "expected human gene symbols, or Ensembl, Entrez or HGNC ids"
    if file is not None and file.suffix.lower() not in (".gmt", ".txt"):
        advice += " (--column names the column that holds them)"
    raise UserError(f"{where}{count} recognised as one human gene: {'; '.join(told[:TOLD])}; {advice}")


def _near(name: str, symbols: Sequence[str]) -> str:
    """Return up to three symbols that are written much like ``name`` and start like it, as a phrase."""
    import difflib

    folded = name.upper()
    alike = [symbol for symbol in symbols if symbol[0] == folded[:1] and abs(len(symbol) - len(folded)) <= 2]
    near = difflib.get_close_matches(folded, alike, n=3, cutoff=0.7)
    return f" (nearest: {', '.join(near)})" if near else ""


def _background(path: Path) -> tuple[str, ...]:
    """Return the approved symbols of a file's genes, all its sets together."""
    from counterpoise.biology.gene_sets import read_gene_sets
    from counterpoise.biology.identifiers import load_genes

    symbols = load_genes().resolve(gene for each in read_gene_sets(path) for gene in each.genes).symbols
    if not symbols:
        raise UserError(f"{path.name}: no name in it is recognised as a human gene; expected a gene a line")
    return symbols


def _check_writable(path: Path) -> None:
    """Raise UserError now rather than after hours of work if ``path`` cannot be written; its folder is made."""
    with writing(path, "choose another file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, os.strerror(21))
        with tempfile.TemporaryFile(dir=path.parent):
            pass
