"""Sentences of the naming page: what was done, what the numbers and words mean, and what cannot be concluded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.biology.naming import MEANING, UNRELATED
from counterpoise.report.numbers import listed

Record = Mapping[str, Any]
"""What naming keeps of one gene set (``counterpoise.biology.naming``)."""

DECISION_MEANINGS = {
    "supported": "A source that was asked lists it.",
    "partly": "The sources list a part of it, or list it for some of the genes.",
    "refuted": "The sources that were asked list something else.",
    "not checked": "No source gave evidence on it, or the model did not decide.",
}
"""What each decision says, and no more."""

COUNTED = "The share of the set's genes that are in the term: counted, not judged."
"""What confidence is where no model is asked."""


def lead(records: Sequence[Record]) -> str:
    """How many sets, named by what, and how many have a name."""
    n = len(records)
    if not n:
        return "No gene set was named."
    modes = list({record["mode"]: None for record in records})
    models = listed(list({record["model"]: None for record in records if record["model"]}))
    by = "by enrichment alone: no language model was asked"
    if modes != ["enrichment"]:
        by = f"by {models or 'a language model'} in {listed(modes)} mode"
    unrelated = sum(record["name"] == UNRELATED for record in records)
    named = sum(bool(record["name"]) for record in records) - unrelated
    nameless = n - named - unrelated
    partial = sum(not record["complete"] for record in records)
    counts = [f"{named:,} {_has(named)} a name"]
    counts += [f"{unrelated:,} {_has(unrelated)} no common process"] if unrelated else []
    counts += [f"{nameless:,} {_has(nameless)} no name"] if nameless else []
    text = f"{n:,} gene {plural(n, 'set')}, named {by}. {listed(counts)}"
    if partial:
        text += f"; for {partial:,} a step failed, and {'its card says' if partial == 1 else 'their cards say'} which"
    return text + "."


def how(records: Sequence[Record]) -> str:
    """What was done to a set, by mode."""
    modes = {record["mode"] for record in records}
    if modes == {"enrichment"}:
        return (
            "The name of a set is the term whose genes it holds most beyond chance (hypergeometric test, "
            "Benjamini-Hochberg over terms)."
        )
    if "agent" not in modes:
        return (
            "The model was shown the genes and wrote a name, a confidence and an analysis in one reply. Nothing of "
            "that was checked."
        )
    counts = Counter(claim["decision"] for record in records for claim in record["claims"])
    total = sum(counts.values())
    if not total:
        return "The model wrote a name and an analysis; no claim could be made of them, so nothing was checked."
    found = listed([f"{counts[word]:,} {word}" for word in DECISION_MEANINGS if counts[word]])
    return (
        "The model wrote a name and an analysis and split them into claims; each was checked against sources, and "
        f"name and analysis were written anew. {total:,} {plural(total, 'claim')}: {found}."
    )


CAUTION = (
    "A name is a suggestion to people who know the biology, not a finding. It says what the genes are known for "
    "together, and not what made them come up in your experiment."
)
"""What may not be concluded, in the lead."""


def confidence(record: Record) -> str:
    """``.85, medium``."""
    value, level = record["confidence"], str(record["confidence_bin"])
    if value is None:
        return level
    return f"{f'{value:.2f}'.removeprefix('0') if value else '0'}, {level}"


def confidence_meaning(record: Record) -> str:
    """What this set's confidence says."""
    level = str(record["confidence_bin"])
    if record["mode"] == "enrichment":
        return COUNTED if record["enrichment"] else "There is no term to count genes of."
    meaning = MEANING.get(level, level)
    return f"{meaning[:1].upper()}{meaning[1:]}."


def confidence_use(records: Sequence[Record]) -> str:
    """What confidence means on this page, in the lead."""
    counted = f"Confidence, in enrichment mode: {COUNTED[:1].lower()}{COUNTED[1:]}"
    estimated = (
        "Confidence is the model’s own estimate of the share of the genes that take part. It is a number that the "
        "model wrote, not a probability; that of a small model is not calibrated, and often the same for any genes."
    )
    modes = {record["mode"] for record in records}
    if modes == {"enrichment"}:
        return counted
    return f"{estimated} {counted}" if "enrichment" in modes else estimated


def confidence_levels(records: Sequence[Record]) -> list[tuple[str, str, str]]:
    """Level, number of sets named by a model, and meaning; empty where no model named any."""
    levels = Counter(record["confidence_bin"] for record in records if record["mode"] != "enrichment")
    return [(level, f"{levels[level]:,}", meaning) for level, meaning in MEANING.items()] if levels else []


def limits(records: Sequence[Record]) -> list[str]:
    """What cannot be concluded."""
    modes = {record["mode"] for record in records}
    found = [
        "Genes mostly take part in several processes, and a set may hold several groups. One name cannot tell that.",
        "Sources know much of a few genes and little of most. A set of little-known genes gets a poor name, and that "
        "says nothing of the genes.",
        "Names that were not recognised, or may mean several genes, were left out before anything else was done.",
    ]
    if "agent" in modes:
        found.insert(
            0,
            "Supported means that a source lists the statement. It does not mean that the process explains the data. "
            "Refuted means that the sources asked list something else: they are not complete. The decision itself was "
            "taken by the model, on the evidence shown beside it.",
        )
    if modes != {"enrichment"}:
        found.append(
            "A model may have read the set under its usual name in training. A right name is then memory, not "
            "reasoning."
        )
    if any(record.get("enrichment") for record in records):
        found.append(
            "Enrichment compares annotation counts with a background. Terms overlap, so the next terms are often as "
            "good as the first; a small p-value is no large effect."
            + ("" if modes == {"enrichment"} else " It stands beside the model’s name as the plain alternative.")
        )
    return found


def summary(records: Sequence[Record]) -> list[tuple[str, str]]:
    """The numbers on everybody's list: name and value; none of a single set."""
    if len(records) < 2:
        return []
    judged = [record["confidence_bin"] for record in records if record["mode"] != "enrichment"]
    return [
        ("Gene sets", f"{len(records):,}"),
        ("With a name", f"{sum(record['name'] not in ('', UNRELATED) for record in records):,}"),
        *([("Of high confidence", f"{judged.count('high'):,}")] if judged else []),
        ("Incomplete", f"{sum(not record['complete'] for record in records):,}"),
    ]


def _has(n: int) -> str:
    return "has" if n == 1 else "have"


def duration(seconds: float) -> str:
    """``2 h 5 min``, ``3 min 20 s``, ``4 s``; empty below half a second.

    >>> duration(7500), duration(200), duration(4.2), duration(0.1)
    ('2 h 5 min', '3 min 20 s', '4 s', '')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {rest} s"
    return f"{rest} s" if rest else ""


def plural(n: int, word: str) -> str:
    """The word, with an s unless there is one."""
    return word if n == 1 else word + "s"
