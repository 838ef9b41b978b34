"""Walk the Gene Ontology upward: a gene in a process is also in every process which that one is, or is part of.

    parents = {"GO:0000082": {"GO:0044843"}, "GO:0044843": {"GO:0022402"}}
    ancestors_of(parents)("GO:0000082")        # the term itself and all that lie above it

The build script and the loader share this one function; neither stores what it can walk to.
"""

from collections.abc import Callable, Collection, Mapping

EXPERIMENTAL = frozenset(["EXP", "IDA", "IPI", "IMP", "IGI", "IEP", "HTP", "HDA", "HMP", "HGI", "HEP", "TAS", "IC"])
"""Evidence codes that count as known: experiments (low and high throughput), plus a traceable author statement
(TAS) and a curator's inference (IC)."""


def ancestors_of(parents: Mapping[str, Collection[str]]) -> Callable[[str], frozenset[str]]:
    """Return a function from a term to the set of that term and all its ancestors.

    Args:
        parents: for each term, the terms one step above it, in an acyclic graph. Terms without an entry are roots.

    >>> up = ancestors_of({"c": ["b"], "b": ["a", "x"]})
    >>> sorted(up("c"))
    ['a', 'b', 'c', 'x']
    """
    known: dict[str, frozenset[str]] = {}

    def up(term: str) -> frozenset[str]:
        found = known.get(term)
        if found is None:
            found = frozenset({term}).union(*(up(parent) for parent in parents.get(term, ())))
            known[term] = found
        return found

    return up
