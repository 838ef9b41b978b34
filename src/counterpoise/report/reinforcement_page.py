"""The page of ``counterpoise reinforce``: what GRPO changed, how training went, and what the models answer now.

    write_reinforcement_page(outcome, Path("report.html"))      # of a study: its results.json read back
    write_reinforcement_page(as_study(outcome, config, run), path)              # of one run (`reinforcement.record`)

One file without script. First what can be concluded, then scores before and after on items that no prompt came from,
rewards and curves over training, signs of reward hacking, and answers of each arm before and after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from counterpoise.report import numbers
from counterpoise.report.environment import environment, style, write_page
from counterpoise.report.provenance import made_with
from counterpoise.report.reading import estimate_of
from counterpoise.report.reinforcement_prose import cannot, changes, direction, gains, lead, signs
from counterpoise.report.safe_text import excerpt
from counterpoise.report.study_curves import limits_of, line, seed_curve
from counterpoise.report.study_page import own_style
from counterpoise.report.study_plots import Panel, panel

Outcome = Mapping[str, Any]
CURVES = {
    "reward": "All rewards together",
    "zero_std_share": "Groups whose rewards are all equal",
    "entropy": "Entropy, nats per token",
    "length": "Tokens of a completion",
}
"""Quantity -> heading, beside one of each reward."""


def write_reinforcement_page(outcome: Outcome, path: Path) -> None:
    """Write the page to ``path``, whole or not at all; its folder is made if missing.

    Args:
        outcome: what `counterpoise.reinforcement.study.run_reinforce_study` returns, or its JSON read back.
        path: the HTML file.

    Raises:
        UserError: ``path`` cannot be written.
    """
    write_page(reinforcement_page(outcome), path)


def reinforcement_page(outcome: Outcome) -> str:
    """Return the page; see :func:`write_reinforcement_page`."""
    study = outcome["study"]
    return (
        environment()
        .get_template("reinforcement.html.j2")
        .render(
            style=style() + own_style(),
            name=study["name"],
            arms=list(study["arms"].items()),
            seeds=study["seeds"],
            steps=outcome["steps"],
            lead=lead(outcome),
            can=[*changes(outcome), *gains(outcome)],
            cannot=cannot(outcome),
            prompts=_prompts(outcome),
            scores=[_score(row) for row in outcome["scores"]],
            also=[_score(row) for row in outcome["also"]["scores"]],
            panels=[_panel(outcome, task) for task in dict.fromkeys(row["task"] for row in outcome["scores"])],
            rewards=_rewards(outcome),
            curves=_curves(outcome),
            alarms=signs(outcome),
            answers=[_answers(of) for of in outcome["answers"]],
            configuration=yaml.safe_dump(dict(study), sort_keys=False, allow_unicode=True),
            made=_made(outcome),
        )
    )


def _prompts(outcome: Outcome) -> list[str]:
    """How prompts were chosen: once where all arms have the same, else arm by arm."""
    chosen, of = outcome["filter"]["policy"], outcome["filter"]["arms"]
    if chosen == "own" and len(of) > 1:
        return [f"{arm}: {told['sentence']}." for arm, told in of.items()]
    sentence = next(iter(of.values()))["sentence"]
    who = "All arms had the same prompts in the same order, chosen by " if len(of) > 1 else "Prompts were chosen by "
    return [f"{who}{'its own policy' if chosen == 'own' else chosen}: {sentence}."]


def _score(row: Mapping[str, Any]) -> dict[str, Any]:
    floors = sorted(row["floors"].items(), key=lambda floor: -floor[1])
    change = estimate_of(row["change"])
    return {
        "task": row["task"],
        "metric": row["metric"] + ("" if row["higher_is_better"] else ", lower is better"),
        "arm": row["arm"],
        "before": _cell(row["before"]),
        "after": _cell(row["after"], row["after_by_seed"]),
        "gap": numbers.signed(change.value),
        "gap_interval": numbers.interval(change, numbers.signed),
        "direction": direction(row),
        "n": row["after"]["n"],
        "floor": f"{numbers.fraction(floors[0][1])} {floors[0][0]}" if floors else numbers.ABSENT,
    }


def _cell(row: Mapping[str, Any], by_seed: Sequence[float] = ()) -> tuple[str, list[str]]:
    """A value, and what stands under it: its interval, and each seed's where there are several."""
    estimate = estimate_of(row)
    under = [numbers.interval(estimate, numbers.fraction)]
    if len(by_seed) > 1:
        under.append(", ".join(map(numbers.fraction, by_seed)))
    return numbers.fraction(estimate.value), under


def _panel(outcome: Outcome, task: str) -> Panel:
    """After minus before of every arm on one task."""
    rows = [row for row in outcome["scores"] if row["task"] == task]
    after = [estimate_of(row["change"]) for row in rows]
    gaps = [
        (row["arm"], change, numbers.with_interval(change, numbers.signed), direction(row))
        for row, change in zip(rows, after, strict=True)
    ]
    one = rows[0]
    return panel(
        task, one["metric"], one["after"]["n"], gaps, higher_is_better=one["higher_is_better"], theirs="before"
    )


def _rewards(outcome: Outcome) -> list[dict[str, str]]:
    return [
        {
            "arm": row["arm"],
            "name": name,
            "first": numbers.fraction(found["first"]),
            "last": numbers.fraction(found["last"]),
            "constant": _constant(found["best_constant"]),
            "highest": numbers.fraction(found["highest"]),
        }
        for row in outcome["rewards"]
        for name, found in row["rewards"].items()
    ]


def _constant(best: Mapping[str, Any] | None) -> str:
    return f"{numbers.fraction(best['mean'])} “{excerpt(best['answer'], 40)}”" if best else numbers.ABSENT


def _curves(outcome: Outcome) -> dict[str, Any]:
    """A row an arm, a cell a quantity, all arms on one scale."""
    runs = [run for run in outcome["curves"] if run["steps"]]
    own = list(dict.fromkeys(key for run in runs for key in run if key.startswith("rewards/")))
    headings = {key: f"Reward {key.removeprefix('rewards/')}" for key in own} | CURVES
    limits = {key: limits_of(line(run, key) for run in runs) for key in headings}
    rows = []
    for arm in dict.fromkeys(run["arm"] for run in runs):
        lines = {key: [line(run, key) for run in runs if run["arm"] == arm] for key in headings}
        rows.append((arm, [seed_curve(lines[key], limits[key], whole=True) for key in headings]))
    return {"headings": list(headings.values()), "rows": rows}


def _answers(of: Mapping[str, Any]) -> dict[str, Any]:
    def told(answer: Mapping[str, str]) -> dict[str, Any]:
        before, after = (excerpt(answer[when], 300) for when in ("before", "after"))
        same = answer["before"] == answer["after"]
        return {"arm": answer["arm"], "before": before, "after": after, "same": same}

    return {
        "task": of["task"],
        "items": of["items"],
        "changed": list(of["changed"].items()),
        "shown": [
            {
                "prompt": excerpt(item["prompt"], 600),
                "right": excerpt(item["right"], 300),
                "answers": [told(answer) for answer in item["answers"]],
            }
            for item in of["shown"]
        ],
    }


def _made(outcome: Outcome) -> list[tuple[str, str]]:
    share = max((row["reward_share_of_time"] for row in outcome["rewards"]), default=0.0)
    pairs = {
        "Command": outcome["command"],
        "Steps of each run": ", ".join(map(str, outcome["steps"])),
        "Time that rewards took": numbers.percent(share),
        **made_with(outcome["environment"]),
    }
    return [(name, str(value)) for name, value in pairs.items() if value]
