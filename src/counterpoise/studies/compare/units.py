"""The models that a study makes, one a unit: which there are, where each lies, and how far it has come.

for unit in units_of(study):
    place_of(folder, unit), how_far(place_of(folder, unit) / "run")      # "" once it is trained
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from counterpoise.errors import UserError, nearest
from counterpoise.studies.compare.arms import ALL, UNTRAINED, Arm, Study


@dataclass(frozen=True)
class Unit:
    """One model of an arm: trained on a task, on all, or on none, with one seed."""

    arm: Arm
    on: str
    seed: int

    def __str__(self) -> str:
        return f"{self.arm.name}" + ("" if self.on == UNTRAINED else f", trained on {self.on}, seed {self.seed}")


@dataclass(frozen=True)
class TrainedRun:
    """A unit's run folder, finished."""

    unit: Unit
    folder: Path
    rate: float | None
    """Learning rate that was chosen or given by the study; None: the config's own."""


class Unfinished(Exception):  # noqa: N818 - nothing went wrong
    """A unit that is looked at, and not to be worked on, is not finished; the message says why."""


def units_of(study: Study) -> list[Unit]:
    """Return all units of a study in the order in which they are made."""
    return [
        Unit(arm, on, seed)
        for arm in study.arms.values()
        for on in arm.learns
        for seed in (study.config.seeds if arm.trained else [0])
    ]


def chosen_units(
    study: Study, only: Sequence[str] = (), seed: int | None = None, trained_on: str | None = None
) -> list[Unit]:
    """Return the units of some arms, of one seed, or trained on one task; untrained arms have no seed and no task, so
    that they are among them only if they are named or neither is given.

    Raises:
        UserError: no such arm, seed or task.
    """
    for name in only:
        if name not in study.arms:
            raise UserError(
                f"--only is {name!r}, which is no arm{nearest(name, list(study.arms))}; "
                f"expected {', '.join(study.arms)}"
            )
    if seed is not None and seed not in study.config.seeds:
        raise UserError(f"--seed is {seed}; expected one of the study's: {', '.join(map(str, study.config.seeds))}")
    tasks = list(dict.fromkeys(on for arm in study.arms.values() if arm.trained for on in arm.learns))
    if trained_on is not None and trained_on not in tasks:
        raise UserError(
            f"--trained-on is {trained_on!r}, on which no arm is trained{nearest(trained_on, tasks)}; "
            f"expected {' or '.join(tasks) or 'a study that trains'}"
        )
    units = [unit for unit in units_of(study) if not only or unit.arm.name in only]
    if seed is None and trained_on is None:
        return units
    return [
        unit
        for unit in units
        if (unit.arm.trained and seed in (None, unit.seed) and trained_on in (None, unit.on))
        or (not unit.arm.trained and unit.arm.name in only)
    ]


def place_of(folder: Path, unit: Unit) -> Path:
    """Return where a unit's runs and results are."""
    return folder / unit.arm.name / (ALL if unit.on == UNTRAINED else unit.on) / f"seed-{unit.seed}"


def how_far(run: Path) -> str:
    """Return an empty string for a run folder that is finished, else how far it has come.

    The run is one of training or of reinforcement, and may be another process's, which is writing its log.
    """
    if (run / "results.json").is_file():
        return ""
    if not (run / "run.yaml").is_file():
        return "not started"
    rows = _rows(run / "metrics.jsonl")
    if not rows:
        return "stopped before its first step"
    last = rows[-1]
    training = yaml.safe_load((run / "run.yaml").read_text(encoding="utf-8"))["training"]
    steps = training["steps"] if "steps" in training else training["max_steps"]  # reinforcement has no epochs
    if steps is None and last.get("epoch"):
        steps = math.ceil(round(last["step"] / last["epoch"]) * training["epochs"])
    return f"stopped at step {last['step']}" + (f" of {steps}" if steps else "")


def advised(message: str, place: Path) -> str:
    """Return what is wrong with a unit with what a study can do in the place of options that it has not."""
    advice = f"delete {place} to have it made anew, or choose another --folder"
    for other in ("choose another output.folder, or pass --overwrite", "choose another --out, or pass --overwrite"):
        message = message.replace(other, advice)
    return message


def _rows(path: Path) -> list[dict[str, Any]]:
    """Return the lines of steps; one that a kill cut short is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        with suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return [row for row in rows if "loss" in row]
