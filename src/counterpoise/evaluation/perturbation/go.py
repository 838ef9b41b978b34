"""What the Gene Ontology says of the genes of a screen: which resemble each other, and a line on each for a prompt.

    go = GeneKnowledge()
    go.similarity(["AARS1", "MED12"], ["AARS2", "MED13"])       # float32 [2, 2]
    go.about("MED12")                                            # 'mediator complex subunit 12; ...'

The embedded release is of 2022-07-01 and holds curated annotation alone, no response of a gene to a knock-down in these
screens: similarity by it cannot pass on a label of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from counterpoise.biology.identifiers import GeneTable, load_genes
from counterpoise.biology.ontology import ONTOLOGIES, Ontology, load_ontology

TERMS_SHOWN = 2
LONGEST_TERM = 60
"""Characters of a term's name in a prompt; longer names are passed over."""


class GeneKnowledge:
    """Similarity and descriptions of genes, by the names that a screen uses."""

    def __init__(self, genes: GeneTable | None = None, ontology: Ontology | None = None) -> None:
        self.genes = genes or load_genes()
        self.ontology = ontology or load_ontology()

    def symbol(self, name: str) -> str:
        """Return the approved symbol of a name; "" if it has none, or stands for several genes."""
        found = self.genes.candidates(name)
        return found[0] if len(found) == 1 else ""

    @cached_property
    def _members(self) -> dict[str, frozenset[str]]:
        """The genes of every term of the three ontologies, terms below it included."""
        return {term: genes for kind in ONTOLOGIES for term, genes in self.ontology.annotations(kind).items()}

    @cached_property
    def information(self) -> Mapping[str, float]:
        """Information content of each term in nats: minus the log of the share of its ontology's genes that it has."""
        size = {kind: len(frozenset().union(*self.ontology.annotations(kind).values()) or (1,)) for kind in ONTOLOGIES}
        terms = self.ontology.terms
        return {term: math.log(size[terms[term].ontology] / len(genes)) for term, genes in self._members.items()}

    def similarity(self, rows: Sequence[str], columns: Sequence[str]) -> NDArray[np.float32]:
        """Return the weighted Jaccard index of the genes' terms, float32 [rows, columns], from 0 to 1.

        The information content of the terms that both genes have, over that of the terms that either has: direct
        annotations and all above them, of the three ontologies together. 0 for a gene without annotation.

        Source: simGIC, Pesquita et al., BMC Bioinformatics 9(Suppl 5):S4 (2008).
        """
        from scipy.sparse import csr_array

        names = [*rows, *columns]
        place: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            if symbol := self.symbol(name):
                place.setdefault(symbol, []).append(i)
        asked = frozenset(place)
        at: list[int] = []
        term_of: list[int] = []
        weight: list[float] = []
        for number, (term, genes) in enumerate(self._members.items()):
            content = self.information[term]
            if content <= 0:  # every gene has it
                continue
            for symbol in genes & asked:
                at += place[symbol]
                term_of += [number] * len(place[symbol])
                weight += [content] * len(place[symbol])
        shape = (len(names), len(self._members))
        contents = csr_array((np.asarray(weight, np.float64), (at, term_of)), shape=shape)
        presence = contents.copy()
        presence.data = np.ones_like(presence.data)
        both = (contents[: len(rows)] @ presence[len(rows) :].T).toarray()
        total = np.asarray(contents.sum(axis=1)).reshape(-1)
        either = total[: len(rows), None] + total[None, len(rows) :] - both
        found = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
        return found.astype(np.float32)

    def about(self, name: str) -> str:
        """Return a gene's full name and its most specific processes (those of fewest genes); "" if it is unknown."""
        symbol = self.symbol(name)
        if not symbol:
            return ""
        terms = self.ontology.terms
        direct = {term for term, _ in self.ontology.of_gene(symbol) if terms[term].ontology == "BP"}
        shown = [term for term in direct if len(terms[term].name) <= LONGEST_TERM]
        shown.sort(key=lambda term: (-self.information.get(term, 0.0), term))
        return "; ".join([self.genes.name(symbol), *(terms[term].name for term in shown[:TERMS_SHOWN])])
