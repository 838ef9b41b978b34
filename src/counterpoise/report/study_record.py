"""How a study was made, as its page tells it: arms, rates tried, what was trained on, cost, machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.report.numbers import ABSENT, fraction, rate
from counterpoise.report.provenance import made_with
from counterpoise.report.study_reading import StudyReading, in_order, on_text


def tuning(reading: StudyReading) -> dict[str, Any] | None:
    """Return every rate tried: a row an arm, what it was trained on and a dev task; the chosen rate marked."""
    tried = reading.outcome["tuning"]
    if not tried:
        return None
    rates = sorted({row["learning_rate"] for row in tried})
    rows = []
    for arm, on in in_order((row["arm"], row["trained_on"]) for row in tried):
        own = {row["learning_rate"]: row for row in tried if (row["arm"], row["trained_on"]) == (arm, on)}
        for task in in_order(task for row in own.values() for task in row["dev"]):
            cells = [
                (fraction(own[r]["dev"].get(task)), bool(own[r].get("chosen"))) if r in own else ("", False)
                for r in rates
            ]
            rows.append({"arm": arm, "on": on_text(on), "task": task, "cells": cells})
    return {"rates": [rate(r) for r in rates], "rows": rows}


def budget_rows(reading: StudyReading) -> list[dict[str, str]]:
    """Return what was trained on: a row for all arms that had the same in the same order."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for row in reading.outcome["budget"]:
        key = (row.get("trained_on", ""), row["seed"], row["steps"], row["samples"], row["tokens"], row.get("order"))
        groups.setdefault(key, []).append(row["arm"])
    return [
        {
            "arms": ", ".join(arms), "on": on_text(on), "seed": str(seed), "steps": _count(steps),
            "samples": _count(samples), "tokens": _count(tokens), "order": str(order or ABSENT)[:12],
        }
        for (on, seed, steps, samples, tokens, order), arms in groups.items()
    ]  # fmt: skip


def budget_said(reading: StudyReading) -> str:
    """Say whether all arms were trained on the same, as far as the table bears it out."""
    if note := str(reading.outcome["budget_note"]):
        return note
    rows = budget_rows(reading)
    if len({(row["on"], row["seed"]) for row in rows}) == len(rows):
        return "For one seed, all arms saw the same samples and tokens, in the same order and number of steps."
    return "Arms of one seed were not trained on the same: compare the rows."


def cost_rows(reading: StudyReading) -> list[dict[str, str]]:
    """Return time and memory of training and time of evaluation, a row an arm and what it was trained on."""
    models = {(r["arm"], r["trained_on"], r["seed"]): r["cost"] for r in reading.outcome["rows"] if r.get("cost")}
    measured: dict[tuple[str, str], dict[int, float]] = {}
    for row in reading.outcome["seconds"]:
        own = measured.setdefault((row["arm"], row["trained_on"]), {})
        own[row["seed"]] = own.get(row["seed"], 0.0) + row["evaluation"]
    found = []
    for arm, on in in_order([*((arm, on) for arm, on, _ in models), *measured]):
        costs = [cost for (name, what, _), cost in models.items() if (name, what) == (arm, on)]
        peaks = [cost["peak_memory_bytes"] for cost in costs if cost.get("peak_memory_bytes") is not None]
        found.append(
            {
                "arm": arm,
                "on": on_text(on),
                "runs": str(len(costs) or ABSENT),
                "training": _spread([cost["seconds"] for cost in costs], "{:,.0f}"),
                "peak": _spread([peak / 1e9 for peak in peaks], "{:.2f}"),
                "trainable": _spread([cost["trainable_parameters"] for cost in costs], "{:,.0f}"),
                "samples": _spread([cost["samples"] for cost in costs], "{:,.0f}"),
                "tokens": _spread([cost["tokens"] for cost in costs], "{:,.0f}"),
                "evaluation": _spread(list(measured.get((arm, on), {}).values()), "{:,.0f}"),
            }
        )
    order = {arm: place for place, arm in enumerate(reading.arms)}
    return sorted(found, key=lambda row: order.get(row["arm"], len(order)))


def unfinished_rows(reading: StudyReading) -> list[dict[str, str]]:
    """Return the runs that are missing, and why."""
    return [
        {"arm": row["arm"], "on": on_text(row.get("trained_on") or ""), "seed": str(row.get("seed", ABSENT)),
         "why": row.get("why") or ""}
        for row in reading.unfinished
    ]  # fmt: skip


def arm_rows(reading: StudyReading) -> list[dict[str, str]]:
    """Return what every arm is: its settings on the axes, else what its training has other than the shared one."""
    arms = reading.study.get("arms") or {}
    rows = []
    for arm in reading.arms:
        given = arms.get(arm) or {}
        settings = reading.outcome["arm_settings"].get(arm)
        own = given.get("train")
        if settings:
            what = ", ".join(f"{key}: {value}" for key, value in settings.items())
        elif own is not None:
            what = told(own) or "trained with the shared settings"
        else:
            what = "the model as it is" if arm in arms else ABSENT
        asked = given.get("evaluation")
        rates = given.get("learning_rates")
        tried = (reading.study.get("learning_rates") or []) if rates is None else rates
        is_trained = arm in reading.trained
        rows.append(
            {
                "arm": arm,
                "what": what + (f"; asked with {told(asked)}" if asked else ""),
                "rates": ", ".join(rate(r) for r in tried) if tried and is_trained else ABSENT,
            }
        )
    return rows


def told(settings: Mapping[str, Any]) -> str:
    """Return settings in one line.

    >>> told({"objective": {"name": "bft", "variant": "v3"}, "training": {"epochs": 2}})
    'objective.name bft, objective.variant v3, training.epochs 2'
    """
    return ", ".join(f"{key} {value}" for key, value in leaves(settings))


def leaves(settings: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return dotted keys and values."""
    found: list[tuple[str, Any]] = []
    for key, value in settings.items():
        found += leaves(value, f"{before}{key}.") if isinstance(value, Mapping) else [(f"{before}{key}", value)]
    return found


def made(reading: StudyReading) -> list[tuple[str, str]]:
    """Return command, versions and machine as pairs of a name and a value; what is not known is left out."""
    study = reading.study
    asked = study.get("evaluation") or {}
    sample = "all items" if asked.get("limit") is None else f"at most {asked['limit']} items of each task"
    pairs = {
        "Command": reading.outcome["command"],
        "Questions": f"{sample} of split {asked.get('split', 'test')}, drawn with seed {asked.get('seed', 0)}, "
        f"{asked.get('shots', 0) or 'no'} examples in the prompt unless an arm says otherwise" if asked else "",
        "Training seeds": ", ".join(str(seed) for seed in reading.seeds),
        **made_with(reading.outcome["environment"]),
    }  # fmt: skip
    return [(name, str(value)) for name, value in pairs.items() if value]


def _spread(values: list[float], form: str) -> str:
    """``312``, or the mean with the smallest and largest: ``312 (298 to 330)``."""
    if not values:
        return ABSENT
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{form.format(sum(values) / len(values))} ({low} to {high})"


def _count(value: float | None) -> str:
    return ABSENT if value is None else f"{value:,.0f}"
