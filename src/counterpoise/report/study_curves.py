"""Training curves and weight histograms of a study, laid out for the page.

    curve_groups(reading)       # by what was trained on: a row an arm, a small plot a quantity
    strip_groups(reading)       # the same for histograms over training: an image a quantity, time across, value up

A mean over seeds is one over all seeds of an arm; an arm with a seed that is unfinished has its seeds' lines alone.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from counterpoise.report.numbers import fraction, percent, rate
from counterpoise.report.study_reading import StudyReading

WIDTH, HEIGHT, MARGIN = 300, 100, 6
"""Of a curve's box, in units that are stretched to its cell."""
MOST = 120
"""Points of a line on the page; more are averaged, step by neighbouring step."""
QUANTITIES = {
    "loss": "Its own loss",
    "nll": "NLL, nats per token",
    "confidence": "Mean confidence",
    "effective_share": "Effective share of tokens",
    "p_conf": "Confidence of the weakest window",
}
"""Key of a curve -> heading. All but the loss are drawn on one scale for all arms."""
STRIPS = {
    "confidence_histogram": "Confidence of tokens",
    "token_weight_histogram": "Weight of tokens",
    "sample_weight_histogram": "Weight of samples",
}
INK = (58, 140, 196)
"""Of the strips: seen on light paper and on dark."""
Line = list[tuple[float, float]]
"""(step, value)."""


@dataclass(frozen=True)
class Curve:
    """One quantity of one arm: SVG paths of its seeds and of their smoothed mean, "" if there is none."""

    seeds: list[str]
    mean: str
    text: str
    """From the first tenth of the steps to the last."""
    way: str
    """``rose`` or ``fell``, if the text shows it."""


@dataclass(frozen=True)
class Strip:
    """One histogram over training as an image."""

    image: str
    """PNG as a data URI: a column a point in training, a row a bin, opacity the square root of the bin's share."""
    text: str


@dataclass(frozen=True)
class Group:
    """What was trained on one thing: a row an arm, a cell a quantity."""

    trained_on: str
    headings: list[str]
    rows: list[tuple[str, str, list[Any]]]
    """Arm, its learning rate, cells; None where there is nothing to show."""


def curve_groups(reading: StudyReading) -> list[Group]:
    """Lay out every quantity that some arm has."""
    runs = reading.outcome["curves"]
    keys = [key for key in QUANTITIES if any(run.get(key) for run in runs)]
    groups = []
    for on, arms in _by_arm(reading, runs):
        lines = {key: {arm: [line(run, key) for run in found] for arm, found in arms.items()} for key in keys}
        limits = {
            key: limits_of(one for found in lines[key].values() for one in found) for key in keys if key != "loss"
        }
        rows = [
            (
                arm,
                _rates(arms[arm]),
                [seed_curve(lines[key][arm], limits.get(key), whole=_whole(reading, arm, on)) for key in keys],
            )
            for arm in arms
        ]
        groups.append(Group(on, [QUANTITIES[key] for key in keys], rows))
    return groups


def strip_groups(reading: StudyReading) -> list[Group]:
    """Lay out every histogram that some arm has; several seeds count alike."""
    runs = reading.outcome["curves"]
    keys = [key for key in STRIPS if any(run.get(key) for run in runs)]
    groups = []
    for on, arms in _by_arm(reading, [run for run in runs if any(run.get(key) for key in keys)]):
        rows = [
            (arm, _rates(found), [_strip(mean_shares(found, key)) for key in keys])
            for arm, found in arms.items()
            if _whole(reading, arm, on)
        ]
        if rows:
            groups.append(Group(on, [STRIPS[key] for key in keys], rows))
    return groups


def line(run: Mapping[str, Any], key: str) -> Line:
    """Return one quantity of one run, steps without a number left out."""
    values = run.get(key) or []
    return [
        (float(step), float(value))
        for step, value in zip(run.get("steps") or range(1, len(values) + 1), values, strict=False)
        if value is not None and math.isfinite(value)
    ]


def mean_line(lines: Sequence[Line]) -> Line:
    """Return the mean over seeds at the steps that all of them have."""
    found = [dict(line) for line in lines if line]
    if not found or len(found) < len(lines):
        return []
    steps = sorted(set(found[0]).intersection(*found[1:]))
    return [(step, sum(one[step] for one in found) / len(found)) for step in steps]


