"""Whether all trained arms saw the same samples in the same order: what a comparison of objectives stands on.

    rows = budget_of(runs)                 # steps, samples, tokens and a hash of their sequence, a row a run
    budget_note(rows, axes)                # "" if all agree, else a sentence that says which did not

What a step held is read from the run folders. Two orders with the same samples and input tokens in every step have the
same hash; by chance that happens to no two orders of texts of many lengths.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from counterpoise.studies.compare.cost import logged_steps
from counterpoise.studies.compare.units import TrainedRun

CHANGING = (
    "model",
    "data",
    "training.batch_size",
    "training.epochs",
    "training.max_steps",
    "training.group_by_length",
    "training",
)
"""Axes, or sections of axes, that are meant to change what an arm sees."""


def budget_of(runs: Iterable[TrainedRun]) -> list[dict[str, Any]]:
    """Return a row a run: arm, trained_on, seed, steps, samples, tokens (of the input, without padding), order."""
    rows = []
    for run in runs:
        held = [(int(row["samples"]), int(row["input_tokens"])) for row in logged_steps(run.folder)]
        rows.append({
            "arm": run.unit.arm.name,
            "trained_on": run.unit.on,
            "seed": run.unit.seed,
            "steps": len(held),
            "samples": sum(samples for samples, _ in held),
            "tokens": sum(tokens for _, tokens in held),
            "order": hashlib.sha256(json.dumps(held).encode()).hexdigest()[:12],
        })  # fmt: skip
    return rows


def budget_note(rows: Sequence[Mapping[str, Any]], axes: Iterable[str] = ()) -> str:
    """Say which arms did not see what the others did, by task and seed; an empty string if all did.

    Args:
        rows: as :func:`budget_of` gives them.
        axes: keys of the study's axes; those that change what is seen are named.
    """
    found: dict[tuple[str, int], dict[tuple[Any, ...], list[str]]] = {}
    for row in rows:
        saw = tuple(row[key] for key in ("steps", "samples", "tokens", "order"))
        found.setdefault((row["trained_on"], row["seed"]), {}).setdefault(saw, []).append(row["arm"])
    differing = {key: groups for key, groups in found.items() if len(groups) > 1}
    if not differing:
        return ""
    told: dict[str, list[str]] = {}  # what differs -> where; many tasks and seeds differ alike
    for (on, seed), groups in differing.items():
        counts = [saw[:3] for saw in groups]
        parts = [
            f"{', '.join(arms)} ({_count(saw)}{', in another order' if counts.count(saw[:3]) > 1 and place else ''})"
            for place, (saw, arms) in enumerate(groups.items())
        ]
        told.setdefault("; ".join(parts), []).append(f"on {on} with seed {seed}")
    text = ". Not the same ".join(f"{_places(places)}: {what}" for what, places in told.items())
    meant = [key for key in axes if key in CHANGING or key.partition(".")[0] in ("model", "data")]
    why = f"; the axes {', '.join(meant)} are meant to change that" if len(meant) > 1 else ""
    why = f"; the axis {meant[0]} is meant to change that" if len(meant) == 1 else why
    return f"The trained arms did not all see the same: {text}{why}."


def _places(places: Sequence[str]) -> str:
    return places[0] if len(places) == 1 else f"{', '.join(places[:-1])} and {places[-1]}"


def _count(saw: Sequence[Any]) -> str:
    steps, samples, tokens = saw[:3]
    return f"{steps:,} steps, {samples:,} samples, {tokens:,} tokens"
