"""Ask a model the items of a task, keep what it says, and score it.

    result = run(tasks.get("pubmedqa"), backend, Ask(data_dir="biomedical", limit=100))
    result.scored.measurements["accuracy"].estimate()
    result.floors["majority"]["accuracy"]

With a folder (`evaluation.kept`) an interrupted run goes on at the query where it stopped. Under ``accelerate launch``
each process asks its share of the items and the main one scores them all: the numbers are those of one process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from counterpoise.errors import UserError, nearest
from counterpoise.evaluation.backend import Backend, Query, Reply
from counterpoise.evaluation.kept import Kept
from counterpoise.evaluation.task_floors import Floors, task_floors
from counterpoise.evaluation.task_metrics import Scored, options_alone, score
from counterpoise.evaluation.task_queries import METHODS, Method, draw_shots, make_queries, methods_of
from counterpoise.evaluation.tasks.item import Item
from counterpoise.evaluation.tasks.items import is_available, read_items
from counterpoise.evaluation.tasks.spec import TaskSpec
from counterpoise.training.ranks import is_main, wait, world_size

OnProgress = Callable[[str, int, int], None]
"""Called with the task, queries done and queries in all."""


@dataclass(frozen=True)
class Ask:
    """How a task is asked.

    Attributes:
        data_dir: the folder of local copies.
        split: of the task's data; "test", or "dev" to choose settings on.
        limit: a random sample of so many items.
        shots: examples in the prompt.
        seed: draws the sample and the examples.
        methods: how answers are got; empty: the first that the task's kind allows.
    """

    data_dir: str | Path | None = None
    split: str = "test"
    limit: int | None = None
    shots: int = 0
    seed: int = 0
    methods: tuple[Method, ...] = ()

    def methods_of(self, spec: TaskSpec) -> tuple[Method, ...]:
        """Return the methods for this task: those asked for that its kind allows, else the first that it does."""
        allowed = methods_of(spec)
        return tuple(method for method in self.methods if method in allowed) or allowed[:1]


@dataclass
class TaskResult:
    """One task, asked and scored."""

    spec: TaskSpec
    items: list[Item]
    scored: Scored
    floors: Floors
    texts: dict[str, str] = field(default_factory=dict)
    """What was written, by item."""
    problems: list[str] = field(default_factory=list)
    """Records of the data that could not be used."""
    notes: list[str] = field(default_factory=list)

    def floors_of(self, metric: str) -> dict[str, float]:
        """Return the floors of a metric, whichever way the answers behind it were got."""
        plain = metric.split(", ")[0]
        return {floor: row[plain] for floor, row in self.floors.items() if plain in row}


def run(
    spec: TaskSpec,
    backend: Backend,
    ask: Ask,
    *,
    kept: Kept | None = None,
    on_progress: OnProgress | None = None,
) -> TaskResult | None:
    """Ask one task.

    With a folder, the processes of a run share the queries, and all but the main one get None; without one, each
    process asks everything itself.

    Raises:
        UserError: data that is missing (where to put it), a split or a number of examples that there is not, or
            whatever of the user's the backend finds wrong.
    """
    found = read_items(spec, ask.split, data_dir=ask.data_dir, limit=ask.limit, seed=ask.seed)
    queries = make_task_queries(spec, found.items, ask)
    floors = _floors(spec, found.items, ask) if kept is None or is_main() else {}
    if kept is not None and is_main():
        about = {
            "spec": spec.model_dump(mode="json"),
            "split": ask.split,
            "problems": [str(problem) for problem in found.problems],
            "notes": found.notes,
            "floors": floors,
        }
        kept.keep_items(spec.name, found.items, about)
    replies = _ask(spec, backend, found.items, queries, kept, on_progress)
    if kept is not None and not is_main():
        return None
    asked = {query.id for query in queries} | {f"{i.id}|{method}" for i in found.items for method in ("nll", "encoder")}
    replies = {name: reply for name, reply in replies.items() if name in asked}
    return _result(spec, found.items, replies, floors, [str(p) for p in found.problems], found.notes)


def rescore(kept: Kept, task: str) -> TaskResult:
    """Score again what was kept of a task, without a model, the task's data or its file."""
    items, about = kept.items(task)
    spec = TaskSpec.model_validate(about["spec"])
    result = _result(spec, items, kept.replies(task), about["floors"], about["problems"], about["notes"])
    if spec.kind == "gene-set-names":
        from counterpoise.evaluation.gene_sets.scoring import add_kept_similarity

        add_kept_similarity(result, kept.folder)
    return result


def _result(
    spec: TaskSpec,
    items: list[Item],
    replies: Mapping[str, Reply],
    floors: Floors,
    problems: list[str],
    notes: list[str],
) -> TaskResult:
    alone = options_alone(spec, items, replies) if spec.kind == "choice" else {}
    if alone:
        floors = {**floors, "options alone": {m: found.value for m, found in alone.items()}}
    texts = {
        item.id: reply.text
        for item in items
        if (reply := replies.get(f"{item.id}|generated")) is not None and not reply.failure
    }
    if spec.kind == "gene-set-names":
        from counterpoise.evaluation.gene_sets.scoring import own_floor

        floors = {**floors, **own_floor(items, texts)}
    return TaskResult(spec, items, score(spec, items, replies), floors, texts, problems, notes)


