"""Train and measure the arms of a study, each thing once; a killed study goes on where it was.

    outcome = compare(load_study("study.yaml"), folder=Path("runs/study"), data_dir="biomedical")

    runs/study/study.yaml                              the study, resolved
    runs/study/sft/gad/seed-0/run/                     a run folder (with learning rates: .../seed-0/lr-0.0001/run/)
    runs/study/sft/gad/seed-0/gad.json, gad.items/     results of one task, and what was asked and answered
    runs/study/study.json                              everything together

A results file that is there, made with the same settings, is read and not made again; a run folder that is there goes
on or is read (`studies.run`), and one that was made with another config is an error that names the arm.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from counterpoise.disk import writing
from counterpoise.errors import UserError, nearest
from counterpoise.evaluation.evaluate import kept_folder
from counterpoise.evaluation.kept import Kept
from counterpoise.evaluation.results import write_json
from counterpoise.evaluation.runner import rescore
from counterpoise.studies.compare.arms import ALL, UNTRAINED, Arm, Study, shared_dev_tasks
from counterpoise.studies.compare.cost import cost_of, forget_peak
from counterpoise.studies.compare.measuring import LoadedOnce, Measurer, Progress, Say
from counterpoise.studies.compare.outcome import Measured, study_outcome
from counterpoise.studies.compare.tuning import tuning_task
from counterpoise.studies.run import train
from counterpoise.training.ranks import world_size


def compare(
    study: Study,
    *,
    folder: Path,
    data_dir: str | Path | None = None,
    only: Sequence[str] = (),
    command: str = "",
    say: Say | None = None,
    progress: Progress = nullcontext,
) -> dict[str, Any]:
    """Carry out a study and return what ``study.json`` holds.

    Args:
        study: as :func:`load_study` gives it.
        folder: where runs and results go.
        data_dir: folder of local copies of data sets.
        only: arms to run now; of the others, what is finished is compared too.
        command: how this was called, for the record.
        say: told which arm runs; with it, training tells its progress on standard error too.
        progress: opens, for each evaluation, what is called as replies come.

    Raises:
        UserError: whatever of the user's is wrong, the arm named.
    """
    if world_size() > 1:
        raise UserError("a study runs in one process; launch `counterpoise train` and `evaluate` in several instead")
    for name in only:
        if name not in study.arms:
            raise UserError(
                f"--only is {name!r}, which is no arm{nearest(name, list(study.arms))}; "
                f"expected {', '.join(study.arms)}"
            )
    with writing(folder, "choose another --folder, or free some space"):
        folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(study.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        (folder / "study.yaml").write_text(text, encoding="utf-8")
    running = _Running(study, folder, Measurer(data_dir, say, progress))
    measured = running.all(set(only) or set(study.arms))
    if not measured:
        raise UserError(f"{folder}: nothing of this study is finished yet; run it without --only")
    outcome = study_outcome(study, measured, running.tuning, command=command)
    with writing(folder, "free some space; the same command then only reads what is there"):
        write_json(folder / "study.json", outcome)
    return outcome


@dataclass(frozen=True)
class _Unit:
    """One model of an arm: trained on a task, on all, or on none, with one seed."""

    arm: Arm
    on: str
    seed: int

    def __str__(self) -> str:
        return f"{self.arm.name}" + ("" if self.on == UNTRAINED else f", trained on {self.on}, seed {self.seed}")


@dataclass
class _Running:
    study: Study
    folder: Path
    measurer: Measurer
    tuning: list[dict[str, Any]] = field(default_factory=list)
    _rates: dict[tuple[str, str], float | None] = field(default_factory=dict)

    def say(self, text: str) -> None:
        if self.measurer.say is not None:
            self.measurer.say(text)

    def all(self, now: set[str]) -> list[Measured]:
        """Run the arms of ``now``; return what is measured of every arm."""
        units = [
            _Unit(arm, on, seed)
            for arm in self.study.arms.values()
            for on in arm.learns
            for seed in (self.study.config.seeds if arm.trained else [0])
        ]
        mine = [unit for unit in units if unit.arm.name in now]
        found: list[Measured] = []
        for unit in units:
            if unit in mine:
                self.say(f"[{mine.index(unit) + 1}/{len(mine)}] {unit}")
            try:
                found += self._unit(unit, unit in mine)
            except UserError as error:
                raise UserError(f"{unit.arm.where}: {self._advised(str(error), unit)}") from None
            gc.collect()  # a model that is done with goes before the next one comes
        return found

    def _advised(self, message: str, unit: _Unit) -> str:
        """Put what a study can do in the place of options that it has not."""
        advice = f"delete {self._place(unit)} to have it made anew, or choose another --folder"
        for other in ("choose another output.folder, or pass --overwrite", "choose another --out, or pass --overwrite"):
            message = message.replace(other, advice)
        return message

    def _place(self, unit: _Unit) -> Path:
        return self.folder / unit.arm.name / (ALL if unit.on == UNTRAINED else unit.on) / f"seed-{unit.seed}"

    def _unit(self, unit: _Unit, run: bool) -> list[Measured]:
        """Train a model, or find it trained, and measure it; without ``run`` only find."""
        arm, place, cost = unit.arm, self._place(unit), None
        model, rate = arm.model, None
        if arm.trained:
            rate = self._rate(unit, run)
            if rate is not None:
                place = place / f"lr-{rate:g}"
            if not self._trained(unit, rate, place, run):
                return []
            model, cost = str(place / "run"), cost_of(place / "run")
        models: dict[tuple[str, str], LoadedOnce] = {}
        found = []
        for tasks, asked, forgetting in (
            (arm.measured_on(unit.on), arm.asked, False),
            (arm.forgetting, arm.forgetting_asked, True),
        ):
            loaded = models.setdefault((asked.format, asked.precision), self.measurer.model(model, asked))
            for spec in tasks:
                out = place / f"{spec.name}.json"
                outcome = self.measurer.results(self.study.names[spec.name], loaded, asked, out, run=run)
                if outcome is not None:
                    result = rescore(Kept(kept_folder(out)), spec.name)
                    found.append(Measured(arm, unit.on, unit.seed, spec, outcome, result, forgetting, cost, rate))
        return found

    def _trained(self, unit: _Unit, rate: float | None, place: Path, run: bool) -> bool:
        """Train unless that is done; return whether it is."""
        folder = place / "run"
        finished = (folder / "results.json").is_file()
        if not run:
            return finished
        task = self.study.names.get(unit.on)
        if len(unit.arm.rates) > 1 and unit.on != ALL:  # the rate's model is the one that it was chosen by
            task = self._tuning_task(unit)
        config = unit.arm.run_config(on=unit.on, seed=unit.seed, folder=folder, rate=rate, task=task)
        if not finished:
            self.say("  training" + ("" if rate is None else f" with learning rate {rate:g}"))
            folder.parent.mkdir(parents=True, exist_ok=True)
            forget_peak()
        show = not finished and self.measurer.say is not None
        train(config, data_dir=self.measurer.data_dir, show_progress=show)  # finished: only looks for changes
        return True

    def _rate(self, unit: _Unit, run: bool) -> float | None:
        """Return the learning rate of a model: None for the config's own.

        Rates are compared with the first seed; the other seeds take the rate that was chosen.
        """
        key = (unit.arm.name, unit.on)
        if key not in self._rates:
            rates = unit.arm.rates
            self._rates[key] = self._chosen(unit, run) if len(rates) > 1 else rates[0] if rates else None
        return self._rates[key]

    def _chosen(self, unit: _Unit, run: bool) -> float:
        """Train with every rate and return the one of the best score on dev; NaN if ``run`` is False and one is not
        finished."""
        tried = []
        for rate in unit.arm.rates:
            row = self._tried(unit, rate, run)
            if row is None:
                return math.nan  # names a folder that is not there
            tried.append(row)
            gc.collect()
        best = max(tried, key=lambda row: -math.inf if math.isnan(row["score"]) else row["score"])
        self.tuning += [row | {"chosen": row is best} for row in tried]
        return float(best["learning_rate"])

    def _tried(self, unit: _Unit, rate: float, run: bool) -> dict[str, Any] | None:
        """Train with one rate and measure on dev: the mean over tasks of the metric to quote, sign turned where less is
        better."""
        arm, place = unit.arm, self._place(unit) / f"lr-{rate:g}"
        if not self._trained(unit, rate, place, run):
            return None
        loaded = self.measurer.model(str(place / "run"), arm.asked)
        values, scores = {}, []
        for spec in shared_dev_tasks(arm) if unit.on == ALL else arm.measured_on(unit.on):
            name = self.study.names[spec.name] if unit.on == ALL else self._tuning_task(unit)
            out = place / "dev" / f"{spec.name}.json"
            outcome = self.measurer.results(name, loaded, arm.asked, out, split="dev", run=run)
            if outcome is None:
                return None
            found = rescore(Kept(kept_folder(out)), spec.name).scored.measurements[outcome["quote"][spec.name]]
            values[spec.name] = found.value
            scores.append(found.value if found.higher_is_better else -found.value)
        return {
            "arm": arm.name,
            "trained_on": unit.on,
            "seed": unit.seed,
            "learning_rate": rate,
            "dev": values,
            "score": sum(scores) / len(scores),
            "seconds": cost_of(place / "run")["seconds"],
        }

    def _tuning_task(self, unit: _Unit) -> str:
        spec = next(spec for spec in unit.arm.tasks if spec.name == unit.on)
        made = tuning_task(spec, self.folder / "tuning")
        return self.study.names[spec.name] if made == spec.name else made
