"""An objective as text, the way `Objective.label` prints it, read back.

    >>> from counterpoise.inspection.objective_text import parse_objective
    >>> parse_objective("bft(variant=v1, window=8)").label()
    'bft(variant=v1, window=8)'

A schedule is written as in YAML: ``bft(sft_share={start: 1, end: 0, over: 0.33})``.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import yaml

from counterpoise import objectives
from counterpoise.errors import UserError, nearest
from counterpoise.objectives import Objective

_FORM = re.compile(r"\s*([\w-]+)\s*(?:\((.*)\))?\s*", re.DOTALL)


def parse_objective(text: str) -> Objective:
    """Return the objective that ``text`` names.

    Raises:
        UserError: an unknown name or option, a value that does not fit, or text of another form.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise UserError(f"objective {text!r} cannot be read; expected a name and options, as bft(variant=v1, window=8)")
    name, inside = found[1], found[2] or ""
    if name not in objectives.names():
        choices = objectives.names()
        raise UserError(f"objective {name!r} is unknown{nearest(name, choices)}; expected {', '.join(choices)}")
    options: dict[str, Any] = {}
    for part in _parts(inside):
        key, equals, value = part.partition("=")
        if not equals or not value.strip():
            raise UserError(f"objective {text!r}: {part.strip()!r} is no option; expected option=value, as window=8")
        options[key.strip()] = _value(value.strip())
    try:
        return objectives.get(name, **options)
    except ValueError as error:
        raise UserError(f"{error}") from None


def parse_objectives(texts: list[str] | tuple[str, ...]) -> dict[str, Objective]:
    """Return label -> objective, in order; UserError where two are the same."""
    made = [parse_objective(text) for text in texts]
    found = {objective.label(): objective for objective in made}
    if len(found) < len(made):
        repeated = next(o.label() for i, o in enumerate(made) if o in made[:i])
        raise UserError(f"objective {repeated} is given twice; name each once")
    return found


def _parts(inside: str) -> list[str]:
    """Split at commas that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(inside):
        depth += (letter in "{[(") - (letter in "}])")
        if letter == "," and depth == 0:
            parts.append(inside[start:place])
            start = place + 1
    return [part for part in [*parts, inside[start:]] if part.strip()]


def _value(text: str) -> Any:
    """A Python literal; else what YAML makes of it: ``{start: 1}``, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