def _floors(spec: TaskSpec, items: Sequence[Item], ask: Ask) -> Floors:
    if spec.perturbation is not None:
        from counterpoise.evaluation.perturbation.scoring import perturbation_floors

        return perturbation_floors(spec, ask.split, items, ask.data_dir)
    return task_floors(spec, items, _training_items(spec, ask), ask.data_dir)


def _training_items(spec: TaskSpec, ask: Ask) -> list[Item]:
    """The items that floors learn from: training items, else those that examples are taken from, if they are here."""
    for split in ("train", spec.shots):
        if split in spec.data and split != ask.split and is_available(spec, ask.data_dir, (split,)):
            return read_items(spec, split, data_dir=ask.data_dir).items
    return []


def make_task_queries(spec: TaskSpec, items: Sequence[Item], ask: Ask, *, priors: bool = True) -> list[Query]:
    """Return the queries of a task's items, examples in the prompt drawn as ``ask`` says.

    Raises UserError where there are no examples, or fewer than asked for.
    """
    shots: dict[str, list[Item]] = {"": []}
    if ask.shots and METHODS[spec.kind]:
        if not spec.shots:
            raise UserError(f"{spec.name} has no split to take examples from; ask it with --shots 0")
        if spec.shots == ask.split:
            raise UserError(f"{spec.name}: examples come from split {spec.shots}, which is being asked")
        source = read_items(spec, spec.shots, data_dir=ask.data_dir).items
        shots = draw_shots(spec, source, ask.shots, ask.seed)
    return make_queries(spec, items, shots, ask.methods_of(spec), priors=priors)


def _ask(
    spec: TaskSpec,
    backend: Any,
    items: Sequence[Item],
    queries: Sequence[Query],
    kept: Kept | None,
    on_progress: OnProgress | None,
) -> dict[str, Reply]:
    direct = _direct(spec, backend)
    if direct is not None:
        queries = [Query(f"{item.id}|{direct}", ()) for item in items]
    done: dict[str, Reply] = {}
    if kept is not None:
        done = {name: reply for name, reply in kept.replies(spec.name, queries).items() if not reply.failure}
        wait()  # nobody writes before all have read
    mine, processes = (int(os.environ.get("RANK", "0")), world_size()) if kept is not None else (0, 1)
    share = [query for i, query in enumerate(queries) if i % processes == mine]
    waiting = {query.id: query for query in share if query.id not in done}
    count = len(share) - len(waiting)

    def take(replies: Iterable[Reply], write: Callable[[Query, Reply], None] | None) -> None:
        nonlocal count
        for reply in replies:
            if write is not None:
                write(waiting[reply.id], reply)
            done[reply.id] = reply
            count += 1
            if on_progress is not None:
                on_progress(spec.name, count, len(share))

    replies: Iterable[Reply] = ()
    if waiting:
        if direct is None:
            replies = backend.replies(list(waiting.values()))
        else:
            wanted = [item for item in items if f"{item.id}|{direct}" in waiting]
            replies = backend.predict(spec, wanted) if direct == "encoder" else _plain_text(backend, wanted)
    if kept is None:
        take(replies, None)
        return done
    with kept.writer(spec.name, mine) as write:
        take(replies, write)
    wait()
    return kept.replies(spec.name)


def _direct(spec: TaskSpec, backend: Any) -> str | None:
    """Name what is measured without a conversation: an encoder's prediction, the NLL of running text."""
    if hasattr(backend, "predict"):
        return "encoder"
    return "nll" if spec.kind == "nll" else None


def _plain_text(backend: Any, items: Sequence[Item]) -> list[Reply]:
    """NLL of running text, which only a decoder-only model in this process can tell."""
    from counterpoise.evaluation.nll import plain_text_items, sequence_nll

    loaded = getattr(backend, "loaded", None)
    if loaded is None or loaded.architecture != "causal":
        raise UserError("the NLL of running text needs a decoder-only model in this process; leave this task out")
    tokenizer = loaded.tokenizer
    found = sequence_nll(
        loaded.model, plain_text_items(tokenizer, [item.prompt for item in items]), tokenizer.pad_token_id
    )
    return [
        Reply(f"{item.id}|nll", (-float(total),), (int(count),), (float(sure),))
        for item, total, count, sure in zip(items, found.total, found.tokens, found.confidence, strict=True)
    ]


def check_tasks(names: Sequence[str]) -> list[TaskSpec]:
    """Return the tasks of these names or files; ``group:blurb`` stands for all of a group.

    Raises:
        UserError: no name, or one that is unknown.
    """
    from counterpoise.evaluation import tasks
    from counterpoise.evaluation.tasks.spec import GROUPS

    found: dict[str, TaskSpec] = {}
    for name in names:
        if name.startswith("group:"):
            group = name.removeprefix("group:")
            if group not in GROUPS:
                raise UserError(f"there is no group {group!r}{nearest(group, GROUPS)}; expected {', '.join(GROUPS)}")
            found |= {task: tasks.get(task) for task in tasks.names(group)}
        else:
            spec = tasks.get(name)
            found[spec.name] = spec
    if not found:
        raise UserError("no task is named; expected --task and a name, such as --task pubmedqa")
    return list(found.values())
