"""Knowledge gained against knowledge lost: which trained arms no other one beats in both.

    for frontier in frontiers(study, sides): frontier["points"]
    on_front(gained, lost)                     # which arms of each draw are on the front

What an arm gains is what its quoted metric on one task (or another that the study asks for) is better than the
baseline's, what it loses is how much worse it is on the other, both in the metric's own unit. Draws are those of
`statistics`: items and seeds drawn with replacement, the same for all arms, so that arms are compared on equal items in
every draw. ``front_share`` is the share of draws in which an arm is on the front: near 1 or near 0 where the data tell,
in between where they do not. The baseline takes part: an arm that gains nothing and loses something is beaten by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.errors import UserError
from counterpoise.evaluation.intervals import RESAMPLES
from counterpoise.studies.compare.arms import Study
from counterpoise.studies.compare.statistics import aligned, draw, value

if TYPE_CHECKING:
    from counterpoise.studies.compare.outcome import Side, Sides

Array = NDArray[np.float64]
Models = list[tuple[str, str]]
"""(arm, trained on)."""


def frontiers(study: Study, sides: Sides, *, resamples: int = RESAMPLES) -> list[dict[str, Any]]:
    """Return a frontier for each pair of tasks in the study's ``frontier``.

    A pair whose tasks the baseline or all trained arms were not measured on is left out, and so is an arm that was not
    measured on both, or in another metric than the baseline.
    """
    from counterpoise.studies.compare.outcome import other_side

    baseline, found = study.config.baseline, []
    trained = [(arm, on) for arm, on, _ in sides if study.arms[arm].trained and arm != baseline]
    for pair in study.config.frontier:
        ons = [on for arm, on, task in sides if (arm, task) == (baseline, pair.gained)]
        if len(ons) != 1:
            continue
        gained, lost = (other_side(sides, baseline, ons[0], task) for task in (pair.gained, pair.lost))
        if gained is None or lost is None:
            continue
        base = gained, lost
        models = [model for model in dict.fromkeys(trained) if all(_fits(sides, model, side) for side in base)]
        if models:
            found.append(_frontier(sides, models, base, resamples))
    return found


def on_front(gained: Array, lost: Array) -> NDArray[np.bool_]:
    """Return [draws, arms]: whether no other arm of the draw gains at least as much and loses at most as much, and one
    of them truly; both arguments are [draws, arms]. An arm whose numbers are not finite is on no front."""
    finite = np.isfinite(gained) & np.isfinite(lost)
    gained, lost = np.where(finite, gained, -np.inf), np.where(finite, lost, np.inf)
    order = np.lexsort((lost, -gained), axis=-1)  # most gained first, then least lost
    gained, lost = np.take_along_axis(gained, order, -1), np.take_along_axis(lost, order, -1)
    front = np.zeros(gained.shape, dtype=np.bool_)
    least = np.full(len(gained), np.inf)
    last = np.full(len(gained), np.nan)  # what the newest arm on the front gains
    for place in range(gained.shape[1]):
        new = lost[:, place] < least
        front[:, place] = new | ((lost[:, place] == least) & (gained[:, place] == last))  # one like it is on it, too
        last = np.where(new, gained[:, place], last)
        least = np.minimum(least, lost[:, place])
    found = np.zeros_like(front)
    np.put_along_axis(found, order, front, -1)
    return found & finite


def _fits(sides: Mapping[tuple[str, str, str], Side], model: tuple[str, str], base: Side) -> bool:
    ours = sides.get((*model, base.first.name))
    return ours is not None and ours.against(base) is not None


def _frontier(sides: Sides, models: Models, base: tuple[Side, Side], resamples: int) -> dict[str, Any]:
    gained, lost = (
        _better(sides, models, side, resamples, seed=place) for place, side in enumerate(base)
    )  # [1 + draws, 1 + models] each, the plain values first, the baseline first
    lost = 0.0 - lost
    front = on_front(gained, lost)
    columns = [(base[0].first.arm.name, base[0].first.on), *models]
    points = [
        {
            "arm": arm,
            "trained_on": on,
            "gained": _interval(gained[:, place]),
            "lost": _interval(lost[:, place]),
            "on_front": bool(front[0, place]),
            "front_share": float(front[1:, place].mean()),
        }
        for place, (arm, on) in enumerate(columns)
    ]
    about = [
        {
            "task": side.first.spec.name,
            "metric": side.first.metric,
            "higher_is_better": side.scored[0][1].higher_is_better,
        }
        for side in base
    ]
    return {"gained": about[0], "lost": about[1], "baseline": columns[0][0], "draws": resamples, "points": points}


def _better(sides: Sides, models: Models, base: Side, resamples: int, seed: int) -> Array:
    """Return by how much each model is better than the baseline, in every draw, the plain values in the first row."""
    ours = [sides[(*model, base.first.name)].scored for model in models]
    theirs, *rest = aligned([base.scored, *ours])
    if not theirs:
        raise UserError(f"frontier: no item of {base.first.spec.name} was asked of all arms; ask all of them the same")
    sign = 1.0 if theirs[0].higher_is_better else -1.0
    # Two calls with one seed draw the same items; only among the models are seeds paired.
    (of_base,) = draw([theirs], resamples=resamples, seed=seed)
    of_models = draw(rest, resamples=resamples, seed=seed)
    plain = np.array([value(theirs), *(value(side) for side in rest)])[:, None]
    columns = np.concatenate([plain, np.stack([of_base, *of_models])], axis=1)  # [1 + models, 1 + draws]
    return np.asarray(sign * (columns - columns[:1]).T)


def _interval(column: Sequence[float] | Array) -> dict[str, float]:
    low, high = np.quantile(column[1:], [0.025, 0.975])
    # 0.0 is added so that the baseline's -0.0 is 0.0
    return {"value": float(column[0]) + 0.0, "low": float(low) + 0.0, "high": float(high) + 0.0}
