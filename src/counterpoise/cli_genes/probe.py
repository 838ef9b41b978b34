"""``counterpoise genes probe``: what gene vectors tell of interactions, properties and cells, beside their controls."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from counterpoise.cli_evaluate import DataDir, Json, checked, command_line, progress
from counterpoise.disk import check_writable
from counterpoise.errors import UserError

FEATURES = ("sum", "concat", "product")
CLASSIFIERS = ("logistic", "forest")
MISSING = ("drop", "mean")
SHOWN = 12
"""Sentences on what was left out that are printed where the rest stands in a file."""


def probe(
    vectors: Annotated[
        list[str] | None,
        typer.Argument(help="LABEL=FILE: gene vectors as .parquet, .safetensors, .npz, .csv, .tsv or word2vec .txt."),
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option("--task", "-t", help="ggi, essential or dosage, of the data folder; may be given several times."),
    ] = None,
    labels: Annotated[
        list[Path] | None, typer.Option(help="A table of yours with the columns gene and label; several times.")
    ] = None,
    cells: Annotated[
        Path | None, typer.Option(help="Cells x genes, .h5ad, log-normalised: probe cell vectors.")
    ] = None,
    label_column: Annotated[
        list[str] | None, typer.Option(help="With --cells: column of obs to be told from the vectors; several times.")
    ] = None,
    within: Annotated[
        str | None, typer.Option(help="With --cells: column of obs inside whose values labels are told, as cell_type.")
    ] = None,
    group_column: Annotated[
        str | None, typer.Option(help="With --cells: column whose cells stay in one fold, as a donor or a batch.")
    ] = None,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="With --cells: X holds raw counts; scale to 10,000 and take log(1 + x).")
    ] = False,
    features: Annotated[
        str, typer.Option(help="Of gene pairs: sum, concat (sum and |difference|) or product.")
    ] = "sum",
    classifier: Annotated[str, typer.Option(help="logistic or forest.")] = "logistic",
    missing: Annotated[
        str, typer.Option(help="Genes that a row has no vector for: drop from all rows, or mean of the row's vectors.")
    ] = "drop",
    controls: Annotated[
        str, typer.Option(help="Beside the vectors: name, full-name, ncbi, go, ncbi+go, random, by commas; or none.")
    ] = "name,full-name,ncbi,random",
    encoder: Annotated[str, typer.Option(help="Of the controls' texts: minilm, medcpt, sapbert, a folder.")] = "minilm",
    reference: Annotated[
        list[str] | None, typer.Option(help="Label of vectors that the others are compared with, too.")
    ] = None,
    group_by_prefix: Annotated[
        bool,
        typer.Option(
            "--group-by-prefix/--no-group-by-prefix",
            help="Gene properties once more with families (ZNF200, ZNF763) kept in one fold.",
        ),
    ] = True,
    limit_genes: Annotated[
        int | None, typer.Option(min=2, help="A fixed random subset of so many genes of each task.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Outer folds of gene properties and cells.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of the folds of gene properties.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of subset, folds, random vectors, forest and bootstrap.")] = 0,
    data_dir: DataDir = None,
    out: Annotated[Path | None, typer.Option(help="Results file, with everything as JSON.")] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but errors.")] = False,
) -> None:
    """Test gene vectors on interactions, properties and cells, beside name-only, NCBI, random and no vectors."""
    from counterpoise.biology.probes import Plan, read_cells
    from counterpoise.biology.probes import probe as run
    from counterpoise.biology.vectors import read_vectors
    from counterpoise.evaluation.results import write_json

    checked("--features", [features], FEATURES)
    checked("--classifier", [classifier], CLASSIFIERS)
    checked("--missing", [missing], MISSING)
    _check_cells_only(cells, {"--label-column": label_column, "--within": within, "--group-column": group_column,
                              "--normalise": normalise})  # fmt: skip
    wanted = [word.strip() for word in controls.split(",") if word.strip()]
    files = _files(vectors or [])
    if out is not None:
        check_writable(out)
    with progress(quiet or not sys.stderr.isatty()) as on_progress:
        outcome = run(
            {label: read_vectors(path) for label, path in files.items()},
            list(dict.fromkeys(task or ())),
            labels=labels or (),
            cells=None
            if cells is None
            else read_cells(cells, label_column or (), within=within, groups=group_column, normalise=normalise),
            references=reference or (),
            controls=() if wanted == ["none"] else wanted,
            encoder=encoder,
            data_dir=data_dir,
            plan=Plan(
                features=cast("Any", features),
                classifier=cast("Any", classifier),
                missing=cast("Any", missing),
                limit_genes=limit_genes,
                families=group_by_prefix,
                folds=folds,
                repeats=repeats,
                seed=seed,
            ),
            on_progress=on_progress,
        )
    outcome["command"] = command_line()
    if out is not None:
        write_json(out, outcome)
    if as_json:
        import json

        typer.echo(json.dumps(outcome, indent=1, ensure_ascii=False))
        return
    show(outcome, whole=out is None)
    if out is not None:
        typer.echo(f"numbers: {out}")


def show(outcome: Mapping[str, Any], *, whole: bool = True) -> None:
    """Print the rows, the paired differences of the vectors given, how intervals are made, and what was left out."""
    console = Console(highlight=False, width=max(Console().width, 110), soft_wrap=True)
    table = Table("task", "vectors", "", "metric", "value", "95 % interval", "n", box=None, pad_edge=False)
    last = None
    for row in outcome["rows"]:
        role = outcome["tasks"][row["task"]]["roles"][row["model"]]
        key = (row["task"], row["metric"])
        cells = (row["model"], "" if role == "given" else role, row["metric"], *_numbers(row), f"{row['n']:,}")
        table.add_row(row["task"] if key != last else "", *cells, style="bold" if role == "given" else None)
        last = key
    console.print(table)
    differences = Table("task", "difference", "metric", "value", "95 % interval", "p", box=None, pad_edge=False)
    for row in outcome["comparisons"]:
        if outcome["tasks"][row["task"]]["roles"][row["ours"]] == "given":
            pair = f"{row['ours']} - {row['theirs']}"
            differences.add_row(row["task"], pair, row["metric"], *_numbers(row, "+.3f"), f"{row['p_value']:.3g}")
    if differences.row_count:
        typer.echo("")
        console.print(differences)
    for interval in dict.fromkeys(task["interval"] for task in outcome["tasks"].values()):
        names = [name for name, task in outcome["tasks"].items() if task["interval"] == interval]
        typer.echo(f"interval ({', '.join(names)}): {interval}")
    left = outcome["left_out"]
    shown = left if whole else left[:SHOWN]
    for sentence in shown:
        typer.echo(f"note: {sentence}")
    if len(shown) < len(left):
        typer.echo(f"... and {len(left) - len(shown):,} notes more")


def _numbers(row: Mapping[str, Any], form: str = ".3f") -> tuple[str, str]:
    return f"{row['value']:{form}}", f"{row['low']:{form}} to {row['high']:{form}}"


def _files(words: Sequence[str]) -> dict[str, Path]:
    """Return label -> file of LABEL=FILE; a file without a label is called by its name."""
    found: dict[str, Path] = {}
    for word in words:
        label, equals, file = word.partition("=")
        if not equals:
            label, file = Path(word).name.split(".")[0], word
        if not label or not file:
            raise UserError(f"{word!r} names no vectors; expected LABEL=FILE, as profiles=profiles.parquet")
        if label in found:
            raise UserError(f"two vectors are called {label!r}; expected LABEL=FILE with different labels")
        found[label] = Path(file)
    if not found:
        raise UserError("no vectors are given; expected LABEL=FILE, as profiles=profiles.parquet")
    return found


def _check_cells_only(cells: Path | None, options: Mapping[str, object]) -> None:
    given = [option for option, value in options.items() if value]
    if given and cells is None:
        raise UserError(f"{given[0]} is of the cells, and there is no --cells")
