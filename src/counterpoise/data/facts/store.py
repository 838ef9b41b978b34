"""Genes, processes and what is known of them, as typed records over the embedded tables.

facts = load()
facts.genes["CFTR"].name                # 'CF transmembrane conductance regulator'
facts.experimental["CFTR"]              # GO ids of its demo processes
for fact in all_facts(): ...            # every gene -> biological process fact, propagated, not only the demo's
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, cast

from .ontology import ancestors_of
from .tables import rows

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Gene:
    """A human protein-coding gene: HGNC symbol and name, and the split that it belongs to in every task."""

    symbol: str
    name: str
    split: Split


@dataclass(frozen=True, slots=True)
class Process:
    """A GO biological process. The definition is empty where the export has none, never for the demo's."""

    go_id: str
    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A gene takes part in a process: evidence codes, and whether the annotation is to this very term.

    A fact that is not direct comes from a term below, through is-a or part-of; its evidence joins theirs.
    """

    symbol: str
    go_id: str
    evidence: tuple[str, ...]
    direct: bool


@dataclass(frozen=True, slots=True)
class GeneFacts:
    """The embedded facts. *Demo* processes are the 116 that the demo asks about (see ``tools/build_facts.py``).

    Attributes:
        genes: symbol -> gene, all 11,641 genes with experimental evidence for some process.
        processes: GO id -> process, every term that such a gene is in (ancestors included).
        demo_processes: the demo's part of ``processes``.
        experimental: symbol -> GO ids (sorted) of the demo processes the gene is in by experimental evidence, TAS or
            IC, directly or propagated. Only genes with at least one are keys.
        any_evidence: same keys -> all demo processes the gene is linked to at any evidence code, upward through is-a,
            part-of and the regulates relations. A superset of ``experimental``: what must not be offered as wrong.
    """

    genes: Mapping[str, Gene]
    processes: Mapping[str, Process]
    demo_processes: Mapping[str, Process]
    experimental: Mapping[str, tuple[str, ...]]
    any_evidence: Mapping[str, frozenset[str]]

    def symbols(self, split: Split) -> tuple[str, ...]:
        """Return the symbols, sorted, of the split's genes that have a demo process."""
        return tuple(symbol for symbol in self.experimental if self.genes[symbol].split == split)


@cache
def load() -> GeneFacts:
    """Read the embedded tables (once; about a tenth of a second).

    >>> facts = load()
    >>> facts.genes["KRT5"].name, len(facts.demo_processes)
    ('keratin 5', 116)
    """
    genes = {
        symbol: Gene(symbol, name, cast(Split, split))
        for symbol, name, split in rows("genes.tsv.gz", "symbol", "name", "split")
    }
    processes, demo = {}, {}
    for go_id, name, definition, in_demo in rows("processes.tsv.gz", "go_id", "name", "definition", "demo"):
        processes[go_id] = Process(go_id, name, definition)
        if in_demo == "yes":
            demo[go_id] = processes[go_id]
    experimental, any_evidence = {}, {}
    for symbol, known, linked in rows("demo_genes.tsv.gz", "symbol", "experimental", "any_evidence"):
        experimental[symbol] = tuple(known.split("|"))
        any_evidence[symbol] = frozenset(linked.split("|"))
    return GeneFacts(genes, processes, demo, experimental, any_evidence)


def all_facts(*, propagated: bool = True) -> Iterator[Fact]:
    """Yield every gene -> biological process fact with experimental evidence, TAS or IC, by gene and GO id.

    Args:
        propagated: carry annotations upward through is-a and part-of (578,000 facts, some seconds); otherwise only
            the 57,044 direct ones.

    >>> next(all_facts(propagated=False))
    Fact(symbol='A1CF', go_id='GO:0016556', evidence=('IDA',), direct=True)
    """
    parents: dict[str, list[str]] = defaultdict(list)
    if propagated:
        for go_id, parent, _ in rows("process_parents.tsv.gz", "go_id", "parent", "relation"):
            parents[go_id].append(parent)
    up = ancestors_of(parents)

    by_gene: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for symbol, go_id, evidence in rows("gene_process_facts.tsv.gz", "symbol", "go_id", "evidence"):
        by_gene[symbol][go_id] = set(evidence.split("|"))
    for symbol, direct in by_gene.items():
        reached: dict[str, set[str]] = defaultdict(set)
        for go_id, codes in direct.items():
            for term in up(go_id):
                reached[term] |= codes
        for term in sorted(reached):
            yield Fact(symbol, term, tuple(sorted(reached[term])), term in direct)
