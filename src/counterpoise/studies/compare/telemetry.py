"""What a run told of itself while it trained, thinned to what a page can show.

    curve = curves_of(Path("runs/s/sft/gad/seed-0/run"))
    curve["steps"], curve["nll"]                             # at most POINTS means over neighbouring steps
    curve["points_at"], curve["token_weight_histogram"]      # at most STRIPS histograms, each the sum over its steps

A study of many runs must fit into one page; ``metrics.jsonl`` in the run folder keeps every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from counterpoise.studies.compare.cost import logged_steps

POINTS = 200
STRIPS = 24
LINES = ("loss", "nll", "confidence", "effective_share", "p_conf", "grad_norm")
"""Numbers of a step that become a line."""
DIGITS = 5
"""Significant ones, of a point."""


def curves_of(folder: Path) -> dict[str, Any]:
    """Return the curves of a run folder; a line is None where the run's log lacks it (p_conf of objectives without
    windows, histograms of runs older than these).

    Raises:
        FileNotFoundError: there is no ``metrics.jsonl``.
    """
    rows = logged_steps(folder)
    groups = _parts(len(rows), POINTS)
    curve: dict[str, Any] = {"steps": [rows[stop - 1]["step"] for _, stop in groups]}
    for name in LINES:
        known = all(name in row for row in rows)
        curve[name] = [_mean(rows[start:stop], name) for start, stop in groups] if known else None
    strips = _parts(len(rows), STRIPS)
    curve["points_at"] = [rows[stop - 1]["step"] for _, stop in strips]
    for name in ("confidence_histogram", "token_weight_histogram", "sample_weight_histogram"):
        known = all(name in row for row in rows)
        curve[name] = [_sum(rows[start:stop], name) for start, stop in strips] if known else None
    return curve


def _parts(count: int, most: int) -> list[tuple[int, int]]:
    """Cut ``count`` things in order into at most ``most`` runs of nearly equal length: (start, stop) of each."""
    edges = np.linspace(0, count, min(count, most) + 1).round().astype(int)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(f"{np.mean([row[name] for row in rows]):.{DIGITS}g}")


def _sum(rows: Sequence[Mapping[str, Any]], name: str) -> list[int]:
    return [int(count) for count in np.sum([row[name] for row in rows], axis=0)]
