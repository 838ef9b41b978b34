"""Score names of gene sets, whoever gave them: a model through the runner, or a naming run of any mode.

    outcome = score_records(read_records("names.jsonl"), "gene-sets-go", data_dir="biomedical")
    outcome["rows"]                                     # as in results.json, to stand in one table with evaluations

The runner calls `add_names` for what a model wrote in direct mode, and `add_similarity` once all has been asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from counterpoise.errors import UserError
from counterpoise.evaluation.evaluate import Identity, summary
from counterpoise.evaluation.gene_sets.benchmark import background_names, gene_set_task
from counterpoise.evaluation.gene_sets.decisions import decision_parts, gained_similarity
from counterpoise.evaluation.gene_sets.floors import (
    OWN_PERMUTED,
    Floors,
    floor_candidates,
    permuted_rouge,
    rouge_floors,
)
from counterpoise.evaluation.gene_sets.measured import Part, name_parts, similarity_parts
from counterpoise.evaluation.gene_sets.names import Answer, answers_from_records, answers_from_texts
from counterpoise.evaluation.gene_sets.ranking import Ranker
from counterpoise.evaluation.gene_sets.similarities import Similarities, similarities
from counterpoise.evaluation.gene_sets.vectors import DEFAULT, NameEncoder, load_name_encoder
from counterpoise.evaluation.runner import TaskResult
from counterpoise.evaluation.task_metrics import Scored
from counterpoise.evaluation.tasks.item import Item
from counterpoise.evaluation.tasks.items import read_items
from counterpoise.evaluation.tasks.spec import TaskSpec


def score_records(
    records: Iterable[Mapping[str, Any]],
    task: str | TaskSpec,
    *,
    split: str = "test",
    data_dir: str | Path | None = None,
    encoder: NameEncoder | str | None = DEFAULT,
    identity: Identity | None = None,
) -> dict[str, Any]:
    """Score the records of a naming run on a task's sets.

    Args:
        records: one a set (`biology.naming`). Sets of the task without a record, and those at which the model could not
            be reached, are left out and told, never scored as wrong.
        task: its name, file or spec.
        split: of the task's data.
        data_dir: the folder of local copies.
        encoder: for similarity; None leaves similarity and percentiles out.
        identity: which model the rows are of; by default as the records say, with the mode behind it.

    Returns:
        rows, metrics to quote, what was left out, and the resampling spread, as ``results.json`` has them.

    Raises:
        UserError: no record, two of one set, records of several modes or models, or sets that the task does not have.
    """
    everything = list(records)
    spec, items, notes = record_items(everything, task, split=split, data_dir=data_dir)
    found = reached(everything)
    loaded = load_name_encoder(encoder) if isinstance(encoder, str) else encoder
    result = score_answers(spec, items, answers_from_records(found), encoder=loaded, data_dir=data_dir)
    result.notes[:0] = notes
    about = {"split": split, "mode": found[0]["mode"], "versions": found[0].get("versions", {})}
    return summary([result], identity or identity_of(found), about)


def record_items(
    records: Sequence[Mapping[str, Any]],
    task: str | TaskSpec,
    *,
    split: str = "test",
    data_dir: str | Path | None = None,
) -> tuple[TaskSpec, list[Item], list[str]]:
    """Return the task, the items that records are of, in their order, and what is to be said of those without one.

    Arguments and errors are those of `score_records`.
    """
    spec, _ = gene_set_task(task)
    records, lost = reached(records), len(records) - len(reached(records))
    ids = [str(record["id"]) for record in records]
    if not ids:
        raise UserError(f"{spec.name}: there is no record to score; expected one a gene set")
    if len(set(ids)) < len(ids):
        raise UserError(f"{spec.name}: {next(i for i in ids if ids.count(i) > 1)} has two records; expected one a set")
    if len(runs := sorted({f"{record['mode']} with {record['model'] or 'no model'}" for record in records})) > 1:
        raise UserError(f"{spec.name}: the records are of several runs ({'; '.join(runs)}); score each by itself")
    read = read_items(spec, split, data_dir=data_dir)
    by_id = {item.id: item for item in read.items}
    if unknown := [key for key in ids if key not in by_id]:
        raise UserError(f"{spec.name}: {split} has no set {unknown[0]}; expected records of its {len(by_id)} sets")
    notes = list(read.notes)
    if lost:
        notes.append(f"{spec.name}: at {lost} sets the model could not be reached; they are not scored")
    if len(ids) < len(by_id):
        notes.append(f"{spec.name}: {len(ids)} of {len(by_id)} sets have a record; floors are of the same ones")
    return spec, [by_id[key] for key in ids], notes


def reached(records: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the records of sets at which the model could be reached: the others wait to be asked again."""
    return [record for record in records if not record.get("ask_again", False)]


