"""The commands ``counterpoise evaluate`` and ``counterpoise tasks``; `cli` puts them into the program."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from counterpoise.errors import UserError

tasks_app = typer.Typer(help="The tasks that models are evaluated on.", invoke_without_command=True)

Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON instead of a table.")]
DataDir = Annotated[
    Path | None,
    typer.Option(envvar="COUNTERPOISE_DATA", help="Folder of local copies of data sets."),
]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", "-t", help="A task, a task file, or group:NAME; may be given several times."),
]


def evaluate(
    model: Annotated[
        str | None,
        typer.Argument(help="Alias, hub id, folder, run folder or .gguf file; MODEL+ADAPTER puts an adapter on it."),
    ] = None,
    task: Tasks = None,
    limit: Annotated[int | None, typer.Option(min=1, help="A random sample of so many items of each task.")] = None,
    shots: Annotated[int, typer.Option(min=0, help="Examples in the prompt.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Draws the sample and the examples.")] = 0,
    split: Annotated[str, typer.Option(help="Of the tasks' data: test, or dev to choose settings on.")] = "test",
    out: Annotated[Path | None, typer.Option(help="Results file; prompts and replies are kept beside it.")] = None,
    data_dir: DataDir = None,
    method: Annotated[
        list[str] | None, typer.Option(help="options (log-likelihoods) or generated; default: the task's first.")
    ] = None,
    format: Annotated[str, typer.Option(help="Of prompts: auto, chat, plain or completion.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bfloat16.")] = "auto",
    rows: Annotated[int, typer.Option(min=1, help="Prompts a batch.")] = 16,
    batch_tokens: Annotated[int, typer.Option(min=64, help="Tokens whose keys and values a batch holds.")] = 16_384,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="Cut prompts that are too long, and count them.")
    ] = False,
    training: Annotated[
        list[str] | None, typer.Option(help="What the model was trained on: overlap with the tasks is told.")
    ] = None,
    similarity: Annotated[
        str | None, typer.Option(help="Text encoder that compares generated texts with references, such as minilm.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Ask an OpenAI-compatible endpoint instead; its URL.")] = None,
    endpoint_form: Annotated[str, typer.Option(help="chat, or completion for log-likelihoods of options.")] = "chat",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds a request may take.")] = 60.0,
    retries: Annotated[int, typer.Option(min=0, help="How often a request is tried again.")] = 5,
    parallel: Annotated[int, typer.Option(min=1, help="Requests at a time.")] = 4,
    judge: Annotated[str | None, typer.Option(help="Endpoint of a judge for texts that were written; its URL.")] = None,
    judge_model: Annotated[str | None, typer.Option(help="The judge's name there.")] = None,
    rubric: Annotated[str | None, typer.Option(help="Rubric, or its file; default: the task's.")] = None,
    rescore: Annotated[bool, typer.Option("--rescore", help="Score what --out kept, without the model.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Forget earlier answers in --out.")] = False,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on standard error but errors.")] = False,
) -> None:
    """Measure a model on tasks, with floors and 95 % intervals. Run again after an interruption, it goes on."""
    from counterpoise.evaluation import evaluate as evaluation
    from counterpoise.evaluation.runner import Ask
    from counterpoise.evaluation.subjects import EndpointModel, LocalModel

    if rescore:
        if out is None:
            raise UserError("--rescore scores what an evaluation kept; name its results file with --out")
        show(evaluation.rescore(out), as_json)
        return
    methods = checked("--method", method or [], ("options", "generated"))
    subject: Any
    if endpoint is not None:
        checked("--endpoint-form", [endpoint_form], ("chat", "completion"))
        if endpoint_form == "chat" and not methods:
            methods = ("generated",)
        subject = EndpointModel(endpoint, model, endpoint_form, timeout, retries, parallel)  # type: ignore[arg-type]
    elif model is None:
        raise UserError("no model is named; expected an alias, a hub id or a folder, or --endpoint with a URL")
    else:
        checked("--precision", [precision], ("auto", "float32", "bfloat16"))
        subject = LocalModel(model, format, precision, rows, batch_tokens, truncate)  # type: ignore[arg-type]
        if not quiet:
            subject.say = lambda text: print(text, file=sys.stderr)
    ask = Ask(data_dir, split, limit, shots, seed, methods)  # type: ignore[arg-type]
    extras = evaluation.Extras(tuple(training or ()), similarity, judge, judge_model, rubric)
    with progress(quiet) as on_progress:
        outcome = evaluation.evaluate(
            task or [], subject, ask, out=out, overwrite=overwrite, extras=extras, on_progress=on_progress
        )
    if outcome:  # one of several processes tells
        show(outcome, as_json)
        if out is not None and not as_json:
            typer.echo(f"\nnumbers: {out}\nprompts and replies: {evaluation.kept_folder(out)}")


def command_line() -> str:
    """Return what was typed, as a shell would read it: results say that they were made with it."""
    return " ".join(["counterpoise", *(shlex.quote(word) for word in sys.argv[1:])])


def checked(option: str, values: list[str], choices: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values of an option; UserError for one that is none of the choices."""
    wrong = [value for value in values if value not in choices]
    if wrong:
        raise UserError(f"{option} is {wrong[0]!r}; expected {' or '.join(choices)}")
    return tuple(values)


