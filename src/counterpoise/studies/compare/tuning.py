"""Where learning rates are chosen: on split dev of a task, or on a part of its training items kept from training.

    task = tuning_task(tasks.get("pubmedqa"), folder)       # name or file of a task that has splits train and dev

A task without a split dev gets one: records whose text, hashed, falls into the last fifth of the training split. They
are kept from training under every rate and in every arm that is tuned, so the model that is chosen has not seen them,
and neither has the test split been looked at.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from counterpoise.disk import replace_text
from counterpoise.errors import UserError
from counterpoise.evaluation.tasks.spec import TaskSpec

SHARE = 0.2
"""Of the training items, where there is no split dev."""


def tuning_task(spec: TaskSpec, folder: Path, *, write: bool = True) -> str:
    """Return the name of a task with a split dev; one that has none is written to ``folder`` with its training items
    parted (unless ``write`` is False: then only its name is returned).

    Raises:
        UserError: the training items cannot be parted.
    """
    if "dev" in spec.data:
        return spec.name
    columns = [column for column in re.findall(r"\{(\w+)\}", spec.item or spec.prompt) if column != "options"]
    if spec.kind == "entities":  # its records are words and tags
        columns = []
    if "train" not in spec.data or not columns:
        raise UserError(
            f"{spec.name} has neither a split dev nor training items to take some from; give one rate alone"
        )
    whole = spec.data["train"]
    low, high = whole.share
    cut = low + (1 - SHARE) * (high - low)
    by = {"by": whole.by or columns[0], "count": None, "entities": None}
    parts = {
        "train": whole.model_copy(update=by | {"share": (low, cut)}),
        "dev": whole.model_copy(update=by | {"share": (cut, high)}),
    }
    changed = spec.model_copy(update={"data": {**spec.data, **parts}})
    path = folder / f"{spec.name}.yaml"
    if not write:
        return str(path)
    text = yaml.safe_dump(changed.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(path, text)  # another process may be reading it
    return str(path)
