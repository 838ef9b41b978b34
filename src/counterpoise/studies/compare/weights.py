"""Samples of a study's training data, token by token, weighed under every arm's objective by the untrained model.

    heat = heat_of(study, folder, data_dir="biomedical")        # HeatSample dicts, for the page (report.components)

The page shows with them what its arms do differently, before any of them has learned. They are an illustration: where
they cannot be had (the data are gone, all arms are encoders) the study stands without them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from counterpoise.errors import UserError
from counterpoise.evaluation.tasks.source import PREFIX, is_task_source
from counterpoise.inspection import DataRequest, Options, inspect, load_inspection
from counterpoise.studies.compare.arms import Arm, Study
from counterpoise.training.config import RunConfig

READ = 4
"""Samples read for each that is shown, so that there is a choice between hard and easy ones."""
KINDS = ("hardest", "typical", "easiest")


def heat_of(
    study: Study, folder: Path, *, data_dir: str | Path | None = None, say: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """Return ``study.config.examples`` samples, shared out over what arms train on, or as many as there are.

    Kept in ``folder/inspection``; a call that finds them there loads no model.
    """
    arms = [arm for arm in study.arms.values() if arm.trained and not arm.encoder]
    wanted = study.config.examples
    if not arms or not wanted:
        return []
    leader = arms[0]
    alike = [arm for arm in arms if (arm.model, arm.source()) == (leader.model, leader.source())]
    share = max(1, wanted // len(leader.learns))
    found: list[dict[str, Any]] = []
    for on in leader.learns[:wanted]:
        try:
            found += _samples(leader, alike, on, share, folder / "inspection" / on, data_dir, say)
        except UserError as error:
            say(f"warning: no training samples of {on} are shown token by token: {error}")
    return found


def _samples(
    leader: Arm,
    alike: list[Arm],
    on: str,
    share: int,
    place: Path,
    data_dir: str | Path | None,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    config = _config(leader, on, place)
    objectives = tuple(dict.fromkeys(_config(arm, on, place).objective.build().label() for arm in alike))
    outcome = _kept(place, objectives)
    if outcome is None:
        say(f"weighing samples of {config.data.source}")
        data, tasks = config.data, 1
        if is_task_source(data.source):
            tasks = len(data.source.removeprefix(PREFIX).split("+"))
        request = DataRequest(
            data.source,
            data.split,
            -(-READ * share // tasks),
            data.format,
            data.columns,
            data.skip_bad,
            data_dir,
            data.template,
        )
        outcome = inspect(
            leader.model,
            request,
            options=Options(objectives=objectives),
            folder=place,
            max_length=data.max_length,
            overwrite=True,
        )
    kinds = [outcome["heat"][kind] for kind in KINDS]
    in_turn = [samples[i] for i in range(share) for samples in kinds if i < len(samples)]
    return in_turn[:share]


def _config(arm: Arm, on: str, place: Path) -> RunConfig:
    return arm.run_config(on=on, seed=0, folder=place, rate=arm.rates[0] if arm.rates else None)


def _kept(place: Path, objectives: tuple[str, ...]) -> dict[str, Any] | None:
    """Return what an earlier call kept, if it was weighed under these objectives."""
    try:
        outcome = load_inspection(place)
    except UserError:
        return None
    return outcome if set(outcome["objectives"]) == set(objectives) else None
