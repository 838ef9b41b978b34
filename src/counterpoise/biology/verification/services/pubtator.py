"""PubTator 3: what the literature relates a gene to, and articles by their annotations.

``/relations?e1=@GENE_TP53`` answers with rows of type, source, target and the number of publications;
``/search/?text=`` with ``results`` (pmid, title, journal, date) and ``count``. Both are text mining: a relation is a
hint with a number of articles behind it, not a curated fact. NCBI asks for at most three requests a second.
Wei et al., Nucleic Acids Research 2024, doi:10.1093/nar/gkae235.
"""

from __future__ import annotations

from typing import Any

from counterpoise.biology.verification.cache import Answer
from counterpoise.biology.verification.finding import clean
from counterpoise.biology.verification.online import OnlineTool
from counterpoise.biology.verification.services.reading import count, rows, text

ADDRESS = "https://www.ncbi.nlm.nih.gov/research/pubtator3-api"
PER_SECOND = 3.0


class PubTatorRelations(OnlineTool):
    """Relations of one gene to genes, diseases, chemicals and variants, those with most articles first."""

    name = "pubtator_relations"
    service = "pubtator"
    title = "PubTator"
    description = (
        "What text mining of the literature relates one gene to (genes, diseases, chemicals), with the kind of "
        "relation and the number of articles. Use it for claims on interactions and diseases of a single gene."
    )
    takes = "gene"
    every_source = frozenset({"pubtator"})

    def ask(self, arguments: dict[str, Any]) -> Answer:
        """Ask for all relations, and keep the ``top`` by number of articles."""
        return self.client.ask("GET", "/relations", self._read, params={"e1": f"@GENE_{arguments['gene']}"})

    def _read(self, body: Any) -> Answer:
        found = []
        for row in rows(body):
            kind = clean(text(row["type"]), 40).replace("_", " ")
            ends = [_entity(text(row[end])) for end in ("source", "target")]
            found.append((count(row["publications"]), f"{ends[0]}: {kind}: {ends[1]}"))
        found.sort(key=lambda row: -row[0])
        return Answer(tuple(clean(f"{line} ({articles} articles)") for articles, line in found[: self.top]))


class PubTatorSearch(OnlineTool):
    """Titles of articles by words or entities, most relevant first."""

    name = "pubtator_search"
    service = "pubtator"
    title = "PubTator"
    description = (
        "Titles of articles that PubTator finds for a few words; genes, diseases and chemicals are matched by what "
        "they are, not by their spelling. A title is a hint, not proof."
    )
    takes = "query"
    every_source = frozenset({"pubtator"})

    def ask(self, arguments: dict[str, Any]) -> Answer:
        """Ask for the first page."""
        return self.client.ask("GET", "/search/", self._read, params={"text": arguments["query"], "page": 1})

    def _read(self, body: Any) -> Answer:
        lines = []
        for row in rows(body["results"])[: self.top]:
            where = (
                f"{clean(row.get('journal', ''), 80)}, {clean(row.get('date', ''), 20)[:4]}, PMID {count(row['pmid'])}"
            )
            lines.append(f"{clean(text(row['title']), 300)} ({where.lstrip(', ')})")
        if lines:
            lines.append(f"{count(body['count'])} articles match in all")
        return Answer(tuple(lines))


def _entity(accession: str) -> str:
    """Return an accession in words.

    >>> _entity("@DISEASE_Breast_Neoplasms"), _entity("@GENE_TP53")
    ('Breast Neoplasms (disease)', 'TP53 (gene)')
    """
    kind, _, name = accession.lstrip("@").partition("_")
    return clean(f"{name.replace('_', ' ')} ({kind.lower()})" if name else accession, 120)
