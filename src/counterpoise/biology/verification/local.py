"""Tools that need no network: annotations of a gene, enrichment of a set, and who of a set takes part in a process.

    GeneAnnotations(frozenset({"hgnc", "go-bp"})).run(gene="TP53")
    Enrichment([load_library("go-bp")]).run(genes=[...])
    SharedProcesses(frozenset({"go-bp"})).run(genes=[...], query="DNA repair")

They read the tables that lie in the package (GO release 2022-07-01, WikiPathways 2022-06-10, HGNC) and gmt files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from counterpoise.biology.enrichment import Enriched, Library
from counterpoise.biology.identifiers import load_genes
from counterpoise.biology.ontology import EXPERIMENTAL, ONTOLOGIES, OntologyName, load_ontology
from counterpoise.biology.verification.finding import Finding, clean, listed
from counterpoise.biology.verification.sources import sources_of
from counterpoise.biology.verification.term_lookup import TermLookup
from counterpoise.biology.verification.tool import Takes, function_schema, known_symbols

VERSIONS = {
    **dict.fromkeys(("go-bp", "go-cc", "go-mf"), "Gene Ontology, release 2022-07-01"),
    "wikipathways": "WikiPathways 2022-06-10",
    "hgnc": "HGNC, embedded table",
}
"""Source name -> what the embedded tables are."""
GO_SOURCES: Mapping[str, OntologyName] = {"go-bp": "BP", "go-cc": "CC", "go-mf": "MF"}
ANNOTATIONS_SHOWN = 10
CURATED = frozenset({"TAS", "IC", "IBA", "ISS", "ISO", "ISA", "ISM", "NAS", "RCA", "HDA", "HMP", "HEP", "HGI", "HTP"})
"""Evidence codes of people's statements, of homology and of high-throughput experiments; weaker than `EXPERIMENTAL`."""
NO_GENE = "none of the names is a human gene that is known here"


def versions_of(sources: frozenset[str]) -> dict[str, str]:
    """Return the versions of the embedded sources among ``sources``."""
    return {source: VERSIONS[source] for source in sorted(sources) if source in VERSIONS}


class GeneAnnotations:
    """Full name and direct GO annotations of one gene, those with experimental evidence first."""

    name = "gene_annotations"
    description = (
        "What is known of one human gene: its full name and its Gene Ontology annotations with evidence codes. "
        "Use it for claims on a single gene."
    )
    takes: Takes = "gene"
    every_source = frozenset({"hgnc", *GO_SOURCES})

    def __init__(self, sources: frozenset[str] = every_source) -> None:
        self.sources = self.every_source & sources
        self.versions = versions_of(self.sources)

    def schema(self) -> dict[str, Any]:
        """Return the tool as a function in the form of OpenAI's chat interface."""
        return function_schema(self.name, self.description, self.takes)

    def run(self, *, gene: str) -> Finding:
        """Look the gene up; of several genes that a name may stand for none is taken."""
        found = load_genes().resolve([gene])
        source = listed(sorted(set(self.versions.values())))
        if not found.symbols:
            others = found.ambiguous.get(gene.strip(), ())
            reason = f"{gene!r} may stand for {listed(others)}; name one of them" if others else NO_GENE
            return Finding(self.name, source, {"gene": gene}, failure=reason)
        symbol = found.symbols[0]
        lines = [f"{symbol}: {load_genes().name(symbol)}"] if "hgnc" in self.sources else []
        lines += [line for each in GO_SOURCES if each in self.sources if (line := self._annotations(symbol, each))]
        return Finding(self.name, source, {"gene": symbol}, tuple(lines))

    def _annotations(self, symbol: str, source: str) -> str:
        """Return the direct annotations in one ontology as a line, or nothing."""
        kind = GO_SOURCES[source]
        ontology = load_ontology()
        evidence: dict[str, set[str]] = {}
        for go_id, code in ontology.of_gene(symbol):
            if ontology.terms[go_id].ontology == kind:
                evidence.setdefault(go_id, set()).add(code)
        ranked = sorted(evidence, key=lambda go_id: (*_rank(evidence[go_id]), ontology.terms[go_id].name))
        shown = [f"{ontology.terms[go_id].name} ({'/'.join(sorted(evidence[go_id]))})" for go_id in ranked]
        return f"{symbol}, {ONTOLOGIES[kind]}: {listed(shown, ANNOTATIONS_SHOWN)}" if shown else ""


def _rank(codes: set[str]) -> tuple[int, int]:
    """Return the place of an annotation: kind of evidence first, then how many kinds of experiment agree."""
    return 0 if codes & EXPERIMENTAL else 1 if codes & CURATED else 2, -len(codes & EXPERIMENTAL)


