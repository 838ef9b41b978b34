"""Which gene sets are nearly the same: the Jaccard index against many sets at once.

>>> index = GeneOverlap([["A", "B", "C"], ["C", "D"]], least=0.6)
>>> index.alike(["A", "B"])
[0]
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

NEAR_COPY = 0.8
"""Two sets with this Jaccard index or more are told apart by few genes: they count as the same."""
ROUNDING = 1e-9


class GeneOverlap:
    """Sets indexed by a few of their genes each, so that only those that could be alike are looked at.

    Two sets with a Jaccard index of t share t of the genes of each. So they share one of the first
    n - ceil(t n) + 1 of the n genes of each, whatever one order the genes of both are in (prefix filtering, Chaudhuri,
    Ganti and Kaushik, ICDE 2006); the rarest genes come first, for they are in few other sets.

    Args:
        sets: of genes; an empty one is like no other.
        least: the Jaccard index from which sets count as alike, above 0.
    """

    def __init__(self, sets: Sequence[Collection[str]], least: float = NEAR_COPY) -> None:
        self.least = least
        self._sets = [frozenset(genes) for genes in sets]
        self._frequency = Counter(gene for genes in self._sets for gene in genes)
        self._holding: dict[str, list[int]] = defaultdict(list)
        for number, genes in enumerate(self._sets):
            for gene in self._prefix(genes):
                self._holding[gene].append(number)

    def alike(self, genes: Collection[str]) -> list[int]:
        """Return the positions, ascending, of the sets that are alike to ``genes``."""
        asked = frozenset(genes)
        near = {number for gene in self._prefix(asked) for number in self._holding.get(gene, ())}
        return sorted(number for number in near if self._is_alike(asked, self._sets[number]))

    def _is_alike(self, a: frozenset[str], b: frozenset[str]) -> bool:
        shared = len(a & b)
        return shared >= self.least * (len(a) + len(b) - shared) - ROUNDING

    def _prefix(self, genes: frozenset[str]) -> list[str]:
        in_order = sorted(genes, key=lambda gene: (self._frequency[gene], gene))
        return in_order[: len(genes) - math.ceil(self.least * len(genes) - ROUNDING) + 1]
