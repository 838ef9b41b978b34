"""Arms made of axes: every combination of the values that keys of the run config are to take.

    axes:
      objective: [sft, dft, {name: bft, variant: v1}, {name: bft-fading, value: {name: bft, sft_share: {...}}}]
      training.learning_rate: [1e-4, 3e-4]

makes ``sft_lr-0.0001``, ``sft_lr-0.0003``, ..., ``bft-v1_lr-0.0001``, ... A value may be anything that the key takes,
and ``{name, value}`` gives it a name of one's own. A list of such mappings is several grids side by side, for axes that
are not all crossed: not every objective has a window.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise import objectives
from counterpoise.errors import UserError
from counterpoise.studies.compare.config import OWN, WORDS, ArmConfig, lay_over
from counterpoise.training.config_file import keys

RATE = "training.learning_rate"
DECIDED = ("output", "evaluation")
"""Sections of the run config that the study itself fills."""
BARE = ("model", "data", "objective", "adapter", "objective.variant")
"""Keys whose values say in a name what they are; those of others stand behind their key."""
SHORT = {RATE: "lr-", "adapter.rank": "r"}


@dataclass(frozen=True)
class Value:
    """One value of an axis; ``name`` where the study file gives it one."""

    plain: Any
    name: str = ""


@dataclass(frozen=True)
class GridArm:
    """One combination."""

    name: str
    train: dict[str, Any]
    """What its training has other than the run config of the study."""
    settings: dict[str, str]
    """Axis -> its value, as text."""

    def config(self) -> ArmConfig:
        """Return it as the study file could have said it; a rate that is an axis is not searched for, too."""
        return ArmConfig(train=self.train, learning_rates=[] if RATE in self.settings else None)


def grid_arms(grids: Sequence[Mapping[str, Any]], run: Mapping[str, Any], file: str) -> list[GridArm]:
    """Return the arms of all grids, in the order of the file.

    Args:
        grids: each a mapping from keys of the run config to lists of values.
        run: the run config that arms share.
        file: name of the study file, for errors.

    Raises:
        UserError: a key that there is not, an axis that is no list, is empty or has a value twice, an option that the
            objective of a combination does not have, or two arms of one name.
    """
    arms: dict[str, GridArm] = {}
    for grid in grids:
        axes = _axes(grid, file)
        for chosen in itertools.product(*axes.values()):
            arm = _arm(dict(zip(axes, chosen, strict=True)))
            _check_objective(arm, run, file)
            before = arms.get(arm.name)
            if before is not None and before.train == arm.train:
                raise UserError(f"{file}: axes: arm {arm.name} comes out of two grids; leave it out of one")
            if before is not None:
                raise UserError(
                    f"{file}: axes: two arms would be called {arm.name}; give one of their values a name, as in "
                    "{name: other, value: ...}"
                )
            arms[arm.name] = arm
    return list(arms.values())


def axis_values(arms: Sequence[GridArm]) -> dict[str, list[str]]:
    """Return the values of every axis as text, each once, in order."""
    found: dict[str, dict[str, None]] = {}
    for arm in arms:
        for key, text in arm.settings.items():
            found.setdefault(key, {})[text] = None
    return {key: list(values) for key, values in found.items()}


def axis_keys() -> list[str]:
    """Return the keys that an axis may have: those of the run config, options of objectives included."""
    options = dict.fromkeys(option for name in objectives.names() for option in objectives.option_names(name))
    known = [key for key, _, _ in keys() if key.partition(".")[0] not in DECIDED and key != "training.seed"]
    return [*WORDS, "training", *known, *(f"objective.{option}" for option in options)]


def _axes(grid: Mapping[str, Any], file: str) -> dict[str, list[Value]]:
    axes: dict[str, list[Value]] = {}
    for given, values in grid.items():
        where = f"{file}: axes.{given}"
        key = _key(str(given), where)
        if key in axes:
            raise UserError(f"{where} is the axis {key} once more; keep one of them")
        if not isinstance(values, list) or not values:
            raise UserError(f"{where} is {values!r}; expected a list of values, at least one")
        axes[key] = [_value(value) for value in values]
        seen = [(_as_json(value.plain), value.name) for value in axes[key]]
        twice = next((text for i, (text, _) in enumerate(seen) if text in [other for other, _ in seen[:i]]), None)
        if twice is not None:
            raise UserError(f"{where} has {twice} twice; expected different values")
    return axes


def _key(key: str, where: str) -> str:
    """Return the key that ``key`` stands for: ``objective`` for ``objective.name``."""
    known = axis_keys()
    if key in ("seed", "training.seed"):
        raise UserError(f"{where}: seeds are no axis, since a score is a mean over them; give seeds: [0, 1, 2] instead")
    if key.partition(".")[0] in DECIDED:
        raise UserError(f"{where} is what the study itself decides; leave it out")
    if key not in known:
        lasts = {name.rpartition(".")[2]: name for name in reversed(known)}
        last = difflib.get_close_matches(key.rpartition(".")[2], lasts, n=1)
        close = [lasts[name] for name in last] or difflib.get_close_matches(key, known, n=1)
        near = f" (did you mean {close[0]!r}?)" if close else ""
        raise UserError(f"{where} is no key of the run config{near}; `counterpoise train --keys` lists them")
    section, _, rest = key.partition(".")
    return section if WORDS.get(section) == rest else key


def _value(given: Any) -> Value:
    if isinstance(given, Mapping) and set(given) == {"name", "value"}:
        return Value(given["value"], str(given["name"]))
    return Value(given)


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _arm(chosen: Mapping[str, Value]) -> GridArm:
    train: dict[str, Any] = {}
    for key, value in sorted(chosen.items(), key=lambda pair: pair[0].count(".")):  # sections before what is in them
        section, _, rest = key.partition(".")
        if rest:
            train[section] = {**train.get(section, {}), rest: value.plain}
        elif isinstance(value.plain, Mapping):
            train[section] = dict(value.plain)
        else:
            train[section] = {WORDS.get(section, section): value.plain}
    return GridArm(_name(chosen), train, {key: _text(key, value) for key, value in chosen.items()})


def _name(chosen: Mapping[str, Value]) -> str:
    """Join what the values are called: options to their objective or adapter by -, other axes by _."""
    groups: dict[str, list[str]] = {}
    for key, value in sorted(
        chosen.items(), key=lambda pair: (list(chosen).index(_head(pair[0], chosen)), "." in pair[0])
    ):
        groups.setdefault(_head(key, chosen), []).append(value.name or _word(key, value.plain))
    name = "_".join("-".join(words) for words in groups.values())
    return re.sub(r"[^\w.+-]+", "-", name.replace("%", "percent")).strip("-.+")


def _head(key: str, chosen: Mapping[str, Value]) -> str:
    """Return the axis that ``key`` stands behind in a name: the objective's own for an option of it."""
    section = key.partition(".")[0]
    return section if section in OWN and section in chosen else key


