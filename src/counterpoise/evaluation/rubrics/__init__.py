"""Rubrics: what a judge looks for in an answer, each criterion with its points. YAML files beside this one, or yours.

    names()                                        # ['clinical-note', 'patient-answer', 'question-summary']
    rubric = Rubric.load("patient-answer")         # or Rubric.load("my_rubric.yaml")
    score(rubric.criteria, {"correct": True, "unsafe": False, ...})

A rubric file:

    name: patient-answer
    version: 1                                     goes up whenever a change of this file changes a score
    description: what the answers are, told to the judge before each criterion
    criteria:
      - id: correct
        criterion: Every medical statement in the answer is right.
        points: 5                                  negative for a fault, such as harmful content
        tags: [correctness]

Scores as in HealthBench (Arora et al. 2025, arXiv 2505.08775): the points of the criteria that are met, divided by all
positive points. An item's score may be negative; the mean over items is clipped to 0..1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from counterpoise.errors import UserError, nearest

FOLDER = Path(__file__).parent


class Criterion(BaseModel):
    """One statement that is true of an answer or not; ``points`` below 0 where it describes a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    criterion: str = Field(min_length=1)
    points: float = Field(strict=True, allow_inf_nan=False)
    tags: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _weighs(self) -> Criterion:
        if self.points == 0:
            raise ValueError(f"points of {self.id} is 0; expected a number above 0, or below 0 for a fault")
        return self


class Rubric(BaseModel):
    """Criteria with their points (see the head of this module).

    ``criteria`` may be empty where every item brings its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    version: int
    description: str = Field(min_length=1)
    criteria: tuple[Criterion, ...]

    @model_validator(mode="after")
    def _scores(self) -> Rubric:
        check_criteria(self.criteria, "criteria") if self.criteria else None
        return self

    @property
    def hash(self) -> str:
        """sha256 of all that a judge is told and all that is counted, in hexadecimal."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()

    @classmethod
    def load(cls, path_or_name: str | Path) -> Rubric:
        """Read a rubric by its name, or the file of that path (which ends in .yaml or .yml).

        Raises:
            UserError: an unknown name, an unreadable file, or a rubric that is not one; the message names the key.
        """
        if str(path_or_name) in names():
            path = FOLDER / f"{path_or_name}.yaml"
        elif str(path_or_name).endswith((".yaml", ".yml")):
            path = Path(path_or_name).expanduser()
        else:
            hint = nearest(str(path_or_name), names())
            raise UserError(
                f"rubric {str(path_or_name)!r} is unknown{hint}; expected one of {', '.join(names())}, or the path of "
                "a .yaml file"
            )
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise UserError(f"{path}: cannot be read ({reason})") from None
        except yaml.YAMLError as error:
            raise UserError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
        if not isinstance(content, dict):
            raise UserError(f"{path}: expected the keys name, version, description and criteria")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise UserError(f"{path}: {_explain(error)}") from None


def names() -> list[str]:
    """Return the names of the rubrics that come with the package, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def check_criteria(criteria: Sequence[Criterion], where: str) -> None:
    """Raise ValueError if these criteria make no score: ids that repeat, or no positive points."""
    ids = [criterion.id for criterion in criteria]
    repeated = sorted({name for name in ids if ids.count(name) > 1})
    if repeated:
        raise ValueError(f"{where}: the id {repeated[0]} occurs more than once")
    if not any(criterion.points > 0 for criterion in criteria):
        raise ValueError(f"{where}: no criterion has points above 0, so that nothing can be reached")


def score(criteria: Sequence[Criterion], met: Mapping[str, bool]) -> float:
    """Return the points of the criteria that are met, divided by all positive points.

    >>> good = Criterion(id="good", criterion="It is right.", points=4)
    >>> bad = Criterion(id="bad", criterion="It does harm.", points=-3)
    >>> score([good, bad], {"good": True, "bad": True})
    0.25
    """
    reached = sum(criterion.points for criterion in criteria if met[criterion.id])
    return reached / sum(criterion.points for criterion in criteria if criterion.points > 0)


def _explain(error: ValidationError) -> str:
    """Say pydantic's first finding in one sentence that names the key, as in ``criteria[2].points``."""
    finding = error.errors()[0]
    where = ""
    for part in finding["loc"]:
        where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else str(part)
    kind, value = finding["type"], finding.get("input")
    if kind == "extra_forbidden":
        model = Criterion if where.startswith("criteria[") else Rubric
        keys = list(model.model_fields)
        return f"{where} is not a key{nearest(str(finding['loc'][-1]), keys)}; keys here: {', '.join(keys)}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "value_error":
        reason = str(finding["msg"]).removeprefix("Value error, ")
        return f"{where}: {reason}" if where else reason
    return f"{where} is {value!r}; {str(finding['msg'])[:1].lower()}{str(finding['msg'])[1:]}"
