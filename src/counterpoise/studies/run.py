"""One training run from a run config: data, model, training, evaluation, and the run folder that holds it all.

    outcome = train(load_run_config("run.yaml"))

Run folder: ``run.yaml`` (resolved), ``metrics.jsonl``, ``timing.jsonl``, checkpoints, ``results.json``,
``environment.json`` and ``model/`` (with its card). Called again on a folder that was cut short, a run goes on from its
last whole checkpoint.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from counterpoise.disk import writing
from counterpoise.errors import UserError
from counterpoise.evaluation.results import Comparison, ResultRow, write_json
from counterpoise.models.adapters import memory_bytes, parameter_counts
from counterpoise.models.load import LoadedModel
from counterpoise.studies.card import model_card
from counterpoise.studies.job import job_for
from counterpoise.training.config import RunConfig
from counterpoise.training.environment import environment, peak_memory_bytes
from counterpoise.training.fit import FitResult, fit
from counterpoise.training.ranks import is_main, main_first, wait, world_size
from counterpoise.training.state import load_trained

PARTS = ("metrics.jsonl", "timing.jsonl", "results.json", "environment.json", "model", "runs")
"""What a run writes to its folder, besides run.yaml and checkpoints."""
DRAFT = "run.yaml.tmp"
FREE = (
    "micro_batch_size",
    "packing",
    "gradient_checkpointing",
    "activation_offloading",
    "compile",
    "checkpoint_every",
    "max_checkpoints",
    "report_to",
)
"""Keys of ``training`` that a run may change when it goes on: it ran out of memory, say."""
CUTTING = ("micro_batch_size", "packing")
"""Those of them that do change the loss under ``training.scaling: published``."""


def train(
    config: RunConfig, *, data_dir: str | Path | None = None, overwrite: bool = False, show_progress: bool = True
) -> dict[str, Any]:
    """Carry out a run and return what ``results.json`` holds.

    Args:
        config: the run.
        data_dir: folder of local copies of catalogue data sets.
        overwrite: delete what an earlier run left in the folder, instead of going on with it.
        show_progress: tell on standard error what is happening.

    Where ``accelerate launch`` started several processes, they train together, the main one evaluates, writes and
    returns the results, and the others return an empty dictionary.

    Raises:
        UserError: whatever of the user's is wrong, in one sentence.
    """

    def say(text: str) -> None:
        if show_progress and is_main():
            print(text, file=sys.stderr, flush=True)

    folder = config.output.folder
    with main_first():
        finished = _open_folder(config, folder, overwrite and is_main())
    if finished is not None:
        say(f"{folder}: this run is finished; its results are shown again (--overwrite runs it anew)")
        return finished

    objective = config.objective.build()
    job = job_for(config, data_dir, say)
    job.read()
    with main_first():
        loaded = job.load()
    say(f"model: {loaded.resolved.detail}; {parameter_counts(loaded.model)}; memory: {memory_bytes(loaded.model)}")
    data = job.prepare(loaded)
    if objective.batch_statistics and config.training.micro_batch_size:
        say(
            f"note: {objective.name} weighs by a statistic of the micro-batch, so micro_batch_size changes its result; "
            "it is the one objective of which that is true"
        )
    if config.training.scaling == "published":
        say(
            "warning: training.scaling is published, an imitation of the code published with BFT: the gradient grows "
            "with the micro-batches of a step, and micro_batch_size and packing change the result"
        )

    before = job.measure(loaded, data) if is_main() else {}
    fitted = fit(
        loaded,
        data.training,
        objective,
        config.training,
        folder,
        label=objective.label(),
        every=config.evaluation.every,
        held_out=data.held_out,
        row_tokens=config.data.max_length,
        scored=job.scored(loaded),
        collate=job.collate,
        show_progress=show_progress,
    )
    if not is_main():
        wait()
        return {}
    if fitted.trained is not None:  # the model that ranks shared is in pieces
        loaded = job.load()
        load_trained(job.scored(loaded), fitted.trained, folder)
        loaded.model.eval()
    after = job.measure(loaded, data)
    made_with = environment(
        seed=config.training.seed,
        model={"name": config.model.name, "source": loaded.resolved.source, "detail": loaded.resolved.detail},
        parameters=asdict(parameter_counts(loaded.model)),
        memory_estimate=asdict(memory_bytes(loaded.model)),
        data=data.described,
        peak_memory_bytes=peak_memory_bytes(),
        processes=world_size(),
    )
    outcome = _outcome(config, loaded, objective.label(), before, after, job.floors(data), fitted)
    with writing(folder, "free some space; the same command then only evaluates and writes again"):
        if config.output.save_model:
            job.save(loaded, folder / "model")
            (folder / "model" / "README.md").write_text(model_card(config, outcome, made_with), encoding="utf-8")
        write_json(folder / "environment.json", made_with)
        write_json(folder / "results.json", outcome)  # last: its presence says that the run is finished
    wait()
    plain: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return plain


def _open_folder(config: RunConfig, folder: Path, overwrite: bool) -> dict[str, Any] | None:
    """Prepare the run folder; return the results of a run that is finished already."""
    written = folder / "run.yaml"
    if overwrite and written.exists():
        for path in [*(folder / part for part in PARTS), *folder.glob("checkpoint-*")]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        written.unlink()  # last: a kill before leaves a run that --overwrite deletes
    if written.exists():
        before = _as_today(yaml.safe_load(written.read_text(encoding="utf-8")))
        changed = first_change(_binding(before), _binding(config.plain()))
        if changed:
            raise UserError(
                f"{folder} holds a run with another config ({changed}); "
                "choose another output.folder, or pass --overwrite"
            )
        if (folder / "results.json").exists():
            finished: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
            return finished
    elif folder.exists() and any(path.name != DRAFT for path in folder.iterdir()):
        raise UserError(f"{folder} is not empty and holds no run; choose another output.folder")
    if is_main():
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / DRAFT).write_text(yaml.safe_dump(config.plain(), sort_keys=False, allow_unicode=True), "utf-8")
            (folder / DRAFT).replace(written)
    return None


def _as_today(written: dict[str, Any]) -> dict[str, Any]:
    """Return a config that an earlier version wrote with the defaults of keys that are newer than it."""
    try:
        return RunConfig.model_validate(written).plain()
    except ValidationError:  # of a key that there is no longer, say: told as the change that it is
        return written


def _binding(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a resolved config without the keys that may change when a run goes on: none of them changes the loss."""
    training = plain.get("training", {})
    free = [key for key in FREE if training.get("scaling") != "published" or key not in CUTTING]
    return plain | {"training": {key: value for key, value in training.items() if key not in free}}


