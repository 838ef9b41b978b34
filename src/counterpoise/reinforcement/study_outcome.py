"""From the runs of a study to its ``results.json``.

rows          as in results.json of a run, with arm and stage: a row a metric, task and run, before and after
scores        the metric to quote over seeds, arm by arm: before, after and their paired difference, with intervals;
              after_by_seed: each seed's, since runs from one start may end far apart
gains         what an arm gained beyond what the first arm gained, on the same items: value, low, high, p_value, p_holm;
              above 0 is better, also where the metric itself falls as a model gets better
also          scores and gains by the further metrics that the study asks for (`also`), corrected by themselves
rewards       what each reward was at first and at last, arm by arm, mean over seeds, beside the best constant answer
alarms        of every run; steps: equal for all arms
filter        which policy chose the prompts, how many were kept, and whether all arms had the same
curves        each run step by step: rewards, groups of equal rewards, entropy, length (`record`)
answers       what arms answered to some items before and after, with the first seed
study, command, environment
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoise.evaluation.correction import holm
from counterpoise.evaluation.runner import TaskResult
from counterpoise.reinforcement.measuring import scored
from counterpoise.reinforcement.record import answers, curves
from counterpoise.studies.compare.also import require_metrics
from counterpoise.studies.compare.statistics import aligned, difference, draw, estimate, value
from counterpoise.training.environment import environment

if TYPE_CHECKING:
    from counterpoise.reinforcement.study import ReinforceStudy

Side = tuple[list[str], Any]
"""Ids of the items behind a metric, and the measurement."""


def study_outcome(study: ReinforceStudy, folder: Path, *, command: str = "") -> dict[str, Any]:
    """Return what a study found; all of its runs are finished."""
    arms, seeds = list(study.config.arms), study.config.seeds
    runs = {(arm, seed): folder / arm / f"seed-{seed}" for arm in arms for seed in seeds}
    found = {key: json.loads((run / "results.json").read_text(encoding="utf-8")) for key, run in runs.items()}
    kept = {(*key, when): scored(run / f"{when}.json") for key, run in runs.items() for when in ("before", "after")}
    quote: dict[str, str] = next(iter(found.values()))["quote"]

    also = [(task, metric) for task, metrics in study.config.also.items() for metric in metrics]
    scores, gains = _compared(arms, seeds, list(quote.items()), found, kept)
    other_scores, other_gains = _compared(arms, seeds, also, found, kept)
    return {
        "rows": [row | {"arm": arm, "seed": seed} for (arm, seed), one in found.items() for row in one["rows"]],
        "scores": scores,
        "gains": gains,
        "also": {"scores": other_scores, "gains": other_gains},
        "rewards": [_rewards(arm, [found[arm, seed] for seed in seeds]) for arm in arms],
        "alarms": [
            {"arm": arm, "seed": seed, **alarm} for (arm, seed), one in found.items() for alarm in one["alarms"]
        ],
        "steps": sorted({one["training"]["steps"] for one in found.values()}),
        "filter": _filter(study, found),
        "curves": [curves(run, arm, seed) for (arm, seed), run in runs.items()],
        "answers": answers({arm: runs[arm, seeds[0]] for arm in arms}),
        "study": study.config.model_dump(mode="json"),
        "command": command,
        "environment": environment(seed=seeds[0]),
    }


def check_also(study: ReinforceStudy, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise `UserError` if a run was not measured by a metric that the study asks for of a task; ``rows`` are its."""
    for task, metrics in study.config.also.items():
        known = list(dict.fromkeys(row["metric"] for row in rows if row["task"] == task))
        require_metrics(metrics, task, known, file=study.file)


def _compared(
    arms: Sequence[str],
    seeds: Sequence[int],
    pairs: Sequence[tuple[str, str]],
    found: Mapping[tuple[str, int], Mapping[str, Any]],
    kept: Mapping[tuple[str, int, str], Mapping[str, TaskResult]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return scores and gains by each (task, metric); p-values are corrected over these gains."""

    def sides(arm: str, task: str, metric: str, when: str) -> list[Side]:
        results = [kept[arm, seed, when][task].scored for seed in seeds]
        return [(scored.units[metric], scored.measurements[metric]) for scored in results]

    scores, gains = [], []
    for task, metric in pairs:
        every = [sides(arm, task, metric, when) for arm in arms for when in ("before", "after")]
        cut = aligned(every)
        floors = _floors(found[arms[0], seeds[0]]["rows"], task, metric)
        for place, arm in enumerate(arms):
            before, after = cut[2 * place], cut[2 * place + 1]
            scores.append(
                {
                    "arm": arm,
                    "task": task,
                    "metric": metric,
                    "before": asdict(estimate(before)),
                    "after": asdict(estimate(after)),
                    "change": asdict(difference(after, before)),
                    "after_by_seed": [float(one.value) for one in after],
                    "higher_is_better": after[0].higher_is_better,
                    "floors": floors,
                    "seeds": len(seeds),
                }
            )
            if place:
                named = {"arm": arm, "than": arms[0], "task": task, "metric": metric, "n": scores[-1]["after"]["n"]}
                gains.append(named | _gain(cut, place))
    corrected = holm([gain["p_value"] for gain in gains]) if gains else []
    return scores, [gain | {"p_holm": float(p)} for gain, p in zip(gains, corrected, strict=True)]


def _gain(cut: Sequence[list[Any]], place: int) -> dict[str, Any]:
    """What arm ``place`` gained beyond what the first arm gained; both are drawn over the same items."""
    four = [cut[2 * place + 1], cut[2 * place], cut[1], cut[0]]
    sign = 1 if four[0][0].higher_is_better else -1
    after, before, first_after, first_before = draw(four)
    gaps = sign * ((after - before) - (first_after - first_before))
    kept = gaps[~np.isnan(gaps)]
    values = [value(side) for side in four]
    low, high = np.quantile(kept, [0.025, 0.975])
    other = min(np.count_nonzero(kept <= 0), np.count_nonzero(kept >= 0))
    return {
        "value": sign * ((values[0] - values[1]) - (values[2] - values[3])),
        "low": float(low),
        "high": float(high),
        "p_value": min(1.0, 2 * (1 + other) / (len(kept) + 1)),
    }


def _floors(rows: Sequence[dict[str, Any]], task: str, metric: str) -> dict[str, float]:
    return next((row["floors"] for row in rows if row["task"] == task and row["metric"] == metric), {})


def _rewards(arm: str, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds of what each reward was at first and at last."""
    of: dict[str, Any] = {}
    for name, first in found[0]["rewards"].items():
        each = [one["rewards"][name] for one in found]
        of[name] = {
            "first": _mean([one["first"] for one in each]),
            "last": _mean([one["last"] for one in each]),
            "best_constant": first["best_constant"],
            "highest": first["highest"],
        }
    seconds = sum(one["training"]["seconds"] for one in found)
    spent = sum(one["training"]["reward_seconds"] for one in found)
    return {"arm": arm, "rewards": of, "reward_share_of_time": spent / seconds if seconds else 0.0}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [number for number in values if number is not None]
    return sum(known) / len(known) if known else None


def _filter(study: ReinforceStudy, found: dict[tuple[str, int], dict[str, Any]]) -> dict[str, Any]:
    of = {arm: found[arm, study.config.seeds[0]]["filter"] for arm in study.config.arms}
    return {"policy": study.config.chooser, "arms": of}
