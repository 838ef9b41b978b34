"""The instructions as training data: ``biology:gene-sets`` wherever a run config or command names a source.

    biology:gene-sets                                   # everything, all benchmarks of the data folder kept out
    biology:gene-sets?exclude=none                      # nothing kept out: for models that are not to be measured on it
    biology:gene-sets?exclude=gene-sets-go+my_terms.txt&kinds=naming+claim&draws=4&steps=3&seed=1&rows=2000

Options are those of `builder.build`, parted by ``&``; lists are parted by ``+``; ``rows`` is its limit.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from counterpoise.data.example import Example, Message
from counterpoise.data.reading import ReadResult
from counterpoise.errors import UserError, nearest

from .builder import InstructionSet, build

PREFIX = "biology:"
NAME = "gene-sets"
LISTS, NUMBERS = ("exclude", "kinds"), ("draws", "steps", "seed", "rows")


def is_biology_source(source: str) -> bool:
    """True for a source that names instructions made here."""
    return source.startswith(PREFIX)


def instruction_set(source: str, split: str | None = None, data_dir: str | Path | None = None) -> InstructionSet:
    """Plan what a source names; ``split`` is "train" if not given.

    Raises:
        UserError: an unknown source or option, or a value that does not fit, or a benchmark that is not there.
    """
    name, _, text = source.removeprefix(PREFIX).partition("?")
    if name != NAME:
        raise UserError(f"{source}: there are no instructions {name!r}{nearest(name, [NAME])}; expected {PREFIX}{NAME}")
    try:
        return build(split or "train", data_dir=data_dir, **_options(text))
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def _options(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in filter(None, text.split("&")):
        key, _, value = part.partition("=")
        if key in LISTS:
            found[key] = tuple(word for word in value.split("+") if word)
        elif key in NUMBERS and value.isdecimal():
            found["limit" if key == "rows" else key] = int(value)
        elif key in NUMBERS:
            raise UserError(f"{key} is {value!r}; expected a whole number, such as {key}=2")
        else:
            choices = [*LISTS, *NUMBERS]
            raise UserError(f"option {key!r} is unknown{nearest(key, choices)}; expected {', '.join(choices)}")
    return found


def iter_instructions(
    source: str, *, split: str | None = None, limit: int | None = None, data_dir: str | Path | None = None
) -> Iterator[Example]:
    """Yield the rows as conversations, one at a time; the first ``limit`` of them, a random sample of all."""
    for row in islice(instruction_set(source, split, data_dir), limit):
        yield _example(row.prompt, row.completion, row.id)


def read_instructions(
    source: str,
    *,
    split: str | None = None,
    limit: int | None = None,
    data_dir: str | Path | None = None,
    say: Callable[[str], object] | None = None,
) -> ReadResult:
    """Return the rows as conversations; ``say``, if given, is told what there is, what was left out and what was made.

    Raises:
        UserError: as for `instruction_set`, and if there is no row.
    """
    made = instruction_set(source, split, data_dir)
    examples = [_example(row.prompt, row.completion, row.id) for row in islice(made, limit)]
    if not examples:
        raise UserError(f"{source}: the facts give no such rows; expected other kinds, or fewer benchmarks kept out")
    if say is not None:
        say(made.report())
    return ReadResult(source, examples)


def _example(prompt: str, completion: str, row: str) -> Example:
    return Example((Message("user", prompt), Message("assistant", completion)), f"{PREFIX}{NAME}/{row}", row)
