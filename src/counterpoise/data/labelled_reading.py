"""Read labelled text for encoder models: tagged words, labelled texts (or pairs of texts), scored texts.

    read = read_labelled("ncbi/train.tsv", task="token-classification")         # CoNLL: a token and its tag a line
    read = read_labelled("gad.jsonl", task="sequence-classification")           # text, [text_pair], label
    read = read_labelled("hoc.jsonl", task="multi-label")                       # text, [text_pair], labels
    read = read_labelled("biosses.jsonl", task="regression", columns={"text": "sentence1", "text_pair": "sentence2"})
    read.examples, read.space.labels, read.dropped
    test = read_labelled("ncbi/test.tsv", task="token-classification", labels=read.space.labels)

Columns, besides an optional `id`: ``tokens`` and ``tags`` (lists of equal length) for token classification, or ``text``
and ``entities`` as in `data.span_records`; ``text``, an optional ``text_pair``, and ``label`` for sequence
classification, ``labels`` for multi-label (a list, which may be empty, or a text that holds labels parted by ";"),
``score`` for regression. Tags are IOB2: O, B-Disease for the first
word of an entity, I-Disease for its other words; an I- that continues nothing is an error, never repaired in silence.
Files whose tags are I- alone, as those of EBM PICO, are read with ``one_word_entities=True``: every labelled word is
then an entity of its own. Sources are those of `data.reading`, and for tagged words also the files of `data.conll`.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from counterpoise.data.conll import SUFFIXES, conll_records, tag_problem, words_alone
from counterpoise.data.formats import RecordError, kind_of_value, record_id, rename, text_at, value_at
from counterpoise.data.label_space import LABEL_TASKS as LABEL_TASKS
from counterpoise.data.label_space import LabelSpace as LabelSpace
from counterpoise.data.label_space import LabelTask as LabelTask
from counterpoise.data.label_space import check_task as check_task
from counterpoise.data.reading import open_source
from counterpoise.data.records import Located, Problem, check_file, kind_of, reading_summary
from counterpoise.data.span_records import has_spans, tagged
from counterpoise.errors import UserError, nearest


@dataclass(frozen=True, slots=True)
class LabelledExample:
    """One sentence or text with what is to be predicted.

    That is the ``tags`` of ``words``, or the ``label``, ``labels`` (sorted; none is allowed) or ``value`` of ``text``.
    ``source`` is the place it came from ("train.tsv:12"), ``id`` its own name, if it has one.
    """

    text: str = ""
    text_pair: str = ""
    words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    label: str = ""
    labels: tuple[str, ...] = ()
    value: float | None = None
    source: str = ""
    id: str = ""


@dataclass(frozen=True)
class LabelledSet:
    """Examples in the order of the source, what they are labelled with, and the records dropped (with skip_bad)."""

    source: str
    space: LabelSpace
    examples: list[LabelledExample]
    dropped: list[Problem] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """The sha256 (hexadecimal) of texts and labels in order: the same for the same data in any file format."""
        digest = hashlib.sha256()
        for example in self.examples:
            left_out = ("source", "id") if example.labels else ("source", "id", "labels")
            content = {name: value for name, value in asdict(example).items() if name not in left_out}
            digest.update(json.dumps(content).encode())
            digest.update(b"\n")
        return digest.hexdigest()

    def summary(self, shown: int = 5) -> str:
        """Say in a few lines what was kept and what was dropped, listing the first ``shown`` problems."""
        return reading_summary(self.source, len(self.examples), self.dropped, shown)


def read_labelled(
    source: str | Path,
    *,
    task: LabelTask,
    columns: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
    one_word_entities: bool = False,
    skip_bad: bool = False,
    limit: int | None = None,
    split: str | None = None,
    data_dir: str | Path | None = None,
) -> LabelledSet:
    """Read a whole source.

    Args:
        source: a file, a catalog name or hub:owner/name.
        task: what is predicted.
        columns: the names above to those of the source, {"text": "sentence1"}.
        labels: the labels that may occur, such as those of the training data; by default those that do: sorted, or
            for tags O and then the B- and I- of each type.
        one_word_entities: make every tagged word an entity of its own: I-PAR is read as B-PAR, and labels hold no I-.
        skip_bad: drop records that cannot be used and list them, instead of stopping at the first.
        limit: stop after so many examples.
        split, data_dir: as in `data.reading.read_examples`.

    Raises:
        UserError: the source is missing or empty, a record cannot be used (file and line are named), there is nothing
            to tell apart (one label everywhere, or none), or ``one_word_entities`` for what has no tags.
    """
    check_task(task)
    if limit is not None and limit < 1:
        raise UserError(f"limit is {limit}; expected a whole number of at least 1")
    if one_word_entities and task != "token-classification":
        raise UserError(f"one_word_entities is for token-classification; leave it out for {task}")
    known = None if labels is None or task == "regression" else LabelSpace(task, tuple(labels))
    examples: list[LabelledExample] = []
    dropped: list[Problem] = []
    for record in _records(source, task, columns, split, data_dir, one_word_entities):
        if isinstance(record, Located):
            try:
                examples.append(_example(record, task, columns, known, one_word_entities))
                if len(examples) == limit:
                    break
                continue
            except RecordError as error:
                problem = record.problem(str(error))
        else:
            problem = record
        if not skip_bad:
            raise UserError(f"{problem}; fix the {problem.place.split()[0]}, or pass --skip-bad to drop it") from None
        dropped.append(problem)
    if not examples:
        reason = f"none of its {len(dropped)} records can be used; the first: {dropped[0]}" if dropped else "is empty"
        raise UserError(f"{source}: {reason}")
    space = known or _found_space(str(source), task, examples, one_word_entities)
    return LabelledSet(str(source), space, examples, dropped)


def _found_space(source: str, task: LabelTask, examples: Sequence[LabelledExample], alone: bool) -> LabelSpace:
    if task == "regression":
        values = [example.value for example in examples if example.value is not None]
        mean = math.fsum(values) / len(values)
        spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
        return LabelSpace(task, (), mean, spread or 1.0)
    if task == "sequence-classification":
        labels = sorted({example.label for example in examples})
        if len(labels) < 2:
            raise UserError(f"{source}: the label is {labels[0]!r} everywhere; expected at least two different labels")
        return LabelSpace(task, tuple(labels))
    if task == "multi-label":
        labels = sorted({label for example in examples for label in example.labels})
        if not labels:
            raise UserError(f"{source}: no text has a label; expected at least one in column 'labels'")
        return LabelSpace(task, tuple(labels))
    kinds = sorted({tag[2:] for example in examples for tag in example.tags if tag != "O"})
    if not kinds:
        raise UserError(f"{source}: every tag is O; expected at least one entity, as in B-Disease")
    return LabelSpace(task, ("O", *(f"{prefix}-{kind}" for kind in kinds for prefix in ("B" if alone else "BI"))))


def _records(
    source: str | Path,
    task: LabelTask,
    columns: Mapping[str, str] | None,
    split: str | None,
    data_dir: str | Path | None,
    alone: bool,
) -> Iterator[Located | Problem]:
    path = Path(source).expanduser()
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    if task == "token-classification" and plain.suffix.lower() in SUFFIXES:
        if columns or split:
            raise UserError(f"{source}: columns and split have no meaning for a CoNLL file; leave them out")
        if kind_of(path) or not path.is_file():
            check_file(path)  # a folder, or missing: it knows what to say
        return conll_records(path, one_word_entities=alone)
    return open_source(source, "auto", columns, split, data_dir)[0]


def _example(
    located: Located, task: LabelTask, columns: Mapping[str, str] | None, known: LabelSpace | None, alone: bool
) -> LabelledExample:
    record = rename(located.record, columns)
    content = _tagged(record, alone) if task == "token-classification" else _labelled(record, task)
    for label in (*content.tags, *content.labels, *filter(None, [content.label])):
        if known is not None and label not in known.labels:
            hint = nearest(label, known.labels)
            raise RecordError(f"label {label!r} is none of the known ones{hint}: {', '.join(known.labels)}")
    return replace(content, source=located.source, id=record_id(record))


def _tagged(record: Mapping[str, Any], alone: bool) -> LabelledExample:
    words, tags = tagged_words(record, one_word_entities=alone)
    return LabelledExample(words=words, tags=tags)


def tagged_words(
    record: Mapping[str, Any], *, one_word_entities: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of a record and their IOB2 tags; RecordError, with the reason, for one that has none."""
    if has_spans(record):
        words, tags = tagged(record["text"], record["entities"])
    else:
        words, tags = _strings(record, "tokens"), _strings(record, "tags")
    if one_word_entities:
        tags = words_alone(tags)
    if len(words) != len(tags):
        raise RecordError(f"has {len(words)} tokens and {len(tags)} tags; expected one tag a token")
    if not words:
        raise RecordError("column 'tokens' is an empty list; expected at least one token")
    if found := tag_problem(tags):
        raise RecordError(f"{found[1]} (tag {found[0] + 1} of column 'tags')")
    return words, tags


