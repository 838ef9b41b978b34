"""Which prompts a run learns from, and their rewards: the filter, kept in the run folder.

kept, told = learnable(config, prompts, policy, folder / "pass_rates.jsonl", say, progress)
rewards = rewards_for(config, kept)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise.disk import writing
from counterpoise.evaluation.results import write_json
from counterpoise.reinforcement.config import FORM, ReinforceConfig
from counterpoise.reinforcement.measuring import Policy, Progress
from counterpoise.studies.compare.lock import waited_for

if TYPE_CHECKING:
    from counterpoise.reinforcement.prompts import Prompt
    from counterpoise.reinforcement.rewards import Reward

Say = Callable[[str], None]
PROMPTS = "prompts.json"


def rewards_for(config: ReinforceConfig, prompts: Sequence[Prompt]) -> list[Reward]:
    """Return the rewards of a run, balanced over ``prompts``, in the order of their weights.

    Raises:
        UserError: an unknown reward, or one that does not fit the prompts.
    """
    from counterpoise.reinforcement import rewards

    return [
        rewards.get(name, prompts, **({"cap": config.rewards.format} if name == FORM else {}))
        for name in config.rewards.weights()
    ]


def learnable(
    config: ReinforceConfig, prompts: Sequence[Prompt], policy: Policy, journal: Path, say: Say, progress: Progress
) -> tuple[list[Prompt], dict[str, Any]]:
    """Keep the prompts that a policy answers right sometimes, and not always.

    Pass rates are those of the first reward for the answer, with completions as long as in training. What was kept is
    written to ``prompts.json`` of the run folder, so that it stays the same when the run goes on. Of processes that
    share a journal outside their run folders, one samples, and the others wait for it.

    Returns:
        the prompts, and what ``results.json`` says of the filter.
    """
    from counterpoise.evaluation.subjects import LocalModel
    from counterpoise.reinforcement.filtering import keep_learnable, pass_rates

    file, asked = config.output.folder / PROMPTS, config.filter
    if file.is_file():
        found = json.loads(file.read_text(encoding="utf-8"))
        ids = set(found["kept"])
        say(f"prompts: {found['sentence']}")
        return [prompt for prompt in prompts if prompt.id in ids], _told(found)
    kept = list(prompts)
    found = {"policy": asked.policy or config.model.name, "prompts": len(prompts), "rates": {}}
    sentence = f"all {len(prompts):,} prompts are kept, since filter.enabled is false"
    if asked.enabled:
        subject: LocalModel = policy
        if asked.policy is not None:
            subject = LocalModel(
                asked.policy, format=config.prompts.template, precision=config.training.precision, say=say
            )
        shared = journal.parent != config.output.folder
        with waited_for(journal.parent, say) if shared else nullcontext(), progress() as on_progress:
            rates = pass_rates(
                prompts,
                subject,
                rewards_for(config, prompts)[0],
                samples=asked.samples,
                temperature=asked.temperature,
                max_new_tokens=config.training.max_completion,
                seed=asked.seed,
                journal=journal,
                on_progress=on_progress,
            )
        kept, sentence = keep_learnable(prompts, rates, samples=asked.samples)
        found["rates"] = rates
    found |= {"sentence": sentence, "kept": [prompt.id for prompt in kept]}
    with writing(file, "free some space; the same command then goes on"):
        write_json(file, found)
    say(f"prompts: {sentence}")
    return kept, _told(found)


def _told(found: dict[str, Any]) -> dict[str, Any]:
    told = {key: found[key] for key in ("policy", "prompts", "sentence")}
    rates = list(found["rates"].values())
    return told | {
        "kept": len(found["kept"]),
        "never": sum(rate == 0 for rate in rates),
        "always": sum(rate >= 1 for rate in rates),
    }
