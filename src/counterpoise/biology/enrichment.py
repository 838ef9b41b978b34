"""Over-representation: which terms hold more of a gene set than chance would put there. No network, no R.

    library = load_library("go-bp")                          # or go-cc, go-mf, wikipathways, Library.from_gmt(path)
    for found in library.enrich(["TP53", "MDM2", "CDKN1A"])[:5]:
        print(found.name, found.overlap, found.p, found.q)

One-sided hypergeometric test: the chance that as many genes as the set has, drawn without replacement from the
background, hold at least the observed number of the term's genes. q is Benjamini and Hochberg's (1995) over the terms
that share a gene with the set and are not excluded, as gseapy counts them: p and q equal those of ``gseapy.enrich``
with the same terms and background.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from counterpoise.biology.gene_sets import GeneSet, read_gene_sets
from counterpoise.biology.hypergeometric import adjusted, upper_tail
from counterpoise.biology.identifiers import load_genes
from counterpoise.biology.ontology import OntologyName, load_ontology
from counterpoise.biology.tables import rows
from counterpoise.errors import UserError, nearest

LIBRARIES = ("go-bp", "go-cc", "go-mf", "wikipathways")
"""The embedded libraries: GO with propagated annotations of every evidence code, and human WikiPathways."""


@dataclass(frozen=True, slots=True)
class LibraryTerm:
    """A term of a library: id, name, and the source that it comes from (such as ``"go-bp"``)."""

    id: str
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Enriched:
    """A term and how much of it the gene set holds.

    Attributes:
        overlap: genes of the set that are in the term, in the set's order.
        size: genes of the term in the background.
        genes: genes of the set in the background.
        expected: overlap that chance gives on average.
        p: chance of at least this overlap.
        q: p adjusted for the number of terms tested.
    """

    id: str
    name: str
    source: str
    overlap: tuple[str, ...]
    size: int
    genes: int
    expected: float
    p: float
    q: float


class Library:
    """Terms with their genes, kept as an index from gene to terms. Make one with `from_sets` or `from_gmt`.

    Attributes:
        name: what to call it. source: what masking calls it.
        terms: all terms. genes: the default background, sorted.
        sizes: [terms] int64, genes of each term.
    """

    def __init__(
        self,
        name: str,
        source: str,
        terms: Sequence[LibraryTerm],
        members: Sequence[Collection[str]],
        genes: Sequence[str],
    ) -> None:
        self.name, self.source, self.terms, self.genes = name, source, tuple(terms), tuple(genes)
        self._place = {gene: place for place, gene in enumerate(self.genes)}
        self._by_id = {term.id: place for place, term in enumerate(self.terms)}
        self._id_rank = np.argsort(np.argsort([term.id for term in self.terms]))
        self.sizes = np.array([len(found) for found in members], dtype=np.int64)
        # Pairs (gene, term) sorted by gene: the terms of gene g stand at _term_of[_starts[g] : _starts[g + 1]].
        gene_of = np.array([self._place[gene] for found in members for gene in found], dtype=np.int32)
        term_of = np.repeat(np.arange(len(self.terms), dtype=np.int32), self.sizes)
        order = np.argsort(gene_of, kind="stable")
        self._term_of = term_of[order]
        self._gene_of = gene_of[order]
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(gene_of, minlength=len(self.genes)))])

    @classmethod
    def from_sets(cls, name: str, source: str, sets: Iterable[GeneSet], genes: Iterable[str] = ()) -> "Library":
        """Make a library of gene sets, a term each; symbols are taken as they stand.

        Args:
            name: what to call it.
            source: the source of terms whose set names none.
            sets: with ids of their own.
            genes: genes of the background that may be in no set. The genes of the sets always are in it.
        """
        sets = list(sets)
        members = [dict.fromkeys(each.genes) for each in sets]
        terms = [LibraryTerm(each.id, each.name or each.id, each.source or source) for each in sets]
        if len({term.id for term in terms}) < len(terms):
            ids = [term.id for term in terms]
            raise UserError(f"library {name}: {next(i for i in ids if ids.count(i) > 1)!r} is the id of two sets")
        background = sorted({*genes, *(gene for found in members for gene in found)})
        if not background:
            raise UserError(f"library {name}: it holds no genes; expected at least one set with genes")
        return cls(name, source, terms, members, background)

    @classmethod
    def from_gmt(cls, path: str | Path) -> "Library":
        """Read a library from a .gmt file; its name and source are the file's name without suffix.

        Symbols are brought to approved ones where that is possible without a guess, and are otherwise kept.
        """
        table, sets = load_genes(), []
        for each in read_gene_sets(path):
            found = (table.candidates(gene) for gene in each.genes)
            genes = (hit[0] if len(hit) == 1 else gene for gene, hit in zip(each.genes, found, strict=True))
            sets.append(GeneSet(each.id, tuple(genes), each.name, each.source))
        return cls.from_sets(sets[0].source, sets[0].source, sets)

    def enrich(
        self,
        genes: Iterable[str],
        *,
        background: Collection[str] | None = None,
        exclude: Collection[str] = (),
        cutoff: float | None = 0.05,
    ) -> list[Enriched]:
        """Return the terms that hold more of a gene set than chance would, most significant first.

        Args:
            genes: approved symbols (see `identifiers`). Those outside the background do not count.
            background: the genes that the set could have been drawn from; None for all genes of the library. Genes
                that the library does not know count in its size.
            exclude: ids of terms that are not tested at all, as if the library had never held them. Ids that it does
                not hold are passed over: one list of masked terms serves several libraries.
            cutoff: largest q that is returned; None for every term that shares a gene with the set.

        Terms with the same p come in the order of their overlap, larger first, then of their ids.
        """
        chosen = list(dict.fromkeys(genes))
        if background is None:
            chosen = [gene for gene in chosen if gene in self._place]
            sizes, total = self.sizes, len(self.genes)
        else:
            background = set(background)
            chosen = [gene for gene in chosen if gene in background]
            sizes, total = self._sizes_in(background), len(background)
        drawn = len(chosen)
        known = [gene for gene in chosen if gene in self._place]
        if not known:
            return []
        terms_of = [self._terms_of(gene) for gene in known]
        overlaps = np.bincount(np.concatenate(terms_of), minlength=len(self.terms))
        overlaps[[self._by_id[term] for term in exclude if term in self._by_id]] = 0
        tested = np.flatnonzero(overlaps)
        p = upper_tail(overlaps[tested], total, sizes[tested], drawn)
        q = adjusted(p)
        order = np.lexsort((self._id_rank[tested], -overlaps[tested], p))
        kept = order if cutoff is None else order[q[order] <= cutoff]

        shared: dict[int, list[str]] = {term: [] for term in tested[kept].tolist()}
        for gene, terms in zip(known, terms_of, strict=True):
            for term in terms.tolist():
                if term in shared:
                    shared[term].append(gene)
        columns = (sizes[tested[kept]].tolist(), p[kept].tolist(), q[kept].tolist())
        return [
            Enriched(
                id=term.id,
                name=term.name,
                source=term.source,
                overlap=tuple(overlap),
                size=size,
                genes=drawn,
                expected=drawn * size / total,
                p=p_value,
                q=q_value,
            )
            for term, overlap, size, p_value, q_value in zip(
                [self.terms[place] for place in shared], shared.values(), *columns, strict=True
            )
        ]

    def _terms_of(self, gene: str) -> npt.NDArray[np.int32]:
        place = self._place[gene]
        return self._term_of[self._starts[place] : self._starts[place + 1]]

    def _sizes_in(self, background: Collection[str]) -> npt.NDArray[np.int64]:
        """Return how many genes of each term are in a background: [terms]."""
        inside = np.fromiter((gene in background for gene in self.genes), dtype=bool, count=len(self.genes))
        return np.bincount(self._term_of[inside[self._gene_of]], minlength=len(self.terms))


def load_library(name: str, least: int = 3, most: int = 500) -> Library:
    """Return an embedded library, made once a process (GO: a second or two).

    Args:
        name: one of `LIBRARIES`.
        least, most: sizes of the terms that are kept. All genes of the source stay in the background, those of terms
            that are too small or too large as well: what a gene could have been drawn from does not depend on these.
    """
    if name not in LIBRARIES:
        raise UserError(
            f"there is no embedded library {name!r}{nearest(name, LIBRARIES)}; expected {', '.join(LIBRARIES)}, "
            "or a .gmt file"
        )
    return _embedded(name, least, most)


@cache
def _embedded(name: str, least: int, most: int) -> Library:
    if name == "wikipathways":
        sets = [
            GeneSet(pathway, tuple(genes.split("|")) if genes else (), title, name)
            for pathway, title, genes in rows("wikipathways.tsv.gz", "id", "name", "genes")
        ]
    else:
        ontology = load_ontology()
        members = ontology.annotations(cast(OntologyName, name.removeprefix("go-").upper()))
        sets = [GeneSet(term, tuple(sorted(found)), ontology.terms[term].name, name) for term, found in members.items()]
    genes = {gene for each in sets for gene in each.genes}
    return Library.from_sets(name, name, (each for each in sets if least <= len(each.genes) <= most), genes)
