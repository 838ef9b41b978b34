"""``report.html``: the demo as one self-contained page. No script, no network, everything from data is escaped.

write_demo_page(outcome, Path("report.html"))      # outcome: what run_demo returns, or results.json read back
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from counterpoise.evaluation.intervals import Estimate
from counterpoise.report import numbers, plots, prose
from counterpoise.report.environment import environment, style, write_page
from counterpoise.report.numbers import Form, fraction, nats, signed
from counterpoise.report.provenance import made_with
from counterpoise.report.reading import ACCURACY, ANSWER_NLL, GENERAL_NLL, PRIMARY, Outcome, Reading, read
from counterpoise.report.verdict import sentences

METRICS: dict[str, tuple[str, Form]] = {
    PRIMARY: ("Corrected accuracy", fraction),
    ACCURACY: ("Raw accuracy", fraction),
    ANSWER_NLL: ("Answer NLL", nats),
    GENERAL_NLL: ("General NLL", nats),
}
"""Heading and form of the metrics of the main table, the primary one first."""


def write_demo_page(outcome: Outcome, path: Path) -> None:
    """Write the page to ``path``, whole or not at all; its folder is made if missing."""
    write_page(demo_page(outcome), path)


def demo_page(outcome: Outcome) -> str:
    """Return the page."""
    reading = read(outcome)
    return (
        environment()
        .get_template("demo.html.j2")
        .render(
            style=style(),
            reading=reading,
            recipe=reading.recipe,
            test=reading.base.scores[PRIMARY],
            general=reading.base.scores.get(GENERAL_NLL),
            verdict=sentences(reading),
            headings=[heading for heading, _ in METRICS.values()],
            states=_states(reading),
            floors=[(name, _cell(floor, fraction)) for name, floor in reading.floors.items()],
            forest=plots.forest(reading),
            tuning=_tuning(reading),
            curves=plots.curves(reading.arms),
            bars=plots.bars(reading.weights) if reading.weights else [],
            examples=[_example(e) for e in reading.weights.get("examples", [])],
            differences=_differences(reading),
            made=_made(reading),
            prose=prose,
        )
    )


def _states(reading: Reading) -> list[dict[str, Any]]:
    return [
        {
            "title": state.title,
            "objective": state.objective,
            "rate": prose.rate_text(state.rate),
            "best": state is reading.best,
            "cells": [_cell(state.scores.get(metric), form) for metric, (_, form) in METRICS.items()],
        }
        for state in reading.states
    ]


def _cell(estimate: Estimate | None, form: Form) -> tuple[str, str]:
    """A value and its interval, apart; an exact value has none."""
    if estimate is None:
        return "", ""
    exact = estimate.low == estimate.high
    return form(estimate.value), "" if exact else numbers.interval(estimate, form)


def _tuning(reading: Reading) -> dict[str, Any] | None:
    """The grid: a row an arm, dev scores in the order of the rates, the chosen one marked."""
    tuning = reading.tuning
    if not tuning:
        return None
    titles = {state.key: state.title for state in reading.arms}
    ordered = [key for key in titles if key in tuning["arms"]] + [key for key in tuning["arms"] if key not in titles]
    rows = []
    for key in ordered:
        arm = tuning["arms"][key]
        scores = {row["rate"]: row.get(PRIMARY) for row in arm["grid"]}
        cells = [
            ("" if scores.get(rate) is None else fraction(scores[rate]), rate == arm["rate"])
            for rate in tuning["rates"]
        ]
        rows.append({"title": titles.get(key, arm["objective"]), "trained": key in titles, "cells": cells})
    return {"rows": rows, **{name: tuning[name] for name in ("command", "chosen_by", "rates")}}


def _example(example: dict[str, Any]) -> dict[str, Any]:
    confidence = example["confidence"]
    return {**example, "mean": sum(confidence) / len(confidence)}


def _differences(reading: Reading) -> list[dict[str, Any]]:
    """Paired differences on the primary metric and on general text, by what is subtracted."""
    groups = []
    for theirs in reading.references:
        rows = []
        for ours in reading.states:
            pairs = [reading.paired(metric, ours.title, theirs.title) for metric in (PRIMARY, GENERAL_NLL)]
            if any(pairs):
                cells = [
                    (*_cell(pair.estimate, signed), numbers.p_value(pair.holm), pair.direction)
                    if pair
                    else ("", "", "", "unclear")
                    for pair in pairs
                ]
                rows.append({"title": ours.title, "cells": cells})
        if rows:
            groups.append({"theirs": theirs.title, "rows": rows})
    return groups


def _made(reading: Reading) -> list[tuple[str, str]]:
    """Command, versions, machine and data, as pairs of a name and a value; what is not known is left out."""
    e = reading.environment
    model = e.get("model") or {}
    parameters = e.get("parameters") or {}
    memory = e.get("peak_memory_bytes")
    trained = [f"{s.title} ({s.training['seconds']:.0f} s)" for s in reading.states if s.training]
    pairs = {
        "Command": "counterpoise demo",
        "Model": ", ".join(str(model[k]) for k in ("name", "detail") if model.get(k)),
        "Parameters": f"{parameters['trainable']:,} trained of {parameters['total']:,}" if parameters else "",
        "Hash of the training rows": e.get("data_hash", ""),
        "Seed": e.get("seed", ""),
        "Time": f"{e['seconds']:.0f} s in all" if "seconds" in e else "",
        "Of that, training": ", ".join(trained),
        "Peak memory": f"{memory / 2**30:.1f} GiB" if memory else "",
        **made_with(e),
    }
    return [(name, str(value)) for name, value in pairs.items() if value != ""]
