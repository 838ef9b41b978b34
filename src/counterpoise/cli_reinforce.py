"""The command ``counterpoise reinforce``; `cli` puts it into the program."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from counterpoise.cli_evaluate import DataDir, Json, command_line, progress
from counterpoise.errors import UserError


def _show_keys(wanted: bool) -> None:
    if not wanted:
        return
    from counterpoise.reinforcement.config import ReinforceConfig
    from counterpoise.training.config_file import keys

    table = Table("key", "default", "meaning", box=None, pad_edge=False)
    for row in keys(ReinforceConfig):
        table.add_row(*row)
    _out().print(table)
    raise typer.Exit


def reinforce(
    config: Annotated[Path, typer.Argument(help="The run config, or a study with arms:, a YAML file.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="section.key=value, over what the file says.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete an earlier run in the same folder.")] = False,
    show_keys: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--keys", is_eager=True, callback=_show_keys, help="List all keys of a run config and stop.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Of a study: where its runs and results go; default: runs/ and its name.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Of a study: list what is done and what is left; run nothing.")
    ] = False,
    markdown: Annotated[Path | None, typer.Option(help="Of a study: write its tables to this file too.")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but errors.")] = False,
) -> None:
    """Reinforce a model by GRPO with rewards that can be checked. Run again after an interruption, it goes on.

    With a study file (arms: and one reinforce: block) several starting models are trained alike and compared. Given
    again while it runs, on another GPU say, the command takes the next run that no process works on.
    """
    from counterpoise.reinforcement.study import is_study

    if is_study(config):
        if overwrite:
            raise UserError("--overwrite is for a run; of a study, delete the folder of the arm that is to run anew")
        _study(config, overrides or [], folder, dry_run, markdown, data_dir, as_json, quiet)
        return
    for option, given in (("--folder", folder), ("--dry-run", dry_run or None), ("--markdown", markdown)):
        if given is not None:
            raise UserError(f"{option} is for a study, and {config} has no arms:; expected output.folder=... for a run")
    from counterpoise.reinforcement.config import load_reinforce_config
    from counterpoise.reinforcement.record import as_study
    from counterpoise.reinforcement.run import reinforce as run
    from counterpoise.report.reinforcement_page import write_reinforcement_page

    resolved = load_reinforce_config(config, overrides or [])
    outcome = run(
        resolved,
        data_dir=data_dir,
        overwrite=overwrite,
        progress=lambda: progress(quiet or not sys.stderr.isatty()),
        show_progress=not quiet,
    )
    place = resolved.output.folder
    write_reinforcement_page(as_study(outcome, resolved, place, command=command_line()), place / "report.html")
    if as_json:
        typer.echo(json.dumps(outcome, indent=1, ensure_ascii=False))
        return
    _show_run(outcome)
    typer.echo(f"run folder: {place}\npage: {place / 'report.html'}")


def _study(
    file: Path,
    overrides: list[str],
    folder: Path | None,
    dry_run: bool,
    markdown: Path | None,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    from counterpoise.disk import check_writable, replace_text, writing
    from counterpoise.reinforcement.study import load_reinforce_study, run_reinforce_study, what_is_left
    from counterpoise.reinforcement.study_table import markdown as tables
    from counterpoise.report.reinforcement_page import write_reinforcement_page

    study = load_reinforce_study(file, overrides)
    place = folder or Path("runs") / study.config.name
    if dry_run:
        for unit, left in what_is_left(study, place):
            typer.echo(f"{unit.arm}, seed {unit.seed}: {left or 'done'} ({unit.place(place)})")
        return
    if markdown is not None:
        check_writable(markdown)
    outcome = run_reinforce_study(
        study,
        place,
        data_dir=data_dir,
        command=command_line(),
        say=None if quiet else lambda text: print(text, file=sys.stderr, flush=True),
        progress=lambda: progress(quiet or not sys.stderr.isatty()),
    )
    if outcome is None:
        typer.echo("other processes are at work; the same command shows the results once they are done:", err=True)
        for unit, why in what_is_left(study, place):
            if why:
                typer.echo(f"{unit.arm}, seed {unit.seed}: {why}", err=True)
        typer.echo("if one of them is gone, delete working.json in the folder of its run", err=True)
        return
    text = tables(outcome)
    for path in [place / "study.md", *([markdown] if markdown is not None else [])]:
        with writing(path, "choose another file, or free some space"):
            replace_text(path, text)
    page = place / "report.html"
    write_reinforcement_page(outcome, page)
    if as_json:
        typer.echo(json.dumps(outcome, indent=1, ensure_ascii=False))
        return
    typer.echo(text)
    typer.echo(f"numbers: {place / 'results.json'}\ntables: {markdown or place / 'study.md'}\npage: {page}")


def _show_run(outcome: dict[str, Any]) -> None:
    """Print a run: before and after, what rewards were, and signs of reward hacking."""
    console = _out()
    if outcome["rows"]:
        table = Table("task", "metric", "", "value", "95 % interval", "n", box=None, pad_edge=False)
        for row in outcome["rows"]:
            interval = f"{row['low']:.3f} to {row['high']:.3f}"
            table.add_row(row["task"], row["metric"], row["stage"], f"{row['value']:.3f}", interval, str(row["n"]))
        for row in outcome["comparisons"]:
            interval = f"{row['low']:+.3f} to {row['high']:+.3f}"
            cells = (row["task"], row["metric"], "change", f"{row['value']:+.3f}", interval, str(row["n"]))
            table.add_row(*cells, style="bold")
        console.print(table)
    table = Table("reward", "weight", "at first", "at last", "a constant answer earns", box=None, pad_edge=False)
    for name, found in outcome["rewards"].items():
        constant = found["best_constant"]
        floor = f"{constant['mean']:.3f}" if constant else ""
        table.add_row(name, f"{found['weight']:g}", _number(found["first"]), _number(found["last"]), floor)
    console.print(table)
    told = outcome["training"]
    share = told["reward_seconds"] / told["seconds"] if told["seconds"] else 0.0
    typer.echo(
        f"{told['steps']} steps, {told['completions']:,} completions; rewards took {share:.1%} of the time"
        + (f" and failed on {told['reward_errors']} samples" if told["reward_errors"] else "")
    )
    typer.echo(f"prompts: {outcome['filter']['sentence']}")
    for alarm in outcome["alarms"]:
        typer.echo(f"alarm, step {alarm['step']}: {alarm['sentence']}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _out() -> Console:
    return Console(highlight=False, width=max(Console().width, 110), soft_wrap=True)
