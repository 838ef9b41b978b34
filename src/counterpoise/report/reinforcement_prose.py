"""What reinforcement runs allow one to say, and what not: plain sentences, by rules that hold whatever came out.

A change is stated as one only where its 95 % interval leaves out 0; what an arm gained beyond another only where the
corrected p-value is below .05 as well. A rising reward is no such change: it is of prompts that were trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.report.numbers import fraction, listed, p_value, signed, with_interval
from counterpoise.report.reading import estimate_of
from counterpoise.report.study_reading import Direction

Outcome = Mapping[str, Any]
FEW_SEEDS = 5
"""Below this many training seeds an interval over them is too narrow."""


def direction(row: Mapping[str, Any]) -> Direction:
    """Return which way a change goes: better or worse where its interval leaves out 0, else unclear."""
    low, high = row["change"]["low"], row["change"]["high"]
    if low <= 0 <= high:
        return "unclear"
    return "better" if (low > 0) == row["higher_is_better"] else "worse"


def lead(outcome: Outcome) -> str:
    """Return the sentence that the page begins with."""
    scores = outcome["scores"]
    if not scores:
        return "Nothing was measured before and after: what rewards say is of the prompts that were trained on."
    ways = [direction(row) for row in scores]
    clear = len(ways) - ways.count("unclear")
    if not clear:
        return f"Of {len(ways)} changes on held-out items none is clear."
    parts = [f"{ways.count(way)} for the {way}" for way in ("better", "worse") if way in ways]
    return f"Of {len(ways)} changes on held-out items {clear} {'is' if clear == 1 else 'are'} clear: {listed(parts)}."


def changes(outcome: Outcome) -> list[str]:
    """Return a sentence for each clear change."""
    return [
        f"{row['arm']} became {direction(row)} on {row['task']} ({row['metric']}): from "
        f"{fraction(row['before']['value'])} to {fraction(row['after']['value'])}, "
        f"{with_interval(estimate_of(row['change']), signed)}."
        for row in outcome["scores"]
        if direction(row) != "unclear"
    ]


def gains(outcome: Outcome) -> list[str]:
    """Return a sentence for each arm that clearly gained more, or less, than the first."""
    return [
        f"On {row['task']}, {row['arm']} fared {'better' if row['value'] > 0 else 'worse'} than {row['than']}: by "
        f"{with_interval(estimate_of(row), signed)}, p {p_value(row['p_holm'])}."
        for row in outcome["gains"]
        if row["p_holm"] < 0.05 and not row["low"] <= 0 <= row["high"]
    ]


def cannot(outcome: Outcome) -> list[str]:
    """Return what cannot be concluded."""
    told: list[str] = []
    unclear = [f"{row['arm']} on {row['task']}" for row in outcome["scores"] if direction(row) == "unclear"]
    if unclear:
        told.append(f"Whether training helped or harmed {listed(unclear)}: the interval of the change holds 0.")
    if outcome["gains"]:
        same = len(outcome["gains"]) - len(gains(outcome))
        if same:
            first = outcome["gains"][0]["than"]
            told.append(
                f"Which start gains most: {same} of {len(outcome['gains'])} gains beside those of {first} are not "
                "told apart."
            )
    for row in outcome["scores"]:
        best = max(row["floors"].values(), default=None)
        if best is not None and row["higher_is_better"] and row["after"]["low"] <= best:
            told.append(
                f"That {row['arm']} knows more of {row['task']} than a trivial method: the best floor, "
                f"{fraction(best)}, is not clearly passed."
            )
    for row in outcome["rewards"]:
        for name, found in row["rewards"].items():
            constant = found["best_constant"]
            if constant and found["last"] is not None and found["last"] <= constant["mean"]:
                told.append(
                    f"That {row['arm']} earns its reward {name} by knowing: at last {fraction(found['last'])}, where "
                    f"one answer to everything earns {fraction(constant['mean'])}."
                )
    seeds = len(outcome["study"]["seeds"])
    if seeds == 1:
        told.append("How another training seed would have come out: there is one.")
    elif seeds < FEW_SEEDS:
        told.append(f"Much of other training seeds: there are {seeds}, and intervals over so few are too narrow.")
    return told


def signs(outcome: Outcome) -> list[str]:
    """Return each alarm with its arm, seed and step."""
    return [f"{a['arm']}, seed {a['seed']}, step {a['step']}: {a['sentence']}" for a in outcome["alarms"]]
