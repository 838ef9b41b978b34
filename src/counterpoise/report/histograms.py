"""The geometry of histograms: counts in, positions out; inspection_charts.html.j2 draws them as inline SVG.

histogram("DFT", counts, ABOVE)                      # counts of equal bins over 0..1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterpoise.report.numbers import percent

UNIT = ("0", ".5", "1")
ABOVE = ("0", ".5", "1 and more")
RUNS = ("0", "32", "64 and more")
"""Ticks of confidences and shares; of weights, whose last bin holds all larger ones; and of lengths of runs."""


@dataclass(frozen=True)
class Histogram:
    """Counts as bars: positions and widths in percent of a figure's width, heights of its height."""

    title: str
    text: str
    """In words, for those who do not see it."""
    bars: list[tuple[float, float, float]]
    """(left edge, width, height)."""
    ticks: list[tuple[float, str, str]]
    """(position, text, anchor)."""
    peak: str


def histogram(title: str, counts: Sequence[float], ticks: Sequence[str], top: float | None = None) -> Histogram:
    """Lay out ``counts``.

    Args:
        title: what was counted.
        counts: of bins of equal width.
        ticks: from the left edge to the right one: UNIT, ABOVE, or RUNS for a bin for each whole number.
        top: the share that reaches the full height; the largest one unless several figures are to have one scale.
    """
    total = sum(counts)
    shares = [count / total if total else 0.0 for count in counts]
    highest = top or max(shares, default=0.0) or 1.0
    width = 100 / max(len(counts), 1)
    bars = [(round(i * width, 2), round(width, 2), round(100 * share / highest, 1)) for i, share in enumerate(shares)]
    last = len(ticks) - 1
    anchors = ["start"] + ["middle"] * (last - 1) + ["end"]
    words = _in_words(counts, ticks is RUNS)
    laid = [(100 * i / last, tick, anchor) for i, (tick, anchor) in enumerate(zip(ticks, anchors, strict=True))]
    return Histogram(title, words, bars, laid, percent(max(shares, default=0.0)))


def _in_words(counts: Sequence[float], whole: bool) -> str:
    """Say which bin is the fullest."""
    total = sum(counts)
    if not total:
        return "no values"
    most = max(range(len(counts)), key=lambda i: counts[i])
    share = percent(counts[most] / total)
    if whole:
        return f"most often {most}, {share}"
    return f"most, {share}, between {most / len(counts):g} and {(most + 1) / len(counts):g}"
