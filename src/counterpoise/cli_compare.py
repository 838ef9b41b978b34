"""The command ``counterpoise compare``; `cli` puts it into the program."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from counterpoise.cli_evaluate import DataDir, Json, command_line, progress

if TYPE_CHECKING:
    from counterpoise.studies.compare import Study


def compare(
    study: Annotated[Path, typer.Argument(help="The study file, a YAML.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where runs and results go; default: runs/ and the study's name.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="An arm to run now; may be given several times.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of trained arms, run the models of this seed alone.")] = None,
    trained_on: Annotated[str | None, typer.Option(help="Of trained arms, run the models of this task alone.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what is done and what is left; run nothing.")
    ] = False,
    jobs: Annotated[
        Literal["shell", "slurm"] | None,
        typer.Option(help="Print what is left as commands, one a model, or as a SLURM array; run nothing."),
    ] = None,
    launcher: Annotated[
        str, typer.Option(help="Train under this command, such as 'accelerate launch --num_processes 2'.")
    ] = "",
    markdown: Annotated[Path | None, typer.Option(help="Write the tables to this file too.")] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write the page to this file too, and its figures beside it.")
    ] = None,
    texts: Annotated[
        bool, typer.Option(help="Show texts of the data on --page; their licences may not let you share them.")
    ] = True,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but errors.")] = False,
) -> None:
    """Compare arms (prompts, objectives, adapters, encoders) on tasks under one setup. Run again, it goes on.

    Given again while it runs, on another GPU say, the command takes the next model that no process works on.
    """
    from counterpoise.disk import replace_text, writing
    from counterpoise.report import write_figures, write_study_page
    from counterpoise.studies import compare as studies
    from counterpoise.studies.compare.items import without_texts

    loaded = studies.load_study(study)
    place = folder or Path("runs") / loaded.config.name
    if dry_run or jobs is not None:
        typer.echo(_without_running(loaded, study, place, jobs, data_dir, launcher))
        return
    command = command_line()
    outcome = studies.compare(
        loaded,
        folder=place,
        data_dir=data_dir,
        only=only or (),
        seed=seed,
        trained_on=trained_on,
        launcher=launcher,
        command=command,
        say=None if quiet else lambda text: print(text, file=sys.stderr, flush=True),
        progress=lambda: progress(quiet or not sys.stderr.isatty()),
    )
    text = studies.markdown(outcome)
    for path in [place / "study.md", *([markdown] if markdown is not None else [])]:
        with writing(path, "choose another file, or free some space"):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_text(path, text)
    for path in [place / "report.html", *([page] if page is not None else [])]:
        write_study_page(outcome if texts or path.parent == place else without_texts(outcome), path)
        write_figures(outcome, path.parent / "figures" if path.parent == place else path.with_suffix(""))
    typer.echo(json.dumps(outcome, indent=1, ensure_ascii=False) if as_json else text)
    if not as_json:
        typer.echo(
            f"numbers: {place / 'study.json'}\ntables: {markdown or place / 'study.md'}\n"
            f"page: {page or place / 'report.html'}"
        )


def _without_running(
    loaded: Study, file: Path, folder: Path, jobs: str | None, data_dir: Path | None, launcher: str
) -> str:
    from counterpoise.studies.compare.jobs import as_shell, as_slurm, as_text, jobs_of
    from counterpoise.studies.compare.runner import study_state

    state = study_state(loaded, folder)
    if jobs is None:
        return as_text(state)
    words = ["counterpoise", "compare", str(file), "--folder", str(folder)]
    words += ["--data-dir", str(data_dir)] if data_dir is not None else []
    words += ["--launcher", launcher] if launcher else []
    left = jobs_of(loaded, state, words)
    return as_shell(left) if jobs == "shell" else as_slurm(left, loaded.config.name)
