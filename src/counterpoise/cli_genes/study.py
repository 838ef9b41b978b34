"""``counterpoise genes study``: from checkpoints to profiles to vectors to probes, the same for every arm."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli_evaluate import DataDir, Json, command_line, progress


def study(
    study: Annotated[Path, typer.Argument(help="The study file, a YAML.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where profiles, vectors and results go; default: runs/ and the study's name.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the tables to this file too.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the steps, what is done and what is left; run nothing.")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but errors.")] = False,
) -> None:
    """Test what models' profiles of genes are good for, beside controls. Run again, it does only what is missing."""
    from counterpoise.disk import check_writable, replace_text, writing
    from counterpoise.report.representations_table import markdown as as_markdown
    from counterpoise.studies.representations import look, read_study, run_study

    config = read_study(study)
    place = folder or Path("runs") / config.name
    if dry_run:
        typer.echo(look(config, folder=place, data_dir=data_dir))
        return
    if markdown is not None:
        check_writable(markdown)
    outcome = run_study(
        config,
        folder=place,
        data_dir=data_dir,
        command=command_line(),
        say=(lambda _: None) if quiet else (lambda text: print(text, file=sys.stderr, flush=True)),
        progress=lambda: progress(quiet or not sys.stderr.isatty()),
    )
    text = as_markdown(outcome)
    for path in [place / "results.md", *([markdown] if markdown is not None else [])]:
        with writing(path, "choose another file, or free some space"):
            replace_text(path, text)
    typer.echo(json.dumps(outcome, indent=1, ensure_ascii=False) if as_json else text)
    if not as_json:
        typer.echo(f"numbers: {place / 'results.json'}\ntables: {markdown or place / 'results.md'}")
