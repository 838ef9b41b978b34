"""What is told of an evaluation besides the tasks' own metrics: overlap with training data, similarity, a judge.

extras = Extras(training=("facts.jsonl",), similarity="minilm", judge="http://localhost:8000")
judged = add_extras(results, extras, kept)
overlap(results, extras.training, data_dir)["text"]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.errors import UserError
from counterpoise.evaluation.kept import Kept
from counterpoise.evaluation.runner import TaskResult
from counterpoise.evaluation.tasks.item import Item
from counterpoise.evaluation.tasks.spec import TaskSpec


@dataclass(frozen=True)
class Extras:
    """What is told besides the tasks' own metrics.

    Attributes:
        training: what the model was trained on (files, catalogue names, ``task:NAME``): overlap with the tasks.
        similarity: a text encoder that compares generated texts with references (`evaluation.similarity`), or names of
            gene sets with the true ones, which are compared by MiniLM if none is named (`gene_sets.vectors`).
        judge: URL of an endpoint that judges generated texts (`evaluation.judge`); it needs a results file.
        judge_model: the judge's name there.
        rubric: what it looks for; by default the task's own.
    """

    training: tuple[str, ...] = ()
    similarity: str | None = None
    judge: str | None = None
    judge_model: str | None = None
    rubric: str | None = None

    def check(self, specs: Sequence[TaskSpec], out: Path | None) -> None:
        """Raise UserError for what cannot be done, before a model is loaded."""
        from counterpoise.evaluation.rubrics import Rubric

        if self.judge is not None and out is None:
            raise UserError("a judge's prompts and verdicts are kept beside the results; name their file with --out")
        if self.rubric is not None:
            Rubric.load(self.rubric)
        kinds = {spec.kind for spec in specs}
        if (self.judge or (self.similarity and "gene-set-names" not in kinds)) and "text" not in kinds:
            raise UserError("similarity and a judge are for tasks with texts to write; none of these tasks is one")


def add_extras(
    results: Sequence[TaskResult], extras: Extras, kept: Kept | None, data_dir: str | Path | None = None
) -> dict[str, Any]:
    """Add similarity and the judge's score to tasks with texts to write; return what is to be said of the judge."""
    told: dict[str, Any] = {}
    for result in results:
        if result.spec.kind == "gene-set-names":
            _name_similarity(result, extras, kept, data_dir)
        written = [item for item in result.items if item.id in result.texts]
        if result.spec.kind != "text" or not written:
            continue
        texts = [result.texts[item.id] for item in written]
        if extras.similarity is not None:
            from counterpoise.evaluation.similarity import load_text_encoder, measure_similarity

            encoder = load_text_encoder(extras.similarity)
            references = [item.target for item in written]
            result.scored.add(measure_similarity(result.spec.name, encoder, texts, references), written)
        if extras.judge is not None:
            assert kept is not None
            told[result.spec.name] = _judge(result, written, texts, extras, kept.folder)
    return told


def _name_similarity(result: TaskResult, extras: Extras, kept: Kept | None, data_dir: str | Path | None) -> None:
    """Compare names of gene sets with the true ones; without an encoder that was asked for, a missing one is told."""
    from counterpoise.evaluation.gene_sets.names import answers_from_texts
    from counterpoise.evaluation.gene_sets.scoring import add_similarity
    from counterpoise.evaluation.gene_sets.vectors import DEFAULT, load_name_encoder

    if not result.texts:
        return
    try:
        encoder = load_name_encoder(extras.similarity or DEFAULT)
        add_similarity(result, answers_from_texts(result.texts), encoder, data_dir, kept.folder if kept else None)
    except UserError as error:
        if extras.similarity is not None:
            raise
        result.notes.append(f"{result.spec.name}: similarity and percentiles are left out: {error}")


def _judge(
    result: TaskResult, items: Sequence[Item], texts: Sequence[str], extras: Extras, folder: Path
) -> dict[str, Any]:
    from counterpoise.endpoints import EndpointClient
    from counterpoise.evaluation.judge import Judged, judge
    from counterpoise.evaluation.rubrics import Rubric

    assert extras.judge is not None
    name = result.spec.name
    rubric = Rubric.load(extras.rubric or result.spec.rubric)
    rows = [Judged(item.id, item.prompt, text, item.target) for item, text in zip(items, texts, strict=True)]
    client = EndpointClient(extras.judge, model=extras.judge_model)
    verdicts = judge(client, rubric, rows, folder / f"{name}.judge")
    measurement = verdicts.measurement(name)
    scored = set(verdicts.ids)
    result.scored.add({measurement.metric: measurement}, [item for item in items if item.id in scored])
    return {
        "judge": verdicts.model,
        "rubric": verdicts.rubric,
        "rubric_hash": verdicts.rubric_hash,
        "judged": len(verdicts.ids),
        "unanswered": len(verdicts.unanswered),
        "tags": {tag: verdicts.estimate(tag).value for tag in verdicts.tags},
    }
