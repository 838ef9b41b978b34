"""The learning rate of each model of a study: where several are given, the best on split dev with the first seed.

rates = Rates(study, folder, measurer, train)
rates.of(unit, run=True)                   # trains and measures what is missing
rates.tuning                               # a row a rate that was tried
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from counterpoise.evaluation.evaluate import kept_folder
from counterpoise.evaluation.kept import Kept
from counterpoise.evaluation.runner import rescore
from counterpoise.studies.compare.arms import ALL, Study, shared_dev_tasks
from counterpoise.studies.compare.cost import cost_of
from counterpoise.studies.compare.lock import Waits
from counterpoise.studies.compare.measuring import Measurer
from counterpoise.studies.compare.tuning import tuning_task
from counterpoise.studies.compare.units import Unfinished, Unit, place_of


class Rates:
    """Learning rates, chosen as they are asked for.

    Args:
        study, folder: the study, and where its runs and results go.
        measurer: measures on split dev.
        train: called with (unit, rate, place, run): trains unless that is done; `Unfinished` without ``run``.

    Attributes:
        tuning: what was tried: arm, trained_on, seed, learning_rate, dev (task -> value), score (mean, less is better
            turned), seconds, chosen.
    """

    def __init__(
        self,
        study: Study,
        folder: Path,
        measurer: Measurer,
        train: Callable[[Unit, float | None, Path, bool], None],
    ) -> None:
        self.study, self.folder, self.measurer, self._train = study, folder, measurer, train
        self.tuning: list[dict[str, Any]] = []
        self._rates: dict[tuple[str, str], float | None] = {}

    def of(self, unit: Unit, run: bool) -> float | None:
        """Return the learning rate of a model: None for the config's own.

        Rates are compared with the first seed; the other seeds take the rate that was chosen.

        Raises:
            Unfinished: without ``run``, not all rates are tried yet.
            Waits: the first seed's model, which chooses, is not finished.
        """
        key = (unit.arm.name, unit.on)
        if key not in self._rates:
            rates = unit.arm.rates
            self._rates[key] = self._chosen(unit, run) if len(rates) > 1 else rates[0] if rates else None
        return self._rates[key]

    def _chosen(self, unit: Unit, run: bool) -> float:
        """Train with every rate, unless that is done, and return the one of the best score on dev."""
        first = replace(unit, seed=self.study.config.seeds[0])
        tried = []
        for rate in unit.arm.rates:
            try:
                tried.append(self._tried(first, rate, run and unit == first))
            except Unfinished as why:
                if unit == first:
                    raise Unfinished(f"learning rate {rate:g}: {why}") from None
                waits = f"seed {first.seed} has not chosen its learning rate yet"
                if run:
                    raise Waits(f"{waits} (rate {rate:g}: {why}); run seed {first.seed} of it first") from None
                raise Unfinished(f"not started: {waits}") from None
            if run:
                gc.collect()
        best = max(tried, key=lambda row: -math.inf if math.isnan(row["score"]) else row["score"])
        self.tuning += [row | {"chosen": row is best} for row in tried]
        return float(best["learning_rate"])

    def _tried(self, unit: Unit, rate: float, run: bool) -> dict[str, Any]:
        """Train with one rate and measure on dev: the mean over tasks of the metric to quote, sign turned where less is
        better."""
        arm, place = unit.arm, place_of(self.folder, unit) / f"lr-{rate:g}"
        self._train(unit, rate, place, run)
        loaded = self.measurer.model(str(place / "run"), arm.asked)
        values, scores = {}, []
        for spec in shared_dev_tasks(arm) if unit.on == ALL else arm.measured_on(unit.on):
            name = self.study.names[spec.name] if unit.on == ALL else self.task(unit, run)
            out = place / "dev" / f"{spec.name}.json"
            outcome = self.measurer.results(name, loaded, arm.asked, out, split="dev", run=run)
            if outcome is None:
                raise Unfinished(f"not measured on {spec.name}, split dev")
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

    def task(self, unit: Unit, run: bool) -> str:
        """Return the task on whose split dev a model's rate is chosen; one that has to be made is, with ``run``."""
        spec = next(spec for spec in unit.arm.tasks if spec.name == unit.on)
        made = tuning_task(spec, self.folder / "tuning", write=run)
        return self.study.names[spec.name] if made == spec.name else made