class Enrichment:
    """Over-represented terms of a gene set in the embedded libraries and in gmt files, ``top`` of each."""

    name = "enrichment"
    takes: Takes = "genes"

    def __init__(self, libraries: Sequence[Library], top: int = 5) -> None:
        self.libraries, self._top = tuple(libraries), top
        self.sources: frozenset[str] = frozenset().union(*(sources_of(library) for library in libraries))
        names = [library.source for library in libraries]
        self.versions = {name: VERSIONS.get(name, f"{name} (gene set file)") for name in names}
        self.description = (
            f"Over-represented terms in a whole set of human genes, from {listed(names)}, with overlap "
            "and significance. Use it for claims on what the genes do together."
        )

    def schema(self) -> dict[str, Any]:
        """Return the tool as a function in the form of OpenAI's chat interface."""
        return function_schema(self.name, self.description, self.takes)

    def run(self, *, genes: Sequence[str]) -> Finding:
        """Test the set against each library, and tell the terms with a q of at most 0.05, the smallest p first.

        A term that a single gene of several is in says nothing of the set, and is not told.
        """
        symbols, missing = known_symbols(genes)
        told: dict[str, Any] = {"genes": symbols, **({"unrecognised": missing} if missing else {})}
        source = listed(list(dict.fromkeys(self.versions[library.source] for library in self.libraries)))
        if not symbols:
            return Finding(self.name, source, told, failure=NO_GENE)
        found: list[Enriched] = []
        for library in self.libraries:
            shared = [term for term in library.enrich(symbols) if len(term.overlap) >= min(2, len(symbols))]
            found += shared[: self._top]
        found.sort(key=lambda term: (term.p, -len(term.overlap)))
        return Finding(
            self.name,
            source,
            told,
            tuple(_line(term) for term in found),
            tuple((clean(term.id, 80), clean(term.name, 200)) for term in found),
        )


def _line(term: Enriched) -> str:
    name, overlap = clean(term.name, 150), listed(term.overlap, 10)
    return (
        f"{term.source}: {name} ({clean(term.id, 80)}): {len(term.overlap)} of {term.genes} genes ({overlap}), "
        f"{term.size} in the term, {term.expected:.2g} by chance, p {term.p:.2g}, q {term.q:.2g}"
    )


class SharedProcesses:
    """Which genes of a set are annotated to a GO term, or to a more specific one."""

    name = "shared_processes"
    description = (
        "Which genes of a set are annotated to a Gene Ontology term (given by name or id) or to a more specific one. "
        "Use it to check a named process, component or function against the whole set."
    )
    takes: Takes = "genes and query"
    every_source = frozenset(GO_SOURCES)

    def __init__(self, sources: frozenset[str] = every_source) -> None:
        self.sources = self.every_source & sources
        self.versions = versions_of(self.sources)
        self._lookup = TermLookup([GO_SOURCES[source] for source in sorted(self.sources)])

    def schema(self) -> dict[str, Any]:
        """Return the tool as a function in the form of OpenAI's chat interface."""
        return function_schema(self.name, self.description, self.takes, "name or id of a Gene Ontology term")

    def run(self, *, genes: Sequence[str], query: str) -> Finding:
        """Look the term up (the nearest name if there is none of that name, which is said) and count."""
        symbols, missing = known_symbols(genes)
        told: dict[str, Any] = {"genes": symbols, "query": query, **({"unrecognised": missing} if missing else {})}
        source = f"{VERSIONS['go-bp']} ({listed(sorted(self.sources))})"
        if not symbols:
            return Finding(self.name, source, told, failure=NO_GENE)
        match = self._lookup.find(query)
        if match is None:
            return Finding(self.name, source, told)
        ontology = load_ontology()
        term = ontology.terms[match.go_id]
        members = ontology.annotations(term.ontology)
        every = members.get(term.go_id, frozenset())
        inside = [gene for gene in symbols if gene in every]
        outside = [gene for gene in symbols if gene not in every]
        called = f"{term.name} ({term.go_id})"
        lines = [] if match.exact else [f"No term is called {query!r}; this is the one of the nearest name, {called}"]
        share = f"{len(inside)} of {len(symbols)} genes are annotated to {called} or to a more specific term"
        lines.append(f"{share}: {listed(inside, 30)}" if inside else share)
        if outside and inside:
            lines.append(f"Not annotated to it: {listed(outside, 30)}")
        annotated = len(members[ontology_root(term.ontology)])
        lines.append(
            f"Of all {annotated} annotated human genes {len(every)} are ({100 * len(every) / annotated:.1f} %)"
        )
        return Finding(self.name, source, told, tuple(lines), ((term.go_id, term.name),))


def ontology_root(kind: OntologyName) -> str:
    """Return the id of the term at the top of an ontology; every annotated gene of it is in that term."""
    return {"BP": "GO:0008150", "CC": "GO:0005575", "MF": "GO:0003674"}[kind]
