"""Train and measure the arms of a study, each thing once; a killed study goes on where it was.

    outcome = compare(load_study("study.yaml"), folder=Path("runs/study"), data_dir="biomedical")

    runs/study/study.yaml                              the study, resolved
    runs/study/sft/gad/seed-0/run/                     a run folder (with learning rates: .../seed-0/lr-0.0001/run/)
    runs/study/sft/gad/seed-0/gad.json, gad.items/     results of one task, and what was asked and answered
    runs/study/study.json                              everything together

A results file that is there, made with the same settings, is read and not made again; a run folder that is there goes
on or is read (`studies.run`), and one that was made with another config is an error that names the arm. Several
processes may work in one folder, each on units of its own (`lock`): each takes the next one that is free.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from counterpoise.disk import writing
from counterpoise.errors import UserError
from counterpoise.evaluation.evaluate import kept_folder
from counterpoise.evaluation.kept import Kept
from counterpoise.evaluation.results import write_json
from counterpoise.evaluation.runner import rescore
from counterpoise.studies.compare.arms import ALL, Study
from counterpoise.studies.compare.config import write_study
from counterpoise.studies.compare.cost import cost_of, forget_peak
from counterpoise.studies.compare.launch import launch
from counterpoise.studies.compare.lock import Waits, with_holder, work_through
from counterpoise.studies.compare.measuring import LoadedOnce, Measurer, Progress, Say
from counterpoise.studies.compare.outcome import Measured, check_also, study_outcome
from counterpoise.studies.compare.rates import Rates
from counterpoise.studies.compare.units import (
    TrainedRun,
    Unfinished,
    Unit,
    advised,
    chosen_units,
    how_far,
    place_of,
    units_of,
)
from counterpoise.studies.compare.weights import heat_of
from counterpoise.studies.run import train
from counterpoise.training.ranks import world_size


def compare(
    study: Study,
    *,
    folder: Path,
    data_dir: str | Path | None = None,
    only: Sequence[str] = (),
    seed: int | None = None,
    trained_on: str | None = None,
    launcher: str = "",
    command: str = "",
    say: Say | None = None,
    progress: Progress = nullcontext,
) -> dict[str, Any]:
    """Carry out a study and return what ``study.json`` holds.

    Args:
        study: as :func:`load_study` gives it.
        folder: where runs and results go.
        data_dir: folder of local copies of data sets.
        only, seed, trained_on: arms to run now, the seed, the task that they are trained on; of all others, what is
            finished is compared too.
        launcher: train in processes that this command starts (`launch`); empty: in this one.
        command: how this was called, for the record.
        say: told which arm runs; with it, training tells its progress on standard error too.
        progress: opens, for each evaluation, what is called as replies come.

    Raises:
        UserError: whatever of the user's is wrong, the arm named.
        Stopped: a signal ended a training.
    """
    if world_size() > 1:
        raise UserError(
            "a study runs in one process; give --launcher 'accelerate launch --num_processes 2' to train in several"
        )
    units = chosen_units(study, only, seed, trained_on)
    write_study(study.written, folder)
    running = Running(study, folder, Measurer(data_dir, say, progress), launcher)
    measured = running.all(units)
    outcome = study_outcome(
        study,
        measured,
        running.rates.tuning,
        runs=running.runs,
        unfinished=running.unfinished,
        heat=heat_of(study, folder, data_dir=data_dir, say=running.say),
        command=command,
    )
    with writing(folder, "free some space; the same command then only reads what is there"):
        write_json(folder / "study.json", outcome)
    return outcome


def study_state(study: Study, folder: Path) -> list[dict[str, Any]]:
    """Return how far each unit of a study is, running nothing: arm, trained_on, seed and why it is not finished (empty
    if it is)."""
    running = Running(study, folder, Measurer(None))
    running.all([])
    why = {(row["arm"], row["trained_on"], row["seed"]): row["why"] for row in running.unfinished}
    return [
        {"arm": unit.arm.name, "trained_on": unit.on, "seed": unit.seed}
        | {"why": why.get((unit.arm.name, unit.on, unit.seed), "")}
        for unit in units_of(study)
    ]


@dataclass
class Running:
    """A study being carried out, or looked at."""

    study: Study
    folder: Path
    measurer: Measurer
    launcher: str = ""
    runs: list[TrainedRun] = field(default_factory=list)
    """Of the units that are finished."""
    unfinished: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rates = Rates(self.study, self.folder, self.measurer, self._train)

    def say(self, text: str) -> None:
        if self.measurer.say is not None:
            self.measurer.say(text)

    def all(self, now: Collection[Unit]) -> list[Measured]:
        """Run the units of ``now``, then look at the others, which other processes may have finished in the meantime;
        return what is measured of every finished one, in the order of the units."""
        units = units_of(self.study)
        mine = [unit for unit in units if unit in now]
        found: list[Measured] = []

        def work(unit: Unit) -> None:
            self.say(f"[{mine.index(unit) + 1}/{len(mine)}] {unit}")
            found.extend(self._named(unit, run=True))
            gc.collect()  # a model that is done with goes before the next one comes

        left = work_through(mine, self._place, work, self.say, among=units)
        for unit in (unit for unit in units if unit not in mine or unit in left):
            try:
                found += self._named(unit, run=False)
            except Unfinished as why:
                self.unfinished.append({
                    "arm": unit.arm.name, "trained_on": unit.on, "seed": unit.seed,
                    "why": with_holder(str(why), self._place(unit)),
                })  # fmt: skip
        self.runs.sort(key=lambda one: units.index(one.unit))
        models = [(unit.arm.name, unit.on) for unit in units]
        self.rates.tuning.sort(key=lambda row: models.index((row["arm"], row["trained_on"])))
        seeds = [(*model, unit.seed) for model, unit in zip(models, units, strict=True)]
        self.unfinished.sort(key=lambda row: seeds.index((row["arm"], row["trained_on"], row["seed"])))
        return sorted(found, key=lambda one: seeds.index((one.arm.name, one.on, one.seed)))

    def _named(self, unit: Unit, *, run: bool) -> list[Measured]:
        """As `_unit`; what is wrong names the arm."""
        try:
            return self._unit(unit, run)
        except UserError as error:
            kind = Waits if isinstance(error, Waits) else UserError
            raise kind(f"{unit.arm.where}: {advised(str(error), self._place(unit))}") from None

    def _place(self, unit: Unit) -> Path:
        return place_of(self.folder, unit)

    def _unit(self, unit: Unit, run: bool) -> list[Measured]:
        """Train a model, or find it trained, and measure it.

        Raises:
            Unfinished: without ``run``, something of it is missing.
        """
        arm, place, cost = unit.arm, self._place(unit), None
        model, rate = arm.model, None
        if arm.trained:
            rate = self.rates.of(unit, run)
            if rate is not None:
                place = place / f"lr-{rate:g}"
            self._train(unit, rate, place, run)
            model, cost = str(place / "run"), cost_of(place / "run")
        models: dict[tuple[str, str], LoadedOnce] = {}
        found, missing = [], []
        for tasks, asked, forgetting in (
            (arm.measured_on(unit.on), arm.asked, False),
            (arm.forgetting, arm.forgetting_asked, True),
        ):
            loaded = models.setdefault((asked.format, asked.precision), self.measurer.model(model, asked))
            for spec in tasks:
                out = place / f"{spec.name}.json"
                outcome = self.measurer.results(self.study.names[spec.name], loaded, asked, out, run=run)
                if outcome is None:
                    missing.append(spec.name)
                else:
                    result = rescore(Kept(kept_folder(out)), spec.name)
                    found.append(Measured(arm, unit.on, unit.seed, spec, outcome, result, forgetting, cost, rate))
                    check_also(self.study, found[-1])
        if missing:
            raise Unfinished(f"not measured on {', '.join(missing)}")
        if arm.trained:
            self.runs.append(TrainedRun(unit, place / "run", rate))
        return found

    def _train(self, unit: Unit, rate: float | None, place: Path, run: bool) -> None:
        """Train unless that is done."""
        folder = place / "run"
        why = how_far(folder)
        if why and not run:
            raise Unfinished(why)
        task = self.study.names.get(unit.on)
        if len(unit.arm.rates) > 1 and unit.on != ALL:  # the rate's model is the one that it was chosen by
            task = self.rates.task(unit, run)
        config = unit.arm.run_config(on=unit.on, seed=unit.seed, folder=folder, rate=rate, task=task)
        if not why:
            try:
                train(config, show_progress=False)  # finished: only looks for changes
            except UserError as error:
                if run:
                    raise
                raise Unfinished(str(error).removeprefix(f"{folder} ").partition("; ")[0]) from None
            return
        self.say("  training" + ("" if rate is None else f" with learning rate {rate:g}"))
        folder.parent.mkdir(parents=True, exist_ok=True)
        quiet = self.measurer.say is None
        if self.launcher:
            launch(self.launcher, config, place, data_dir=self.measurer.data_dir, quiet=quiet)
            return
        forget_peak()
        train(config, data_dir=self.measurer.data_dir, show_progress=not quiet)
