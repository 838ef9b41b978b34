"""The command ``counterpoise inspect``; `cli` puts it into the program."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from counterpoise.cli_evaluate import DataDir, Json, checked, command_line, progress
from counterpoise.errors import UserError


def inspect(
    model: Annotated[
        str, typer.Argument(help="Alias, hub id, folder, run folder; MODEL+ADAPTER puts an adapter on it.")
    ],
    data: Annotated[
        str,
        typer.Argument(
            help="File (.txt: a document a line), catalogue name, hub:owner/name, task:NAME, biology:gene-sets."
        ),
    ],
    objective: Annotated[
        list[str] | None,
        typer.Option("--objective", help='As "bft(variant=v1, window=8)"; several times. Default: sft, dft, bft.'),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Split of a catalogue or hub data set, or a task.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The first so many samples; of a task: a random sample.")
    ] = None,
    format: Annotated[str, typer.Option(help="auto, alpaca, sharegpt, messages or prompt-completion.")] = "auto",
    column: Annotated[
        list[str] | None, typer.Option("--column", help="Your column names, as prompt=question or text=abstract.")
    ] = None,
    template: Annotated[
        str, typer.Option(help="chat, plain, or text (running text, all of it supervised); auto: what the data are.")
    ] = "auto",
    max_length: Annotated[int, typer.Option(min=8, help="Longest sample, in tokens.")] = 1024,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Drop unreadable records and count them.")] = False,
    against: Annotated[
        str | None, typer.Option(help="Text to compare with; default: embedded general sentences.")
    ] = None,
    low: Annotated[float, typer.Option(help="Confidence below which a token counts as low.")] = 0.1,
    window: Annotated[int, typer.Option(help="Of the diagnostic, in supervised tokens.")] = 256,
    stride: Annotated[int, typer.Option(help="From window to window.")] = 64,
    dense_share: Annotated[float, typer.Option(help="Share of low tokens from which a window is dense.")] = 0.35,
    dense_run: Annotated[int, typer.Option(help="Longest run of low tokens from which a window is dense.")] = 6,
    terms: Annotated[
        Path | None, typer.Option(help="Biomedical terms, one a line; default: embedded gene and process names.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where results go; default: runs/inspect-MODEL-DATA.")] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", help="Leave these out of --write, as duplicate, mojibake, truncated; suspects: all."),
    ] = None,
    keep_hardest: Annotated[str | None, typer.Option(help="Write only these: 20% or a number.")] = None,
    keep_easiest: Annotated[str | None, typer.Option(help="Write only these: 20% or a number.")] = None,
    write: Annotated[Path | None, typer.Option(help="Write the filtered data set to this .jsonl file.")] = None,
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    batch_tokens: Annotated[int, typer.Option(min=64, help="Tokens a batch, padding included.")] = 4096,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Forget what is in the folder.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but errors.")] = False,
) -> None:
    """Show how objectives weigh data, and where the model is unsure. Run again after an interruption, it goes on."""
    from counterpoise.inspection import DataRequest, Options, Thresholds, write_filtered
    from counterpoise.inspection import inspect as look
    from counterpoise.inspection.filtering import check_filter
    from counterpoise.inspection.inspector import OBJECTIVES, default_folder
    from counterpoise.report.inspection_page import write_inspection_page

    checked("--precision", [precision], ("auto", "float32", "bfloat16"))
    filters: dict[str, Any] = {"drop": drop or [], "keep_hardest": keep_hardest, "keep_easiest": keep_easiest}
    check_filter(**filters)
    if write is None and any(filters.values()):
        raise UserError("--drop, --keep-hardest and --keep-easiest say what is written; name a file with --write")
    request = DataRequest(data, split, limit, format, _columns(column), skip_bad, data_dir, template)
    options = Options(
        tuple(objective or OBJECTIVES), Thresholds(low, window, stride, dense_share, dense_run), terms=terms
    )
    place = folder or default_folder(model, data)
    with progress(quiet or not sys.stderr.isatty()) as on_progress:
        outcome = look(
            model,
            request,
            options=options,
            against=against,
            folder=place,
            max_length=max_length,
            precision=precision,  # type: ignore[arg-type]  # checked above
            batch_tokens=batch_tokens,
            overwrite=overwrite,
            command=command_line(),
            say=(lambda _: None) if quiet else (lambda text: print(text, file=sys.stderr)),
            on_progress=on_progress,
        )
    write_inspection_page(outcome, place / "report.html")
    filtered = None if write is None else write_filtered(place, write, **filters)
    if as_json:
        shown = {key: value for key, value in outcome.items() if key not in ("heat", "samples")}
        if filtered is not None:
            shown["filtered"] = {**vars(filtered), "path": str(filtered.path)}
        typer.echo(json.dumps(shown, indent=1, ensure_ascii=False))
        return
    show(outcome)
    if filtered is not None:
        typer.echo(str(filtered))
    typer.echo(f"report: {place / 'report.html'}\nsamples: {place / 'inspection.parquet'}")


def show(outcome: dict[str, Any]) -> None:
    """Print an inspection: what was read, how each objective weighs it, the diagnostic, what is suspect."""
    data, confidence = outcome["data"], outcome["confidence"]
    console = Console(highlight=False, width=max(Console().width, 130), soft_wrap=True)
    typer.echo(
        f"{data['source']}: {data['samples']:,} samples, {data['supervised_tokens']:,} supervised tokens; mean "
        f"confidence {confidence['mean']:.3f}, NLL {confidence['nll']:.3f}, "
        f"{confidence['low_share']:.1%} of tokens below {outcome['diagnostic']['thresholds']['low']:g}"
    )
    for reason, count in data["left_out"].items():
        typer.echo(f"left out: {count:,} samples, {reason}")
    for note in [*data["warnings"], *outcome["diagnostic"]["notes"]]:
        typer.echo(f"note: {note}")
    console.print(_objectives(outcome))
    console.print(_diagnostic(outcome["diagnostic"]))
    found = outcome["diagnostic"]["enrichment"]
    if found is not None and found["ratio"] is not None:
        typer.echo(
            f"biomedical terms per 100 words: {found['rate_b']:.2f} in group B, {found['rate_a']:.2f} in group A; "
            f"ratio {_interval(found['ratio'])}"
        )
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in outcome["suspect_reasons"].items())
    typer.echo(f"suspect samples: {outcome['suspect_count']:,}" + (f" ({reasons})" if reasons else ""))


def _objectives(outcome: dict[str, Any]) -> Table:
    heads = ("pull: low", "middle", "high", "effective tokens", "token weight", "sample weight", "p_conf (median)")
    table = Table("objective", *heads, box=None, pad_edge=False)
    shares = outcome["confidence"]["tokens"]
    table.add_row("(share of tokens)", *(f"{shares[name]:.1%}" for name in ("low", "middle", "high")), style="dim")
    for label, found in outcome["objectives"].items():
        quantiles = found["p_conf_quantiles"]
        table.add_row(
            label,
            *(f"{found['shares'][name]:.1%}" for name in ("low", "middle", "high")),
            f"{found['effective_share']:.1%}",
            f"{found['mean_token_weight']:.3f}",
            f"{found['mean_sample_weight']:.3f}",
            "" if quantiles is None else f"{quantiles['0.5']:.3f}",
        )
    return table


def _diagnostic(found: dict[str, Any]) -> Table:
    at = found["thresholds"]
    title = (
        f"low: below {at['low']:g}; windows of {at['window']}, stride {at['stride']}; group B (dense-low): share of "
        f"low tokens at least {at['share']:g} and longest run at least {at['run']}; group A (sparse-low): both below; "
        "clustering: longest run over that of shuffled samples"
    )
    heads = ("windows", "low tokens", "longest run", "clustering", "group A", "group B")
    table = Table("text", *heads, box=None, pad_edge=False, caption=title, caption_justify="left")
    for row in found["texts"]:
        cells = (_interval(row[name]) for name in ("low_share", "longest_run", "clustering", "group_a", "group_b"))
        table.add_row(row["name"], f"{row['windows']:,}", *cells)
    return table


def _interval(found: dict[str, float] | None) -> str:
    return "" if found is None else f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def _columns(given: list[str] | None) -> dict[str, str] | None:
    """``prompt=question`` as the data section's ``columns``."""
    parted = [text.partition("=") for text in given or []]
    for name, equals, value in parted:
        if not (name and equals and value):
            raise UserError(f"--column is {name + equals + value!r}; expected name=your column, as prompt=question")
    return {name: value for name, _, value in parted} or None