def score_answers(
    spec: TaskSpec,
    items: Sequence[Item],
    answers: Sequence[Answer],
    *,
    encoder: NameEncoder | None = None,
    data_dir: str | Path | None = None,
) -> TaskResult:
    """Score one answer for each item, in their order, beside the floors on the same items."""
    scored = Scored()
    add_names(spec, items, answers, scored)
    result = TaskResult(spec, list(items), scored, name_floors(spec, items, data_dir) | _own_floor(items, answers))
    if encoder is not None:
        add_similarity(result, answers, encoder, data_dir)
    return result


def identity_of(records: Sequence[Mapping[str, Any]]) -> Identity:
    """Return whose rows these are: the records' model and their mode; the mode alone where there was no model."""
    model, mode = records[0]["model"], records[0]["mode"]
    return Identity(f"{model}, {mode}" if model and model != mode else mode)


def add_names(spec: TaskSpec, items: Sequence[Item], answers: Sequence[Answer], scored: Scored) -> None:
    """Add what can be told of names and their verification without an encoder; one answer an item, in their order."""
    references = [item.target for item in items]
    scored.unparsed += sum(not answer.name for answer in answers)
    _add(scored, items, name_parts(spec.name, answers, references))
    _add(scored, items, decision_parts(spec.name, answers, references))


def add_texts(spec: TaskSpec, items: Sequence[Item], texts: Mapping[str, str], scored: Scored) -> None:
    """As `add_names`, of what a model wrote in direct mode, by the item's id."""
    add_names(spec, items, answers_from_texts({item.id: texts[item.id] for item in items}), scored)


def name_floors(spec: TaskSpec, items: Sequence[Item], data_dir: str | Path | None = None) -> Floors:
    """Return ROUGE of the floors that need no answer of the model."""
    return rouge_floors(floor_candidates(spec, items, data_dir), [item.target for item in items])


def own_floor(items: Sequence[Item], texts: Mapping[str, str]) -> Floors:
    """Return ROUGE of the names that a model wrote, dealt out anew among the answered sets; empty where that is one."""
    answered = [item for item in items if item.id in texts]
    return _own_floor(answered, answers_from_texts({item.id: texts[item.id] for item in answered}))


def _own_floor(items: Sequence[Item], answers: Sequence[Answer]) -> Floors:
    return permuted_rouge(OWN_PERMUTED, [answer.name for answer in answers], [item.target for item in items])


def add_similarity(
    result: TaskResult,
    answers: Sequence[Answer],
    encoder: NameEncoder,
    data_dir: str | Path | None = None,
    keep: Path | None = None,
) -> None:
    """Add similarity, percentiles and hits to a result and to its floors.

    Args:
        result: of names scored without an encoder.
        answers: to its items, or to some of them.
        encoder: of the names.
        data_dir: where the background's names are.
        keep: a folder in which what was found is kept for `add_kept_similarity`.
    """
    by_id = {item.id: item for item in result.items}
    items = [by_id[answer.id] for answer in answers]
    ranker = Ranker(encoder, background_names(result.spec, data_dir), [item.target for item in items])
    found = similarities(result.spec, items, answers, ranker, data_dir)
    if keep is not None:
        found.write(keep, result.spec.name)
    _add_found(result, items, answers, found)
    _add(result.scored, items, gained_similarity(result.spec.name, answers, ranker))


def add_kept_similarity(result: TaskResult, folder: Path) -> None:
    """Add what `add_similarity` kept of these very answers, without an encoder; nothing if they are others, or new."""
    found = Similarities.read(folder, result.spec.name)
    if found is not None:
        answers = answers_from_texts(result.texts)
        by_id = {item.id: item for item in result.items}
        _add_found(result, [by_id[answer.id] for answer in answers], answers, found)


def _add_found(result: TaskResult, items: Sequence[Item], answers: Sequence[Answer], found: Similarities) -> None:
    ranked = found.ranked(answers)
    if ranked is None:
        return
    _add(result.scored, items, similarity_parts(result.spec.name, answers, ranked, found.encoder))
    for floor, row in found.floors.items():
        result.floors = {**result.floors, floor: {**result.floors.get(floor, {}), **row}}
    result.notes.append(found.note(result.spec.name))


def _add(scored: Scored, items: Sequence[Item], parts: Sequence[Part]) -> None:
    for part in parts:
        scored.add({part.measurement.metric: part.measurement}, [items[i] for i in part.places])


def spreads(result: TaskResult) -> dict[str, dict[str, Any]]:
    """Return the resampling spread of each metric measured on all sets; empty where the task names no size."""
    from counterpoise.evaluation.gene_sets.resampling import spread

    size = result.spec.gene_sets.resample if result.spec.gene_sets else 0
    found = {}
    for metric, measurement in result.scored.measurements.items():
        units = len(result.scored.units[metric])
        if size and units == len(result.items) and (told := spread(measurement, size, units=units)) is not None:
            found[metric] = asdict(told)
    return found
