"""The study file: what is measured, what all arms share, and how each arm differs.

    config = read_study(Path("study.yaml"))

An arm without ``train`` is the model of ``run`` as it is. ``train`` is laid over ``run``: mappings are merged, and a
section given as one word takes the place of the shared one. Options of an objective or an adapter belong to its name: a
section that names another one takes the place of the shared one, too. ``axes`` make arms of their own: see `axes`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError

from counterpoise.disk import replace_text, writing
from counterpoise.errors import UserError
from counterpoise.evaluation.task_queries import Method
from counterpoise.training.config import Section
from counterpoise.training.config_file import explain, read_yaml

T = TypeVar("T", bound=BaseModel)
OWN = {"objective": "name", "adapter": "kind"}
"""Sections whose options belong to what this key names."""
WORDS = OWN | {"model": "name", "data": "source"}
"""Sections that may be given as one word, and the key that this word is the value of."""


class Measuring(Section):
    """How tasks are asked; as the options of ``counterpoise evaluate``."""

    split: str = Field("test", description="split of the tasks' data")
    limit: int | None = Field(None, ge=1, description="a random sample of so many items of each task")
    shots: int = Field(0, ge=0, description="examples in the prompt")
    seed: int = Field(0, ge=0, description="seed that draws the sample and the examples")
    methods: list[Method] = Field(default_factory=list, description="options or generated; default: the task's first")
    format: Literal["auto", "chat", "plain", "completion"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


class ArmConfig(Section):
    """One arm."""

    train: dict[str, Any] | None = Field(None, description="what its training has other than run")
    evaluation: dict[str, Any] = Field(default_factory=dict, description="what it is asked other than evaluation")
    only: list[str] | None = Field(None, description="tasks that the arm is measured on; default: all")
    learning_rates: list[float] | None = Field(None, description="rates to choose from; default: those of the study")


class FrontierConfig(Section):
    """What is set against what: knowledge gained against knowledge lost, by the metric that is quoted or by one of
    ``also`` (``medquad-answers: answer confidence``)."""

    gained: str = Field(description="task on which arms may gain, or TASK: METRIC with a metric of also")
    lost: str = Field(description="task on which they may lose, of forgetting as a rule; or TASK: METRIC")


class StudyConfig(Section):
    """A whole study."""

    name: str = Field(description="name of the study")
    tasks: list[str] = Field(min_length=1, description="tasks that arms are measured on")
    forgetting: list[str] = Field(default_factory=list, description="tasks of what may be forgotten")
    groups: dict[str, list[str]] = Field(default_factory=dict, description="tasks whose means are compared, by name")
    evaluation: Measuring = Field(default_factory=Measuring)
    baseline: str = Field(description="name of the arm that the others are compared with")
    run: dict[str, Any] = Field(description="run config that the arms share, {task} standing for the task's name")
    learning_rates: list[float] = Field(default_factory=list, description="rates that every trained arm chooses from")
    seeds: list[int] = Field(default=[0], min_length=1, description="training seeds")
    arms: dict[str, ArmConfig] = Field(default_factory=dict, description="arms, by name")
    axes: list[dict[str, Any]] = Field(
        default_factory=list, description="grids: values of keys of the run config, every combination being an arm"
    )
    examples: int = Field(12, ge=0, description="training samples that the page shows token by token; 0: none")
    also: dict[str, list[str]] = Field(
        default_factory=dict, description="metrics to compare arms by besides the one that is quoted, by task"
    )
    frontier: list[FrontierConfig] = Field(default_factory=list, description="pairs of tasks: gained against lost")


def write_study(config: Section, folder: Path) -> None:
    """Write a study's config as ``study.yaml`` into its folder, which is made if need be.

    Raises:
        UserError: it cannot be written there.
    """
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    with writing(folder, "choose another --folder, or free some space"):
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(folder / "study.yaml", text)


def read_study(path: Path) -> StudyConfig:
    """Read a study file.

    Raises:
        UserError: no such file, no YAML, a key that there is not (the nearest is named) or a value that does not fit.
    """
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected the keys of a study, such as name, tasks, baseline, run and arms")
    arms = data.get("arms")
    if isinstance(arms, dict):
        data["arms"] = {str(arm): {} if given is None else given for arm, given in arms.items()}
        for arm, given in data["arms"].items():
            checked(ArmConfig, given, f"{path.name}: arms.{arm}")
    if isinstance(data.get("axes"), dict):
        data["axes"] = [data["axes"]]
    grids = data.get("axes", [])
    if not isinstance(grids, list) or not all(isinstance(grid, dict) and grid for grid in grids):
        raise UserError(f"{path.name}: axes is {grids!r}; expected keys with lists of values, or a list of such grids")
    config = checked(StudyConfig, data, path.name)
    if not config.arms and not config.axes:
        raise UserError(f"{path.name}: there is no arm; expected arms, by name, or axes")
    for what, name in (("name", config.name), *((f"arms.{arm}", arm) for arm in config.arms)):
        if not re.fullmatch(r"[\w-][\w.+-]*", name):
            raise UserError(f"{path.name}: {what} names a folder; expected letters, digits, - and _, such as sft-lora")
    return config


def checked(kind: type[T], data: Any, where: str) -> T:
    """Return ``data`` as a ``kind``; UserError that begins with ``where`` (``study.yaml: arms.sft``) if it is none."""
    if not isinstance(data, Mapping):
        raise UserError(f"{where} is {data!r}; expected keys: {', '.join(kind.model_fields)}")
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        join = ": " if ":" not in where else "."
        raise UserError(f"{where}{join}{explain(error, kind)}") from None


def lay_over(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``shared`` with ``own`` laid over it (see the head of this module).

    >>> lay_over({"adapter": "lora", "training": {"epochs": 1, "seed": 2}}, {"training": {"epochs": 3}})
    {'adapter': 'lora', 'training': {'epochs': 3, 'seed': 2}}
    >>> lay_over({"objective": "dft"}, {"objective": {"floor": 0.1}})
    {'objective': {'name': 'dft', 'floor': 0.1}}
    """
    merged = dict(shared)
    for key, value in own.items():
        before = merged.get(key)
        if isinstance(before, str) and key in WORDS:
            before = {WORDS[key]: before}
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = lay_over(before, value) if both and OWN.get(key) not in value else value  # type: ignore[arg-type]
    return merged
