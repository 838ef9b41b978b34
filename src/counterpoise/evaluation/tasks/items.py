"""From the records of a task's data to its items.

    found = read_items(tasks.get("gad"), "test", data_dir="biomedical", limit=100, seed=0)
    found.items, found.problems, found.notes
    training_examples(found.items)              # what a language model is fine-tuned on
    labelled_examples(spec, found.items)        # what an encoder is

A record that cannot be used (a field missing, an answer outside the options, tags that are no IOB2) is named with file
and line, left out and counted; all others are kept.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from counterpoise.data.catalog import DATA_DIR_VARIABLE, select_records, split_file
from counterpoise.data.conll import SUFFIXES, conll_records
from counterpoise.data.example import Example, Message
from counterpoise.data.formats import RecordError, kind_of_value, record_id, text_at, value_at
from counterpoise.data.labelled_reading import LabelledExample, tagged_words
from counterpoise.data.records import Located, Problem, kind_of, read_records
from counterpoise.errors import UserError, nearest
from counterpoise.evaluation.spans import mentions_of, write_mentions, write_typed_mentions
from counterpoise.evaluation.tasks.item import Item
from counterpoise.evaluation.tasks.readers import READERS
from counterpoise.evaluation.tasks.spec import TaskSpec, TaskSplit

LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True)
class TaskItems:
    """The items of one split in the order of the file, records that could not be used, and what else is to be said."""

    items: list[Item]
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_items(
    spec: TaskSpec,
    split: str = "test",
    *,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> TaskItems:
    """Read the items of a split.

    Args:
        spec: the task.
        split: one of ``spec.data``, or of an embedded task.
        data_dir: the folder of local copies; by default the environment variable COUNTERPOISE_DATA.
        limit: a random sample of so many items (files may be sorted), in the order of the file.
        seed: draws that sample.

    Raises:
        UserError: no such split, no local copy (the message says where to get it), or no record that can be used.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit is {limit}; expected a whole number of at least 1")
    if spec.reader:
        found = TaskItems(READERS[spec.reader](split))
    elif spec.perturbation is not None:
        from counterpoise.evaluation.perturbation.items import read_perturbation_items

        found = read_perturbation_items(spec, split, data_dir=data_dir, limit=limit, seed=seed)
        limit = None  # it has drawn whole genes
    else:
        found = _read(spec, split, data_dir)
    items = _unique(found.items)
    if limit is not None and limit < len(items):
        order = random.Random(f"{spec.name}/{seed}").sample(range(len(items)), len(items))
        items = [items[i] for i in sorted(order[:limit])]  # a larger limit keeps these
    return replace(found, items=items)


def is_available(spec: TaskSpec, data_dir: str | Path | None = None, splits: Sequence[str] = ()) -> bool:
    """True if these splits (by default all) can be read without fetching anything."""
    paths = [split_file(spec.data[split], data_dir) for split in splits or spec.data]
    return all(path is not None and path.is_file() for path in paths)


def training_examples(items: Sequence[Item]) -> list[Example]:
    """Return the items as conversations, the target as the answer to learn."""
    return [
        Example((Message("user", item.prompt), Message("assistant", item.target)), item.source, item.id)
        for item in items
    ]


def labelled_examples(spec: TaskSpec, items: Sequence[Item]) -> list[LabelledExample]:
    """Return the items as labelled text, for an encoder.

    Raises UserError for a task that an encoder cannot do: options of their own in every item, or text to write.
    """
    if spec.kind not in LABEL_TASKS or (spec.kind == "choice" and isinstance(spec.options, str)):
        raise UserError(f"{spec.name} is no task for an encoder; expected one with labels, tags or a number to predict")
    return [
        LabelledExample(
            text=item.pair[0],
            text_pair=item.pair[1],
            words=item.words,
            tags=item.tags,
            label=item.options[item.answer] if spec.kind == "choice" else "",
            labels=item.labels,
            value=item.value if spec.kind == "value" else None,
            source=item.source,
            id=item.id,
        )
        for item in items
    ]


LABEL_TASKS = {
    "choice": "sequence-classification",
    "entities": "token-classification",
    "labels": "multi-label",
    "value": "regression",
}
"""The kind of a task -> what an encoder does there (``model.task``)."""


def local_file(spec: TaskSpec, split: str, data_dir: str | Path | None = None) -> Path:
    """Return the local copy of a split; UserError if there is no such split, or no copy (where to get it)."""
    if split not in spec.data:
        choices = list(spec.data)
        raise UserError(f"{spec.name} has no split {split!r}{nearest(split, choices)}; expected {', '.join(choices)}")
    part = spec.data[split]
    path = split_file(part, data_dir)
    if path is None or not path.is_file():
        raise UserError(_where_to_get(spec, part, path))
    return path


