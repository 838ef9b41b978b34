"""Each item of a study's tasks beside what every arm made of it: for the page's table, where one looks at cases.

found = study_items(sides)
found["pubmedqa"]["values"]["sft"]           # a number an item: mean over seeds of its share of the quoted metric

Only metrics that are means over items have such numbers: an F1 or a correlation belongs to the whole set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counterpoise.evaluation.measurement import Measurement

if TYPE_CHECKING:
    from counterpoise.studies.compare.outcome import Measured, Side, Sides

MOST = 1000
"""Items of a task that are listed, the first ones."""
EXCERPT = 300
"""Characters of an item's text."""


def study_items(sides: Sides) -> dict[str, Any]:
    """Return, for each task whose quoted metric is a mean over items: ``metric``, ``higher_is_better``, ``ids``,
    ``text`` (an excerpt of what was asked) and ``values`` (arm -> a number an item, None where it has none).

    Arms that train a model a task and arms with one model stand side by side; an arm of another metric is left out.
    """
    found: dict[str, Any] = {}
    for (arm, _, task), side in sides.items():
        values = _values(side)
        if values is None:
            continue
        first = side.first
        if task not in found:
            texts = {item.id: item.text or item.prompt for item in first.result.items}
            ids = list(values)[:MOST]
            found[task] = {
                "metric": _plain(first),
                "higher_is_better": first.scored[1].higher_is_better,
                "ids": ids,
                "text": [texts.get(name, "")[:EXCERPT] for name in ids],
                "values": {},
            }
        if found[task]["metric"] == _plain(first):
            found[task]["values"][arm] = [_rounded(values.get(name)) for name in found[task]["ids"]]
    return found


def without_texts(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return an outcome without the texts of its data: no samples token by token, items by their ids alone."""
    items = {task: found | {"text": [""] * len(found["ids"])} for task, found in outcome["items"].items()}
    return {**outcome, "items": items, "heat": []}


def _values(side: Side) -> dict[str, float] | None:
    """Return an item's number, the mean over seeds; None where the metric is no mean over items."""
    sums: dict[str, list[float]] = {}
    for units, measurement in side.scored:
        if not isinstance(measurement, Measurement):
            return None
        for name, value in zip(units, _per_item(measurement), strict=True):
            sums.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in sums.items()}


def _per_item(measurement: Measurement) -> Sequence[float]:
    values: list[float] = (measurement.totals / np.maximum(measurement.counts, 1e-12)).tolist()
    return values


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _plain(measured: Measured) -> str:
    return measured.metric.split(", ")[0]
