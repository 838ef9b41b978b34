"""Make the rows: which there are to be is planned at once and shuffled, each is made when it is asked for.

made = build("train", data_dir="biomedical", kinds=("naming", "claim"), seed=1)
first = next(iter(made))
made.counts                                       # of the last pass through it
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from counterpoise.data.facts import SPLITS, check_split
from counterpoise.errors import UserError, nearest

from . import gene_rows, set_rows
from .benchmarks import BENCHMARKS, benchmark_sets
from .exclusion import RULES
from .material import LEAST, Material
from .row import Row
from .set_rows import Draft

Maker = Callable[[Material, str, random.Random], Draft | None]

KINDS: dict[str, Maker] = {
    "naming": set_rows.naming,
    "contaminated": set_rows.contaminated,
    "unrelated": set_rows.unrelated,
    "odd": set_rows.odd,
    "processes": gene_rows.processes,
    "claim": gene_rows.claim,
}
"""Kind -> how a row of it is made.

naming, contaminated and unrelated ask for a name (most, half, none of the genes share it), odd for the gene that does
not belong, processes for what a gene takes part in and what that belongs to, claim for a decision on a claim.
"""
ATTEMPTS = 20
"""Draws of a row before it is given up: its set may be a benchmark's, or have been told before."""


def build(
    split: str = "train",
    *,
    data_dir: str | Path | None = None,
    exclude: Sequence[str] = tuple(BENCHMARKS),
    kinds: Sequence[str] = tuple(KINDS),
    draws: int = 2,
    steps: int | None = None,
    seed: int = 0,
    limit: int | None = None,
) -> "InstructionSet":
    """Plan the rows of one split.

    Args:
        split: "train", "dev" or "test", of genes and of terms.
        data_dir: where benchmarks lie; if not given, the environment variable COUNTERPOISE_DATA.
        exclude: benchmarks to keep out, by task or file (`benchmarks.benchmark_sets`); ``("none",)`` for none.
        kinds: of rows, see `KINDS`.
        draws: of sets for each term.
        steps: how far around a benchmark's terms the ontology is left out; None: all the way up and down.
        seed: decides sets, wordings and order; the same arguments give the same rows.
        limit: keep so many of the shuffled rows.

    Raises:
        UserError: an argument outside its range, or a benchmark that is not there.
    """
    chosen = check_split(split)
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"kinds names {kind!r}{nearest(kind, list(KINDS))}; expected some of {', '.join(KINDS)}")
    for name, value, least in (("draws", draws, 1), ("steps", steps, 0), ("limit", limit, 1), ("seed", seed, 0)):
        if value is not None and value < least:
            raise UserError(f"{name} is {value}; expected a whole number of at least {least}")
    if not kinds:
        raise UserError(f"kinds is empty; expected some of {', '.join(KINDS)}")
    material = Material(chosen, benchmark_sets(exclude, data_dir), steps)
    return InstructionSet(material, tuple(dict.fromkeys(kinds)), draws, seed, limit)


class InstructionSet:
    """The rows of one split; each pass makes them anew, and all passes alike.

    Attributes:
        material: the facts they are made of.
        counts: rows by kind of the latest pass so far.
        given_up: rows by kind that could not be made in it: no gene to put in, or told before, or a benchmark's set.
    """

    def __init__(self, material: Material, kinds: Sequence[str], draws: int, seed: int, limit: int | None) -> None:
        self.material, self.kinds, self.draws, self.seed, self.limit = material, kinds, draws, seed, limit
        self.counts: Counter[str] = Counter()
        self.given_up: Counter[str] = Counter()

    @cached_property
    def plan(self) -> list[tuple[str, str, int]]:
        """What is to be made, as (kind, key, draw), shuffled."""
        material = self.material
        asked = sorted(term for term in material.terms if len(material.members(term)) >= LEAST)
        genes = [gene for gene in material.genes if material.processes_of(gene)]
        sets = len(asked) * self.draws
        keys = {
            "naming": [(term, draw) for term in asked for draw in range(self.draws)],
            "contaminated": [(term, 0) for term in asked],
            "unrelated": [(str(number), 0) for number in range(-(-sets // 4))],
            "odd": [(term, 0) for term in asked],
            "processes": [(gene, 0) for gene in genes],
            "claim": [(gene, 0) for gene in genes],
        }
        found = [(kind, key, draw) for kind in self.kinds for key, draw in keys[kind]]
        random.Random(f"instructions/{material.split}/{self.seed}").shuffle(found)
        return found

    def __iter__(self) -> Iterator[Row]:
        self.counts, self.given_up = Counter(), Counter()
        seen: set[int] = set()
        for kind, key, number in self.plan:
            if self.limit is not None and self.counts.total() == self.limit:
                return
            name = f"{self.material.split}/{kind}/{key}/{number}"
            draft = self._draft(kind, key, name, seen)
            if draft is None:
                self.given_up[kind] += 1
                continue
            self.counts[kind] += 1
            yield Row(name, kind, self.material.split, draft.prompt, draft.completion, draft.terms, draft.genes)

    def _draft(self, kind: str, key: str, name: str, seen: set[int]) -> Draft | None:
        for attempt in range(ATTEMPTS):
            draft = KINDS[kind](self.material, key, random.Random(f"{name}/{self.seed}/{attempt}"))
            if draft is None or (len(draft.genes) > 1 and self.material.benchmark_overlap.alike(draft.genes)):
                continue
            # A set is named once, though two terms may have the same genes: one question, one answer.
            mark = hash((kind == "odd", frozenset(draft.genes)) if len(draft.genes) > 1 else draft.prompt)
            if mark not in seen:
                seen.add(mark)
                return draft
        return None

    def report(self) -> str:
        """Say in a few lines what there is: terms and genes of the split, what was left out, and rows made so far."""
        material = self.material
        sources = Counter(found.source for found in material.terms.values())
        splits = Counter(found.split for found in material.left.values())
        counts = material.exclusion.counts()
        reasons = ", ".join(f"{rule} {counts[rule]:,}" for rule in RULES)
        lines = [
            f"gene sets, split {material.split}: {len(material.terms):,} terms ({sources['go-bp']:,} of GO, "
            f"{sources['wikipathways']:,} of WikiPathways), {len(material.genes):,} genes",
            f"left out for {len(material.benchmarks):,} benchmark sets: {sum(counts.values()):,} terms ({reasons}); "
            "left: " + ", ".join(f"{splits[split]:,} {split}" for split in SPLITS),
        ]
        if self.counts:
            made = ", ".join(f"{self.counts[kind]:,} {kind}" for kind in self.kinds)
            lines.append(f"rows: {self.counts.total():,} ({made}); {self.given_up.total():,} could not be made")
        return "\n".join(lines)
