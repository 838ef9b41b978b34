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
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from counterpoise.data.encoded import Encoded
from counterpoise.data.reading import ReadResult, read_examples
from counterpoise.data.rendering import Renderer, encode_all
from counterpoise.errors import UserError
from counterpoise.evaluation.results import Comparison, ResultRow, write_json
from counterpoise.evaluation.tasks import Measurement, Measurements, run_task
from counterpoise.models.adapters import parameter_counts
from counterpoise.models.load import LoadedModel, load_model
from counterpoise.models.save import save_model
from counterpoise.studies.card import model_card
from counterpoise.training.config import RunConfig
from counterpoise.training.environment import environment, peak_memory_bytes
from counterpoise.training.fit import FitResult, fit

HELD_OUT = "held-out examples"
PARTS = ("run.yaml", "metrics.jsonl", "timing.jsonl", "results.json", "environment.json", "model")
"""What a run writes to its folder, besides checkpoints."""


def train(
    config: RunConfig, *, data_dir: str | Path | None = None, overwrite: bool = False, show_progress: bool = True
) -> dict[str, Any]:
    """Carry out a run and return what ``results.json`` holds.

    Args:
        config: the run.
        data_dir: folder of local copies of catalogue data sets.
        overwrite: delete what an earlier run left in the folder, instead of going on with it.
        show_progress: tell on standard error what is happening.

    Raises:
        UserError: whatever of the user's is wrong, in one sentence.
    """

    def say(text: str) -> None:
        if show_progress:
            print(text, file=sys.stderr, flush=True)

    folder = config.output.folder
    finished = _open_folder(config, folder, overwrite)
    if finished is not None:
        say(f"{folder}: this run is finished; its results are shown again (--overwrite runs it anew)")
        return finished

    read = _read(config, data_dir)
    if read.dropped:
        say(read.summary())
    objective = config.objective.build()
    torch.manual_seed(config.training.seed)  # an adapter's first weights are random
    loaded = load_model(
        config.model.name,
        dtype=config.training.precision,
        adapter=config.adapter,
        attention=config.model.attention,
        trust_remote_code=config.model.trust_remote_code,
        on_progress=say,
    )
    say(f"model: {loaded.resolved.detail}; {parameter_counts(loaded.model)}")
    renderer = Renderer(
        loaded.tokenizer,
        max_length=config.data.max_length,
        chat_template="plain" if config.data.template == "plain" else None,
    )
    encoded = encode_all(read.examples, renderer)
    say(f"data: {encoded.report}")
    for warning in encoded.report.warnings():
        say(f"warning: {warning}")
    training, held_out = split_held_out(encoded.items, config.data.held_out, config.training.seed)
    if objective.batch_statistics and config.training.micro_batch_size:
        say(
            f"note: {objective.name} weighs by a statistic of the micro-batch, so micro_batch_size changes its result; "
            "it is the one objective of which that is true"
        )

    before = _measure(config, loaded, renderer, held_out)
    fitted = fit(
        loaded,
        training,
        objective,
        config.training,
        folder,
        label=objective.label(),
        every=config.evaluation.every if held_out else None,
        measure=lambda: _held_out_row(loaded, held_out),
        show_progress=show_progress,
    )
    after = _measure(config, loaded, renderer, held_out)
    made_with = environment(
        seed=config.training.seed,
        model={"name": config.model.name, "source": loaded.resolved.source, "detail": loaded.resolved.detail},
        parameters=asdict(parameter_counts(loaded.model)),
        data={
            "source": config.data.source,
            "fingerprint": read.fingerprint,
            "examples": len(read.examples),
            "dropped": len(read.dropped),
            "report": asdict(encoded.report),
            "held_out": len(held_out),
        },
        peak_memory_bytes=peak_memory_bytes(),
    )
    outcome = _outcome(config, loaded, objective.label(), before, after, fitted)
    if config.output.save_model:
        save_model(loaded.model, loaded.tokenizer, folder / "model")
        (folder / "model" / "README.md").write_text(model_card(config, outcome, made_with), encoding="utf-8")
    write_json(folder / "environment.json", made_with)
    write_json(folder / "results.json", outcome)  # last: its presence says that the run is finished
    plain: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return plain


