"""``counterpoise genes profile``: a text about each gene, cell type or drug, and how much of it is known to be so."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from counterpoise import __version__
from counterpoise.cli_evaluate import DataDir, Json, checked, command_line, progress
from counterpoise.errors import UserError

if TYPE_CHECKING:
    from counterpoise.biology.profiles import FactCheck, Profile
    from counterpoise.biology.profiles.from_text import TextSource
    from counterpoise.biology.profiles.profile import Kind

KINDS = ("gene", "cell-type", "drug")
SOURCES = ("ncbi", "go", "ncbi+go")
SHOWN = 3
"""Profiles that are printed where all of them stand in a file."""
TOLD = 5


def profile(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Genes (symbols, aliases, Ensembl, Entrez or HGNC ids), or other names."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="File of names: .txt, .gmt, .csv, .tsv, .jsonl, .parquet, .h5ad."),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="Column of --file with the names; of .h5ad one of obs, or of var for genes.")
    ] = None,
    kind: Annotated[str, typer.Option(help="What the names are of: gene, cell-type or drug.")] = "gene",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Alias, hub id, folder, run folder; MODEL+ADAPTER puts an adapter on it.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Ask an OpenAI-compatible endpoint instead; its URL.")] = None,
    endpoint_model: Annotated[str | None, typer.Option(help="The model's name there; default: the only one.")] = None,
    endpoint_form: Annotated[str, typer.Option(help="chat, or completion, which tells of each token.")] = "chat",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds a request to the endpoint may take.")] = 120.0,
    retries: Annotated[int, typer.Option(min=0, help="How often a request to it is tried again.")] = 5,
    parallel: Annotated[int, typer.Option(min=1, help="Requests to it at a time.")] = 4,
    text: Annotated[
        str | None, typer.Option("--text", help="No model: the text of ncbi (--data-dir), go, or ncbi+go. Genes only.")
    ] = None,
    template: Annotated[
        Path | None, typer.Option(help="Prompt of your own, with {name}, {full_name} and {words} in it.")
    ] = None,
    words: Annotated[int, typer.Option(min=1, help="Longest profile that is asked for.")] = 120,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest profile that is taken, in tokens; default: 1.75 a word.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(help='Window of the weakest confidence: tokens, or "25%" of a text; default: 256.')
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Profiles that a model writes at once.")] = 32,
    precision: Annotated[
        str, typer.Option(help="float32 (texts do not depend on what is written beside them), bfloat16 or auto.")
    ] = "float32",
    format: Annotated[str, typer.Option(help="Of prompts: auto, chat, plain or completion.")] = "auto",
    check: Annotated[
        bool, typer.Option("--check", help="Compare the texts with the Gene Ontology's annotations.")
    ] = False,
    data_dir: DataDir = None,
    out: Annotated[
        Path | None, typer.Option(help="Parquet file of the profiles; run again after an interruption, it goes on.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Forget what is in --out.")] = False,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but errors.")] = False,
) -> None:
    """Write a profile of each gene, cell type or drug: by a model, an endpoint, or from NCBI and GO text."""
    from counterpoise.biology.profiles import check_facts, profile_entities, profiles_from_text, resolve_entities

    checked("--kind", [kind], KINDS)
    _check_source(model, endpoint, text, kind, check)
    found = resolve_entities(_given(names or [], file, column, kind), _kind(kind))
    entities = found.entities[:limit]
    start = time.monotonic()
    if text is not None:
        source = cast("TextSource", text)
        profiles = profiles_from_text(entities, source, data_dir=data_dir, out=out, overwrite=overwrite)
    else:
        checked("--precision", [precision], ("float32", "bfloat16", "auto"))
        checked("--endpoint-form", [endpoint_form], ("chat", "completion"))
        subject = _subject(
            model, endpoint, endpoint_model, endpoint_form, timeout, retries, parallel, rows, precision, format, quiet
        )
        with progress(quiet or not sys.stderr.isatty()) as on_progress:
            profiles = profile_entities(
                entities,
                subject,
                template=template,
                words=words,
                tokens=tokens,
                window=_window(window),
                out=out,
                overwrite=overwrite,
                on_progress=on_progress,
            )
    seconds = time.monotonic() - start
    facts = check_facts(profiles) if check else None
    if as_json:
        told: dict[str, Any] = {
            "command": command_line(),
            "profiles": [_plain(each) for each in profiles],
            "notes": found.notes(),
            "facts": None if facts is None else facts.as_dict(),
            "seconds": seconds,
            "counterpoise": __version__,
        }
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))
        return
    show(profiles, out)
    if facts is not None:
        show_facts(facts)
    if not quiet:
        from counterpoise.report.safe_text import excerpt, spelled

        for note in [*found.notes(), *problems(profiles)]:
            typer.echo(spelled(excerpt(f"note: {note}", 1_000)), err=True)


def show(profiles: Sequence[Profile], out: Path | None) -> None:
    """Print the profiles, or where there is a file the first of them, and how many there are."""
    from counterpoise.report.safe_text import spelled

    written = [each for each in profiles if each.text]
    for each in written if out is None else written[:SHOWN]:
        typer.echo(f"{spelled(each.name)}: {spelled(each.text)}\n")
    count = f"{len(written):,} profiles" if len(written) != 1 else "1 profile"
    lost = len(profiles) - len(written)
    lines = [count + (f", and {lost:,} without text" if lost else "") + (f": {out}" if out is not None else "")]
    generated = sum(each.tokens for each in written)
    if generated:
        cut = sum(each.finish == "length" for each in written)
        lines[0] += f" ({generated:,} tokens" + (f"; {cut:,} were cut at their longest length)" if cut else ")")
        known = [each for each in written if not math.isnan(each.log_prob)]
        if known:
            mean = sum(each.log_prob for each in known) / len(known)
            windows = [each.weakest_window for each in known if not math.isnan(each.weakest_window)]
            weakest = f", weakest window {sum(windows) / len(windows):.3f}" if windows else ""
            lines.append(f"on average: log-probability of a token {mean:.3f}{weakest}")
    for line in lines:
        typer.echo(line)


def show_facts(facts: FactCheck) -> None:
    """Print how much of the texts the Gene Ontology holds, with intervals and floors."""
    table = Table("Gene Ontology", "value", "95 % interval", "genes", "floors", box=None, pad_edge=False)
    for row in facts.rows:
        floors = ", ".join(f"{value:.3f} {name}" for name, value in row.floors.items())
        table.add_row(row.metric, f"{row.value:.3f}", f"{row.low:.3f} to {row.high:.3f}", f"{row.n:,}", floors)
    Console(highlight=False, width=max(Console().width, 110), soft_wrap=True).print(table)
    for difference in facts.comparisons:
        typer.echo(
            f"{difference.metric} above {difference.theirs}: {difference.value:+.3f} "
            f"({difference.low:+.3f} to {difference.high:+.3f}, p {difference.p_value:.4f})"
        )
    for left in facts.left_out:
        typer.echo(f"note: {left}")


def problems(profiles: Sequence[Profile]) -> list[str]:
    """Say in a sentence which entities have no text, and why the first has none."""
    lacking = [each for each in profiles if each.problem]
    if not lacking:
        return []
    some = ", ".join(each.name for each in lacking[:TOLD])
    some += f" and {len(lacking) - TOLD:,} more" if len(lacking) > TOLD else ""
    return [f"{len(lacking):,} of {len(profiles):,} have no text: {some} ({lacking[0].problem})"]


def _given(names: Sequence[str], file: Path | None, column: str | None, kind: str) -> list[str]:
    from counterpoise.biology.gene_sets import BETWEEN
    from counterpoise.biology.profiles import read_names

    if file is not None:
        if names:
            raise UserError("names are given both as words and by --file; expected one of them")
        return read_names(file, _kind(kind), column)
    if column is not None:
        raise UserError("--column names a column of --file, and there is no --file")
    if not names:
        raise UserError("nothing is named; expected genes, as TP53 GFAP, or a file of names with --file")
    return [part for name in names for part in BETWEEN.split(name)] if kind == "gene" else list(names)


def _kind(kind: str) -> Kind:
    return cast("Kind", kind.replace("-", " "))


def _check_source(model: str | None, endpoint: str | None, text: str | None, kind: str, check: bool) -> None:
    given = [name for name, value in (("--model", model), ("--endpoint", endpoint), ("--text", text)) if value]
    if len(given) != 1:
        what = f"{' and '.join(given)} are given" if given else "nobody is named who writes"
        raise UserError(f"{what}; expected one of --model, --endpoint and --text")
    if text is not None:
        checked("--text", [text], SOURCES)
        if kind != "gene":
            raise UserError(f"--text has texts of genes alone, and --kind is {kind}; use --model or --endpoint")
    if check and kind != "gene":
        raise UserError(f"--check compares with annotations of genes, and --kind is {kind}; leave it out")


def _window(window: str | None) -> int | str | None:
    return int(window) if window is not None and window.isdecimal() else window


def _subject(
    model: str | None,
    endpoint: str | None,
    endpoint_model: str | None,
    endpoint_form: str,
    timeout: float,
    retries: int,
    parallel: int,
    rows: int,
    precision: str,
    format: str,
    quiet: bool,
) -> Any:
    from counterpoise.evaluation.subjects import EndpointModel, LocalModel

    if endpoint is not None:
        return EndpointModel(endpoint, endpoint_model, endpoint_form, timeout, retries, parallel)  # type: ignore[arg-type]
    subject = LocalModel(model or "", format=format, precision=precision, rows=rows)  # type: ignore[arg-type]
    if not quiet:
        subject.say = lambda text: print(text, file=sys.stderr)
    return subject


def _plain(profile: Profile) -> Mapping[str, Any]:
    """Return a profile for JSON, which has no NaN."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(profile).items()
    }
