"""The page of ``counterpoise inspect``: where each objective would put its weight, and how sure the model was of what.

write_inspection_page(load_inspection(folder), folder / "report.html")
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoise.report import components, inspection_prose, plots
from counterpoise.report.components import Column
from counterpoise.report.environment import environment, style, write_page
from counterpoise.report.histograms import ABOVE, RUNS, UNIT, Histogram, histogram
from counterpoise.report.inspection_prose import Outcome
from counterpoise.report.numbers import ABSENT, Form, fraction, is_missing, percent
from counterpoise.report.provenance import made_with

HIGH = 0.5
"""Confidence from which a token counts as known, as in the demo."""
GROUPS = {
    "hardest": "Hardest for the model",
    "typical": "Typical",
    "easiest": "Easiest",
}
"""Headings of the token maps, in order."""


def write_inspection_page(outcome: Outcome, path: Path) -> None:
    """Write the page to ``path``, whole or not at all; its folder is made if missing.

    Args:
        outcome: what ``counterpoise.inspection.load_inspection`` returns: inspection.json with the table of samples.
        path: the HTML file.

    Raises:
        UserError: ``path`` cannot be written.
    """
    write_page(inspection_page(outcome), path)


def inspection_page(outcome: Outcome) -> str:
    """Return the page."""
    diagnostic = outcome.get("diagnostic") or {}
    heat = outcome.get("heat") or {}
    return (
        environment()
        .get_template("inspection.html.j2")
        .render(
            style=style(),
            head=components.head(),
            scripts=components.scripts(),
            outcome=outcome,
            prose=inspection_prose,
            low=inspection_prose.low_limit(outcome),
            high=HIGH,
            bars=_bars(outcome),
            objectives=_objectives(outcome),
            histograms=_weight_histograms(outcome),
            diagnostic=_diagnostic(diagnostic),
            sensitivity=_sensitivity(diagnostic),
            heat=components.heat_maps("tokens", {title: heat[key] for key, title in GROUPS.items() if heat.get(key)})
            if any(heat.get(key) for key in GROUPS)
            else "",
            suspects=_suspects(outcome),
            samples=_samples(outcome),
            made=_made(outcome),
        )
    )


def _bars(outcome: Outcome) -> list[plots.Bar]:
    shares = {label: found["shares"] for label, found in outcome["objectives"].items()}
    return plots.bars({"tokens": outcome["confidence"]["tokens"], "shares": shares})


def _objectives(outcome: Outcome) -> list[dict[str, Any]]:
    """The table below the bars."""
    return [
        {
            "label": label,
            "shares": [percent(found["shares"][group]) for group in plots.GROUPS],
            "token_weight": fraction(found["mean_token_weight"]),
            "sample_weight": fraction(found["mean_sample_weight"]),
            "effective": percent(found["effective_share"]),
            "p_conf": _quantiles(found.get("p_conf_quantiles")),
        }
        for label, found in outcome["objectives"].items()
    ]


def _quantiles(quantiles: Mapping[str, float] | None) -> tuple[str, str]:
    """The median, and the range that holds nine tenths."""
    if not quantiles:
        return ABSENT, ""
    return fraction(quantiles["0.5"]), f"[{fraction(quantiles['0.05'])}, {fraction(quantiles['0.95'])}]"


def _weight_histograms(outcome: Outcome) -> dict[str, list[Histogram]]:
    """By what they count; sample weights only where an objective weighs samples."""
    objectives = outcome["objectives"]
    weighing = {
        label: found["sample_weight_histogram"]
        for label, found in objectives.items()
        if sum(count > 0 for count in found["sample_weight_histogram"]) > 1 or found.get("p_conf_quantiles")
    }
    return {
        "Confidence of tokens": [histogram("All supervised tokens", outcome["confidence"]["histogram"], UNIT)],
        "Token weights": [
            histogram(label, found["token_weight_histogram"], ABOVE) for label, found in objectives.items()
        ],
        "Sample weights": [histogram(label, counts, ABOVE) for label, counts in weighing.items()],
    }


def _diagnostic(diagnostic: Mapping[str, Any]) -> dict[str, Any]:
    """The texts side by side: rows of a table, and histograms on one scale a quantity."""
    texts = diagnostic.get("texts") or []
    return {
        "rows": [
            {
                "name": text["name"],
                "samples": f"{text['samples']:,}",
                "windows": f"{text['windows']:,}",
                "cells": [
                    _cell(text["low_share"], percent),
                    _cell(text["longest_run"], _tokens),
                    _cell(text.get("scattered_run"), _tokens),
                    _cell(text.get("clustering"), _times),
                    _cell(text["group_a"], percent),
                    _cell(text["group_b"], percent),
                ],
            }
            for text in texts
        ],
        "low": _side_by_side(texts, "low_share_histogram", UNIT),
        "runs": _side_by_side(texts, "run_histogram", RUNS),
    }


def _side_by_side(texts: Sequence[Mapping[str, Any]], key: str, ticks: Sequence[str]) -> list[Histogram]:
    top = max((max(text[key]) / sum(text[key]) for text in texts if sum(text[key])), default=None)
    return [histogram(text["name"], text[key], ticks, top) for text in texts]


def _sensitivity(diagnostic: Mapping[str, Any]) -> dict[str, Any]:
    """A row for each set of thresholds, groups A and B of every text beside each other."""
    names = list(dict.fromkeys(row["text"] for row in diagnostic.get("sensitivity") or []))
    found: dict[tuple[float, float, float], dict[str, tuple[float, float]]] = {}
    for row in diagnostic.get("sensitivity") or []:
        found.setdefault((row["low"], row["share"], row["run"]), {})[row["text"]] = (row["group_a"], row["group_b"])
    used = diagnostic.get("thresholds") or {}
    rows = [
        {
            "limits": [f"{limit:g}" for limit in limits],
            "used": limits == tuple(used.get(key) for key in ("low", "share", "run")),
            "cells": [_share(value) for name in names for value in groups.get(name, (None, None))],
        }
        for limits, groups in found.items()
    ]
    return {"names": names, "rows": rows}


def _suspects(outcome: Outcome) -> str:
    rows = outcome.get("suspects") or []
    if not rows:
        return ""
    total = outcome.get("suspect_count", len(rows))
    columns = [
        Column("index", "Row", "number", 0, "Place of the sample in the data, from 0."),
        Column("id", "Id", "text"),
        Column("source", "Source", "label"),
        Column("reasons", "Why", "text", help="Every rule that the sample met."),
        Column("confidence", "Mean confidence", "number"),
        Column("text", "Text", "text"),
    ]
    data = {column.key: [row.get(column.key) for row in rows] for column in columns}
    data["reasons"] = ["; ".join(reasons) for reasons in data["reasons"]]
    shown = "All" if len(rows) == total else f"{len(rows):,} of the"
    caption = f"{shown} {total:,} samples that look like bad data. A row shows more of its text."
    return components.sample_table("suspects", _told_apart(columns, data), data, caption=caption)


def _samples(outcome: Outcome) -> str:
    samples = outcome.get("samples") or {}
    if not len(samples.get("index", ())):
        return ""
    columns = [
        Column("index", "Row", "number", 0, "Place of the sample in the data, from 0."),
        Column("id", "Id", "text"),
        Column("source", "Source", "label"),
        Column("text", "Prompt", "text", help="Start of the prompt, or of the text where there is no prompt."),
        Column("tokens", "Tokens", "number", 0, "Supervised tokens."),
        Column("nll", "NLL", "number", 3, "Mean negative log-likelihood of a supervised token, in nats."),
        Column("confidence", "Mean confidence", "number", 3, "Mean probability of the right next token."),
        Column("low_share", "Low tokens", "percent", 3, "Share of tokens of low confidence."),
        Column("longest_run", "Longest run", "number", 0, "Most tokens of low confidence in a row."),
        Column("group", "Group", "label", help="A: low tokens are sparse. B: they come in dense runs. Else neither."),
    ]
    data = {column.key: samples[column.key] for column in columns if column.key in samples}
    for key, title, help_ in (
        ("p_conf", "p_conf", "Confidence of the weakest window, by which the objective weighs the sample."),
        ("sample_weight", "Weight", "Weight of the sample, by which all of its tokens are multiplied."),
    ):
        for label, values in (samples.get(key) or {}).items():
            if _varies(values):
                columns.append(Column(f"{key}: {label}", f"{title}, {label}", "number", 3, help_))
                data[f"{key}: {label}"] = values
    columns.append(Column("flags", "Suspect", "text", help="Why the sample looks like bad data, if it does."))
    data["flags"] = samples.get("flags", [""] * len(samples["index"]))
    caption = "Every sample. A heading sorts; a row shows more of its text."
    kept = [column for column in columns if column.key in data]
    return components.sample_table("samples", _told_apart(kept, data), data, caption=caption)


def _told_apart(columns: Sequence[Column], data: Mapping[str, Sequence[Any]]) -> list[Column]:
    """The columns without texts and labels that are the same in every row, where there are several rows."""
    return [
        column
        for column in columns
        if column.numeric or column.key in ("text", "reasons") or len(set(data[column.key])) > 1
    ]


def _varies(values: Sequence[float | None]) -> bool:
    return len({value for value in values if not is_missing(value)}) > 1


def _cell(estimate: Mapping[str, float] | None, form: Form) -> tuple[str, str]:
    """A value and its interval, apart; nothing where there is none."""
    if estimate is None or is_missing(estimate["value"]):
        return ABSENT, ""
    exact = is_missing(estimate["low"]) or is_missing(estimate["high"])
    return form(estimate["value"]), "" if exact else f"[{form(estimate['low'])}, {form(estimate['high'])}]"


def _share(value: float | None) -> str:
    return percent(math.nan if value is None else value)


def _tokens(value: float) -> str:
    return f"{value:.1f}"


def _times(value: float) -> str:
    return f"{value:.2f}"


def _made(outcome: Outcome) -> list[tuple[str, str]]:
    """Command, data, thresholds, versions and machine, as pairs of name and value; what is not known is left out."""
    e = outcome.get("environment") or {}
    data, model = outcome["data"], outcome["model"]
    limits = (outcome.get("diagnostic") or {}).get("thresholds") or {}
    pairs = {
        "Command": outcome.get("command", ""),
        "Model": ", ".join(str(model[key]) for key in ("name", "detail") if model.get(key)),
        "Data": ", ".join(str(data[key]) for key in ("source", "split") if data.get(key)),
        "Read": f"{data['samples']:,} samples, {data['tokens']:,} tokens, {data['supervised_tokens']:,} supervised",
        "Left out": "; ".join(f"{n:,}: {reason}" for reason, n in (data.get("left_out") or {}).items()),
        "Notes": " ".join(data.get("warnings") or []),
        "Objectives": "; ".join(outcome["objectives"]),
        "Thresholds": ", ".join(f"{name} {value:g}" for name, value in limits.items()),
        "Settings": ", ".join(f"{name} {value}" for name, value in (outcome.get("settings") or {}).items()),
        "Fingerprint of the data": e.get("data_fingerprint", ""),
        "Fingerprint of the model": e.get("model_fingerprint", ""),
        "Seed": e.get("seed", ""),
        "Time": f"{outcome['seconds']:.0f} s" if "seconds" in outcome else "",
        **made_with(e),
    }
    return [(name, str(value)) for name, value in pairs.items() if value != "" and value is not None]