def first_change(old: Any, new: Any, where: str = "") -> str:
    """Return ``key: was X, is Y`` for the first key in which two configs differ, or an empty string."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(k for k in old if k not in new)]:
            if found := first_change(old.get(key), new.get(key), f"{where}.{key}" if where else str(key)):
                return found
        return ""
    return "" if old == new or (isinstance(new, list) and list(old or []) == new) else f"{where}: was {old}, is {new}"


def _outcome(
    config: RunConfig,
    loaded: LoadedModel,
    label: str,
    before: dict[str, dict[str, Any]],
    after: dict[str, dict[str, Any]],
    floors: dict[str, dict[str, dict[str, float]]],
    fitted: FitResult,
) -> dict[str, Any]:
    def rows(found: dict[str, dict[str, Any]], objective: str, adapter: str) -> list[ResultRow]:
        identity = {
            "model": config.model.name,
            "objective": objective,
            "adapter": adapter,
            "seed": config.training.seed,
        }
        return [
            ResultRow.of(m.task, m.metric, m.estimate(), floors=floors.get(task, {}).get(m.metric, {}), **identity)
            for task, measured in found.items()
            for m in measured.values()
        ]

    changes = [
        Comparison.of(m.task, m.metric, "after", "before", m.difference(before[task][m.metric]))
        for task, measurements in after.items()
        for m in measurements.values()
    ]
    return {
        "rows": rows(before, "none", "none") + rows(after, label, config.adapter.kind),
        "comparisons": changes,
        "training": {k: v for k, v in asdict(replace(fitted, trained=None)).items() if k != "trained"},
        "parameters": asdict(parameter_counts(loaded.model)),
    }
