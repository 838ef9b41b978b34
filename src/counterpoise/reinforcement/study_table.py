"""The tables of a study as Markdown: before and after, gains beside the first arm's, rewards, signs of hacking.

print(markdown(outcome))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def markdown(outcome: Mapping[str, Any]) -> str:
    """Return a study's tables; every number is in ``results.json``."""
    study, arms = outcome["study"], list(outcome["study"]["arms"])
    seeds = study["seeds"]
    steps = ", ".join(map(str, outcome["steps"]))
    parts = [
        f"# {study['name']}",
        f"Starting models: {', '.join(f'{arm} (`{model}`)' for arm, model in study['arms'].items())}. {steps} steps of "
        f"GRPO each, {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}. {_prompts(outcome)}",
        "## Before and after",
        _scores(outcome["scores"]),
        _how(len(seeds)),
    ]
    if outcome["gains"]:
        better = "A gain above 0 is better, whichever way the metric goes."
        parts += [f"## Gains beside those of {arms[0]}", _gains(outcome["gains"]), better]
    also = outcome["also"]
    if also["scores"]:
        parts += ["## By other measures", _scores(also["scores"])]
    if also["gains"]:
        parts += [f"Gains beside those of {arms[0]}, p-values corrected over these alone:", _gains(also["gains"])]
    parts += ["## Rewards in training", _rewards(outcome["rewards"])]
    parts += ["## Signs of reward hacking", _alarms(outcome["alarms"])]
    made = outcome["environment"]
    where = ", ".join(made["gpus"]) or f"{made['processor']} ({made['threads']} threads)"
    command = f"Made with `{outcome['command']}`" if outcome["command"] else "Made"
    parts.append(f"{command} at commit {made['git_commit'] or 'not known'} on {where}.")
    return "\n\n".join(parts) + "\n"


def _prompts(outcome: Mapping[str, Any]) -> str:
    chosen, of = outcome["filter"]["policy"], outcome["filter"]["arms"]
    if chosen == "own":
        counts = ", ".join(f"{arm} {told['kept']:,}" for arm, told in of.items())
        return f"Prompts were filtered under each arm's own policy, so that they differ: {counts} prompts."
    told = next(iter(of.values()))
    return f"All arms had the same prompts in the same order, filtered under {chosen}: {told['sentence']}."


def _scores(scores: Sequence[Mapping[str, Any]]) -> str:
    if not scores:
        return "Nothing was measured: set reinforce.evaluation.tasks."
    heads = ("task", "metric", "arm", "before", "after", "each seed", "after - before", "n", "best floor")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in scores:
        floors = sorted(row["floors"].items(), key=lambda floor: -floor[1])
        best = f"{floors[0][1]:.3f} {floors[0][0]}" if floors else ""
        before, after, change = _interval(row["before"]), _interval(row["after"]), _interval(row["change"], "+")
        cells = (row["task"], _metric(row), row["arm"], before, after, _each(row), change, row["after"]["n"], best)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _each(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{value:.3f}" for value in row["after_by_seed"])


def _metric(row: Mapping[str, Any]) -> str:
    return str(row["metric"]) + ("" if row["higher_is_better"] else " (lower is better)")


def _how(seeds: int) -> str:
    over = "items" if seeds == 1 else "seeds and items"
    more = "" if seeds == 1 else " With so few seeds such an interval is too narrow."
    one = " One seed tells nothing of how another would have come out." if seeds == 1 else ""
    return f"Each value with its 95 % bootstrap interval over {over}; differences are paired over items.{more}{one}"


def _gains(gains: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| task | metric | arm | gained more than | by | n | p (Holm) |", "|---|---|---|---|---|---|---|"]
    for row in gains:
        cells = (row["task"], row["metric"], row["arm"], row["than"], _interval(row, "+"), row["n"])
        lines.append(f"| {' | '.join(map(str, cells))} | {row['p_holm']:.3f} |")
    return "\n".join(lines)


def _rewards(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| arm | reward | first tenth of the steps | last tenth | best constant answer |", "|---|---|---|---|---|"]
    for row in rows:
        for name, found in row["rewards"].items():
            constant = found["best_constant"]
            floor = f'{constant["mean"]:.3f} ("{_cell(constant["answer"])}")' if constant else ""
            lines.append(f"| {row['arm']} | {name} | {_number(found['first'])} | {_number(found['last'])} | {floor} |")
    return "\n".join(lines)


def _alarms(alarms: Sequence[Mapping[str, Any]]) -> str:
    if not alarms:
        return "None was seen."
    return "\n".join(f"- {a['arm']}, seed {a['seed']}, step {a['step']}: {a['sentence']}" for a in alarms)


def _interval(row: Mapping[str, Any], sign: str = "") -> str:
    return f"{row['value']:{sign}.3f} [{row['low']:{sign}.3f}, {row['high']:{sign}.3f}]"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _cell(text: str) -> str:
    short = " ".join(text.split()).replace("|", "\\|")
    return short if len(short) <= 30 else short[:27] + "..."
