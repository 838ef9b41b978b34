"""The sentences of a study's page: how it was made, where arms did badly, and what the numbers leave out.

Every sentence is made of the numbers in ``study.json``; where nothing went wrong, nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counterpoise.report.study_reading import by_metric
from counterpoise.report.study_record import leaves

CLEARLY = 0.05
"""Share of draws below which an arm is said to be off the front."""


def made_with(outcome: Mapping[str, Any]) -> list[str]:
    """Return command, commit, machine and how the tasks were asked."""
    env, study = outcome["environment"], outcome["study"]
    command = f"Made with `{outcome['command']}`" if outcome["command"] else "Made"
    commit = env["git_commit"] or "not known"
    machine = ", ".join(env["gpus"]) or f"{env['processor']} ({env['cpu_capability']}), {env['threads']} threads"
    packages = ", ".join(
        f"{name} {env['packages'][name]}" for name in ("torch", "transformers") if name in env["packages"]
    )
    asked = study["evaluation"]
    sample = "all items" if asked["limit"] is None else f"a random sample of at most {asked['limit']} items"
    methods = f", answers by {' and '.join(asked['methods'])}" if asked["methods"] else ""
    seeds = ", ".join(str(seed) for seed in study["seeds"])
    return [
        f"{command} at commit {commit} of counterpoise {env['counterpoise']} ({packages}), on {machine}.",
        f"Tasks: {sample} of split {asked['split']} each, {_count(asked['shots'], 'example')} in the prompt unless an "
        f"arm says otherwise, sample drawn with seed {asked['seed']}{methods}. Training seeds: {seeds}.",
    ]


def shared_setup(outcome: Mapping[str, Any]) -> list[str]:
    """Return what all arms share in training, and how learning rates were chosen."""
    run = outcome["study"]["run"]
    found = ["Shared settings of training: " + ", ".join(f"`{key} = {value}`" for key, value in leaves(run)) + "."]
    if outcome["tuning"]:
        found.append(
            "Where several learning rates were tried, the one with the best metric on split dev was kept; a task "
            "without that split had a fifth of its training items kept from training for it. An arm with one rate "
            "alone was not tuned."
        )
    if len({row["arm"] for row in outcome.get("budget", [])}) > 1:
        same = "All trained arms saw the same samples in the same order: as many steps, samples and tokens."
        found.append(outcome["budget_note"] or same)
    return found


def verdicts(outcome: Mapping[str, Any]) -> list[str]:
    """Say, arm by arm, on which tasks it lies below the best floor, and where not clearly above it."""
    below, unclear, above = [], [], []
    arms = list(dict.fromkeys(score["arm"] for score in outcome["scores"]))
    for arm in arms:
        scores = [
            s for s in outcome["scores"] if s["arm"] == arm and not s["forgetting"] and s["best_floor"] is not None
        ]
        under = [score for score in scores if _below(score)]
        near = [score for score in scores if not score["above_floor"] and not _below(score)]
        if under:
            below.append(f"{arm} on " + ", ".join(_against(score) for score in under))
        if near:
            unclear.append(f"{arm} on " + ", ".join(_against(score) for score in near))
        if scores and not under and not near:
            above.append(arm)
    found = []
    if below:
        found.append("Below the best floor: " + "; ".join(below) + ".")
    if unclear:
        found.append("Not clearly above the best floor (the interval holds it): " + "; ".join(unclear) + ".")
    if above:
        found.append("Above the best floor on every task that was measured: " + ", ".join(above) + ".")
    return [*_unfinished(outcome), *found, *_differences(outcome), *_dominated(outcome)]


def stopped(outcome: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (arm, trained on) of what is not finished, and so in no mean."""
    return list(dict.fromkeys((row["arm"], row["trained_on"]) for row in outcome.get("unfinished", [])))


def _unfinished(outcome: Mapping[str, Any]) -> list[str]:
    found = [arm if on in ("all", "none") else f"{arm} trained on {on}" for arm, on in stopped(outcome)]
    if not found:
        return []
    return [f"Not finished, and so in no mean, comparison or frontier below: {', '.join(found)}."]


