"""Tasks by name: each a YAML beside this file, or one of your own.

    tasks.names()                                         # ['bc2gm', 'bc5cdr-chem', ...]
    spec = tasks.get("pubmedqa")                          # or tasks.get("my_task.yaml")
    items = read_items(spec, "test", data_dir="biomedical")

`spec` says what a task file holds, `items` reads its data, `evaluation.runner` asks a model.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from counterpoise.errors import UserError, nearest
from counterpoise.evaluation.measurement import HELD_OUT, Measurement, Measurements
from counterpoise.evaluation.tasks.item import Item
from counterpoise.evaluation.tasks.spec import TaskSpec

__all__ = ["HELD_OUT", "Item", "Measurement", "Measurements", "TaskSpec", "get", "names"]


@cache
def _files() -> dict[str, Path]:
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}


def names(group: str = "") -> list[str]:
    """Return the names of the tasks, sorted; of one group, if it is given."""
    return [name for name in _files() if not group or get(name).group == group]


@cache
def get(name: str) -> TaskSpec:
    """Return one task by name, or read the task file of that path.

    Raises:
        UserError: an unknown name (the nearest is named), or a file that is no task.
    """
    if name in _files():
        return TaskSpec.read(_files()[name])
    if name.endswith((".yaml", ".yml")):
        return TaskSpec.read(Path(name).expanduser())
    raise UserError(
        f"task {name!r} is unknown{nearest(name, list(_files()))}; `counterpoise tasks` shows all, and the path "
        "of a task file ends in .yaml"
    )
