"""Items of tasks whose data the package holds: the few functions that tasks need besides their YAML."""

from __future__ import annotations

from collections.abc import Callable

from counterpoise.evaluation.tasks.item import Item


def gene_process(split: str) -> list[Item]:
    """Return the multiple-choice items of `evaluation.gene_process`, one a held-out gene."""
    from counterpoise.evaluation.gene_process import gene_process_items

    return [
        Item(
            id=item.id,
            prompt=item.prompt,
            target=item.options[item.answer],
            source=item.id,
            text=item.group,
            group=item.group,
            prior_prompt=item.prior_prompt,
            options=item.options,
            answer=item.answer,
        )
        for item in gene_process_items(split)
    ]


def gene_siblings(split: str) -> list[Item]:
    """Return the multiple-choice items of `evaluation.gene_siblings`, one a gene; those of train may be learnt from."""
    from counterpoise.evaluation.gene_siblings import gene_sibling_items

    return gene_sibling_items(split)


def general_sentences(split: str) -> list[Item]:  # noqa: ARG001 - one set of sentences serves every split
    """Return the embedded general sentences."""
    from counterpoise.evaluation.nll import general_sentences as sentences

    return [
        Item(id=f"sentence-{number}", prompt=text, target="", source=f"general_sentences.txt:{number}", text=text)
        for number, text in enumerate(sentences(), start=1)
    ]


READERS: dict[str, Callable[[str], list[Item]]] = {
    "gene-process": gene_process,
    "gene-siblings": gene_siblings,
    "general-sentences": general_sentences,
}
