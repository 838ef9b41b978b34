"""Tables of what a study found: outcome in, cells of text out. Every number is one of ``study.json``, rounded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.report.components import Column
from counterpoise.report.numbers import ABSENT, fraction, interval, p_value, percent, signed
from counterpoise.report.safe_text import excerpt
from counterpoise.report.study_reading import Gap, Score, StudyReading, on_text

ITEM_TEXT = 160
"""Characters of an item's text."""


@dataclass(frozen=True)
class Cell:
    """An arm on a task: its value, and how it differs from the baseline."""

    value: str = ""
    interval: str = ""
    floor: str = ""
    """``above`` or ``below`` the best floor, or neither."""
    gap: str = ""
    gap_interval: str = ""
    p: str = ""
    direction: str = "unclear"
    unfinished: bool = False


def task_headings(reading: StudyReading) -> list[dict[str, Any]]:
    """Return, for each task: metric, which way is better, items, best floor, title."""
    found = []
    for task in reading.tasks:
        scores = [score for score in reading.scores if score.task == task]
        if not scores:
            continue
        counts = sorted({score.n for score in scores})
        known = next((score for score in scores if score.best_floor is not None), None)
        found.append(
            {
                "task": task,
                "metric": scores[0].metric.split(", generated")[0],
                "better": "more is better" if scores[0].higher_is_better else "less is better",
                "n": f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}",
                "floor": (fraction(known.best_floor), known.best_floor_name) if known else None,
                "title": str((reading.outcome["tasks"].get(task) or {}).get("title", "")),
            }
        )
    return found


def main_rows(reading: StudyReading) -> list[dict[str, Any]]:
    """Return a row an arm: its name and a cell a task of :func:`task_headings`."""
    tasks = [heading["task"] for heading in task_headings(reading)]
    return [
        {"arm": arm, "baseline": arm == reading.baseline, "cells": [_cell(reading, arm, task) for task in tasks]}
        for arm in reading.arms
    ]


def _cell(reading: StudyReading, arm: str, task: str) -> Cell:
    score = reading.score(arm, task)
    if score is None:
        return Cell(unfinished=not reading.is_finished(arm, task))
    value = _value(score)
    gap = reading.gap("baseline", arm, task)
    return Cell(*value) if gap is None else Cell(*value, *_difference(gap))


def _value(score: Score) -> tuple[str, str, str]:
    floor = "above" if score.above_floor else "below" if score.below_floor else ""
    return fraction(score.value), interval(score, fraction) if score.low != score.high else "", floor


def _difference(gap: Gap) -> tuple[str, str, str, str]:
    return signed(gap.value), interval(gap, signed), p_value(gap.p_holm), gap.direction


def forgetting_rows(reading: StudyReading) -> list[dict[str, Any]]:
    """Return, for each forgetting task: its name and metric, and a row an arm with its cell."""
    found = (
        _listing([score for score in reading.scores if score.task == task], reading.gaps("forgetting", task), ())
        for task in reading.forgetting
    )
    return [listing for listing in found if listing]


def also_rows(reading: StudyReading) -> list[dict[str, Any]]:
    """Return the same for each further metric of a task that the study asks for."""
    found = []
    for task, metric in dict.fromkeys((score.task, score.metric) for score in reading.also_scores):
        gaps = [gap for gap in reading.also_comparisons if (gap.task, gap.metric) == (task, metric)]
        found.append(
            _listing(
                [score for score in reading.also_scores if (score.task, score.metric) == (task, metric)],
                [gap for gap in gaps if gap.family in ("baseline", "forgetting")],
                [gap for gap in gaps if gap.family in ("sft", "sft-forgetting")],
            )
        )
    return found


def _listing(scores: Sequence[Score], gaps: Sequence[Gap], to_plain: Sequence[Gap]) -> dict[str, Any]:
    """Return a task's name, metric and best floor, and a row an arm with its cell, and another with its difference to
    plain fine-tuning; nothing without scores."""
    if not scores:
        return {}
    rows = []
    for score in scores:
        own = [[g for g in of if (g.ours, g.trained_on) == (score.arm, score.trained_on)] for of in (gaps, to_plain)]
        cell, plain = (Cell(*_value(score), *(_difference(found[0]) if found else ())) for found in own)
        rows.append({"arm": score.arm, "on": on_text(score.trained_on), "cell": cell, "plain": plain, "n": score.n})
    one = scores[0]
    return {
        "task": one.task,
        "metric": one.metric,
        "better": "more is better" if one.higher_is_better else "less is better",
        "floor": None if one.best_floor is None else (fraction(one.best_floor), one.best_floor_name),
        "has_plain": bool(to_plain),
        "rows": rows,
    }