@contextmanager
def progress(quiet: bool) -> Iterator[Any]:
    """Yield what is called as replies come: a bar on standard error with items a second and the time left."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if quiet:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    rows: dict[str, Any] = {}

    def tell(task: str, done: int, total: int) -> None:
        if task not in rows:
            bar.start()
            rows[task] = bar.add_task(task, total=total, completed=done - 1, speed="")
        speed = bar.tasks[rows[task]].speed
        bar.update(rows[task], completed=done, speed=f"{speed:.1f}/s" if speed else "")

    try:
        yield tell
    finally:
        if rows:
            bar.stop()


def show(outcome: dict[str, Any], as_json: bool) -> None:
    """Print an evaluation: a row a metric with interval and floors, and what was left out."""
    if as_json:
        typer.echo(json.dumps(outcome, indent=1, ensure_ascii=False))
        return
    table = Table("task", "metric", "value", "95 % interval", "n", "best floor", box=None, pad_edge=False)
    for row in outcome["rows"]:
        quoted = outcome["quote"].get(row["task"]) == row["metric"]
        floors = sorted(row["floors"].items(), key=lambda floor: -floor[1])  # all are better when higher
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        best = f"{floors[0][1]:.3f} {floors[0][0]}" if floors else ""
        cells = (row["task"], row["metric"], f"{row['value']:.3f}", interval, str(row["n"]), best)
        table.add_row(*cells, style="bold" if quoted else None)
        for name, value in floors if quoted else []:
            table.add_row("", f"  floor: {name}", f"{value:.3f}", style="dim")
    Console(highlight=False, width=max(Console().width, 110), soft_wrap=True).print(table)
    for task, left in outcome["left_out"].items():
        for line in told(task, left):
            typer.echo(line)
    overlap = outcome.get("contamination")
    if overlap is not None:
        typer.echo(overlap["text"])


def told(task: str, left: dict[str, Any]) -> list[str]:
    """Say in sentences what a task's numbers leave out."""
    lines = [f"note: {note}" for note in left["notes"]]
    unanswered = {method: count for method, count in left["unanswered"].items() if count}
    for method, count in unanswered.items():
        why = f" ({left['failures'][0]})" if left["failures"] else ""
        lines.append(f"note: {task}: {count} of {left['items']} items have no reply ({method}) and are not scored{why}")
    if left["unparsed"]:
        lines.append(f"note: {task}: {left['unparsed']} answers say nothing that can be read; they count as wrong")
    if left["unreadable"]:
        first = left["unreadable"][0]
        lines.append(f"note: {task}: {len(left['unreadable'])} records cannot be used and are left out; first: {first}")
    return lines


