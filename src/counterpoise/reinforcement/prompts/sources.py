"""Where prompts come from, by name.

    load_prompts("gene-process", limit=500)                              # needs nothing but the package
    load_prompts("ner:bc5cdr-chem", data_dir="biomedical", limit=1000)
    load_prompts("perturbation:perturbqa-k562-de", data_dir="biomedical", limit=1200)

- ``pubmedqa``: a question about an abstract, answered yes, no or maybe;
- ``gene-process``: which of four sibling processes is a gene in? (`evaluation.gene_siblings`);
- ``ner``: the entities of a sentence; a task of one type after the colon, else ncbi-disease;
- ``perturbation``: does, or how does, a gene respond to another's knock-down? A task after the colon, else
  perturbqa-k562-dir. Only genes that are asked with both answers: on others the gene alone tells the answer.

All ask in the words of an evaluation task (of gene-process it is gene-siblings), so that training and evaluation ask
alike.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from counterpoise.data.catalog import DATA_DIR_VARIABLE
from counterpoise.errors import UserError, nearest
from counterpoise.evaluation import tasks
from counterpoise.evaluation.gene_siblings import gene_sibling_items
from counterpoise.evaluation.perturbation.questions import read_questions
from counterpoise.evaluation.spans import mentions_of, parse_mentions
from counterpoise.evaluation.tasks.item import Item
from counterpoise.evaluation.tasks.items import local_file, read_items
from counterpoise.evaluation.tasks.spec import TaskSpec
from counterpoise.reinforcement.prompts.prompt import Prompt

logger = logging.getLogger(__name__)

SOURCES = {
    "pubmedqa": "pubmedqa",
    "gene-process": "gene-siblings",
    "ner": "ncbi-disease",
    "perturbation": "perturbqa-k562-dir",
}
"""Source -> the evaluation task that it asks from, if none is named after a colon."""


def load_prompts(
    source: str,
    *,
    data_dir: str | Path | None = None,
    split: str = "train",
    limit: int | None = None,
    seed: int = 0,
) -> list[Prompt]:
    """Return the prompts of a source.

    Args:
        source: a name of `SOURCES`, for ner and perturbation with a task after a colon.
        data_dir: the folder of local copies; by default the environment variable COUNTERPOISE_DATA.
        split: "train"; others to measure what was learnt.
        limit: so many at most: a random sample, of perturbation prompts whole genes, of gene-process the first.
        seed: draws that sample, and the options of gene-process.

    Raises:
        UserError: an unknown source, task or split, data that is missing (the message says where to get it) or cannot
            be read, or perturbations that are in train and in test.
    """
    name, _, task = source.partition(":")
    if name not in SOURCES or (task and name not in ("ner", "perturbation")):
        listed = f"{', '.join(SOURCES)}, or ner or perturbation with a task after a colon"
        raise UserError(f"prompts of {source!r} are unknown{nearest(name, list(SOURCES))}; expected {listed}")
    if limit is not None and limit < 1:
        raise UserError(f"limit is {limit}; expected a whole number of at least 1")
    spec = tasks.get(task or SOURCES[name])
    if name == "gene-process":  # whole blocks, in which neither an option's wording nor its letter tells anything
        return [_choice(spec, split, item) for item in gene_sibling_items(split, limit=limit, seed=seed)]
    _check_kind(name, spec)
    _check_local(spec, split, data_dir)
    if spec.perturbation is not None:
        read_questions(spec, "test", data_dir)  # refuses perturbations that are in both
    found = read_items(spec, split, data_dir=data_dir, limit=limit, seed=seed)
    if found.problems:
        raise UserError(f"{found.problems[0]}; fix the {found.problems[0].place.split()[0]}")
    for note in found.notes:
        logger.info(note)
    if spec.kind == "entities":
        asked = [_entities(spec, split, item) for item in found.items]
        return [prompt for prompt in asked if parse_mentions(prompt.target) == prompt.answer]  # not one that holds ";"
    prompts = [_choice(spec, split, item) for item in found.items]
    if spec.perturbation is None:
        return prompts
    kept = with_both_answers(prompts)
    if not kept:
        raise UserError(f"{spec.name}: no gene is asked with both answers in {split}; expected some that are")
    return kept


def with_both_answers(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Leave out perturbation prompts on genes whose prompts all have one answer: the gene alone would tell it."""
    answers: dict[tuple[str, Any], set[str]] = defaultdict(set)
    for prompt in prompts:
        if "gene" in prompt.columns:
            answers[prompt.task, prompt.columns["gene"]].add(prompt.answer)
    return [
        prompt
        for prompt in prompts
        if "gene" not in prompt.columns or len(answers[prompt.task, prompt.columns["gene"]]) > 1
    ]


def _check_kind(name: str, spec: TaskSpec) -> None:
    if name == "ner" and (spec.kind != "entities" or len(spec.types) != 1):
        ours = [each for each in tasks.names() if (one := tasks.get(each)).kind == "entities" and len(one.types) == 1]
        raise UserError(f"ner:{spec.name}: this task does not ask for entities of one type; expected {', '.join(ours)}")
    if name == "perturbation" and spec.perturbation is None:
        ours = [each for each in tasks.names() if tasks.get(each).perturbation is not None]
        raise UserError(f"perturbation:{spec.name}: this task asks of no perturbation; expected {', '.join(ours)}")


def _check_local(spec: TaskSpec, split: str, data_dir: str | Path | None) -> None:
    try:
        local_file(spec, split, data_dir)
    except UserError as error:
        if split not in spec.data or "--data-dir" in str(error):
            raise
        raise UserError(f"{error}, or name another folder with --data-dir (or {DATA_DIR_VARIABLE})") from None


def _prompt(spec: TaskSpec, split: str, item: Item, answer: Any, columns: dict[str, Any]) -> Prompt:
    messages = ({"role": "user", "content": item.prompt},)
    name = item.id if spec.is_embedded else f"{spec.name}/{split}/{item.id}"
    return Prompt(name, messages, answer, spec.name, {**columns, "group": item.group})


def _choice(spec: TaskSpec, split: str, item: Item) -> Prompt:
    columns: dict[str, Any] = {"options": list(item.options)}
    if item.option_texts:
        columns["option_texts"] = list(item.option_texts)
    if spec.perturbation is not None:
        columns |= {"answer_in": spec.perturbation.answer_in, "gene": item.group}
    return _prompt(spec, split, item, item.options[item.answer], columns)


def _entities(spec: TaskSpec, split: str, item: Item) -> Prompt:
    mentions = mentions_of(item.words, item.tags, one_word_entities=spec.one_word_entities)
    answer = mentions.get(next(iter(spec.types)), [])
    return _prompt(spec, split, item, answer, {"text": " ".join(item.words)})
