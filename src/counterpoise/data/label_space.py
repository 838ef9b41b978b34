"""What an encoder's head stands for: the kind of task, its labels in order, the unit of a regression.

LabelSpace("token-classification", ("O", "B-Disease", "I-Disease"))
LabelSpace("multi-label", ("evading growth suppressors", "inducing angiogenesis"))
"""

from dataclasses import dataclass
from typing import Literal

from counterpoise.data.conll import split_tag
from counterpoise.errors import UserError, nearest

LabelTask = Literal["token-classification", "sequence-classification", "multi-label", "regression"]
LABEL_TASKS: tuple[LabelTask, ...] = ("token-classification", "sequence-classification", "multi-label", "regression")


@dataclass(frozen=True)
class LabelSpace:
    """What a model's head stands for.

    ``labels``: the class of each output, in order; none for a regression. In a multi-label task each output says yes or
    no to its label, whatever the others say. ``mean`` and ``scale``: a regression head predicts
    ``(value - mean) / scale``, so that one learning rate fits values of any unit.
    """

    task: LabelTask
    labels: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_task(self.task)
        wrong = [label for label in self.labels if split_tag(label) is None]
        if self.task == "token-classification" and ("O" not in self.labels or wrong):
            what = f"hold {wrong[0]!r}" if wrong else "have no O"
            raise UserError(f"the labels of a token classification {what}; expected IOB2 tags: O, B-..., I-...")
        if len(set(self.labels)) < len(self.labels):
            raise UserError(f"a label is named twice in {', '.join(self.labels)}; expected each once")


def check_task(task: str) -> None:
    """Raise `UserError` unless ``task`` is one of `LABEL_TASKS`."""
    if task not in LABEL_TASKS:
        raise UserError(f"task {task!r} is unknown{nearest(task, LABEL_TASKS)}; expected {', '.join(LABEL_TASKS)}")
