"""Training rows from the embedded facts: one for each (gene, process), and some about gene sets.

    rows = training_records(seed=0, limit=1600)       # [{"prompt": ..., "completion": ..., "id": ...}, ...]
    seen = named_facts(rows)                          # what those rows told: (symbol, name, process name)

An id says what the row holds: ``train/KRT5/GO:0008544``, or ``train/KRT5+KRT14+DSP/GO:0008544`` for a set.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping

from counterpoise.errors import UserError

from .store import SPLITS, GeneFacts, Split, load
from .templates import SINGLE_GENE, gene_set_prompt, prompt

SET_SIZES = (3, 8)
"""Least and largest number of genes in a gene-set row."""
MAX_SETS = 5000
"""Each split has far more different sets than this, so that drawing them always ends."""


def check_split(split: str) -> Split:
    """Return ``split``, or raise a ``UserError`` that lists the choices."""
    for known in SPLITS:
        if split == known:
            return known
    raise UserError(f"split is {split!r}; expected one of {', '.join(SPLITS)}.")


def training_records(
    split: str = "train",
    gene_sets: int = 200,
    seed: int = 0,
    limit: int | None = None,
    *,
    templates: int = 1,
) -> list[dict[str, str]]:
    """Return prompt-completion rows of one split, shuffled; the completion is the name of the process.

    Args:
        split: "train", "dev" or "test"; every gene of every row is of this split.
        gene_sets: number of rows, at most 5,000, about a set of 3 to 8 genes that share a process.
        seed: decides the sets, the wordings and the order; the same arguments give the same rows.
        limit: keep the first so many of the shuffled rows, a random sample of all.
        templates: how many wordings of the single-gene question to draw from. 1 is the evaluation's own, which
            keeps a short run on the question that it is scored on; more make the model less tied to one phrase.

    Raises:
        UserError: an argument outside its range.
    """
    chosen = check_split(split)
    if not 1 <= templates <= len(SINGLE_GENE):
        raise UserError(f"templates is {templates}; expected a whole number from 1 to {len(SINGLE_GENE)}.")
    if not 0 <= gene_sets <= MAX_SETS:
        raise UserError(f"gene_sets is {gene_sets}; expected a whole number from 0 to {MAX_SETS:,}.")
    if limit is not None and limit < 1:
        raise UserError(f"limit is {limit}; expected 1 or more rows, or none for all of them.")
    facts, draw = load(), random.Random(f"training-records/{split}/{seed}")
    rows = [
        {
            "prompt": prompt(facts.genes[symbol], draw.randrange(templates)),
            "completion": facts.demo_processes[go_id].name,
            "id": f"{split}/{symbol}/{go_id}",
        }
        for symbol in facts.symbols(chosen)
        for go_id in facts.experimental[symbol]
    ]
    rows += _gene_set_rows(facts, chosen, gene_sets, draw)
    draw.shuffle(rows)
    return rows[:limit]


def _gene_set_rows(facts: GeneFacts, split: Split, count: int, draw: random.Random) -> list[dict[str, str]]:
    """Draw ``count`` different sets: a process first (each as likely), then its size and genes."""
    members: dict[str, list[str]] = defaultdict(list)
    for symbol in facts.symbols(split):
        for go_id in facts.experimental[symbol]:
            members[go_id].append(symbol)
    least, most = SET_SIZES
    eligible = sorted(go_id for go_id, symbols in members.items() if len(symbols) >= least)
    rows: dict[frozenset[str], dict[str, str]] = {}
    while len(rows) < count:
        go_id = draw.choice(eligible)
        symbols = draw.sample(members[go_id], draw.randint(least, min(most, len(members[go_id]))))
        rows[frozenset([go_id, *symbols])] = {
            "prompt": gene_set_prompt(symbols),
            "completion": facts.demo_processes[go_id].name,
            "id": f"{split}/{'+'.join(symbols)}/{go_id}",
        }
    return list(rows.values())


def named_facts(records: Iterable[Mapping[str, str]]) -> list[tuple[str, str, str]]:
    """Return what training rows told, as (gene symbol, gene name, process name), so that a baseline sees the same.

    A gene-set row gives one triple a gene, with an empty name, for the row shows symbols alone.

    Raises:
        ValueError: a row whose id is not one of ``training_records``.

    >>> named_facts([{"id": "train/KRT5/GO:0008544", "prompt": "", "completion": "epidermis development"}])
    [('KRT5', 'keratin 5', 'epidermis development')]
    """
    genes = load().genes
    triples = []
    for record in records:
        parts = record["id"].split("/")
        members = parts[1].split("+") if len(parts) == 3 else []
        if not members or any(symbol not in genes for symbol in members):
            raise ValueError(f"row id {record['id']!r} names no embedded genes; expected 'train/SYMBOL/GO:...'.")
        for symbol in members:
            name = genes[symbol].name if len(members) == 1 else ""
            triples.append((symbol, name, record["completion"]))
    return triples
