"""The geometry of a study's forest plots and frontiers: numbers in, positions out; the templates draw them.

    panels(reading, "baseline")             # one forest a task: paired differences of every arm
    frontiers(reading)                      # gained against lost, one plot a pair of tasks

Horizontal positions are percent of a figure's width, so that a figure fits any screen while its text keeps its size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from counterpoise.evaluation.intervals import Estimate
from counterpoise.report.numbers import p_value, percent, signed, with_interval
from counterpoise.report.study_reading import Direction, Gap, StudyReading, names_of

MARGIN = 4.0
"""Percent left free on both sides."""
ZOOM = 0.5
"""A frontier's axis leaves 0 out where all intervals lie beyond this share of the farthest."""
FRONTIER_HEIGHT = 300
"""Of a frontier's field, in pixels."""


@dataclass(frozen=True)
class Row:
    """One difference: where it lies, and what it says."""

    label: str
    text: str
    low: float
    middle: float
    high: float
    direction: Direction


@dataclass(frozen=True)
class Panel:
    """The differences on one task, below each other on one axis."""

    task: str
    metric: str
    n: int
    rows: list[Row]
    ticks: list[tuple[float, str]]
    zero: float
    higher_is_better: bool
    theirs: str


def panels(reading: StudyReading, family: str) -> list[Panel]:
    """Lay out the differences of a family, a panel a task, tasks in the order of the study."""
    order = [*reading.tasks, *reading.forgetting]
    found = {gap.task for gap in reading.gaps(family)}
    tasks = [task for task in order if task in found] + sorted(found - set(order))
    drawn = [(task, [gap for gap in reading.gaps(family, task) if is_finite(gap)]) for task in tasks]
    return [_panel(task, gaps) for task, gaps in drawn if gaps]


def _panel(task: str, gaps: Sequence[Gap]) -> Panel:
    names = names_of([(gap.ours, gap.trained_on) for gap in gaps])
    rows = [
        (name, gap, f"{with_interval(gap, signed)}, p {p_value(gap.p_holm)}", gap.direction)
        for gap, name in zip(gaps, names, strict=True)
    ]
    one = gaps[0]
    return panel(task, one.metric, one.n, rows, higher_is_better=one.higher_is_better, theirs=one.theirs)


def panel(
    task: str,
    metric: str,
    n: int,
    gaps: Sequence[tuple[str, Estimate, str, Direction]],
    *,
    higher_is_better: bool,
    theirs: str,
) -> Panel:
    """Lay out differences on one task: label, difference, what it says and its direction, at least one."""
    lowest = min(0.0, *(gap.low for _, gap, _, _ in gaps))
    highest = max(0.0, *(gap.high for _, gap, _, _ in gaps))
    place = scale(lowest, highest)
    rows = [
        Row(label, text, place(gap.low), place(gap.value), place(gap.high), direction)
        for label, gap, text, direction in gaps
    ]
    ticks = [(place(tick), tick_text(tick)) for tick in round_ticks(lowest, highest)]
    return Panel(task, metric, n, rows, ticks, place(0.0), higher_is_better, theirs)


@dataclass(frozen=True)
class Point:
    """One arm in a frontier: positions in percent from the left and pixels from the top, and what they say."""

    number: int
    arm: str
    x: tuple[float, float, float]
    """Low, value, high."""
    y: tuple[float, float, float]
    gained: str
    lost: str
    on_front: bool
    share: str


@dataclass(frozen=True)
class Frontier:
    """What arms gained against what they lost, with the front that no other arm is beyond."""

    gained: dict[str, str]
    lost: dict[str, str]
    points: list[Point]
    front: list[tuple[float, float, float, float]]
    """Lines x1, y1, x2, y2 from one arm on the front to the next."""
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    origin: tuple[float, float]
    """Where the baseline lies, perhaps outside."""

    @property
    def shows_baseline(self) -> bool:
        """Whether the baseline lies in the field."""
        return 0 <= self.origin[0] <= 100 and 0 <= self.origin[1] <= FRONTIER_HEIGHT


def frontiers(reading: StudyReading) -> list[Frontier]:
    """Lay out every frontier that has an arm to show; arms that are unfinished are left out."""
    given = reading.outcome["frontiers"] or [f for f in [reading.outcome.get("frontier")] if f]
    return [_frontier(one, points) for one in given if (points := frontier_points(reading, one))]


