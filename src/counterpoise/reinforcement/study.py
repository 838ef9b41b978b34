"""One setup, several starting models: which of them goes on learning under GRPO?

    study = load_reinforce_study("examples/studies/reinforce.yaml")
    outcome = run_reinforce_study(study, folder=Path("runs/reinforce"))
    print(markdown(outcome))                            # `study_table`

A study file has ``arms:`` (name -> model, checkpoint folder, run folder or adapter), ``seeds:`` and one ``reinforce:``
block, a run config without model and output, that all arms share: the same prompts in the same order, the same steps.
Which prompts can be learnt from depends on who answers them; ``policy:`` names the arm whose pass rates choose them for
all (by default the first), or ``own``: then each arm is asked what it can learn from, and prompts differ.

Run again, a study goes on: a finished run is read, one that was cut short goes on where it was. Several processes may
share its folder, each at work on a run of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from counterpoise.disk import writing
from counterpoise.errors import UserError, nearest
from counterpoise.evaluation.results import write_json
from counterpoise.evaluation.runner import check_tasks
from counterpoise.reinforcement.config import ReinforceConfig, check_reinforce_config
from counterpoise.reinforcement.measuring import Progress
from counterpoise.studies.compare.also import require_tasks
from counterpoise.studies.compare.config import write_study
from counterpoise.studies.compare.lock import with_holder, work_through
from counterpoise.studies.compare.units import advised, how_far
from counterpoise.training.config import Section
from counterpoise.training.config_file import explain, read_yaml

OWN = "own"


class ReinforceStudyConfig(Section):
    """A study file."""

    name: str = Field(description="name of the study, and of its folder under runs/")
    arms: dict[str, str] = Field(description="starting models by name, as in {base: smollm2-135m, sft: runs/sft}")
    policy: str | None = Field(None, description="the arm whose pass rates choose the prompts for all, or own")
    seeds: list[int] = Field(default_factory=lambda: [0], min_length=1)
    also: dict[str, list[str]] = Field(
        default_factory=dict, description="metrics to compare arms by besides the one that is quoted, by task"
    )
    reinforce: dict[str, Any] = Field(description="run config that all arms share, without model and output")

    @model_validator(mode="after")
    def _fits(self) -> ReinforceStudyConfig:
        if not self.arms:
            raise ValueError("arms is empty; expected starting models by name, as in {base: smollm2-135m}")
        for name in [self.name, *self.arms]:
            if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
                raise ValueError(f"{name!r} cannot name a folder; expected letters, digits, dots, dashes")
        if OWN in self.arms:
            raise ValueError("an arm is called own, which policy takes to mean: each arm by itself; call it otherwise")
        if self.policy is not None and self.policy not in (*self.arms, OWN):
            raise ValueError(
                f"policy is {self.policy}, which is no arm{nearest(self.policy, list(self.arms))}; expected "
                f"{', '.join(self.arms)} or own"
            )
        for key in ("model", "output"):
            if key in self.reinforce:
                raise ValueError(f"reinforce.{key} is set; expected none, since every arm has its own")
        training = self.reinforce.get("training")
        if isinstance(training, dict) and "seed" in training:
            raise ValueError("reinforce.training.seed is set; expected seeds: beside arms:, such as [0, 1, 2]")
        return self

    @property
    def chooser(self) -> str:
        """The arm that chooses the prompts, or ``own``."""
        return self.policy or next(iter(self.arms))


@dataclass(frozen=True)
class Unit:
    """One run of a study."""

    arm: str
    seed: int

    def place(self, folder: Path) -> Path:
        """Return its run folder."""
        return folder / self.arm / f"seed-{self.seed}"


@dataclass(frozen=True)
class ReinforceStudy:
    """A study, checked."""

    config: ReinforceStudyConfig
    file: str

    def units(self) -> list[Unit]:
        """Return all runs in the order in which they are made: the arm that chooses the prompts first."""
        arms = sorted(self.config.arms, key=lambda arm: arm != self.config.chooser)
        return [Unit(arm, seed) for seed in self.config.seeds for arm in arms]

    def run_config(self, unit: Unit, folder: Path) -> ReinforceConfig:
        """Return the config of one run.

        Raises:
            UserError: what the shared block has wrong.
        """
        plain = dict(self.config.reinforce)
        chosen = {} if self.config.chooser == OWN else {"policy": self.config.arms[self.config.chooser]}
        if chosen and "policy" in (plain.get("filter") or {}):
            raise UserError(f"{self.file}: reinforce.filter.policy is set; expected policy: beside arms:")
        return check_reinforce_config(
            plain
            | {
                "model": {"name": self.config.arms[unit.arm]},
                "filter": {**(plain.get("filter") or {}), **chosen},
                "training": {**(plain.get("training") or {}), "seed": unit.seed},
                "output": {"folder": str(unit.place(folder))},
            },
            name=f"{self.file}: reinforce",
        )


def load_reinforce_study(path: str | Path, overrides: Sequence[str] = ()) -> ReinforceStudy:
    """Read a study file; ``overrides`` (section.key=value) go over its ``reinforce:`` block.

    Raises:
        UserError: a missing or unreadable file, an unknown key (names the nearest), a value that does not fit.
    """
    return check_reinforce_study(read_yaml(Path(path)), overrides, name=str(path))


def check_reinforce_study(
    data: Mapping[str, Any], overrides: Sequence[str] = (), *, name: str = "study"
) -> ReinforceStudy:
    """Check a study given as plain data; ``name`` is what errors call it."""
    from counterpoise.training.config_file import apply_override

    plain = dict(data)
    for override in overrides:
        plain["reinforce"] = apply_override(dict(plain.get("reinforce") or {}), override)
    try:
        study = ReinforceStudy(ReinforceStudyConfig.model_validate(plain), name)
    except ValidationError as error:
        raise UserError(f"{name}: {explain(error, ReinforceStudyConfig)}") from None
    for unit in study.units():
        evaluated = study.run_config(unit, Path()).evaluation.tasks
    if study.config.also:
        measured = [spec.name for spec in check_tasks(evaluated)] if evaluated else []
        require_tasks(study.config.also, measured, file=name, which="reinforce.evaluation.tasks")
    return study


def is_study(path: str | Path) -> bool:
    """Whether a YAML file is a study: it has ``arms:``. UserError for a file that cannot be read."""
    data = read_yaml(Path(path))
    return isinstance(data, dict) and "arms" in data


def run_reinforce_study(
    study: ReinforceStudy,
    folder: Path,
    *,
    data_dir: str | Path | None = None,
    command: str = "",
    say: Callable[[str], None] | None = None,
    progress: Progress = nullcontext,
) -> dict[str, Any] | None:
    """Carry out what is left of a study and return what its ``results.json`` holds (`study_outcome`).

    Several processes may share a folder, on several machines too where all see it: each takes the next run that none
    works on. The last one to end sums up; for the others the return value is None.

    Args:
        study: checked.
        folder: a run folder each arm and seed, ``study.yaml``, ``results.json`` and the shared samples of the filter.
        data_dir: folder of local copies of data sets.
        command: what the results say they were made with.
        say: told what happens; None: nobody is.
        progress: opens what is called as replies of an evaluation come.

    Raises:
        UserError: whatever of the user's is wrong.
        Stopped: a signal ended a run in good order.
    """
    from counterpoise.reinforcement.run import reinforce
    from counterpoise.reinforcement.study_outcome import check_also, study_outcome

    tell = say or (lambda _: None)
    shared = None if study.config.chooser == OWN else folder / "pass_rates.jsonl"
    write_study(study.config, folder)

    def work(unit: Unit) -> None:
        left = how_far(unit.place(folder)) != ""  # of a finished run, only its config is looked at
        if left:
            tell(f"{unit.arm}, seed {unit.seed}")
        try:
            outcome = reinforce(
                study.run_config(unit, folder),
                data_dir=data_dir,
                journal=shared,
                progress=progress,
                show_progress=left and say is not None,
            )
        except UserError as error:
            raise UserError(f"arms.{unit.arm}: {advised(str(error), unit.place(folder))}") from None
        check_also(study, outcome["rows"])

    if work_through(study.units(), lambda unit: unit.place(folder), work, tell):
        return None
    outcome = study_outcome(study, folder, command=command)
    with writing(folder, "free some space; the same command then only writes again"):
        write_json(folder / "results.json", outcome)
    return outcome


def what_is_left(study: ReinforceStudy, folder: Path) -> list[tuple[Unit, str]]:
    """Return every run with how far it has come, and who works on it; an empty text for one that is finished."""
    found = []
    for unit in study.units():
        why = how_far(unit.place(folder))
        found.append((unit, why and with_holder(why, unit.place(folder))))
    return found