@tasks_app.callback(epilog="Example: counterpoise tasks --data-dir biomedical")
def tasks_list(context: typer.Context, data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the tasks with kind, metric, sizes and licence, and which are on this disk."""
    if context.invoked_subcommand is not None:
        return
    from counterpoise.evaluation import tasks
    from counterpoise.evaluation.tasks.items import is_available

    specs = [tasks.get(name) for name in tasks.names()]
    if as_json:
        rows = [{**spec.model_dump(mode="json"), "available": is_available(spec, data_dir)} for spec in specs]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    table = Table("task", "group", "metric", "train/dev/test", "here", "licence", box=None, pad_edge=False)
    for spec in sorted(specs, key=lambda spec: (spec.group, spec.name)):
        sizes = [spec.data[split].count if split in spec.data else 0 for split in ("train", "dev", "test")]
        shown = "/".join("?" if size is None else f"{size:,}" if size else "-" for size in sizes)
        here = [split for split in spec.data if is_available(spec, data_dir, (split,))]
        where = "embedded" if spec.is_embedded else "yes" if len(here) == len(spec.data) else ", ".join(here) or "no"
        table.add_row(spec.name, spec.group, spec.metric, shown if spec.data else "", where, spec.licence)
    wide = max(Console().width, 150)  # a row a task, whatever the terminal
    Console(highlight=False, width=wide, soft_wrap=True).print(table)


@tasks_app.command("show", epilog="Example: counterpoise tasks show pubmedqa --data-dir biomedical")
def tasks_show(
    name: Annotated[str, typer.Argument(help="A task, or a task file.")],
    data_dir: DataDir = None,
    count: Annotated[int, typer.Option(min=0, help="How many items to show.")] = 1,
    split: Annotated[str, typer.Option(help="Of the task's data.")] = "test",
) -> None:
    """Show what a task asks: where its data is from, and items as a model reads them."""
    from counterpoise.evaluation import tasks
    from counterpoise.evaluation.tasks.items import read_items

    spec = tasks.get(name)
    typer.echo(f"{spec.name}, version {spec.version}: {spec.title}")
    for key in ("kind", "metric", "licence", "redistribution", "citation", "homepage", "note"):
        if value := getattr(spec, key):
            typer.echo(f"  {key}: {value}")
    for part, where in spec.data.items():
        typer.echo(f"  {part}: {where.file}" + (f", {where.count:,} items" if where.count else ""))
    if count:
        found = read_items(spec, split, data_dir=data_dir)
        for item in found.items[:count]:
            typer.echo(f"\n--- {item.id} ({item.source})\n{item.prompt}\n>>> {item.target}")


@tasks_app.command(
    "export", epilog="Example: counterpoise tasks export --lm-eval exported -t pubmedqa --data-dir biomedical"
)
def tasks_export(
    folder: Annotated[Path, typer.Option("--lm-eval", help="Where the task files for lm-evaluation-harness go.")],
    task: Tasks = None,
    data_dir: DataDir = None,
    split: Annotated[str, typer.Option(help="Of the tasks' data.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="A random sample of so many items of each task.")] = None,
    shots: Annotated[int, typer.Option(min=0, help="Examples in the prompt.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Draws the sample and the examples.")] = 0,
    method: Annotated[list[str] | None, typer.Option(help="options or generated; default: the task's first.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Write prompts in this model's format; default: plain text.")
    ] = None,
    format: Annotated[str, typer.Option(help="With --model: auto, chat, plain or completion.")] = "auto",
) -> None:
    """Write tasks as YAML and jsonl that lm-evaluation-harness runs offline, to check our numbers with."""
    from counterpoise.evaluation.lm_eval_export import export
    from counterpoise.evaluation.runner import Ask, check_tasks

    methods = checked("--method", method or [], ("options", "generated"))
    ask = Ask(data_dir, split, limit, shots, seed, methods)  # type: ignore[arg-type]
    written = export(check_tasks(task or []), folder, ask, model=model, format=format)
    typer.echo(
        f"{folder}: {', '.join(written)}\nrun there: lm_eval --model hf --model_args pretrained=MODEL "
        f"--include_path . --tasks {','.join(written)}"
    )
