"""What a page shows of reinforcement runs besides their scores: how training went, and answers before and after.

curves(run, "bft", 0)                   # {"arm": "bft", "seed": 0, "steps": [1, 2, ...], "reward": [...], ...}
answers({"base": run, "bft": other})    # answers of each to the same items, those that changed first
constant_answers(run, step=40)          # alarms: tasks that are answered alike, whatever is asked
as_study(outcome, config, run)          # a run in the form of a study's results, one arm and one seed
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise.evaluation.evaluate import kept_folder
from counterpoise.evaluation.kept import Kept
from counterpoise.reinforcement.alarms import Alarm, Watch, held_out_constant
from counterpoise.reinforcement.log import read_rows
from counterpoise.reinforcement.measuring import scored

if TYPE_CHECKING:
    from counterpoise.evaluation.backend import Reply
    from counterpoise.evaluation.tasks.item import Item
    from counterpoise.reinforcement.config import ReinforceConfig

KEYS = ("reward", "zero_std_share", "entropy", "length")
"""Of a run's metrics, beside the mean of each reward."""
SHOWN = 12
"""Items of a task whose answers are shown."""
LONGEST = 2_000
"""Characters of a prompt or an answer that are kept."""


def curves(run: Path, arm: str, seed: int) -> dict[str, Any]:
    """Return each quantity of a run step by step; None where a step had no number."""
    rows = read_rows(run / "metrics.jsonl")
    rewards = [key for key in (rows[0] if rows else {}) if key.startswith("rewards/") and key.endswith("/mean")]
    return {
        "arm": arm,
        "seed": seed,
        "steps": [row["step"] for row in rows],
        **{key.removesuffix("/mean"): [row.get(key) for row in rows] for key in rewards},
        **{key: [row.get(key) for row in rows] for key in KEYS},
    }


def answers(runs: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Return, task by task, what arms answered to some items before and after, and how many answers changed.

    Args:
        runs: a run folder of each arm.

    Items come in the order in which most arms changed their answer, then in that of the evaluation. Tasks that are not
    answered (likelihoods of texts) are left out.
    """
    first = Kept(kept_folder(next(iter(runs.values())) / "after.json"))
    found = []
    for task in first.tasks() if first.folder.is_dir() else []:
        items, _ = first.items(task)
        said: dict[str, dict[str, tuple[str, str]]] = {}
        for arm, run in runs.items():
            before, after = (_said(run, when, task, items) for when in ("before", "after"))
            said[arm] = {key: (before[key], after[key]) for key in after if key in before}
        both = [item for item in items if all(item.id in of for of in said.values())]
        if not both:
            continue
        changed = {arm: sum(of[item.id][0] != of[item.id][1] for item in both) for arm, of in said.items()}
        both.sort(key=lambda item: -sum(of[item.id][0] != of[item.id][1] for of in said.values()))
        found.append(
            {
                "task": task,
                "items": len(both),
                "changed": changed,
                "shown": [
                    {
                        "prompt": item.prompt[:LONGEST],
                        "right": item.target[:LONGEST],
                        "answers": [
                            {"arm": arm, "before": of[item.id][0][:LONGEST], "after": of[item.id][1][:LONGEST]}
                            for arm, of in said.items()
                        ],
                    }
                    for item in both[:SHOWN]
                ],
            }
        )
    return found


def constant_answers(run: Path, step: int, watch: Watch | None = None) -> list[Alarm]:
    """Return an alarm for each measured task that the policy came to give one answer to."""
    kept = Kept(kept_folder(run / "after.json"))
    found = []
    for task in kept.tasks() if kept.folder.is_dir() else []:
        items, _ = kept.items(task)
        before, after = (_said(run, when, task, items) for when in ("before", "after"))
        both = [item for item in items if item.id in before and item.id in after]
        was, now = ([of[item.id] for item in both] for of in (before, after))
        alarm = held_out_constant(task, was, now, [item.target for item in both], step, watch or Watch())
        found += [alarm] if alarm is not None else []
    return found


def _said(run: Path, when: str, task: str, items: Sequence[Item]) -> dict[str, str]:
    """Return item -> answer: the text that was written, else the likeliest option."""
    kept = Kept(kept_folder(run / f"{when}.json"))
    if not kept.folder.is_dir():
        return {}
    replies = kept.replies(task)
    found = {}
    for item in items:
        reply = replies.get(f"{item.id}|generated")
        if reply is not None:
            found[item.id] = reply.text
        elif (scored := replies.get(f"{item.id}|options")) is not None and item.options:
            found[item.id] = _likeliest(scored, item.options)
    return found


def _likeliest(reply: Reply, options: Sequence[str]) -> str:
    scores = reply.log_likelihoods
    return options[max(range(len(scores)), key=lambda i: scores[i])] if len(scores) == len(options) else ""


def as_study(outcome: Mapping[str, Any], config: ReinforceConfig, run: Path, *, command: str = "") -> dict[str, Any]:
    """Return what a study of this one run would have found (`study_outcome`)."""
    name, seed = run.resolve().name, config.training.seed
    measured = scored(run / "after.json")
    scores = []
    for task, metric in outcome["quote"].items():
        stages = {row["stage"]: row for row in outcome["rows"] if (row["task"], row["metric"]) == (task, metric)}
        change = next((c for c in outcome["comparisons"] if (c["task"], c["metric"]) == (task, metric)), None)
        if set(stages) == {"before", "after"} and change is not None:
            scores.append(
                {
                    "arm": name,
                    "task": task,
                    "metric": metric,
                    **stages,
                    "after_by_seed": [stages["after"]["value"]],
                    "change": change,
                    "higher_is_better": measured[task].scored.measurements[metric].higher_is_better,
                    "floors": stages["after"]["floors"],
                    "seeds": 1,
                }
            )
    told = outcome["training"]
    share = told["reward_seconds"] / told["seconds"] if told["seconds"] else 0.0
    return {
        "scores": scores,
        "gains": [],
        "also": {"scores": [], "gains": []},
        "rewards": [{"arm": name, "rewards": outcome["rewards"], "reward_share_of_time": share}],
        "alarms": [{"arm": name, "seed": seed, **alarm} for alarm in outcome["alarms"]],
        "steps": [told["steps"]],
        "filter": {"policy": config.filter.policy or "own", "arms": {name: outcome["filter"]}},
        "study": {
            "name": name,
            "arms": {name: config.model.name},
            "seeds": [seed],
            "reinforce": config.plain(),
        },
        "curves": [curves(run, name, seed)],
        "answers": answers({name: run}),
        "command": command,
        "environment": json.loads((run / "environment.json").read_text(encoding="utf-8")),
    }
