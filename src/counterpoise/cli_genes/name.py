"""``counterpoise genes name``: the process that genes take part in, with evidence for each claim."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from counterpoise import __version__
from counterpoise.cli_evaluate import DataDir, Json, checked, command_line, progress
from counterpoise.cli_evaluate import show as show_scores
from counterpoise.cli_genes.gene_set_input import TOLD, background_genes, check_recognised, given_sets, task_sets
from counterpoise.disk import check_writable
from counterpoise.errors import UserError

if TYPE_CHECKING:
    from counterpoise.biology.gene_sets import GeneSet
    from counterpoise.biology.naming import Mode, Verifier
    from counterpoise.biology.verification import Toolbox

MODES = ("direct", "agent", "enrichment")
VERIFIERS = ("auto", "tools", "evidence")
SHOWN = 40
"""Sets that are printed where the rest stands in a file."""


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
    task: Annotated[
        str | None,
        typer.Option("--task", "-t", help="The sets of a benchmark, as gene-sets-go: masked as it says, and scored."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Of the task: test (default), or half and random of gene-sets-hu.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The first so many sets; of a task: a random sample of so many.")
    ] = None,
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
    bound: Annotated[
        list[str] | None,
        typer.Option(help="Another limit of naming, as claims=3 or answer_tokens=200; may be given several times."),
    ] = None,
    verifier: Annotated[
        str, typer.Option(help="Agent: tools (the model calls them), evidence (it is shown what they say), or auto.")
    ] = "auto",
    tool: Annotated[
        list[str] | None, typer.Option(help="Agent: ask this tool and those named likewise only; default: all.")
    ] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Agent mode may ask g:Profiler, Enrichr, NCBI and PubTator.")
    ] = False,
    email: Annotated[str, typer.Option(help="With --online: told to NCBI, as it asks of those who ask much.")] = "",
    cache: Annotated[Path | None, typer.Option(help="Folder in which answers of online services are kept.")] = None,
    gmt: Annotated[
        list[Path] | None,
        typer.Option("--gmt", help="A .gmt file of your own to ask as well; may be given several times."),
    ] = None,
    mask: Annotated[
        list[str] | None,
        typer.Option("--mask", help="A source that may not be asked, as go-bp or kegg; may be given several times."),
    ] = None,
    unmasked: Annotated[
        bool,
        typer.Option("--unmasked", help="Of a task, by enrichment only: ask the masked sources too, as a ceiling."),
    ] = False,
    background: Annotated[
        Path | None, typer.Option(help="File of all genes that the sets were drawn from; default: those of the source.")
    ] = None,
    similarity: Annotated[
        str | None, typer.Option(help="Encoder that scores names of a task: minilm (default), medcpt, sapbert, an id.")
    ] = None,
    data_dir: DataDir = None,
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
    _check_agent_only(chosen, {"--online": online, "--cache": cache, "--email": email, "--tool": tool})
    checked("--verifier", [verifier], VERIFIERS)
    limits = _limits(bound or ())
    if task is None:
        _check_task_only({"--split": split, "--unmasked": unmasked, "--similarity": similarity})
        sets = given_sets(genes or [], file, column)[:limit]
        check_recognised(sets, file)
        masked = tuple(mask or ())
    else:
        if genes or file is not None:
            raise UserError("--task names sets of its own; leave the genes and --file out, or --task")
        sets, hidden = task_sets(task, split, data_dir, limit)
        if unmasked and chosen != "enrichment":
            raise UserError(f"--unmasked lets {task} be looked up; it is for --mode enrichment, as a ceiling")
        masked = tuple(dict.fromkeys([*(mask or ()), *(() if unmasked else hidden)]))
    for path in (out, page):
        if path is not None:
            check_writable(path)
    drawn_from = None if background is None else background_genes(background)
    toolbox = _toolbox(chosen, tool, online, masked, cache, gmt or (), email)
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
            verifier=cast("Verifier", verifier),
            **limits,
        )
    scores = None if task is None else _scores(records, task, split, data_dir, similarity)
    records, notes = _beside(records, sets, toolbox, drawn_from)
    run = {
        "command": command_line(),
        "source": file.name if file is not None else task or "",
        "records": "" if out is None else out.name,
        "masked": list(masked),
        "offline": not online,
        "background": "" if background is None else background.name,
        "tools": [each.name for each in toolbox.tools] if chosen == "agent" else [],
        "left_out": dict(toolbox.left_out),
        "notes": notes,
        "seconds": time.monotonic() - start,
        "counterpoise": __version__,
    }
    if page is not None:
        write_naming_page(records, page, run)
    if as_json:
        told = {**run, "sets": records} | ({} if scores is None else {"scores": scores})
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        for note in notes:
            typer.echo(f"note: {note}", err=True)
        show(records, out=out, page=page)
        if scores is not None:
            show_scores(scores, as_json=False)
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


def _toolbox(
    mode: Mode,
    tools: Sequence[str] | None,
    online: bool,
    masked: Sequence[str],
    cache: Path | None,
    gmt: Sequence[Path],
    email: str,
) -> Toolbox:
    """Return what claims are checked with; but for the agent, what enrichment alone needs."""
    from counterpoise.biology.verification import make_toolbox

    names = (tools or None) if mode == "agent" else ["enrichment"]
    return make_toolbox(names, offline=not online, masked_sources=masked, cache=cache, gmt=gmt, email=email)


def _check_agent_only(mode: Mode, options: Mapping[str, object]) -> None:
    given = [option for option, value in options.items() if value]
    if given and mode != "agent":
        raise UserError(f"{given[0]} is for --mode agent, which asks tools; --mode {mode} asks none")


def _check_task_only(options: Mapping[str, object]) -> None:
    for option, value in options.items():
        if value:
            raise UserError(f"{option} is for the sets of a benchmark, and there is no --task")


def _limits(bounds: Sequence[str]) -> dict[str, Any]:
    """Return ``NAME=NUMBER`` of the command line; what names and numbers there are `naming` says."""
    found: dict[str, Any] = {}
    for word in bounds:
        key, equals, number = word.partition("=")
        if not equals or not number.strip().isdecimal():
            raise UserError(f"--bound is {word!r}; expected NAME=NUMBER, as claims=3")
        found[key.strip()] = int(number)
    return found


def _scores(
    records: Sequence[Mapping[str, Any]], task: str, split: str | None, data_dir: Path | None, similarity: str | None
) -> dict[str, Any]:
    """Score a task's records; an encoder that was not asked for may be missing, which is told."""
    from counterpoise.evaluation.gene_sets.scoring import score_records
    from counterpoise.evaluation.gene_sets.vectors import DEFAULT

    where: dict[str, Any] = {"split": split or "test", "data_dir": data_dir}
    try:
        return score_records(records, task, encoder=similarity or DEFAULT, **where)
    except UserError as why:
        if similarity is not None:
            raise
        scores = score_records(records, task, encoder=None, **where)
        for left in scores["left_out"].values():
            left["notes"].append(f"similarity and percentiles are left out: {why}")
        return scores


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