def _read(spec: TaskSpec, split: str, data_dir: str | Path | None) -> TaskItems:
    path = local_file(spec, split, data_dir)
    part = spec.data[split]
    items: list[Item] = []
    problems: list[Problem] = []
    for record in select_records(_records(spec, path), part, split):
        if isinstance(record, Problem):
            problems.append(record)
        elif all(record.record.get(column) == value for column, value in part.where.items()):
            if part.columns:
                renamed = {ours: record.record.get(theirs) for ours, theirs in part.columns.items()}
                record = replace(record, record={**record.record, **renamed})
            try:
                items.append(_item(spec, record))
            except RecordError as error:
                problems.append(record.problem(str(error)))
    if not items:
        why = f"none of its {len(problems)} records can be used; the first: {problems[0]}" if problems else "no records"
        raise UserError(f"{spec.name}: {path}: {why}")
    return TaskItems(items, problems, _counts(spec, split, part, items))


def _where_to_get(spec: TaskSpec, part: TaskSplit, path: Path | None) -> str:
    looked = f"{path} is not there" if path else f"no data folder is given (--data-dir or {DATA_DIR_VARIABLE})"
    return f"{spec.name}: {looked}; get it from {spec.homepage} ({spec.licence}) and put it there as {part.file}"


def _counts(spec: TaskSpec, split: str, part: TaskSplit, items: Sequence[Item]) -> list[str]:
    """Say which counts differ from those of the published data."""
    tags = sum(tag != "O" if spec.one_word_entities else tag.startswith("B-") for item in items for tag in item.tags)
    what = "labelled words" if spec.one_word_entities else "entities"
    found = [("items", len(items), part.count), (what, tags, part.entities)]
    return [
        f"{spec.name}: {split} has {count:,} {what} where the published data has {expected:,}, so its scores are not "
        "comparable"
        for what, count, expected in found
        if expected is not None and count != expected
    ]


def _records(spec: TaskSpec, path: Path) -> Iterator[Located | Problem]:
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    if spec.kind == "entities" and plain.suffix in SUFFIXES and kind_of(path) != ".jsonl":
        return conll_records(path, one_word_entities=spec.one_word_entities)
    return read_records(path)


def _item(spec: TaskSpec, located: Located) -> Item:
    record = located.record
    item = Item(
        id=record_id(record) or located.source,
        prompt="",
        target="",
        source=located.source,
        group=str(record.get(spec.group_by, "")) if spec.group_by else "",
        subject=str(record.get(spec.subject, "")) if spec.subject else "",
    )
    fill = {"choice": _choice, "entities": _entities, "labels": _labels, "value": _number, "text": _free, "nll": _free}
    item, fields = (fill | {"gene-set-names": _gene_set})[spec.kind](spec, record, item)
    return replace(
        item,
        prompt=fill_in(spec.prompt, {**record, **fields}).strip() or item.prompt,
        prior_prompt=fill_in(spec.prior, {**record, **fields}).strip(),
        text=fill_in(spec.item, {**record, **fields}) if spec.item else " ".join(item.words),
        pair=(fill_in(spec.encoder.text, record), fill_in(spec.encoder.text_pair, record))
        if spec.encoder
        else ("", ""),
    )


Filled = tuple[Item, dict[str, str]]
"""An item with its answer, and further fields for its prompt."""


def _choice(spec: TaskSpec, record: Mapping[str, Any], item: Item) -> Filled:
    options = _options(spec, record)
    value = value_at(record, spec.answer)
    if spec.labels:
        if str(value) not in spec.labels:
            raise RecordError(f"column {spec.answer!r} is {value!r}; expected {', '.join(spec.labels)}")
        value = spec.labels[str(value)]
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < len(options):
            raise RecordError(f"column {spec.answer!r} is {value}, outside the {len(options)} options (0 is the first)")
        answer = value
    elif value in options:
        answer = options.index(value)
    else:
        raise RecordError(f"column {spec.answer!r} is {value!r}, which is none of the options: {', '.join(options)}")
    shown = tuple(LETTERS[: len(options)]) if spec.letters else options
    lettered = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False))
    texts = options if spec.letters else ()
    return replace(item, options=shown, answer=answer, option_texts=texts, target=shown[answer]), {"options": lettered}