def _word(key: str, value: Any) -> str:
    """Return what a value adds to a name: ``bft-v1``, ``window-8``, ``lr-0.001``, ``r16``."""
    text = _text(key, Value(value))
    if key in BARE or (key == "training" and isinstance(value, Mapping)):
        return text
    return SHORT.get(key, key.rpartition(".")[2].replace("_", "-") + "-") + text


def _text(key: str, value: Value) -> str:
    """Return a value as text: as a name has it, without its key."""
    plain = value.plain
    if value.name:
        return value.name
    if isinstance(plain, Mapping):
        own = WORDS.get(key, "")
        head = [_text(key, Value(plain[own]))] if own in plain else []
        return "-".join(head + list(_words(key, {k: v for k, v in plain.items() if k != own})))
    if isinstance(plain, list):
        return "-".join(_text(key, Value(part)) for part in plain)
    if plain is None or isinstance(plain, bool):
        return "none" if plain is None else str(plain).lower()
    if isinstance(plain, float):
        return f"{plain:g}"
    text = str(plain).removeprefix("task:")
    return text.rstrip("/").rpartition("/")[2] if key in ("model", "data") else text


def _words(key: str, options: Mapping[str, Any]) -> Iterator[str]:
    for option, value in options.items():
        yield _word(f"{key}.{option}", value)


def _check_objective(arm: GridArm, run: Mapping[str, Any], file: str) -> None:
    """Raise UserError where an axis is an option that the arm's objective has not."""
    objective = lay_over(run, arm.train).get("objective", {})
    name = objective.get("name", "bft") if isinstance(objective, Mapping) else objective
    if name not in objectives.names():
        return  # told, with the nearest, when the arm's config is checked
    for key in arm.settings:
        option = key.removeprefix("objective.")
        if option != key and option not in objectives.option_names(name):
            raise UserError(
                f"{file}: axes: arm {arm.name}: objective {name} has no option {option}; give axes as a list of grids, "
                f"so that {option} is crossed only with objectives that have it"
            )
