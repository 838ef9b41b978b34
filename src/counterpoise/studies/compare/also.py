"""``also:`` of a study, task -> further metrics that arms are compared by: whether there are such tasks and metrics.

require_tasks(config.also, ["gad", "medquad-answers"], file="study.yaml", which="tasks and forgetting")
require_metrics(config.also["gad"], "gad", ["F1", "accuracy"], file="study.yaml")      # once a model is measured
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from counterpoise.errors import UserError, nearest


def require_tasks(also: Iterable[str], measured: Sequence[str], *, file: str, which: str) -> None:
    """Raise `UserError` for a task of ``also`` that is not ``measured``; ``which`` says what those are."""
    for task in also:
        if task not in measured:
            raise UserError(f"{file}: also names {task!r}, which is none of {which}{nearest(task, list(measured))}")


def require_metrics(metrics: Iterable[str], task: str, known: Sequence[str], *, file: str) -> None:
    """Raise `UserError` for a metric that ``task`` was not measured by."""
    for metric in metrics:
        if metric not in known:
            raise UserError(
                f"{file}: also.{task} names {metric!r}, by which it is not measured{nearest(metric, list(known))}; "
                f"expected {', '.join(known)}"
            )
