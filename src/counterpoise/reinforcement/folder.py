"""The run folder of reinforcement: opened for a run that begins, goes on, or is finished already.

finished = open_folder(config, overwrite=False)         # what results.json holds, or None: go on
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from counterpoise.disk import replace_text, writing
from counterpoise.errors import UserError
from counterpoise.reinforcement.config import ReinforceConfig
from counterpoise.studies.compare import lock
from counterpoise.studies.run import first_change

RUN = "run.yaml"
RESULTS = "results.json"
PARTS = (
    "metrics.jsonl",
    "timing.jsonl",
    "pass_rates.jsonl",
    "prompts.json",
    "before.json",
    "before.items",
    "after.json",
    "after.items",
    RESULTS,
    "environment.json",
    "model",
    "runs",
)
"""What a run writes to its folder, besides run.yaml and checkpoints."""
OURS = (f"{RUN}.", lock.FILE)
"""How names begin of what may lie in a folder before its run.yaml: drafts of it, and the lock of a study's run."""
FREE = (
    "micro_batch_size",
    "gradient_checkpointing",
    "checkpoint_every",
    "max_checkpoints",
    "report_to",
    "vllm_memory",
)
"""Keys of ``training`` that a run may change when it goes on: it ran out of memory, say."""


def open_folder(config: ReinforceConfig, *, overwrite: bool = False) -> dict[str, Any] | None:
    """Prepare the run folder; return the results of a run that is finished already.

    Raises:
        UserError: it holds a run with another config (says the first difference), something else, or cannot be written.
    """
    folder = config.output.folder
    written = folder / RUN
    if overwrite and written.exists():
        _clear(folder)
    if written.exists():
        changed = first_change(_binding(_as_today(written)), _binding(config.plain()))
        if changed:
            raise UserError(
                f"{folder} holds a run with another config ({changed}); "
                "choose another output.folder, or pass --overwrite"
            )
        if (folder / RESULTS).exists():
            finished: dict[str, Any] = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
            return finished
    elif folder.is_dir() and any(not path.name.startswith(OURS) for path in folder.iterdir()):
        raise UserError(f"{folder} is not empty and holds no run; choose another output.folder")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(written, yaml.safe_dump(config.plain(), sort_keys=False, allow_unicode=True))
    return None


def _clear(folder: Path) -> None:
    for path in [*(folder / part for part in PARTS), *folder.glob("checkpoint-*")]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    (folder / RUN).unlink()  # last: a kill before leaves a run that --overwrite deletes


def _as_today(written: Path) -> dict[str, Any]:
    """Return a config that an earlier version wrote with the defaults of keys that are newer than it."""
    plain: dict[str, Any] = yaml.safe_load(written.read_text(encoding="utf-8"))
    try:
        return ReinforceConfig.model_validate(plain).plain()
    except ValidationError:  # of another command, say: told as the change that it is
        return plain


def _binding(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a resolved config without the keys that may change when a run goes on."""
    training = plain.get("training", {})
    return plain | {"training": {key: value for key, value in training.items() if key not in FREE}}
