"""Read a run config from YAML, override it from the command line, and say in one sentence what is wrong with it.

config = load_run_config("run.yaml", ["training.learning_rate=3e-4", "objective=dft"])
"""

from __future__ import annotations

import re
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from counterpoise.errors import UserError, nearest
from counterpoise.training.config import RunConfig


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads ``1e-4`` as text; this loader reads it as the number that everyone means."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"),
    list("-+0123456789."),
)


def parse_yaml(text: str) -> Any:
    """Parse YAML as plain data, numbers such as ``1e-4`` included."""
    return yaml.load(text, Loader=_Loader)


def read_yaml(path: Path) -> Any:
    """Read a YAML file as plain data; UserError for a file that is missing (the nearest is named) or unreadable."""
    if not path.is_file():
        near = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise UserError(f"{path}: no such file{nearest(path.name, near)}")
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None


def load_run_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read ``path``, apply ``section.key=value`` overrides and check the whole.

    Raises:
        UserError: a missing or unreadable file, an unknown key (names the nearest), a value that does not fit.
    """
    path = Path(path)
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected keys such as model:, data: and objective:, found {type(data).__name__}")
    return check_run_config(data, overrides, name=str(path))


def check_run_config(data: dict[str, Any], overrides: Sequence[str] = (), *, name: str = "run config") -> RunConfig:
    """Check a run config given as plain data; ``name`` is what errors call it.

    Raises:
        UserError: as :func:`load_run_config`.
    """
    for override in overrides:
        data = apply_override(data, override)
    try:
        return RunConfig.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{name}: {explain(error, RunConfig)}") from None


def apply_override(data: dict[str, Any], override: str) -> dict[str, Any]:
    """Return ``data`` with ``section.key=value`` set; the value is read as YAML.

    >>> apply_override({"objective": "bft"}, "objective.window=8")
    {'objective': {'name': 'bft', 'window': 8}}
    """
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise UserError(f"override {override!r} is not of the form section.key=value, such as training.epochs=2")
    try:
        parsed = parse_yaml(value)
    except yaml.YAMLError:
        raise UserError(f"override {override!r}: {value!r} is not readable as a YAML value") from None
    shorthand = {"model": "name", "data": "source", "objective": "name", "adapter": "kind", "output": "folder"}
    parts = key.split(".")
    data = dict(data)
    here = data
    for part in parts[:-1]:
        below = here.get(part)
        if isinstance(below, str) and part in shorthand:
            below = {shorthand[part]: below}
        if below is not None and not isinstance(below, dict):
            raise UserError(f"override {override!r}: {part} holds {below!r}, which has no keys to set")
        here[part] = dict(below or {})
        here = here[part]
    if parts[-1] in shorthand and isinstance(parsed, str) and isinstance(here.get(parts[-1]), dict):
        # ``data=other.jsonl`` changes the source and keeps the section's other keys; an objective's or adapter's
        # options belong to its name and go with it.
        keep = here[parts[-1]] if parts[-1] in ("model", "data", "output") else {}
        parsed = {**keep, shorthand[parts[-1]]: parsed}
    here[parts[-1]] = parsed
    return data


def explain(error: ValidationError, root: type[BaseModel]) -> str:
    """Turn pydantic's first finding into one sentence: what, where, and what would be right."""
    finding = error.errors()[0]
    location = [str(part) for part in finding["loc"]]
    where = ".".join(location)
    value = finding.get("input")
    kind = finding["type"]
    if kind == "extra_forbidden":
        keys = _keys_at(root, location[:-1])
        return f"{where} is not a key{nearest(location[-1], keys)}; keys here: {', '.join(keys)}"
    if kind == "missing":
        return f"{where} is missing; {_description(root, location)}"
    if kind == "value_error":
        return str(finding["ctx"]["error"])
    if "float" in kind:
        return f'{where} is "{value}"; expected a number, such as 1e-4'
    if "int" in kind:
        return f'{where} is "{value}"; expected a whole number, such as 16'
    if kind == "literal_error":
        return f'{where} is "{value}"{nearest(str(value), _quoted(finding))}; expected {finding["ctx"]["expected"]}'
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        bound = next(iter(finding["ctx"].values()))
        words = {"greater_than": "above", "greater_than_equal": "of at least", "less_than": "below"}
        return f"{where} is {value}; expected a number {words.get(kind, 'of at most')} {bound:g}"
    return f"{where} is {value!r}: {finding['msg'][:1].lower()}{finding['msg'][1:]}"


def _quoted(finding: Any) -> list[str]:
    return re.findall(r"'([^']*)'", finding["ctx"]["expected"])


def _section(root: type[BaseModel], location: Sequence[str]) -> type[BaseModel] | None:
    here: type[BaseModel] | None = root
    for part in location:
        field = here.model_fields.get(part) if here is not None else None
        here = _model_in(field.annotation) if field is not None else None
    return here


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType):
        return next((model for a in get_args(annotation) if (model := _model_in(a)) is not None), None)
    return None


def _keys_at(root: type[BaseModel], location: Sequence[str]) -> list[str]:
    section = _section(root, location)
    return list(section.model_fields) if section is not None else []


def _description(root: type[BaseModel], location: Sequence[str]) -> str:
    section = _section(root, location[:-1])
    field = section.model_fields.get(location[-1]) if section is not None else None
    if field is None or not field.description:
        return f"add {location[-1]}: to it"
    return f"expected the {field.description}"


def keys(root: type[BaseModel] = RunConfig, prefix: str = "") -> list[tuple[str, str, str]]:
    """Return (key, default, meaning) of every key of the run config, in run order."""
    found = []
    for name, info in root.model_fields.items():
        section = info.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            found += keys(section, f"{prefix}{name}.")
            continue
        default = "required" if info.is_required() else str(info.get_default(call_default_factory=True))
        found.append((prefix + name, default, info.description or ""))
    return found