def smooth(line: Line) -> Line:
    """Return a moving mean over about a fifth of the steps."""
    reach = max(1, len(line) // 10)
    values = [value for _, value in line]
    return [(step, _mean(values[max(0, i - reach) : i + reach + 1])) for i, (step, _) in enumerate(line)]


def thin(line: Line, most: int = MOST) -> Line:
    """Return at most ``most`` points, each the mean of its neighbours."""
    if len(line) <= most:
        return line
    edges = [i * len(line) // most for i in range(most + 1)]
    parts = [line[a:b] for a, b in pairwise(edges)]
    return [(_mean([step for step, _ in part]), _mean([value for _, value in part])) for part in parts]


def mean_shares(runs: Sequence[Mapping[str, Any]], key: str) -> list[list[float]]:
    """Return [points][bins]: the share of every bin, the mean over runs, at the points that all of them have."""
    found = [run[key] for run in runs if run.get(key)]
    if not found or len(found) < len(runs):
        return []
    bins = {len(histogram) for run in found for histogram in run}
    if len(bins) != 1:
        return []
    columns = []
    for histograms in zip(*found, strict=False):
        shares = [[count / sum(one) for count in one] for one in histograms if sum(one)]
        columns.append([_mean(part) for part in zip(*shares, strict=True)] if shares else [0.0] * len(histograms[0]))
    return columns


def png(columns: Sequence[Sequence[int]]) -> bytes:
    """Return an image of ``columns`` [width][height] of opacities 0..255, the first of a column at the bottom."""
    width, height = len(columns), len(columns[0])
    rows = (bytes([0, *(column[height - 1 - y] for column in columns)]) for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits, a palette of one colour in 256 opacities
    body = chunk(b"PLTE", bytes(INK) * 256) + chunk(b"tRNS", bytes(range(256)))
    body += chunk(b"IDAT", zlib.compress(b"".join(rows), 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def _by_arm(
    reading: StudyReading, runs: Iterable[Mapping[str, Any]]
) -> list[tuple[str, dict[str, list[Mapping[str, Any]]]]]:
    groups: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for run in runs:
        groups.setdefault(run.get("trained_on", "all"), {}).setdefault(run["arm"], []).append(run)
    order = {arm: place for place, arm in enumerate(reading.arms)}
    return [
        (on, dict(sorted(arms.items(), key=lambda pair: order.get(pair[0], len(order))))) for on, arms in groups.items()
    ]


def _whole(reading: StudyReading, arm: str, on: str) -> bool:
    return reading.is_finished(arm, on)


def _rates(runs: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(dict.fromkeys(rate(run["learning_rate"]) for run in runs if run.get("learning_rate") is not None))


def seed_curve(lines: Sequence[Line], shared: tuple[float, float] | None, *, whole: bool) -> Curve | None:
    """Lay out one quantity of one arm, a line a seed; None if no seed has any.

    Args:
        lines: of the seeds.
        shared: lowest and highest value of the plot; None: those of the lines.
        whole: all seeds are there, so that their mean is one over all.
    """
    if not any(lines):
        return None
    limits = shared or limits_of(lines)
    steps = [step for line in lines for step, _ in line]
    mean = mean_line(lines) if whole else []
    first, last = min(steps), max(steps)
    tenth = max(1, len(mean) // 10)
    ends = [_mean([value for _, value in part]) for part in (mean[:tenth], mean[-tenth:])] if mean else []
    told = [_digits(end) for end in ends]
    return Curve(
        seeds=[_path(thin(line), (first, last), limits) for line in lines if line],
        mean=_path(thin(smooth(mean)), (first, last), limits) if mean else "",
        text=" → ".join(told) or "unfinished",
        way="" if len(set(told)) < 2 else "rose" if ends[1] > ends[0] else "fell",
    )


def _path(line: Line, steps: tuple[float, float], limits: tuple[float, float]) -> str:
    across, up = steps[1] - steps[0] or 1.0, limits[1] - limits[0] or 1.0
    points = [
        (WIDTH * (step - steps[0]) / across, HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - limits[0]) / up)
        for step, value in line
    ]
    return "M" + " ".join(f"{x:.0f},{y:.0f}" for x, y in points)


def limits_of(lines: Iterable[Line]) -> tuple[float, float]:
    """Of what is drawn: points that are averaged before they are drawn count as their mean."""
    values = [value for line in lines for _, value in thin(line)]
    return (min(values), max(values)) if values else (0.0, 1.0)


def _strip(columns: list[list[float]]) -> Strip | None:
    if not columns:
        return None
    image = png([[round(255 * math.sqrt(share)) for share in column] for column in columns])
    low = len(columns[0]) // 10
    first, last = (sum(column[:low]) for column in (columns[0], columns[-1]))
    text = f"below .1: {percent(first)} → {percent(last)}"
    return Strip("data:image/png;base64," + base64.b64encode(image).decode(), text)


def _digits(value: float) -> str:
    """Three digits: ``3.41``, ``.054``."""
    return f"{value:.2f}" if abs(value) >= 1 else fraction(value)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
