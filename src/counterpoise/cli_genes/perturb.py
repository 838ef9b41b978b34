"""``counterpoise genes perturb``: predicted responses to perturbations, beside the baselines that must be beaten."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from counterpoise import __version__
from counterpoise.cli_evaluate import Json, checked, command_line, progress
from counterpoise.disk import check_writable
from counterpoise.errors import UserError

if TYPE_CHECKING:
    from counterpoise.biology.response import Responses
    from counterpoise.biology.response.features import Missing
    from counterpoise.biology.response.splits import Split
    from counterpoise.biology.vectors import Vectors

NONE = "none"
NAME_ONLY = "name only"
COLUMNS = (
    ("pearson_delta", "Pearson of response"),
    ("pearson_perturbed", "beyond the mean"),
    ("discrimination_l1", "discrimination"),
    ("de_overlap", "DE overlap"),
    ("mae", "MAE"),
)
"""Of the table that is printed, the first with its interval; all metrics and intervals stand in --out."""


def perturb(
    data: Annotated[Path, typer.Argument(help="AnnData (.h5ad) of log-normalised single cells with conditions.")],
    vectors: Annotated[
        list[str] | None,
        typer.Option(help="LABEL=FILE with vectors of genes, as ncbi=ncbi.parquet; may be given several times."),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="unseen-single, unseen-pair, unseen-cell-line or all (default); may be given several times."),
    ] = None,
    predictions: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE.h5ad with another program's predictions; may be given several times."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="ridge, bilinear, bilinear-text, knn or mlp; default: all. May be given several times."),
    ] = None,
    condition_column: Annotated[str, typer.Option(help="Column of .obs with the conditions.")] = "condition",
    control: Annotated[str, typer.Option(help="The condition of the control cells.")] = "control",
    cell_column: Annotated[
        str, typer.Option(help="Column of .obs with the cell lines; none: there is one.")
    ] = "cell_type",
    intervention_column: Annotated[
        str | None,
        typer.Option(help="Column with what was done (CRISPRa, CRISPRi): lines that differ in it are never mixed."),
    ] = None,
    separator: Annotated[str, typer.Option(help="Between the genes of a pair.")] = "+",
    normalise: Annotated[
        bool, typer.Option("--normalise", help="X holds raw counts: scale cells to 10,000 and take log(1 + x).")
    ] = False,
    min_cells: Annotated[int, typer.Option(min=2, help="Conditions of fewer cells in a line are left out.")] = 20,
    missing: Annotated[
        str, typer.Option(help="A gene without a vector: drop its conditions for all rows, or give it the mean.")
    ] = "drop",
    name_only: Annotated[
        str, typer.Option(help="Encoder of the control that reads the genes' names alone; none: leave it out.")
    ] = "minilm",
    folds: Annotated[int, typer.Option(min=2, help="Of genes and of pairs.")] = 5,
    random_seeds: Annotated[int, typer.Option(min=0, help="Tables of random vectors to compare with.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Deals the folds, parts the cells, draws random vectors.")] = 0,
    cell_eval: Annotated[
        bool, typer.Option("--cell-eval", help="Score by cell-eval over cells as well: slow, and needs it installed.")
    ] = False,
    show: Annotated[
        list[str] | None, typer.Option(help="A condition to show on the page; may be given several times.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write all numbers to this JSON file.")] = None,
    write_predictions: Annotated[
        Path | None, typer.Option(help="Folder for the predicted means, an .h5ad a split and method.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Write an HTML page to this file.")] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but errors.")] = False,
) -> None:
    """Predict how cells respond to perturbations that were held out: single genes, pairs, or a cell line."""
    from counterpoise.biology.response import MODELS, SPLITS, predict_responses, read_outside, read_responses
    from counterpoise.biology.response.cell_metrics import CellEval, check_installed
    from counterpoise.biology.vectors import read_vectors
    from counterpoise.evaluation.results import write_json

    splits = checked("--split", split or ["all"], (*SPLITS, "all"))
    models = checked("--model", model or list(MODELS), tuple(MODELS))
    checked("--missing", [missing], ("drop", "mean"))
    files = labelled("--vectors", vectors or [])
    theirs = labelled("--predictions", predictions or [])
    for path in (out, page, None if write_predictions is None else write_predictions / "x.h5ad"):
        if path is not None:
            check_writable(path)
    if cell_eval:
        check_installed()
    start = time.monotonic()
    tables = {label: read_vectors(path) for label, path in files.items()}
    responses = read_responses(
        data,
        condition_column=condition_column,
        control=control,
        cell_column=None if cell_column == NONE else cell_column,
        intervention_column=intervention_column,
        separator=separator,
        min_cells=min_cells,
        normalise=normalise,
        seed=seed,
    )
    outside = [read_outside(path, responses, name) for name, path in theirs.items()]
    named, notes = _name_only(name_only, responses, with_readout="bilinear-text" in models)
    with progress(quiet or not sys.stderr.isatty()) as on_progress:
        outcome = predict_responses(
            responses,
            tables | named,
            splits=SPLITS if "all" in splits else cast("Sequence[Split]", splits),
            models=models,
            name_only=NAME_ONLY if named else "",
            outside=outside,
            missing=cast("Missing", missing),
            folds=folds,
            random_seeds=random_seeds,
            seed=seed,
            cell_eval=CellEval(data, responses, normalise=normalise, seed=seed) if cell_eval else None,
            write_to=write_predictions,
            show=show or (),
            on_progress=on_progress,
        )
    outcome["left_out"] += notes
    outcome["run"] = {
        "command": command_line(),
        "data": data.name,
        "seconds": time.monotonic() - start,
        "counterpoise": __version__,
    }
    if out is not None:
        write_json(out, outcome)
    if page is not None:
        from counterpoise.report.response_page import write_response_page

        write_response_page(outcome, page)
    if as_json:
        typer.echo(json.dumps(outcome, indent=1, ensure_ascii=False))
        return
    tell(outcome)
    for what, path in (("numbers", out), ("predictions", write_predictions), ("page", page)):
        if path is not None:
            typer.echo(f"{what}: {path}")


def tell(outcome: Mapping[str, Any]) -> None:
    """Print a table a split, and what was left out."""
    console = Console(highlight=False, width=max(Console().width, 130), soft_wrap=True)
    for split in outcome["settings"]["splits"]:
        console.print(_table(outcome["rows"], split))
    for sentence in outcome["left_out"]:
        typer.echo(f"note: {sentence}")


def labelled(option: str, words: Sequence[str]) -> dict[str, Path]:
    """Return LABEL=FILE of an option by label; UserError for a word that is none, or a label that stands twice."""
    found: dict[str, Path] = {}
    for word in words:
        label, equals, file = word.partition("=")
        if not equals or not label.strip() or not file.strip():
            raise UserError(f"{option} is {word!r}; expected a name and a file, as ncbi=vectors.parquet")
        if label.strip() in found or label.strip() == NAME_ONLY:
            raise UserError(f"{option} names {label.strip()!r} twice; expected a name of its own for each file")
        found[label.strip()] = Path(file.strip())
    return found


def _name_only(encoder: str, data: Responses, with_readout: bool) -> tuple[dict[str, Vectors], list[str]]:
    """Return the vectors of the genes' names, or a sentence where the encoder cannot be had."""
    if encoder == NONE:
        return {}, []
    from counterpoise.biology.vectors import embed_names

    genes = {gene for condition in data.conditions for gene in condition.genes}
    names = sorted(genes | set(data.symbols) if with_readout else genes)
    try:
        return {NAME_ONLY: embed_names(names, encoder)}, []
    except UserError as why:
        return {}, [f"vectors of names alone are left out: {why}"]


def _table(rows: Sequence[Mapping[str, Any]], split: str) -> Table:
    found = {(row["model"], row["metric"]): row for row in rows if row["task"] == f"response-{split}"}
    n = max(row["n"] for row in found.values())
    first, *others = COLUMNS
    titles = [first[1], "gain on train mean", *(title for _, title in others)]
    table = Table(f"{split} ({n})", *titles, box=None, pad_edge=False)
    for method in dict.fromkeys(name for name, _ in found):
        row = found.get((method, first[0]))
        gain = None if row is None else row["difference"]
        rest = [found.get((method, metric)) for metric, _ in others]
        table.add_row(
            method, _interval(row, ""), _interval(gain, "+"), *("" if each is None else _value(each) for each in rest)
        )
    return table


def _interval(row: Mapping[str, Any] | None, sign: str) -> str:
    """A value with its interval; ``sign``: "+" shows it of positive numbers, too."""
    return "" if row is None else f"{row['value']:{sign}.3f} [{row['low']:{sign}.3f}, {row['high']:{sign}.3f}]"


def _value(row: Mapping[str, Any]) -> str:
    return f"{row['value']:.{4 if row['metric'] == 'mae' else 3}f}"