def split_held_out(items: Sequence[Encoded], share: float, seed: int) -> tuple[list[Encoded], list[Encoded]]:
    """Return (training, held-out) items: a random ``share``, at least one item where it is above 0, in stable order.

    Raises:
        UserError: nothing would be left to train on.
    """
    count = 0 if share == 0 else max(1, round(share * len(items)))
    if count >= len(items):
        raise UserError(f"data.held_out keeps all {len(items)} examples; nothing is left to train on")
    chosen = set(np.random.default_rng(seed).permutation(len(items))[:count].tolist())
    return (
        [item for i, item in enumerate(items) if i not in chosen],
        [item for i, item in enumerate(items) if i in chosen],
    )


def _read(config: RunConfig, data_dir: str | Path | None) -> ReadResult:
    data = config.data
    return read_examples(
        data.source,
        format=data.format,
        columns=data.columns,
        skip_bad=data.skip_bad,
        limit=data.limit,
        split=data.split,
        data_dir=data_dir,
    )


def _open_folder(config: RunConfig, folder: Path, overwrite: bool) -> dict[str, Any] | None:
    """Prepare the run folder; return the results of a run that is finished already."""
    resolved = yaml.safe_dump(config.plain(), sort_keys=False, allow_unicode=True)
    written = folder / "run.yaml"
    if overwrite and written.exists():
        for path in [*(folder / part for part in PARTS), *folder.glob("checkpoint-*")]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    if written.exists():
        other = yaml.safe_load(written.read_text(encoding="utf-8"))
        changed = _first_change(other, config.plain())
        if changed:
            raise UserError(
                f"{folder} holds a run with another config ({changed}); "
                "choose another output.folder, or pass --overwrite"
            )
        if (folder / "results.json").exists():
            finished: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
            return finished
        return None
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty and holds no run; choose another output.folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written.write_text(resolved, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: cannot be written to ({error.strerror})") from None
    return None


def _first_change(old: Any, new: Any, where: str = "") -> str:
    """Return ``key: was X, is Y`` for the first key in which two configs differ, or an empty string."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(k for k in old if k not in new)]:
            if found := _first_change(old.get(key), new.get(key), f"{where}.{key}" if where else str(key)):
                return found
        return ""
    return "" if old == new or (isinstance(new, list) and list(old or []) == new) else f"{where}: was {old}, is {new}"


def _held_out_row(loaded: LoadedModel, held_out: Sequence[Encoded]) -> dict[str, float]:
    found = _held_out(loaded, held_out)["NLL"].estimate()
    return {"held_out_nll": found.value, "held_out_examples": float(found.n)}


def _held_out(loaded: LoadedModel, held_out: Sequence[Encoded]) -> Measurements:
    from counterpoise.evaluation.nll import sequence_nll

    found = sequence_nll(loaded.model, held_out, loaded.tokenizer.pad_token_id)
    return {"NLL": Measurement(HELD_OUT, "NLL", found.total, found.tokens.astype(np.float64), False)}


def _measure(
    config: RunConfig, loaded: LoadedModel, renderer: Renderer, held_out: Sequence[Encoded]
) -> dict[str, Measurements]:
    found = {HELD_OUT: _held_out(loaded, held_out)} if held_out else {}
    for task in config.evaluation.tasks:
        found[task] = run_task(task, loaded.model, renderer, split=config.evaluation.split)
    return found


def _outcome(
    config: RunConfig,
    loaded: LoadedModel,
    label: str,
    before: dict[str, Measurements],
    after: dict[str, Measurements],
    fitted: FitResult,
) -> dict[str, Any]:
    def rows(found: dict[str, Measurements], objective: str, adapter: str) -> list[ResultRow]:
        identity = {
            "model": config.model.name,
            "objective": objective,
            "adapter": adapter,
            "seed": config.training.seed,
        }
        return [ResultRow.of(m.task, m.metric, m.estimate(), **identity) for ms in found.values() for m in ms.values()]

    changes = [
        Comparison.of(m.task, m.metric, "after", "before", m.difference(before[task][m.metric]))
        for task, measurements in after.items()
        for m in measurements.values()
    ]
    return {
        "rows": rows(before, "none", "none") + rows(after, label, config.adapter.kind),
        "comparisons": changes,
        "training": asdict(fitted),
        "parameters": asdict(parameter_counts(loaded.model)),
    }
