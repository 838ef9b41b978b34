"""Sentences of the inspection page, computed from the numbers by rules that hold whatever came out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from counterpoise.report.numbers import fraction, listed, nats, percent, threshold

Outcome = Mapping[str, Any]
DATA = "data"
"""Name of the text that was inspected among those of the diagnostic."""
IN_WINDOWS = ", in windows of "
"""Stands in the name of a text that is read once more, in windows as short as those of the text beside it."""
STARVED = 0.5
"""An objective starves tokens of low confidence where they carry less than this share of their share of all tokens."""


def lead(outcome: Outcome) -> str:
    """Who read what, and how sure it was."""
    data, confidence = outcome["data"], outcome["confidence"]
    return (
        f"{outcome['model']['name']} read {data['samples']:,} {_plural(data['samples'], 'sample')} "
        f"({data['supervised_tokens']:,} supervised tokens) and gave the right next token a probability of "
        f"{fraction(confidence['mean'])} on average. {percent(confidence['tokens']['low'])} of the tokens got less "
        f"than {threshold(low_limit(outcome))}: tokens of low confidence."
    )


def where_the_weight_goes(outcome: Outcome) -> str:
    """The share of the weight on tokens of low confidence under each objective, and who starves them."""
    share = outcome["confidence"]["tokens"]["low"]
    carried = {label: found["shares"]["low"] for label, found in outcome["objectives"].items()}
    if not carried or _missing(share):
        return "No objective was asked for."
    text = listed([f"{percent(low)} under {label}" for label, low in carried.items()])
    hungry = [label for label, low in carried.items() if low < STARVED * share]
    found = f"Tokens of low confidence carry this share of the weight: {text}."
    if hungry:
        return f"{found} Under {listed(hungry)} that is less than half of their share of the tokens."
    return f"{found} No objective gives them less than half of their share of the tokens."


def dense_or_sparse(outcome: Outcome) -> str:
    """The diagnostic in a sentence or two: the data against each text, in windows alike in length if there are such."""
    texts = [text for text in (outcome.get("diagnostic") or {}).get("texts") or [] if text["group_b"]]
    if not texts:
        return "No text was long enough for the diagnostic of dense runs."
    alike = {text["name"].split(IN_WINDOWS)[0]: text for text in texts if IN_WINDOWS in text["name"]}
    plain = [text for text in texts if IN_WINDOWS not in text["name"]]
    ours, others = plain[0], plain[1:]
    found = (
        f"In {_the(ours['name'])}, {percent(ours['group_b']['value'])} of the windows hold dense runs of low "
        "confidence (group B)"
    )
    if not others:
        return f"{found}; nothing was read to compare that with."
    if ours["name"] in alike:
        short = alike[ours["name"]]
        found += f", and {percent(short['group_b']['value'])} in windows as short as those of what it is compared with"
        ours = short
    return f"{found}; {listed([_against(ours, alike.get(other['name'], other)) for other in others])}."


def enrichment(outcome: Outcome) -> str:
    """Whether windows of dense runs hold more terms; empty where that was not measured."""
    found = (outcome.get("diagnostic") or {}).get("enrichment")
    if not found:
        return ""
    ratio = found["ratio"] or {"value": None}
    rates = (
        f"Of 100 words in group B {found['rate_b']:.1f} are terms ({found['n_terms']:,} {found['terms']}), in group A "
        f"{found['rate_a']:.1f}"
    )
    if _missing(ratio["value"]):
        return f"{rates}; their ratio is not defined."
    if _missing(ratio["low"]):
        return f"{rates}: {ratio['value']:.2f} times as many; too few samples for an interval."
    interval = f"{ratio['value']:.2f} times as many [{ratio['low']:.2f}, {ratio['high']:.2f}]"
    if ratio["low"] > 1:
        return f"{rates}: {interval}. Dense runs come with more terms here."
    if ratio["high"] < 1:
        return f"{rates}: {interval}. Dense runs come with fewer terms here."
    return f"{rates}: {interval}. The interval holds 1, so the two cannot be told apart."


def caution(outcome: Outcome) -> str:
    """What may not be concluded, in the lead."""
    return (
        f"This is one model on one set of {_plural(outcome['data']['samples'], 'sample')}, read once, before any "
        "training. It shows where each objective would look, not what a model would learn from it: that takes "
        "training and held-out questions."
    )


def suspects(outcome: Outcome) -> str:
    """How many samples look like bad data, and why; empty where that was not counted."""
    reasons = outcome.get("suspect_reasons") or {}
    count = outcome.get("suspect_count", 0)
    if not reasons:
        return ""
    told = listed([f"{reason} {n:,}" for reason, n in sorted(reasons.items(), key=lambda pair: -pair[1])])
    return f"{count:,} of {outcome['data']['samples']:,} {_plural(count, 'sample')} met a rule: {told}."


def limits(outcome: Outcome) -> list[str]:
    """What the numbers cannot tell."""
    found = [
        "Every token was read with the right text before it. That is how training sees the data, and not what the "
        "model would write by itself.",
        "Low confidence is not ignorance: a fact that is not known, a synonym, an unusual name, a matter of style and "
        "a mistake in the data all look the same here.",
        "The weights are those of the model as it is. They change with every step of training, most of all in its "
        "first steps.",
        "More weight is not more learning. What an objective gains and what it costs is measured with "
        "counterpoise compare.",
        "Intervals are 95 % bootstrap intervals over the samples read. They say nothing of another model or of "
        "another set.",
    ]
    if (outcome.get("diagnostic") or {}).get("texts"):
        found.append(
            "The thresholds of groups A and B are a choice; the paper's are not public. The table of other thresholds "
            "shows how far the groups depend on them. Texts that are compared also differ in length and in genre."
        )
    if outcome.get("suspect_count"):
        found.append(
            "Suspects were found by rules, and rules err: read them before you drop them. What no rule looks for was "
            "not found."
        )
    return found


def low_limit(outcome: Outcome) -> float:
    """The confidence below which a token counts as low."""
    return float(((outcome.get("diagnostic") or {}).get("thresholds") or {}).get("low", 0.1))


def summary(outcome: Outcome) -> list[tuple[str, str]]:
    """The numbers on everybody's list: name and value."""
    data, confidence = outcome["data"], outcome["confidence"]
    return [
        ("Samples", f"{data['samples']:,}"),
        ("Supervised tokens", f"{data['supervised_tokens']:,}"),
        ("Mean confidence", fraction(confidence["mean"])),
        ("NLL, nats per token", nats(confidence["nll"])),
        ("Suspects", f"{outcome.get('suspect_count', 0):,}"),
    ]


def _against(ours: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    a, b = ours["group_b"], other["group_b"]
    found = f"in {_the(other['name'])} {percent(b['value'])}"
    if _missing(a["low"]) or _missing(b["low"]):
        return f"{found}, too few samples to tell the two apart"
    if a["low"] > b["high"]:
        return f"{found}, which is less: the intervals lie apart"
    if a["high"] < b["low"]:
        return f"{found}, which is more: the intervals lie apart"
    return f"{found}, which cannot be told apart: the intervals overlap"


def _the(name: str) -> str:
    """The data inspected are named ``data``; every other text has a name of its own."""
    return "the " + name if name.split(IN_WINDOWS)[0] == DATA else name


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _plural(n: int, word: str) -> str:
    return word if n == 1 else word + "s"