def _options(spec: TaskSpec, record: Mapping[str, Any]) -> tuple[str, ...]:
    if not isinstance(spec.options, str):
        return tuple(spec.options)
    found = value_at(record, spec.options)
    if not isinstance(found, list) or len(found) < 2 or not all(isinstance(x, str) and x.strip() for x in found):
        raise RecordError(f"column {spec.options!r} is {kind_of_value(found)}; expected a list of two or more texts")
    if len(found) > len(LETTERS):
        raise RecordError(f"column {spec.options!r} has {len(found)} options; expected at most {len(LETTERS)}")
    return tuple(found)


def _entities(spec: TaskSpec, record: Mapping[str, Any], item: Item) -> Filled:
    words, tags = tagged_words(record, one_word_entities=spec.one_word_entities)
    unknown = {tag[2:] for tag in tags if tag != "O"} - set(spec.types)
    if unknown:
        raise RecordError(f"a tag is of type {min(unknown)!r}; expected {', '.join(spec.types)}")
    return replace(item, words=words, tags=tags, target=entity_target(spec, words, tags)), {"text": " ".join(words)}


def entity_target(spec: TaskSpec, words: Sequence[str], tags: Sequence[str]) -> str:
    """Write the entities of a sentence as a model is to write them: ``a; b``, or ``none``; several types in parts."""
    found = mentions_of(words, tags, one_word_entities=spec.one_word_entities)
    if len(spec.types) == 1:
        return write_mentions(found.get(next(iter(spec.types)), []))
    return write_typed_mentions(found, {name: kind for kind, name in spec.types.items()})


def _labels(spec: TaskSpec, record: Mapping[str, Any], item: Item) -> Filled:
    found = value_at(record, spec.answer)
    if not isinstance(found, list):
        raise RecordError(f"column {spec.answer!r} is {kind_of_value(found)}; expected a list of labels")
    unknown = [label for label in found if label not in spec.options]
    if unknown:
        raise RecordError(f"label {unknown[0]!r} is none of the known ones: {', '.join(spec.options)}")
    labels = tuple(label for label in spec.options if label in found)
    listed = "\n".join(spec.options)
    return replace(item, labels=labels, target="; ".join(labels) or "none"), {"options": listed}


def _number(spec: TaskSpec, record: Mapping[str, Any], item: Item) -> Filled:
    found = value_at(record, spec.answer)
    value = math.nan
    if isinstance(found, int | float) and not isinstance(found, bool):
        value = float(found)
    if not math.isfinite(value):
        raise RecordError(f"column {spec.answer!r} is {kind_of_value(found)}; expected a finite number")
    return replace(item, value=value, target=f"{value:.1f}", options=tuple(spec.options)), {}


def _free(spec: TaskSpec, record: Mapping[str, Any], item: Item) -> Filled:
    return replace(item, target=text_at(record, spec.answer, filled=True).strip() if spec.answer else ""), {}


def _gene_set(spec: TaskSpec, record: Mapping[str, Any], item: Item) -> Filled:
    """A gene set and its true name; the prompt is that of naming in direct mode, unless the task has its own."""
    from counterpoise.biology.naming.prompt import direct_prompt

    assert spec.gene_sets is not None
    found = value_at(record, spec.gene_sets.genes)
    genes = tuple(found.split() if isinstance(found, str) else found if isinstance(found, list) else ())
    if not genes or not all(isinstance(gene, str) and gene.strip() for gene in genes):
        wrong = kind_of_value(found)
        raise RecordError(f"column {spec.gene_sets.genes!r} is {wrong}; expected a list of genes, at least one")
    target = text_at(record, spec.answer, filled=True).strip()
    prompt = "" if spec.prompt else direct_prompt(genes)
    return replace(item, words=genes, target=target, prompt=prompt), {"genes": ", ".join(genes)}


def fill_in(template: str, record: Mapping[str, Any]) -> str:
    """Put columns in for their names in braces: text as it is, a list joined by newlines, a number as written."""

    def column(found: re.Match[str]) -> str:
        value = value_at(record, found[1])
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return "\n".join(value)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value)
        raise RecordError(f"column {found[1]!r} is {kind_of_value(value)}; expected text, or a list of texts")

    return re.sub(r"\{(\w+)\}", column, template)


def _unique(items: Sequence[Item]) -> list[Item]:
    """Give items that share an id a number, and every item a group."""
    seen: Counter[str] = Counter()
    result = []
    for item in items:
        seen[item.id] += 1
        name = item.id if seen[item.id] == 1 else f"{item.id}#{seen[item.id]}"
        result.append(replace(item, id=name, group=item.group or name))
    return result
