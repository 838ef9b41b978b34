"""One reinforcement run from a run config: prompts, filter, policy, GRPO, evaluation, and the folder that holds it all.

    outcome = reinforce(load_reinforce_config("reinforce.yaml"))

Run folder: ``run.yaml`` (resolved), ``pass_rates.jsonl`` and ``prompts.json`` (what the filter sampled and kept),
``before.json`` and ``after.json`` (with every prompt and reply beside them), ``metrics.jsonl``, ``timing.jsonl``,
checkpoints, ``results.json``, ``environment.json`` and ``model/`` (with its card). Called again on a folder that was
cut short, a run goes on where it was, and ends as an unbroken one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counterpoise.disk import writing
from counterpoise.evaluation.results import write_json
from counterpoise.reinforcement.card import model_card
from counterpoise.reinforcement.config import FORM, ReinforceConfig
from counterpoise.reinforcement.folder import RESULTS, open_folder
from counterpoise.reinforcement.learnable import learnable, rewards_for
from counterpoise.reinforcement.measuring import Policy, Progress, changes, fingerprint, measured

if TYPE_CHECKING:
    from counterpoise.models.load import LoadedModel
    from counterpoise.reinforcement.prompts import Prompt
    from counterpoise.reinforcement.rewards import Reward


def reinforce(
    config: ReinforceConfig,
    *,
    data_dir: str | Path | None = None,
    overwrite: bool = False,
    journal: Path | None = None,
    progress: Progress = nullcontext,
    show_progress: bool = True,
) -> dict[str, Any]:
    """Carry out a run and return what ``results.json`` holds.

    Args:
        config: the run.
        data_dir: folder of local copies of data sets.
        overwrite: delete what an earlier run left in the folder, instead of going on with it.
        journal: where the samples of the filter are kept; default: in the run folder. Runs that filter under the same
            policy may share one.
        progress: opens what is called as replies of an evaluation come.
        show_progress: tell on standard error what is happening.

    Raises:
        UserError: whatever of the user's is wrong, in one sentence.
        Stopped: a signal ended the run in good order.
    """
    from counterpoise.evaluation.runner import Ask, check_tasks
    from counterpoise.models.adapters import memory_bytes, parameter_counts
    from counterpoise.models.save import save_model
    from counterpoise.reinforcement.asking import asked
    from counterpoise.reinforcement.fit import fit
    from counterpoise.reinforcement.prompts import load_prompts
    from counterpoise.reinforcement.record import constant_answers
    from counterpoise.reinforcement.scorer import Scorer
    from counterpoise.reinforcement.start import find_start, load_start
    from counterpoise.training.environment import environment, peak_memory_bytes, text_hash

    def say(text: str) -> None:
        if show_progress:
            print(text, file=sys.stderr, flush=True)

    config = config.model_copy(update={"adapter": find_start(config.model, config.adapter, say)[1]})
    folder, training = config.output.folder, config.training
    finished = open_folder(config, overwrite=overwrite)
    if finished is not None:
        say(f"{folder}: this run is finished; its results are shown again (--overwrite runs it anew)")
        return finished

    tasks = [spec.name for spec in check_tasks(config.evaluation.tasks)] if config.evaluation.tasks else []
    source = config.prompts
    prompts = load_prompts(source.source, data_dir=data_dir, split=source.split, limit=source.limit, seed=source.seed)
    rewards_for(config, prompts)  # what does not fit is told before a model is loaded
    loaded, adapter = load_start(config.model, config.adapter, training.precision, seed=training.seed, on_progress=say)
    say(f"model: {loaded.resolved.detail}; {parameter_counts(loaded.model)}; memory: {memory_bytes(loaded.model)}")
    fitting = asked(loaded, prompts, training.max_completion, template=source.template, longest=source.longest, say=say)
    prompts = [prompt for prompt in prompts if prompt.id in set(fitting.ids)]
    policy = Policy(config.model.name, format=source.template, precision=training.precision, say=say, loaded=loaded)
    kept, told = learnable(config, prompts, policy, journal or folder / "pass_rates.jsonl", say, progress)

    rewards = rewards_for(config, kept)
    evaluated = config.evaluation
    ask = Ask(data_dir, evaluated.split, evaluated.limit, evaluated.shots, evaluated.seed, tuple(evaluated.methods))
    policy.truncate = True
    before = measured(tasks, policy, ask, folder / "before.json", progress)
    fitted = fit(
        loaded,
        kept,
        Scorer(kept, rewards, config.rewards.errors),
        training,
        folder,
        grpo=config.grpo,
        weights=list(config.rewards.weights().values()),
        template=source.template,
        label=config.objective.name,
        say=say,
        show_progress=show_progress,
    )
    policy.told = _identity(config, policy, loaded)
    after = measured(tasks, policy, ask, folder / "after.json", progress)
    constant = constant_answers(folder, fitted.steps)
    for alarm in constant:
        say(f"alarm, {alarm}")
    made_with = environment(
        seed=training.seed,
        model={"name": config.model.name, "source": loaded.resolved.source, "detail": loaded.resolved.detail},
        parameters=asdict(parameter_counts(loaded.model)),
        memory_estimate=asdict(memory_bytes(loaded.model)),
        data={
            "source": source.source,
            "fingerprint": text_hash(prompt.id for prompt in kept),
            "examples": len(kept),
        },
        peak_memory_bytes=peak_memory_bytes(),
        processes=1,
    )
    outcome = {
        "rows": [row | {"stage": "before"} for row in before.get("rows", [])]
        + [row | {"stage": "after"} for row in after.get("rows", [])],
        "comparisons": changes(folder),
        "quote": after.get("quote", {}),
        "filter": told,
        "rewards": _rewards(config, kept, rewards, folder),
        "alarms": [asdict(alarm) for alarm in (*fitted.alarms, *constant)],
        "training": {key: value for key, value in asdict(fitted).items() if key != "alarms"},
        "parameters": asdict(parameter_counts(loaded.model)),
        "adapter": adapter.kind,
    }
    with writing(folder, "free some space; the same command then only evaluates and writes again"):
        if config.output.save_model:
            save_model(loaded.model, loaded.tokenizer, folder / "model")
            (folder / "model" / "README.md").write_text(model_card(config, outcome, made_with), encoding="utf-8")
        write_json(folder / "environment.json", made_with)
        write_json(folder / RESULTS, outcome)  # last: its presence says that the run is finished
    plain: dict[str, Any] = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
    return plain


def _identity(config: ReinforceConfig, policy: Policy, loaded: LoadedModel) -> Any:
    from counterpoise.evaluation.evaluate import Identity

    assert config.adapter is not None
    return Identity(
        model=config.model.name,
        objective=config.objective.name,
        adapter=config.adapter.kind,
        seed=config.training.seed,
        detail=policy.identity().detail,
        fingerprint=fingerprint(loaded.model),
    )


def _rewards(
    config: ReinforceConfig, prompts: Sequence[Prompt], rewards: Sequence[Reward], folder: Path
) -> dict[str, Any]:
    """What each reward was at first and at last (means over a tenth of the steps), and what a constant answer earns."""
    from counterpoise.reinforcement.log import read_rows
    from counterpoise.reinforcement.rewards import best_constant

    rows = read_rows(folder / "metrics.jsonl")
    part = max(1, len(rows) // 10)
    found: dict[str, Any] = {}
    for reward in rewards:
        column = [row.get(f"rewards/{reward.name}/mean") for row in rows]
        first, last = ([value for value in side if value is not None] for side in (column[:part], column[-part:]))
        constant = best_constant(prompts, reward) if reward.name != FORM else None
        found[reward.name] = {
            "weight": config.rewards.weights()[reward.name],
            "highest": reward.highest,
            "first": sum(first) / len(first) if first else None,
            "last": sum(last) / len(last) if last else None,
            "steps": part,
            "best_constant": None if constant is None else {"answer": constant.answer, "mean": constant.mean},
        }
    return found
