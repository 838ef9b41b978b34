"""From perturbation questions to items: prompts with what is known of gene, perturbation and cell line, and evidence.

    found = read_perturbation_items(tasks.get("perturbqa-k562-de"), "test", data_dir="biomedical", limit=1200, seed=0)
    found.items[0].prompt, found.notes

A prompt may use, in braces: {perturbation}, {gene}, {cell_line}; {about_perturbation}, {about_gene}, {about_cell_line}
(a name with what is known of it: "MED12 (mediator complex subunit 12; ...)"); and {evidence}, the training rows alike.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from counterpoise.evaluation.perturbation.questions import Question, sample_genes
from counterpoise.evaluation.perturbation.retrieval import Neighbour
from counterpoise.evaluation.perturbation.settings import PerturbationView
from counterpoise.evaluation.perturbation.study import Study, load_study
from counterpoise.evaluation.tasks.item import Item

if TYPE_CHECKING:
    from counterpoise.evaluation.tasks.items import TaskItems
    from counterpoise.evaluation.tasks.spec import TaskSpec

NO_EVIDENCE = "- none is known"
NOT_TOLD = "not told"


def read_perturbation_items(
    spec: TaskSpec,
    split: str = "test",
    *,
    data_dir: str | Path | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> TaskItems:
    """Read the items of a split; arguments and errors as for `tasks.items.read_items`.

    With ``limit``, whole genes are drawn (`questions.sample_genes`). ``pair`` of an item is (perturbation, gene),
    ``group`` its gene, ``subject`` its cell line.
    """
    from counterpoise.evaluation.tasks.items import TaskItems

    assert spec.perturbation is not None
    study = load_study(spec, split, data_dir)
    notes = list(study.questions.notes)
    asked = study.asked
    if limit is not None and limit < len(asked):
        places = sample_genes(asked, limit, spec.perturbation.per_gene, f"{spec.perturbation.by}/{seed}")
        asked = [asked[place] for place in places]
        notes.append(_sample_note(spec, study, asked, seed))
    items, without = [], []
    for question in asked:
        neighbours = study.neighbours(question)
        if spec.perturbation.neighbours and not neighbours:
            without.append(question)
        items.append(_item(spec, study, question, neighbours))
    if without:
        notes.append(_evidence_note(spec, study, without, len(items)))
    return TaskItems(items, study.questions.problems, notes)


def _evidence_note(spec: TaskSpec, study: Study, without: list[Question], asked: int) -> str:
    """Say how many questions have no evidence, and why."""
    assert spec.perturbation is not None
    strangers = set(study.strangers()) & {question.perturbation for question in without}
    known = [question for question in without if question.perturbation not in strangers]
    why = "resembles none of training"
    if spec.perturbation.by == "knock-down":
        why = "has no GO annotation, or a name that stands for no gene or for several"
    reasons = [
        f"{len(without) - len(known):,} since the perturbation {why} ({_some(strangers)})" if strangers else "",
        f"{len(known):,} since training has no rows for the gene under any perturbation alike "
        f"({_some({question.gene for question in known})})"
        if known
        else "",
    ]
    return f"{spec.name}: {len(without):,} of {asked:,} questions have no evidence: {'; '.join(filter(None, reasons))}"


def _some(names: set[str], most: int = 5) -> str:
    return ", ".join(sorted(names)[:most]) + (" ..." if len(names) > most else "")


def _sample_note(spec: TaskSpec, study: Study, asked: list[Question], seed: int) -> str:
    assert spec.perturbation is not None
    genes = len({(question.cell_line, question.gene) for question in asked})
    labels: dict[tuple[str, str], set[int]] = {}
    for question in study.asked:
        labels.setdefault((question.cell_line, question.gene), set()).add(question.label)
    whole = sum(len(found) == 2 for found in labels.values())
    return (
        f"{spec.name}: {len(asked):,} of {len(study.asked):,} questions, on {genes:,} of the {whole:,} genes that have "
        f"both labels, at most {spec.perturbation.per_gene} a gene and half of each label where there are as many "
        f"(seed {seed}); accuracy and pooled AUROC are those of this sample"
    )


def _item(spec: TaskSpec, study: Study, question: Question, neighbours: list[Neighbour]) -> Item:
    from counterpoise.evaluation.tasks.items import fill_in

    assert spec.perturbation is not None
    view = spec.perturbation
    options = tuple(spec.options)
    of_perturbation, of_gene, of_cell_line = study.about(question)
    fields = {
        "perturbation": question.perturbation,
        "gene": question.gene,
        "cell_line": question.cell_line,
        "about_perturbation": _with(question.perturbation, of_perturbation),
        "about_gene": _with(question.gene, of_gene),
        "about_cell_line": _with(question.cell_line, of_cell_line),
        "evidence": "\n".join(_line(view, one) for one in neighbours) or NO_EVIDENCE,
        "options": "\n".join(options),
    }
    place = f"/{question.cell_line}" if view.columns.cell_line else ""
    return Item(
        id=f"{question.perturbation}/{question.gene}{place}",
        prompt=fill_in(spec.prompt, fields).strip(),
        prior_prompt=fill_in(spec.prior, fields).strip(),
        target=options[question.label],
        source=question.source,
        text=f"{question.perturbation} {question.gene} {question.cell_line}",
        group=f"{question.gene}{place}",
        options=options,
        answer=question.label,
        subject=question.cell_line,
        pair=(question.perturbation, question.gene),
    )


def _with(name: str, about: str) -> str:
    return f"{name} ({about})" if about else name


def _line(view: PerturbationView, neighbour: Neighbour) -> str:
    answer = NOT_TOLD if neighbour.label is None else view.results[neighbour.label]
    text = view.neighbour.replace("{answer}", answer)
    return text.replace("{perturbation}", neighbour.row.perturbation).replace("{gene}", neighbour.row.gene)
