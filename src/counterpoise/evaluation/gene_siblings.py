"""Which of four sibling processes is a human gene in? From the embedded ontology, so that nothing else is needed.

    items = gene_sibling_items("test")               # 404 items, one a gene

The options are biological processes under one parent in the Gene Ontology (is-a or part-of). The gene is in the right
one by experimental evidence (or TAS, IC), directly or through a term below it; to the others it is linked by no
annotation at any evidence code, directly or through terms below them, regulation included.

Questions come in blocks: first four options are drawn, then for each of them a gene for which it is the right one, and
in each of the four questions the right one stands at another letter. So over whole blocks whoever does not know the
gene, but only how frequent, familiar or well placed an option is, is right in exactly one of four: neither the wording
of an option nor its letter tells anything. Every gene is asked about once at most.

Genes have the split that they have in every task (`data.facts`), such as the task gene-process, which asks about the
same genes without listing options, and whose options need not be siblings. Reinforcement asks these questions of
training genes (`reinforcement.prompts`).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from counterpoise.biology.ontology import EXPERIMENTAL, load_ontology
from counterpoise.data import facts
from counterpoise.evaluation.tasks.item import Item

NAME = "gene-siblings"
LETTERS = "ABCD"
OPTIONS = len(LETTERS)
SIZES = (10, 500)
"""Fewest and most human genes of a process that is an option: smaller ones no model knows, larger ones tell little."""
TRIES = 4
"""How often options are drawn from one parent's processes, in each round over all parents."""

Block = tuple[tuple[str, str], ...]
"""(GO id, symbol) of each option: the process, and the gene that is in it and in none of the others."""


def gene_sibling_items(split: str = "test", *, limit: int | None = None, seed: int = 0) -> list[Item]:
    """Return the questions of a split, block after block.

    Args:
        split: "train", "dev" or "test".
        limit: the first so many; a larger limit keeps these. The last block may be incomplete.
        seed: draws options, genes and letters.

    Raises:
        UserError: an unknown split.
    """
    chosen = facts.check_split(split)
    items: list[Item] = []
    for block in _blocks(chosen, seed):
        items += _ask(chosen, block, seed)
        if limit is not None and len(items) >= limit:
            break
    return items[:limit]


@cache
def siblings() -> Mapping[str, tuple[str, ...]]:
    """Return the processes of fitting size under each parent that has enough of them; GO ids, sorted."""
    ontology = load_ontology()
    found: dict[str, list[str]] = defaultdict(list)
    for go_id, genes in ontology.annotations("BP", EXPERIMENTAL).items():
        if SIZES[0] <= len(genes) <= SIZES[1]:
            for parent in ontology.parents(go_id):
                found[parent].append(go_id)
    return {parent: tuple(sorted(found[parent])) for parent in sorted(found) if len(found[parent]) >= OPTIONS}


@cache
def linked(symbol: str) -> frozenset[str]:
    """Return all terms that a gene is linked to at any evidence code, upward through is-a, part-of and regulates."""
    ontology = load_ontology()
    direct = {go_id for go_id, _ in ontology.of_gene(symbol)}
    return frozenset(direct).union(*(ontology.ancestors(go_id, regulates=True) for go_id in direct))


def _blocks(split: facts.Split, seed: int) -> Iterator[Block]:
    """Draw blocks until no parent yields another: in each round over the parents, in random order, one of each."""
    genes = {symbol for symbol, gene in facts.load().genes.items() if gene.split == split}
    members = load_ontology().annotations("BP", EXPERIMENTAL)
    draw = random.Random(f"{NAME}/{split}/{seed}")
    free = {go_id: members[go_id] & genes for children in siblings().values() for go_id in children}
    parents = list(siblings())
    used: set[str] = set()
    while parents:
        draw.shuffle(parents)
        fruitful = []
        for parent in parents:
            block = _block([go_id for go_id in siblings()[parent] if free[go_id] - used], free, used, draw)
            if block is not None:
                fruitful.append(parent)
                used |= {symbol for _, symbol in block}
                yield block
        parents = fruitful


def _block(
    children: Sequence[str], free: Mapping[str, frozenset[str]], used: set[str], draw: random.Random
) -> Block | None:
    """Draw options among siblings, and a gene for each; None if no draw gave a gene to all of them."""
    for _ in range(TRIES if len(children) >= OPTIONS else 0):
        options = draw.sample(children, OPTIONS)
        block = []
        for go_id in options:
            fitting = (gene for gene in sorted(free[go_id] - used) if not linked(gene) & (set(options) - {go_id}))
            candidates = list(fitting)
            if not candidates:
                break
            block.append((go_id, draw.choice(candidates)))
        if len(block) == OPTIONS:
            return tuple(block)
    return None


def _ask(split: str, block: Block, seed: int) -> list[Item]:
    """Make the questions of a block, the right option at another letter in each."""
    ontology, genes = load_ontology(), facts.load().genes
    draw = random.Random(f"{NAME}/{split}/{seed}/" + "+".join(symbol for _, symbol in block))
    places = draw.sample(range(OPTIONS), OPTIONS)
    items = []
    for place, (right, symbol) in zip(places, block, strict=True):
        others = [go_id for go_id, _ in block if go_id != right]
        draw.shuffle(others)
        texts = tuple(ontology.terms[go_id].name for go_id in [*others[:place], right, *others[place:]])
        listed = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, texts, strict=True))
        asked = f"\n\n{listed}\n\nAnswer with the right option.\nAnswer:"
        items.append(
            Item(
                id=f"{NAME}/{split}/{symbol}",
                prompt=facts.prompt(genes[symbol]) + asked,
                target=f"{LETTERS[place]}. {texts[place]}",
                source=f"{NAME}/{split}/{symbol}",
                text=symbol,
                group=symbol,
                prior_prompt=facts.prior_prompt() + asked,
                options=tuple(LETTERS),
                option_texts=texts,
                answer=place,
            )
        )
    return items
