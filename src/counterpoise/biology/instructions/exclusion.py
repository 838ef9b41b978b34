"""Which terms training must leave out, so that no benchmark is leaked, and by which rule.

    left_out = excluded_terms(terms, benchmarks, load_ontology())
    left_out.ids, left_out.counts()          # {"id": 1810, "name": 38, "descendant": 4433, ...}

A term goes for the first of these that holds:

    id           it is a benchmark's term
    name         its name, cleaned, is a benchmark's (covers benchmarks that are not of GO)
    descendant   it lies below a term that went for its id or name, through is-a, part-of or a regulates relation
    ancestor     it lies above one
    genes        its genes are nearly those of a benchmark's set (Jaccard index of 0.8 or more)

Descendants tell the benchmark's answer in other words. So do ancestors of few steps; those of many steps are "cellular
process", which lie above everything. Terms that may be *asked* have 500 genes at most, so such general terms are never
an answer whatever is excluded; they are let be as context of a chain upward (`material.GENERAL`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.ontology import Ontology

from .names import name_key
from .overlap import GeneOverlap

RULES = ("id", "name", "descendant", "ancestor", "genes")


class Named(Protocol):
    """What the rules look at in a term."""

    @property
    def name(self) -> str: ...
    @property
    def genes(self) -> Collection[str]: ...


@dataclass(frozen=True)
class Exclusion:
    """Ids of terms that are left out, by rule; each under the first rule that holds."""

    by_rule: Mapping[str, frozenset[str]]

    @property
    def ids(self) -> frozenset[str]:
        """All of them."""
        return frozenset().union(*self.by_rule.values())

    def counts(self) -> dict[str, int]:
        """How many terms each rule took, in the order of the rules."""
        return {rule: len(self.by_rule[rule]) for rule in RULES}


def excluded_terms(
    terms: Mapping[str, Named], benchmarks: Sequence[GeneSet], ontology: Ontology, steps: int | None = None
) -> Exclusion:
    """Return which of ``terms`` (by id, of any source) go.

    Args:
        benchmarks: as `benchmarks.benchmark_sets` gives them; a name or genes may be missing.
        steps: how far up and down the ontology; None for all the way.
    """
    ids, names = {one.id for one in benchmarks}, {name_key(one.name) for one in benchmarks if one.name}
    by_id = ids & terms.keys()
    by_name = {term for term, found in terms.items() if name_key(found.name) in names} - by_id
    # ids of the benchmark that are not asked themselves, too large say, still have relatives
    named = {term for term, found in ontology.terms.items() if name_key(found.name) in names}
    anchors = {term for term in ids | named | by_name if term in ontology.terms}
    below = reached(anchors, lambda term: ontology.children(term, regulates=True), steps)
    above = reached(anchors, lambda term: ontology.parents(term, regulates=True), steps)
    index = GeneOverlap([one.genes for one in benchmarks])
    alike = {term for term, found in terms.items() if index.alike(found.genes)}
    result, taken = {}, set[str]()
    for rule, found in zip(RULES, (by_id, by_name, below, above, alike), strict=True):
        result[rule] = frozenset((found & terms.keys()) - taken)
        taken |= found
    return Exclusion(result)


def reached(start: Collection[str], step: Callable[[str], Collection[str]], steps: int | None = None) -> set[str]:
    """Return what can be reached from ``start`` in ``steps`` steps or fewer (None: any number), without the start.

    >>> sorted(reached("a", {"a": "b", "b": "c", "c": ""}.__getitem__, 1))
    ['b']
    """
    seen, edge, done = set(start), set(start), 0
    while edge and (steps is None or done < steps):
        edge = {near for term in edge for near in step(term)} - seen
        seen |= edge
        done += 1
    return seen - set(start)