def frontier_points(reading: StudyReading, frontier: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the points of a frontier that can be placed, but the baseline's, which is 0, 0."""
    return [
        point
        for point in frontier.get("points") or []
        if point["arm"] != reading.baseline
        and reading.is_finished(point["arm"], point.get("trained_on", "all"))
        and all(is_finite(_estimate(point[side])) for side in ("gained", "lost"))
    ]


def point_names(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the points of a frontier are called."""
    return names_of([(point["arm"], point.get("trained_on", "all")) for point in points])


def _frontier(frontier: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> Frontier:
    limits = {}
    for side in ("gained", "lost"):
        lows, highs = ([point[side][end] for point in points] for end in ("low", "high"))
        limits[side] = around(min(lows), max(highs))
    across = scale(*limits["gained"])
    up = scale(*limits["lost"])

    def down(value: float) -> float:
        return round(FRONTIER_HEIGHT * (1 - up(value) / 100), 1)

    laid = []
    for number, (point, name) in enumerate(zip(points, point_names(points), strict=True), 1):
        gained, lost = _estimate(point["gained"]), _estimate(point["lost"])
        share = point.get("front_share")
        laid.append(
            Point(
                number,
                name,
                (across(gained.low), across(gained.value), across(gained.high)),
                (down(lost.low), down(lost.value), down(lost.high)),
                with_interval(gained, signed),
                with_interval(lost, signed),
                bool(point.get("on_front")),
                "" if share is None else percent(share),
            )
        )
    front = sorted((p.x[1], p.y[1]) for p in laid if p.on_front)
    return Frontier(
        gained=dict(frontier["gained"]),
        lost=dict(frontier["lost"]),
        points=laid,
        front=[(*a, *b) for a, b in pairwise(front)],
        x_ticks=[(across(tick), tick_text(tick)) for tick in round_ticks(*limits["gained"])],
        y_ticks=[(down(tick), tick_text(tick)) for tick in round_ticks(*limits["lost"])],
        origin=(across(0.0), down(0.0)),
    )


def around(low: float, high: float) -> tuple[float, float]:
    """Return the limits of an axis: with 0, unless it lies far from all there is.

    >>> around(0.1, 0.4), around(0.3, 0.4), around(-0.2, 0.1)
    ((0.0, 0.4), (0.3, 0.4), (-0.2, 0.1))
    """
    if low > ZOOM * high > 0 or high < ZOOM * low < 0:
        return low, high
    return min(0.0, low), max(0.0, high)


def scale(low: float, high: float) -> Any:
    """Return what places a value between ``low`` and ``high`` in percent, with a margin on both sides."""
    span = high - low or 1.0
    return lambda value: round(MARGIN + (100 - 2 * MARGIN) * (value - low) / span, 2)


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return at most ``most`` round numbers between two, 0 among them if it lies there.

    >>> round_ticks(-0.13, 0.22)
    [-0.1, 0.0, 0.1, 0.2]
    """
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    step = 10.0 ** math.floor(math.log10(span))
    step = next(step * factor for factor in (0.1, 0.2, 0.5, 1, 2, 5) if _inside(low, high, step * factor) <= most)
    first = math.ceil(low / step - 1e-9)
    return [round((first + i) * step, 12) + 0.0 for i in range(_inside(low, high, step))]


def tick_text(value: float) -> str:
    """Return a difference as an axis has it: ``+.05``, ``0``.

    >>> tick_text(-0.1), tick_text(0.0), tick_text(12.0)
    ('-.1', '0', '+12')
    """
    text = f"{value:+.4f}".rstrip("0").rstrip(".").replace("0.", ".", 1) if abs(value) < 1 else f"{value:+g}"
    return text if any(digit in text for digit in "123456789") else "0"


def is_finite(estimate: Estimate) -> bool:
    """Whether value and interval are numbers."""
    return all(math.isfinite(number) for number in (estimate.value, estimate.low, estimate.high))


def _inside(low: float, high: float, step: float) -> int:
    return math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) + 1


def _estimate(given: Mapping[str, Any]) -> Estimate:
    value, low, high = (math.nan if given.get(key) is None else given[key] for key in ("value", "low", "high"))
    return Estimate(value, low, high, 0)
