"""Read labelled text for encoder models: tagged words, labelled texts (or pairs of texts), scored texts.

    read = read_labelled("ncbi/train.tsv", task="token-classification")         # CoNLL: a token and its tag a line
    read = read_labelled("gad.jsonl", task="sequence-classification")           # text, [text_pair], label
    read = read_labelled("biosses.jsonl", task="regression", columns={"text": "sentence1", "text_pair": "sentence2"})
    read.examples, read.space.labels, read.dropped
    test = read_labelled("ncbi/test.tsv", task="token-classification", labels=read.space.labels)

Columns, besides an optional `id`: ``tokens`` and ``tags`` (lists of equal length) for token classification, ``text``
and ``label`` for sequence classification, ``text`` and ``score`` for regression, the last two with an optional
``text_pair``. Tags are IOB2: O, B-Disease for the first word of an entity, I-Disease for its other words; an I- that
continues nothing is an error, never repaired in silence. Sources are those of `data.reading`, and for tagged words also
the files of `data.conll`.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from counterpoise.data.conll import SUFFIXES, conll_records, split_tag, tag_problem
from counterpoise.data.formats import RecordError, _identifier, _kind, _text, _value, rename
from counterpoise.data.reading import _open_source
from counterpoise.data.records import Located, Problem, check_file, kind_of, reading_summary
from counterpoise.errors import UserError, nearest

LabelTask = Literal["token-classification", "sequence-classification", "regression"]
LABEL_TASKS: tuple[LabelTask, ...] = ("token-classification", "sequence-classification", "regression")


@dataclass(frozen=True)
class LabelSpace:
    """What a model's head stands for.

    ``labels``: the class of each output, in order; none for a regression. ``mean`` and ``scale``: a regression head
    predicts ``(value - mean) / scale``, so that one learning rate fits values of any unit.
    """

    task: LabelTask
    labels: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_task(self.task)
        wrong = [label for label in self.labels if split_tag(label) is None]
        if self.task == "token-classification" and ("O" not in self.labels or wrong):
            what = f"hold {wrong[0]!r}" if wrong else "have no O"
            raise UserError(f"the labels of a token classification {what}; expected IOB2 tags: O, B-..., I-...")
        if len(set(self.labels)) < len(self.labels):
            raise UserError(f"a label is named twice in {', '.join(self.labels)}; expected each once")


@dataclass(frozen=True, slots=True)
class LabelledExample:
    """One sentence or text with what is to be predicted: ``tags`` of ``words``, or ``label`` or ``value`` of ``text``.

    ``source`` is the place it came from ("train.tsv:12"), ``id`` its own name, if it has one.
    """

    text: str = ""
    text_pair: str = ""
    words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    label: str = ""
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
            content = {name: value for name, value in asdict(example).items() if name not in ("source", "id")}
            digest.update(json.dumps(content).encode())
            digest.update(b"\n")
        return digest.hexdigest()

    def summary(self, shown: int = 5) -> str:
        """Say in a few lines what was kept and what was dropped, listing the first ``shown`` problems."""
        return reading_summary(self.source, len(self.examples), self.dropped, shown)


def check_task(task: str) -> None:
    """Raise `UserError` unless ``task`` is one of `LABEL_TASKS`."""
    if task not in LABEL_TASKS:
        raise UserError(f"task {task!r} is unknown{nearest(task, LABEL_TASKS)}; expected {', '.join(LABEL_TASKS)}")


def read_labelled(
    source: str | Path,
    *,
    task: LabelTask,
    columns: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
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
        skip_bad: drop records that cannot be used and list them, instead of stopping at the first.
        limit: stop after so many examples.
        split, data_dir: as in `data.reading.read_examples`.

    Raises:
        UserError: the source is missing or empty, a record cannot be used (file and line are named), or fewer than
            two labels are found.
    """
    check_task(task)
    if limit is not None and limit < 1:
        raise UserError(f"limit is {limit}; expected a whole number of at least 1")
    known = None if labels is None or task == "regression" else LabelSpace(task, tuple(labels))
    examples: list[LabelledExample] = []
    dropped: list[Problem] = []
    for record in _records(source, task, columns, split, data_dir):
        if isinstance(record, Located):
            try:
                examples.append(_example(record, task, columns, known))
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
    return LabelledSet(str(source), known or _found_space(str(source), task, examples), examples, dropped)


