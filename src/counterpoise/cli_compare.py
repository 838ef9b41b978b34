"""The command ``counterpoise compare``; `cli` puts it into the program."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from counterpoise.cli_evaluate import DataDir, Json, progress


def compare(
    study: Annotated[Path, typer.Argument(help="The study file, a YAML.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where runs and results go; default: runs/ and the study's name.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="An arm to run now; may be given several times.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write the tables to this file too.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but errors.")] = False,
) -> None:
    """Compare arms (prompts, objectives, adapters, encoders) on tasks under one setup. Run again, it goes on."""
    from counterpoise.disk import writing
    from counterpoise.studies import compare as studies

    loaded = studies.load_study(study)
    place = folder or Path("runs") / loaded.config.name
    command = " ".join(["counterpoise", *(shlex.quote(word) for word in sys.argv[1:])])
    outcome = studies.compare(
        loaded,
        folder=place,
        data_dir=data_dir,
        only=only or (),
        command=command,
        say=None if quiet else lambda text: print(text, file=sys.stderr, flush=True),
        progress=lambda: progress(quiet or not sys.stderr.isatty()),
    )
    text = studies.markdown(outcome)
    for path in [place / "study.md", *([markdown] if markdown is not None else [])]:
        with writing(path, "choose another file, or free some space"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    typer.echo(json.dumps(outcome, indent=1, ensure_ascii=False) if as_json else text)
    if not as_json:
        typer.echo(f"numbers: {place / 'study.json'}\ntables: {markdown or place / 'study.md'}")
