"""The whole evaluation of one model: tasks, floors, intervals, overlap with training data, and what is kept of it.

    outcome = evaluate(["pubmedqa", "gad"], LocalModel("smollm2-135m"), Ask(shots=5), out=Path("results.json"))
    outcome["rows"]                                     # as in results.json

``results.json`` gets a row a metric; every prompt and reply lies in ``results.items`` beside it, from which
:func:`rescore` makes the rows again without a model.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from counterpoise.disk import writing
from counterpoise.errors import UserError
from counterpoise.evaluation.backend import Backend
from counterpoise.evaluation.extras import Extras, add_extras
from counterpoise.evaluation.kept import Kept
from counterpoise.evaluation.overlap import overlap, training_texts
from counterpoise.evaluation.results import ResultRow, write_json
from counterpoise.evaluation.runner import Ask, OnProgress, TaskResult, check_tasks, run
from counterpoise.evaluation.runner import rescore as rescore_task
from counterpoise.evaluation.task_metrics import primary
from counterpoise.training.environment import environment
from counterpoise.training.ranks import is_main, wait


@dataclass(frozen=True)
class Identity:
    """Which model the rows are of."""

    model: str
    objective: str = "none"
    adapter: str = "none"
    seed: int = 0
    detail: str = ""
    fingerprint: str = ""
    """Of the weights; answers of other weights are never taken for these."""


class Subject(Protocol):
    """What is evaluated: a model in this process, or behind an endpoint."""

    def identity(self) -> Identity: ...
    def settings(self) -> dict[str, Any]:
        """What the answers depend on, besides the tasks."""
        ...

    def backend(self) -> Backend:
        """Load the model, or reach the endpoint; called once."""
        ...


def evaluate(
    names: Sequence[str],
    subject: Subject,
    ask: Ask,
    *,
    out: Path | None = None,
    overwrite: bool = False,
    extras: Extras | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Evaluate a model on tasks.

    Args:
        names: of tasks, task files, or ``group:NAME``.
        subject: the model.
        ask: how.
        out: the results file; its answers are kept beside it, and an interrupted evaluation goes on from them. None
            keeps nothing.
        overwrite: forget what an earlier evaluation left there.
        extras: overlap with training data, similarity, a judge.
        on_progress: called as replies come.

    Returns:
        what ``results.json`` holds; an empty dictionary on every process but the main one.

    Raises:
        UserError: whatever of the user's is wrong, in one sentence.
    """
    extras = extras or Extras()
    specs = check_tasks(names)
    extras.check(specs, out)
    settings = {**subject.settings(), "split": ask.split, "shots": ask.shots, "seed": ask.seed}
    kept = None
    if out is not None:
        check_results_file(out)
        kept = _open(kept_folder(out), settings, overwrite)
    started = time.perf_counter()
    backend = subject.backend()
    results, seconds = [], {}
    for spec in specs:
        before = time.perf_counter()
        result = run(spec, backend, ask, kept=kept, on_progress=on_progress)
        seconds[spec.name] = round(time.perf_counter() - before, 2)
        if result is not None:
            results.append(result)
    if not results:
        return {}
    judged = add_extras(results, extras, kept, ask.data_dir)
    outcome = summary(results, subject.identity(), settings | {"limit": ask.limit, "methods": list(ask.methods)})
    outcome["seconds"] = {**seconds, "all": round(time.perf_counter() - started, 2)}
    cut = getattr(getattr(backend, "form", None), "cut", None)
    if cut is not None:
        outcome["cut"] = asdict(cut)
    if extras.training:
        asked = {result.spec.name: result.items for result in results}
        outcome["contamination"] = overlap(asked, training_texts(extras.training, ask.data_dir))
    if judged:
        outcome["judge"] = judged
    outcome["environment"] = environment(seed=ask.seed)
    if out is not None:
        with writing(out, "free some space; the same command then only scores and writes again"):
            write_json(out, outcome)
    plain: dict[str, Any] = json.loads(json.dumps(outcome))
    return plain


def _open(folder: Path, settings: Mapping[str, Any], overwrite: bool) -> Kept:
    """Open the folder in the main process, before the others look at it."""
    kept = Kept.open(folder, settings, overwrite=overwrite) if is_main() else Kept(folder)
    wait()
    return kept