def _dominated(outcome: Mapping[str, Any]) -> list[str]:
    """Say which arms are clearly beaten in what they gain and lose; nothing of those of which that is not clear."""
    found = []
    for frontier in outcome.get("frontiers", []):
        behind = [
            point["arm"]
            if point["trained_on"] in ("all", "none")
            else f"{point['arm']} trained on {point['trained_on']}"
            for point in frontier["points"]
            if point["front_share"] < CLEARLY
        ]
        if behind:
            found.append(
                f"Clearly beaten in what is gained on {by_metric(frontier['gained'])} and lost on "
                f"{by_metric(frontier['lost'])} (on the front in fewer than {100 * CLEARLY:.0f} % of draws): "
                f"{', '.join(behind)}."
            )
    return found


def _below(score: Mapping[str, Any]) -> bool:
    sign = 1 if score["higher_is_better"] else -1
    return bool(sign * score["value"] < sign * score["best_floor"])


def _against(score: Mapping[str, Any]) -> str:
    return f"{score['task']} ({score['value']:.3f} against {score['best_floor']:.3f}, {score['best_floor_name']})"


def _differences(outcome: Mapping[str, Any]) -> list[str]:
    """Say how many differences of each family stand after correction, and which are for the worse."""
    found = []
    names = {
        "baseline": f"to {outcome['study']['baseline']}",
        "sft": "to sft",
        "forgetting": f"to {outcome['study']['baseline']} on the forgetting tasks",
        "sft-forgetting": "to sft on the forgetting tasks",
    }
    for family, name in names.items():
        rows = [row for row in outcome["comparisons"] if row["family"] == family]
        if not rows:
            continue
        clear = [row for row in rows if row["p_holm"] < 0.05 and (row["low"] > 0 or row["high"] < 0)]
        worse = [row for row in clear if (row["value"] < 0) == row["higher_is_better"]]
        sentence = f"Of {_count(len(rows), 'difference')} {name}, {len(clear) or 'none'} "
        sentence += ("is" if len(clear) == 1 else "are") + " clear after correction (p < 0.05, interval without 0)"
        if worse:
            which = ", ".join(
                f"{row['ours']}{' trained on ' + row['trained_on'] if 'forgetting' in family else ''} on {row['task']}"
                for row in worse
            )
            sentence += f", {len(worse)} of them for the worse: {which}"
        found.append(sentence + ".")
    return found


def notes(outcome: Mapping[str, Any]) -> list[str]:
    """Return what the numbers leave out: answers that say nothing, items without a reply, counts that differ."""
    found = []
    for left in outcome["left_out"]:
        who = f"{left['arm']} on {left['task']}" + (f" (seed {left['seed']})" if len(_seeds(outcome)) > 1 else "")
        if left["unanswered"]:
            found.append(f"{who}: {left['unanswered']} of {left['items']} items have no reply and are not scored")
        if left["unparsed"]:
            found.append(
                f"{who}: {left['unparsed']} of {left['items']} answers say nothing that can be read; they are wrong"
            )
        if left["unreadable"]:
            found.append(f"{who}: {_count(left['unreadable'], 'record')} cannot be used and are left out")
    found += outcome["notes"]
    found += _not_asked(outcome)
    if outcome["study"]["evaluation"]["limit"] is not None:
        found.append("samples of test sets: values are not comparable with published ones of whole test sets")
    if any(row["cost"] and row["cost"]["peak_memory_bytes"] is None for row in outcome["rows"]):
        found.append("this system does not tell the peak memory of one run from that of runs before it")
    if len(_seeds(outcome)) == 1:
        found.append(
            "one training seed: intervals are over items alone, and say nothing of what another seed would give"
        )
    return found


def _not_asked(outcome: Mapping[str, Any]) -> list[str]:
    """Say why arms are not in the table of what was forgotten."""
    study = outcome["study"]
    measured = {score["arm"] for score in outcome["scores"]}
    told = {score["arm"] for score in outcome["scores"] if score["forgetting"]}
    missing = [name for name in study["arms"] if name in measured - told] if study["forgetting"] else []
    same = [name for name in missing if study["arms"][name]["train"] is None]
    encoders = [name for name in missing if name not in same]
    found = [f"{', '.join(same)}: the weights of {study['baseline']}, so nothing is forgotten"] if same else []
    if encoders:
        found.append(f"{', '.join(encoders)}: answers no prompts, so what was forgotten cannot be asked")
    return found


def _seeds(outcome: Mapping[str, Any]) -> list[int]:
    return list(outcome["study"]["seeds"])


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}" + ("" if number == 1 else "s")
