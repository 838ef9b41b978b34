"""Maps of tokens under one switch: colour shows the confidence, or a weight; use it by way of ``components``.

heat_maps("tokens", {"Hardest": samples})
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from counterpoise.report import numbers, plots
from counterpoise.report.parts import check_name, plain, render, rounded
from counterpoise.report.safe_text import excerpt, script_json, shown

HeatSample = Mapping[str, Any]
"""One answer, token by token: ``title``, ``id``, ``source``, ``note``, ``prompt``, ``tokens`` [T], ``confidence`` [T],
``weights`` {objective: [T]}, ``sample_weight`` and ``p_conf`` {objective: number or None}, ``window`` {start, length}
or None: the weakest window, in tokens."""

TOKENS = 2_000
"""Of a sample that are shown."""
TOKEN_CHARACTERS = 200
PROMPT_CHARACTERS = 4_000
TEXT_CHARACTERS = 300
"""Of a title, an id, a source, a note."""


def heat_maps(name: str, samples: Sequence[HeatSample] | Mapping[str, Sequence[HeatSample]]) -> Markup:
    """Return maps of tokens, and one switch for all of them: colour shows the confidence, or an objective's weight.

    Args:
        name: unique on the page: lower-case letters, digits and hyphens.
        samples: what to show, in order; or by heading, for groups of samples under one switch.

    Raises:
        ValueError: ``name`` is no such name, or the lists of a sample differ in length.
    """
    check_name(name)
    groups = samples if isinstance(samples, Mapping) else {"": samples}
    objectives = list(dict.fromkeys(label for group in groups.values() for s in group for label in s["weights"]))
    laid = {heading: [_laid(sample, objectives) for sample in group] for heading, group in groups.items() if group}
    maps = [sample["numbers"] for group in laid.values() for sample in group]
    return render(
        "heat_maps.html.j2",
        name=name,
        groups=laid,
        objectives=objectives,
        data=Markup(script_json({"objectives": objectives, "maps": maps})),
    )


def _laid(sample: HeatSample, objectives: Sequence[str]) -> dict[str, Any]:
    """Lay out one sample: what stands in the page, and the numbers for the script."""
    length = len(sample["tokens"])
    if any(len(values) != length for values in (sample["confidence"], *sample["weights"].values())):
        raise ValueError(f"heat map {sample['title']!r}: {length} tokens, but lists of another length beside them")
    confidence = sample["confidence"]
    window = sample.get("window") or {"start": 0, "length": 0}
    start, end = window["start"], window["start"] + window["length"]
    weak = range(start, end) if window["length"] < length else range(0)
    tokens = [
        _token(token, value, i in weak)
        for i, (token, value) in enumerate(zip(sample["tokens"][:TOKENS], confidence[:TOKENS], strict=True))
    ]
    known = [value for value in confidence if math.isfinite(value)]
    return {
        **{key: excerpt(sample.get(key) or "", TEXT_CHARACTERS) for key in ("title", "id", "source", "note")},
        "prompt": str(sample["prompt"])[:PROMPT_CHARACTERS],
        "more_prompt": max(0, len(str(sample["prompt"])) - PROMPT_CHARACTERS),
        "length": length,
        "left_out": max(0, length - TOKENS),
        "mean": sum(known) / len(known) if known else None,
        "window": (start + 1, end) if window["length"] else None,
        "window_is_all": window["length"] >= length,
        "window_is_beyond": start >= TOKENS,
        "samples": [
            (label, _number(sample["p_conf"].get(label)), _number(sample["sample_weight"].get(label)))
            for label in objectives
            if label in sample["weights"]
        ],
        "html": Markup("").join(tokens),
        "numbers": {
            "confidence": _short(confidence[:TOKENS]),
            "weights": [_short(sample["weights"].get(label, [])[:TOKENS]) for label in objectives],
            "sample_weights": [_number(sample["sample_weight"].get(label)) for label in objectives],
        },
    }


def _token(token: str, confidence: float, weak: bool) -> Markup:
    shade = plots.level(confidence)
    text = token if len(token) <= TOKEN_CHARACTERS else token[: TOKEN_CHARACTERS - 1] + "…"
    return Markup('<span class="w{}{}" title="{}">{}</span>').format(
        shade,
        " weak" if weak else "",
        f"confidence {plain(confidence, 3) if math.isfinite(confidence) else numbers.ABSENT}",
        shown(text.replace("\n", "↵\n")),
    )


def _short(values: Sequence[float]) -> list[float | int | None]:
    return [_number(value) for value in values]


def _number(value: float | None) -> float | int | None:
    """Four decimals of a finite number; None for any other."""
    return rounded(value, 4) if value is not None and math.isfinite(value) else None
