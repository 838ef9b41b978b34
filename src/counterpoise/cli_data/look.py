"""``counterpoise data list``, ``show`` and ``overlap``: what there is, how a model sees it, which test items it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from counterpoise.cli_evaluate import DataDir, Json, Tasks
from counterpoise.errors import UserError


def listed(data_dir: DataDir = None, as_json: Json = False) -> None:
    """The catalogue: data sets by name, with licence and size."""
    from counterpoise.data import catalog

    entries = [catalog.get(name) for name in catalog.names()]
    if as_json:
        rows = [{**e.model_dump(mode="json"), "available": e.is_available(data_dir)} for e in entries]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    table = Table("name", "here", "rows", "licence", "title", box=None, pad_edge=False)
    for entry in entries:
        here = "embedded" if entry.is_embedded else "yes" if entry.is_available(data_dir) else "no"
        sizes = ", ".join(f"{split} {count:,}" for split, count in entry.rows.items())
        table.add_row(entry.name, here, sizes, entry.licence, entry.title)
    Console(highlight=False).print(table)


def show(
    source: Annotated[str, typer.Argument(help="File, catalogue name, hub:owner/name, task:NAME, biology:gene-sets.")],
    count: Annotated[int, typer.Option(min=1, help="How many examples.")] = 2,
    split: Annotated[str | None, typer.Option(help="Split of a catalogue or hub data set.")] = None,
    model: Annotated[str, typer.Option(help="Whose tokenizer and chat template to render with.")] = "smollm2-135m",
    data_dir: DataDir = None,
) -> None:
    """Show examples as the model will see them: what is learned stands between [[ and ]]."""
    from counterpoise.data.show import marked_text
    from counterpoise.evaluation.sources import read_source
    from counterpoise.models.renderer import load_renderer

    read = read_source(source, limit=count, split=split, data_dir=data_dir)
    renderer = load_renderer(model)
    for example in read.examples:
        encoded = renderer.encode(example)
        typer.echo(f"--- {example.source}: {len(encoded.input_ids)} tokens, {sum(encoded.supervised)} supervised")
        typer.echo(marked_text(encoded, renderer.tokenizer))


def overlap(
    sources: Annotated[
        list[str],
        typer.Argument(help="Training data: files, catalogue names, hub:owner/name, task:NAME, biology:gene-sets."),
    ],
    task: Tasks = None,
    data_dir: DataDir = None,
    clean: Annotated[
        Path | None, typer.Option(help="Write the examples that do not overlap to this jsonl file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which test items stand in training data: shared runs of 8 words, items held whole."""
    from counterpoise.data.contamination import filter_examples
    from counterpoise.data.record_files import Layout, check_output, record_file
    from counterpoise.data.writing_formats import to_record
    from counterpoise.evaluation.overlap import items_of, scan, training_texts
    from counterpoise.evaluation.sources import iter_source

    if clean is not None:
        layout = Layout.of(clean)
        if layout.is_table:
            raise UserError(f"{clean.name}: conversations are written as lists of turns; name a .jsonl file")
        check_output(clean, [Path(source) for source in sources], overwrite=True)
    for source in sources:  # what is not there is told before test items are read
        next(iter(iter_source(source, data_dir=data_dir)), None)
    report = scan(items_of(task or [], data_dir), training_texts(sources, data_dir))
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=1, ensure_ascii=False))
    else:
        typer.echo(str(report))
    if clean is not None:
        kept = 0
        with record_file(clean, layout) as file:  # read again, so that no example has to be held
            examples = (example for source in sources for example in iter_source(source, data_dir=data_dir))
            for example in filter_examples(examples, report):
                file.write(layout.encode([to_record(example, "messages")]))
                kept += 1
        typer.echo(f"{clean}: {kept:,} of {report.texts:,} examples", err=as_json)
