"""A study as jobs: a shell command a unit, for several machines or a SLURM array.

    print(as_shell(jobs_of(study, state, words)))         # words: counterpoise compare study.yaml --folder ...
    print(as_slurm(jobs_of(study, state, words), study.config.name))
    print(as_text(state))                                 # what is done and what is left

Where learning rates are searched for, the first seed chooses the one that the other seeds take: those come in a second
stage. The last command reads everything and writes study.json; each job writes it, too, with what is there by then.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.studies.compare.arms import Study
from counterpoise.studies.compare.units import units_of

State = Sequence[Mapping[str, Any]]
"""As `runner.study_state` returns it."""


@dataclass(frozen=True)
class Jobs:
    """Commands of the units that are not finished."""

    stages: tuple[list[str], list[str]]
    last: str
    finished: int

    @property
    def all(self) -> list[str]:
        return [*self.stages[0], *self.stages[1]]


def jobs_of(study: Study, state: State, words: Sequence[str]) -> Jobs:
    """Return the commands that are left.

    Args:
        study: as :func:`load_study` gives it.
        state: how far each unit is.
        words: the command that runs the whole study.
    """
    why = {(row["arm"], row["trained_on"], row["seed"]): row["why"] for row in state}
    stages: tuple[list[str], list[str]] = ([], [])
    for unit in units_of(study):
        if not why[unit.arm.name, unit.on, unit.seed]:
            continue
        own = ["--only", unit.arm.name]
        if unit.arm.trained:
            own += ["--seed", str(unit.seed)]
        if len(unit.arm.learns) > 1:
            own += ["--trained-on", unit.on]
        waits = len(unit.arm.rates) > 1 and unit.seed != study.config.seeds[0]
        stages[waits].append(shlex.join([*words, *own]))
    return Jobs(stages, shlex.join(words), sum(not reason for reason in why.values()))


def as_shell(jobs: Jobs) -> str:
    """Return the commands, one a line, with comments between the stages."""
    first, second = jobs.stages
    lines = [f"# {jobs.finished} of {jobs.finished + len(jobs.all)} models are finished; of those left, one a line:"]
    lines += first
    if second:
        lines += [
            "# only when all of these are done, since their learning rates are chosen by the first seed:",
            *second,
        ]
    return "\n".join([*lines, "# when all are done, what they found together:", jobs.last])


def as_slurm(jobs: Jobs, name: str) -> str:
    """Return a batch script that is an array, an index a command."""
    first, second = (len(stage) for stage in jobs.stages)
    ranges = [f"0-{first - 1}"] * bool(first) + [f"{first}-{first + second - 1}"] * bool(second)
    if not ranges:
        return f"# all models are finished; their results:\n{jobs.last}"
    submit, before = [], ""
    for place, indices in enumerate(ranges, start=1):
        submit.append(f"#     stage{place}=$(sbatch --parsable{before} --array={indices} jobs.sh)")
        before = f" --dependency=afterok:$stage{place}"
    submit.append(f"#     sbatch{before} --wrap={shlex.quote(jobs.last)}")
    stages = "; the second stage needs the learning rates that the first chooses" if len(ranges) > 1 else ""
    return "\n".join([
        "#!/bin/bash",
        f"# Save as jobs.sh and submit{stages}:",
        *submit,
        f"#SBATCH --job-name={name}",
        f"#SBATCH --array={ranges[0]}",
        "#SBATCH --time=24:00:00",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=16G",
        "#SBATCH --output=%x-%A_%a.log",
        "##SBATCH --partition=NAME   (one # less, and your cluster's name, where it wants one)",
        "##SBATCH --gpus=1           (the same, to train on a GPU)",
        "set -euo pipefail",
        "commands=(",
        *(f"  {shlex.quote(command)}" for command in jobs.all),
        ")",
        'eval "${commands[$SLURM_ARRAY_TASK_ID]}"',
    ])  # fmt: skip


def as_text(state: State) -> str:
    """Return a line a unit: arm, what it is trained on, seed, and what is left of it."""
    rows = [
        (row["arm"], *(("-", "-") if row["trained_on"] == "none" else (row["trained_on"], str(row["seed"]))),
         row["why"] or "finished")
        for row in state
    ]  # fmt: skip
    header = ("arm", "trained on", "seed", "state")
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(3)]
    lines = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
             for row in (header, *rows)]  # fmt: skip
    left = sum(bool(row["why"]) for row in state)
    arms = len({row["arm"] for row in state})
    return "\n".join([*lines, f"{arms} arms, {len(rows)} models: {len(rows) - left} finished, {left} left"])
