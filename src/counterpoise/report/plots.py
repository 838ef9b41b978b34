"""The geometry of the page's figures: numbers in, positions out; the templates draw them as inline SVG.

Horizontal positions are percent of a figure's width, so that a figure fits any screen while its text keeps its size.
Curves are paths in a box of 100 by 40 that is stretched to its cell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.evaluation.intervals import Estimate
from counterpoise.report.numbers import Form, fraction, nats, percent, with_interval
from counterpoise.report.reading import PRIMARY, Reading, State

WIDTH, HEIGHT = 100.0, 40.0
"""Of a curve's box."""
MARGIN = 3.0
"""Percent left free on both sides of a forest plot, and units above and below a curve."""
GROUPS = ("low", "middle", "high")
"""Of confidence."""


@dataclass(frozen=True)
class ForestRow:
    """One estimate: where it lies, and what it says."""

    label: str
    text: str
    low: float
    middle: float
    high: float
    is_floor: bool
    has_interval: bool


@dataclass(frozen=True)
class Forest:
    """Estimates below each other on one axis."""

    rows: list[ForestRow]
    ticks: list[tuple[float, str]]
    lines: list[tuple[float, str]]
    """Floors that are drawn through all rows: position and name."""


def forest(reading: Reading) -> Forest:
    """Lay out the primary metric of every state, then the floors."""
    entries = [(state.title, state.scores[PRIMARY], False) for state in reading.states]
    entries += [(name, floor, True) for name, floor in reading.floors.items()]
    lowest = math.floor(10 * min(e.low for _, e, _ in entries)) / 10
    highest = math.ceil(10 * max(e.high for _, e, _ in entries)) / 10
    span = max(highest - lowest, 0.1)

    def place(value: float) -> float:
        return round(MARGIN + (100 - 2 * MARGIN) * (value - lowest) / span, 2)

    rows = [
        ForestRow(label, _estimate(e, fraction), place(e.low), place(e.value), place(e.high), is_floor, e.low < e.high)
        for label, e, is_floor in entries
    ]
    steps = round(10 * span)
    ticks = [lowest + i / 10 for i in range(steps + 1)]
    lines = {"chance": reading.floors.get("chance")}
    if reading.floors:
        strongest = max(reading.floors, key=lambda name: reading.floors[name].value)
        lines[strongest] = reading.floors[strongest]
    return Forest(
        rows=rows,
        ticks=[(place(tick), fraction(tick)) for tick in ticks],
        lines=[(place(floor.value), name) for name, floor in lines.items() if floor is not None],
    )


@dataclass(frozen=True)
class Curve:
    """One quantity over the optimiser steps of one arm."""

    raw: str
    """SVG path of every step."""
    smooth: str
    """SVG path of a moving mean."""
    start: float
    """Mean of the first tenth of the steps."""
    end: float
    """Mean of the last tenth."""
    start_y: float
    """Height of ``start`` in the box."""
    text: str

    @property
    def rose(self) -> bool:
        """Whether it ended above where it began."""
        return self.end > self.start


def curves(states: Sequence[State]) -> dict[str, dict[str, Curve]]:
    """Lay out, by arm key, the objective's own loss (on its own scale), plain NLL and confidence (on shared ones).

    A state without a curve, or with a number that is missing, is left out.
    """
    drawn = [
        s for s in states if s.curve and all(name in row for row in s.curve for name in ("loss", "nll", "confidence"))
    ]
    shared = {name: _range(row[name] for s in drawn for row in s.curve) for name in ("nll", "confidence")}
    found = {}
    for state in drawn:
        series = {name: [row[name] for row in state.curve] for name in ("loss", "nll", "confidence")}
        found[state.key] = {
            name: _curve(values, shared.get(name) or _range(values), fraction if name == "confidence" else _digits)
            for name, values in series.items()
        }
    return found


def nll_rose_while_loss_fell(states: Sequence[State]) -> list[str]:
    """Return the titles of the arms whose objective fell in training while the plain NLL rose."""
    found = curves(states)
    return [s.title for s in states if s.key in found and found[s.key]["nll"].rose and not found[s.key]["loss"].rose]


@dataclass(frozen=True)
class Bar:
    """A whole, parted into tokens of low, middle and high confidence."""

    label: str
    parts: list[tuple[str, float, float, float, str]]
    """(group, left edge, width, centre, text), in percent; no text where it would not fit."""


def bars(weights: Mapping[str, Any]) -> list[Bar]:
    """Lay out each group's share of tokens, then its share of the weight under each objective."""
    rows = [("Share of tokens", weights["tokens"]), *weights["shares"].items()]
    return [_bar(label, [shares[group] for group in GROUPS]) for label, shares in rows]


def level(weight: float) -> int:
    """Return the step of background intensity, 0 to 10, of a weight; above 1 is as dark as 1."""
    return 0 if math.isnan(weight) else round(10 * min(max(weight, 0.0), 1.0))


def visible(token: str) -> str:
    """Show a token's white space: a dot for a leading space, an arrow for a line break."""
    marked = "·" + token[1:] if token.startswith(" ") else token
    return marked.replace("\n", "↵") or "∅"


def _bar(label: str, shares: Sequence[float]) -> Bar:
    parts, left = [], 0.0
    for group, share in zip(GROUPS, shares, strict=True):
        width = 0.0 if math.isnan(share) else 100 * share
        text = percent(share) if width >= 14 else ""
        parts.append((group, round(left, 3), round(width, 3), round(left + width / 2, 3), text))
        left += width
    return Bar(label, parts)


def _curve(values: list[float], limits: tuple[float, float], form: Form) -> Curve:
    low, high = limits
    span = high - low or 1.0
    across = WIDTH / max(len(values) - 1, 1)

    def y(value: float) -> float:
        return round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / span, 2)

    def path(points: Sequence[float]) -> str:
        return "M" + " L".join(f"{i * across:.2f},{y(value)}" for i, value in enumerate(points))

    tenth = max(1, len(values) // 10)
    start, end = _mean(values[:tenth]), _mean(values[-tenth:])
    smooth = [_mean(values[max(0, i - tenth) : i + tenth + 1]) for i in range(len(values))]
    return Curve(path(values), path(smooth), start, end, y(start), f"{form(start)} → {form(end)}")


def _digits(value: float) -> str:
    """Three digits of a loss: ``3.41``, ``.054``."""
    return nats(value) if value >= 1 else fraction(value)


def _estimate(estimate: Estimate, form: Form) -> str:
    return form(estimate.value) if estimate.low == estimate.high else with_interval(estimate, form)


def _range(values: Any) -> tuple[float, float]:
    found = list(values)
    return (min(found), max(found)) if found else (0.0, 1.0)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