def group_rows(reading: StudyReading) -> list[dict[str, str]]:
    """Return means over groups of tasks; an arm that is unfinished has none."""
    return [
        {
            "group": row["group"], "tasks": ", ".join(row["tasks"]), "arm": row["arm"], "mean": fraction(row["mean"]),
            "gain": "" if row["points"] is None else signed(row["points"]),
            "interval": "" if row["points"] is None else f"[{signed(row['low'])}, {signed(row['high'])}]",
            "relative": "" if row["relative"] is None else percent(row["relative"]),
        }
        for row in reading.outcome["groups"]
        if all(reading.is_finished(row["arm"], task) for task in row["tasks"])
    ]  # fmt: skip


def blurb_rows(reading: StudyReading) -> list[dict[str, str]]:
    """Return BLURB's mean of every arm that was measured on all of its sets, else the mean over those that it was."""
    rows = []
    for arm, found in reading.outcome["blurb"].items():
        if any(run["arm"] == arm for run in reading.unfinished):
            continue
        whole = found.get("overall")
        partial = found.get("partial")
        rows.append(
            {
                "arm": arm,
                "overall": ABSENT if whole is None else f"{whole:.1f}",
                "partial": ABSENT if whole is not None or partial is None else f"{partial:.1f}",
                "sets": ", ".join(found.get("sets") or []),
            }
        )
    return rows


def item_table(reading: StudyReading) -> tuple[list[Column], dict[str, list[Any]]] | None:
    """Return columns and rows of the table of items: every arm's value, and its difference to the baseline's."""
    tasks = reading.outcome["items"]
    arms = [arm for arm in reading.arms if any(arm in found["values"] for found in tasks.values())]
    if not arms or not any(found["ids"] for found in tasks.values()):
        return None
    others = [arm for arm in arms if arm != reading.baseline] if reading.baseline in arms else []
    columns = [Column("task", "Task", "label", help=_metrics(tasks))]
    columns += [Column("id", "Item", "text"), Column("text", "Text", "text")]
    columns += [Column(f"value {arm}", arm, "number", 3, f"Value of {arm}, the mean over its seeds.") for arm in arms]
    columns += [
        Column(f"gap {arm}", f"{arm} − {reading.baseline}", "number", 3, f"{arm} less {reading.baseline}.")
        for arm in others
    ]
    rows: dict[str, list[Any]] = {column.key: [] for column in columns}
    for task, found in tasks.items():
        n = len(found["ids"])
        values = {
            arm: _finite(found["values"].get(arm), n) if reading.is_finished(arm, task) else [None] * n for arm in arms
        }
        rows["task"] += [task] * n
        rows["id"] += found["ids"]
        rows["text"] += [excerpt(text, ITEM_TEXT) for text in found.get("text") or [""] * n]
        for arm in arms:
            rows[f"value {arm}"] += values[arm]
        for arm in others:
            base = values[reading.baseline]
            rows[f"gap {arm}"] += [
                None if ours is None or theirs is None else ours - theirs
                for ours, theirs in zip(values[arm], base, strict=True)
            ]
    return columns, rows


def _metrics(tasks: Mapping[str, Any]) -> str:
    """``pubmedqa: accuracy, more is better. medquad: answer NLL, less is better.``"""
    ways = {True: ", more is better", False: ", less is better"}
    return " ".join(
        f"{task}: {found.get('metric') or 'value'}{ways.get(found.get('higher_is_better'), '')}."
        for task, found in tasks.items()
    )


def _finite(values: list[float | None] | None, n: int) -> list[float | None]:
    if values is None or len(values) != n:
        return [None] * n
    return [value if value is not None and math.isfinite(value) else None for value in values]
