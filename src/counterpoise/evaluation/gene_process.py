"""The demo's question, as multiple choice: which process is a human gene, never seen in training, part of?

    items = gene_process_items("test")              # 500 ChoiceItems, one a gene

The right option is one of the gene's processes with experimental evidence (or TAS, IC), drawn evenly. The others are
demo processes that the gene is linked to by no annotation at any evidence code, directly or through the ontology, drawn
without replacement in proportion to how often a process is the right option (its expected share over training genes).
So an option's frequency says nothing about its being right, and a gene-blind guess stays at chance.
"""

import random

from counterpoise.data.facts import GeneFacts, check_split, load, prior_prompt, prompt
from counterpoise.errors import UserError
from counterpoise.evaluation.choice import ChoiceItem


def answer_shares(facts: GeneFacts) -> dict[str, float]:
    """Return, for each demo process (GO id), how often it is the right option: its share over training genes.

    A gene with k processes gives 1/k to each, just as the answer is drawn. The shares sum to 1.
    """
    shares = dict.fromkeys(facts.demo_processes, 0.0)
    symbols = facts.symbols("train")
    for symbol in symbols:
        processes = facts.experimental[symbol]
        for go_id in processes:
            shares[go_id] += 1 / (len(processes) * len(symbols))
    return shares


def gene_process_items(split: str, seed: int = 0, n_options: int = 4) -> list[ChoiceItem]:
    """Return one item for each held-out gene, by symbol.

    Args:
        split: "dev" (300 genes) or "test" (500). "train" is refused: those genes are no longer unseen.
        seed: decides answers, distractors and positions, each gene by itself: the same gene gets the same item
            whatever the others are.
        n_options: options an item, the right one included; from 2 to 20.

    Raises:
        UserError: an unknown split, or ``n_options`` out of range.
    """
    held_out = check_split(split)
    if held_out == "train":
        raise UserError("split is 'train'; expected 'dev' or 'test', whose genes no training row names.")
    if not 2 <= n_options <= 20:
        raise UserError(f"n_options is {n_options}; expected a whole number from 2 to 20.")
    facts = load()
    shares = answer_shares(facts)
    return [_item(facts, symbol, shares, seed, n_options) for symbol in facts.symbols(held_out)]


def _item(facts: GeneFacts, symbol: str, shares: dict[str, float], seed: int, n_options: int) -> ChoiceItem:
    gene = facts.genes[symbol]
    draw = random.Random(f"gene-process/{seed}/{symbol}")
    right = draw.choice(facts.experimental[symbol])
    weights = {go_id: share for go_id, share in shares.items() if go_id not in facts.any_evidence[symbol]}
    options = [right]
    while len(options) < n_options:
        options += draw.choices(list(weights), list(weights.values()))
        del weights[options[-1]]
    draw.shuffle(options)
    return ChoiceItem(
        id=f"gene-process/{gene.split}/{symbol}",
        prompt=prompt(gene),
        prior_prompt=prior_prompt(),
        options=tuple(facts.demo_processes[go_id].name for go_id in options),
        answer=options.index(right),
        group=symbol,
    )