def _labelled(record: Mapping[str, Any], task: LabelTask) -> LabelledExample:
    text = text_at(record, "text", filled=True)
    pair = text_at(record, "text_pair", optional=True)
    if task == "regression":
        return LabelledExample(text, pair, value=_number(record, "score"))
    if task == "multi-label":
        return LabelledExample(text, pair, labels=_several(record))
    return LabelledExample(text, pair, label=_label(value_at(record, "label"), "column 'label'"))


def _several(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Read column `labels`: a list, or a text with labels parted by ";"; sorted."""
    value = value_at(record, "labels")
    if isinstance(value, str):
        value = [part.strip() for part in value.split(";")] if value.strip() else []
    if not isinstance(value, list):
        raise RecordError(f"column 'labels' is {kind_of_value(value)}; expected a list, or labels parted by ';'")
    labels = [_label(entry, f"entry {number} of column 'labels'") for number, entry in enumerate(value, start=1)]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise RecordError(f"column 'labels' names {twice[0]!r} twice; expected each label once")
    return tuple(sorted(labels))


def _label(value: Any, where: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise RecordError(f"{where} is {kind_of_value(value)}; expected text or a whole number")
    if not value.strip():
        raise RecordError(f"{where} is empty")
    return value


def _strings(record: Mapping[str, Any], column: str) -> tuple[str, ...]:
    values = value_at(record, column)
    if not isinstance(values, list):
        raise RecordError(f"column {column!r} is {kind_of_value(values)}; expected a list of texts, one a word")
    for number, value in enumerate(values, start=1):
        if not isinstance(value, str) or not value.strip():
            shown = "empty" if isinstance(value, str) else kind_of_value(value)
            raise RecordError(f"entry {number} of column {column!r} is {shown}; expected text")
    return tuple(values)


def _number(record: Mapping[str, Any], column: str) -> float:
    value = value_at(record, column)
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        shown = repr(value) if isinstance(value, str) else kind_of_value(value)
        raise RecordError(f"column {column!r} is {shown}; expected a finite number")
    return number