def _found_space(source: str, task: LabelTask, examples: Sequence[LabelledExample]) -> LabelSpace:
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
    kinds = sorted({tag[2:] for example in examples for tag in example.tags if tag != "O"})
    if not kinds:
        raise UserError(f"{source}: every tag is O; expected at least one entity, as in B-Disease")
    return LabelSpace(task, ("O", *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI")))


def _records(
    source: str | Path,
    task: LabelTask,
    columns: Mapping[str, str] | None,
    split: str | None,
    data_dir: str | Path | None,
) -> Iterator[Located | Problem]:
    path = Path(source).expanduser()
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    if task == "token-classification" and plain.suffix.lower() in SUFFIXES:
        if columns or split:
            raise UserError(f"{source}: columns and split have no meaning for a CoNLL file; leave them out")
        if kind_of(path) or not path.is_file():
            check_file(path)  # a folder, or missing: it knows what to say
        return conll_records(path)
    return _open_source(source, "auto", columns, split, data_dir)[0]


def _example(
    located: Located, task: LabelTask, columns: Mapping[str, str] | None, known: LabelSpace | None
) -> LabelledExample:
    record = rename(located.record, columns)
    content = _tagged(record) if task == "token-classification" else _labelled(record, task)
    for label in (*content.tags, *filter(None, [content.label])):
        if known is not None and label not in known.labels:
            hint = nearest(label, known.labels)
            raise RecordError(f"label {label!r} is none of the known ones{hint}: {', '.join(known.labels)}")
    return replace(content, source=located.source, id=_identifier(record))


def _tagged(record: Mapping[str, Any]) -> LabelledExample:
    words, tags = _strings(record, "tokens"), _strings(record, "tags")
    if len(words) != len(tags):
        raise RecordError(f"has {len(words)} tokens and {len(tags)} tags; expected one tag a token")
    if not words:
        raise RecordError("column 'tokens' is an empty list; expected at least one token")
    if found := tag_problem(tags):
        raise RecordError(f"{found[1]} (tag {found[0] + 1} of column 'tags')")
    return LabelledExample(words=words, tags=tags)


def _labelled(record: Mapping[str, Any], task: LabelTask) -> LabelledExample:
    text = _text(record, "text", filled=True)
    pair = _text(record, "text_pair", optional=True)
    if task == "regression":
        return LabelledExample(text, pair, value=_number(record, "score"))
    label = _value(record, "label")
    if isinstance(label, int) and not isinstance(label, bool):
        label = str(label)
    if not isinstance(label, str):
        raise RecordError(f"column 'label' is {_kind(label)}; expected text or a whole number")
    if not label.strip():
        raise RecordError("column 'label' is empty")
    return LabelledExample(text, pair, label=label)


def _strings(record: Mapping[str, Any], column: str) -> tuple[str, ...]:
    values = _value(record, column)
    if not isinstance(values, list):
        raise RecordError(f"column {column!r} is {_kind(values)}; expected a list of texts, one a word")
    for number, value in enumerate(values, start=1):
        if not isinstance(value, str) or not value.strip():
            shown = "empty" if isinstance(value, str) else _kind(value)
            raise RecordError(f"entry {number} of column {column!r} is {shown}; expected text")
    return tuple(values)


def _number(record: Mapping[str, Any], column: str) -> float:
    value = _value(record, column)
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        shown = repr(value) if isinstance(value, str) else _kind(value)
        raise RecordError(f"column {column!r} is {shown}; expected a finite number")
    return number