def rescore(out: Path) -> dict[str, Any]:
    """Score again what an evaluation kept beside its results file, and write the file anew.

    Needs neither the model nor the tasks' data nor their files; overlap, similarity and a judge's scores stay as told.
    """
    folder = kept_folder(out)
    kept = Kept(folder)
    settings = kept.settings()
    before = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    results = [rescore_task(kept, task) for task in kept.tasks()]
    outcome = before | summary(results, Identity(**settings["identity"]), before.get("settings", settings))
    made = {(row["task"], row["metric"]) for row in outcome["rows"]}
    outcome["rows"] += [row for row in before.get("rows", []) if (row["task"], row["metric"]) not in made]
    outcome["environment"] = environment(seed=settings["seed"])
    with writing(out, "free some space"):
        write_json(out, outcome)
    plain: dict[str, Any] = json.loads(json.dumps(outcome))
    return plain


def kept_folder(out: Path) -> Path:
    """Return where the answers behind a results file are kept."""
    return out.with_suffix(".items")


def check_results_file(out: Path) -> None:
    """Raise UserError unless ``out`` can be a results file."""
    if out.suffix != ".json":
        raise UserError(f"{out}: results are JSON; expected a name that ends in .json")
    if not out.parent.is_dir():
        raise UserError(f"{out}: there is no folder {out.parent}")


def summary(results: Sequence[TaskResult], identity: Identity, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Make what ``results.json`` holds of scored tasks: rows, scores by subject, and what was left out."""
    who = {"model": identity.model, "objective": identity.objective, "adapter": identity.adapter, "seed": identity.seed}
    rows = [
        ResultRow.of(found.task, metric, found.estimate(), floors=result.floors_of(metric), **who)
        for result in results
        for metric, found in result.scored.measurements.items()
    ]
    return {
        "rows": [asdict(row) for row in rows],
        "quote": {result.spec.name: primary(result.spec, result.scored.measurements) for result in results},
        "subjects": {result.spec.name: found for result in results if (found := _by_subject(result))},
        "spread": {result.spec.name: found for result in results if (found := _spread(result))},
        "left_out": {result.spec.name: _left_out(result) for result in results},
        "identity": asdict(identity),
        "settings": dict(settings),
        "tasks": {
            result.spec.name: {
                "version": result.spec.version,
                "title": result.spec.title,
                "licence": result.spec.licence,
                "citation": result.spec.citation,
                "items": len(result.items),
            }
            for result in results
        },
    }


def _left_out(result: TaskResult) -> dict[str, Any]:
    scored = result.scored
    return {
        "items": len(result.items),
        "unanswered": scored.unanswered,
        "failures": scored.failures[:5],
        "unparsed": scored.unparsed,
        "unreadable": result.problems,
        "notes": result.notes,
    }


def _spread(result: TaskResult) -> dict[str, Any]:
    """Return the spread over resamples, as published for tasks of naming gene sets; empty for others."""
    if result.spec.gene_sets is None:
        return {}
    from counterpoise.evaluation.gene_sets.scoring import spreads

    return spreads(result)


def _by_subject(result: TaskResult) -> dict[str, dict[str, Any]]:
    """Return the metric to quote for each subject: value and number of items."""
    subjects = {item.id: item.subject for item in result.items if item.subject}
    name = primary(result.spec, result.scored.measurements)
    if len(set(subjects.values())) < 2 or not name:
        return {}
    found = result.scored.measurements[name]
    units = result.scored.units[name]
    parts: dict[str, list[int]] = {}
    for place, item in enumerate(units):
        parts.setdefault(subjects.get(item, ""), []).append(place)
    return {
        subject: {"metric": name, "value": found.part(places).value, "n": len(places)}
        for subject, places in sorted(parts.items())
    }


def folder_fingerprint(folder: Path) -> str:
    """Return 16 hex digits that tell the weights in a folder apart: names, sizes, both ends of every file."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*config.json")]):
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(1 << 20))
            if size > 2 << 20:
                file.seek(-(1 << 20), 2)
                digest.update(file.read())
    return digest.hexdigest()[:16]
