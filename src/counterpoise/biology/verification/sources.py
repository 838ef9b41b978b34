"""Names of the sources that tools ask, and masks: what a benchmark forbids to be asked.

A benchmark masks the source that its answers come from. Whole sources are masked, never single terms: beside a hidden
term stand its parents, children and near copies, which give the answer away just as well. A file of the user counts as
its own name and as every source that its ids or names show (``HALLMARK_...`` is hallmark, whatever the file is called);
where they show nothing the source cannot be recognised, and the file has to be masked by its name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from counterpoise.biology.enrichment import LIBRARIES, Library
from counterpoise.biology.ontology import load_ontology
from counterpoise.errors import UserError, nearest

SOURCES = {
    "go-bp": "Gene Ontology, biological process",
    "go-cc": "Gene Ontology, cellular component",
    "go-mf": "Gene Ontology, molecular function",
    "wikipathways": "WikiPathways",
    "hallmark": "MSigDB Hallmark gene sets",
    "kegg": "KEGG pathways",
    "reactome": "Reactome pathways",
    "bioplanet": "BioPlanet pathways",
    "ncbi-gene": "NCBI Gene summaries",
    "pubmed": "PubMed titles",
    "pubtator": "PubTator annotations of the literature",
    "hgnc": "gene names of the HGNC",
}
"""Source name -> what it is. Names of the user's gene set files come besides."""

_ID_FORMS = {
    "go-bp": r"GO_?BP_\w+|GO_BIOLOGICAL_PROCESS\w*",
    "go-cc": r"GO_?CC_\w+|GO_CELLULAR_COMPONENT\w*",
    "go-mf": r"GO_?MF_\w+|GO_MOLECULAR_FUNCTION\w*",
    "wikipathways": r"WP_\w+|WP\d+",
    "hallmark": r"HALLMARK_\w+",
    "kegg": r"KEGG_\w+|(?:hsa|map|path:hsa)\d{5}",
    "reactome": r"REACTOME_\w+|.*R-HSA-\d+",
    "bioplanet": r"BIOPLANET_\w+|bioplanet_\d+",
}
"""How the ids of a source look: MSigDB's prefixes and the sources' own numbers."""
_GO_ID = re.compile(r".*GO:(\d{7})\)?", re.IGNORECASE)


def shown_sources(ids: Iterable[str]) -> frozenset[str]:
    """Return the sources that ids of gene sets show.

    >>> sorted(shown_sources(["HALLMARK_APOPTOSIS", "my own set"]))
    ['hallmark']

    A GO id counts as its own ontology where it is known here, as all three where it is not.
    """
    found: set[str] = set()
    for term in dict.fromkeys(ids):
        found |= {source for source, form in _ID_FORMS.items() if re.fullmatch(form, term, re.IGNORECASE)}
        if go := _GO_ID.fullmatch(term):
            found |= _ontology_of(f"GO:{go[1]}")
    return frozenset(found)


def sources_of(library: Library) -> frozenset[str]:
    """Return the source of a library and, of a user's file, every source that its ids or names show."""
    if library.source in LIBRARIES:
        return frozenset({library.source})
    return shown_sources(text for term in library.terms for text in (term.id, term.name)) | {library.source}


def _ontology_of(go_id: str) -> set[str]:
    term = load_ontology().terms.get(go_id)
    return {f"go-{term.ontology.lower()}"} if term else {"go-bp", "go-cc", "go-mf"}


def check_names(masked: Collection[str], files: Collection[str] = ()) -> frozenset[str]:
    """Return the masked sources as a set.

    Raises:
        UserError: a name is neither a source nor one of the user's ``files``; a misspelt mask would mask nothing.
    """
    known = [*SOURCES, *files]
    for name in masked:
        if name not in known:
            raise UserError(
                f"masked source {name!r} is not known{nearest(name, known)}; expected some of {', '.join(known)}"
            )
    return frozenset(masked)
