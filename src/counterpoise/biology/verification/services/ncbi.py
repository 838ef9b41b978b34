"""NCBI E-utilities: the summary of a gene, and articles of PubMed.

``esearch`` finds numbers, ``esummary`` tells of them, both as JSON. Parameters are posted, so that no key stands in the
address of a request. NCBI asks for at most three requests a second (ten with an API key), for the name of the program
(``tool``) and for an address (``email``, sent only where the user gives one). The key of the environment variable
NCBI_API_KEY goes to NCBI and nowhere else.
https://www.ncbi.nlm.nih.gov/books/NBK25497
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from counterpoise.biology.identifiers import load_genes
from counterpoise.biology.verification.cache import Answer
from counterpoise.biology.verification.client import ServiceFailed
from counterpoise.biology.verification.finding import clean, listed
from counterpoise.biology.verification.online import OnlineTool
from counterpoise.biology.verification.services.reading import count, rows, text

T = TypeVar("T")

ADDRESS = "https://eutils.ncbi.nlm.nih.gov/entrez/eutils"
PER_SECOND, PER_SECOND_WITH_KEY = 3.0, 10.0
KEY_VARIABLE = "NCBI_API_KEY"
HUMAN = 9606
"""Number of the species in NCBI's taxonomy."""
SUMMARY_SENTENCES = 6


@dataclass(frozen=True)
class Found:
    """What a search found: ids, best first; how many there are in all; and words that were ignored as unknown."""

    ids: tuple[str, ...]
    number: int
    ignored: tuple[str, ...]


class EUtilities(OnlineTool):
    """What the tools of E-utilities share: who asks, and the two steps."""

    service = "eutils"
    courtesy: Mapping[str, str] = {"tool": "counterpoise"}
    """Parameters of every request: tool, and email and api_key where they were given (see `set_courtesy`)."""

    def set_courtesy(self, email: str = "", key: str = "") -> None:
        """Set who asks."""
        given = {"tool": "counterpoise", "email": email, "api_key": key}
        self.courtesy = {name: value for name, value in given.items() if value}

    def _search(self, database: str, term: str, most: int) -> Found:
        asked = {"db": database, "term": term, "retmax": most, "sort": "relevance", "retmode": "json"}
        return self.client.ask("POST", "/esearch.fcgi", _read_search, data={**asked, **self.courtesy})

    def _summaries(self, database: str, ids: Sequence[str], tell: Callable[[dict[str, Any]], T]) -> list[T]:
        """Return what ``tell`` makes of the summary of each id; ids that NCBI cannot tell of are left out."""

        def read(body: Any) -> list[T]:
            result = body["result"]
            found = [result[i] for i in ids if i in rows(result["uids"])]
            return [tell(row) for row in found if "error" not in row]

        asked = {"db": database, "id": ",".join(ids), "retmode": "json"}
        return self.client.ask("POST", "/esummary.fcgi", read, data={**asked, **self.courtesy})


def _read_search(body: Any) -> Found:
    found = body["esearchresult"]
    if "ERROR" in found:
        raise ServiceFailed(f"the search was refused: {clean(found['ERROR'], 150)}")
    ids = tuple(str(count(text(i))) for i in rows(found["idlist"]))
    errors = found.get("errorlist")
    missing = rows(errors.get("phrasesnotfound", [])) if isinstance(errors, dict) else []
    return Found(ids, count(found["count"]), tuple(word for each in missing if (word := clean(each, 60))))


class NCBIGene(EUtilities):
    """Name and summary of one human gene."""

    name = "ncbi_gene"
    title = "NCBI Gene"
    description = (
        "The curated summary of one human gene from NCBI Gene: its full name and what its product does. "
        "Use it for claims on a single gene."
    )
    takes = "gene"
    every_source = frozenset({"ncbi-gene"})

    def ask(self, arguments: dict[str, Any]) -> Answer:
        """Ask by the Entrez number if the gene is known here, else search for the symbol first."""
        symbol = arguments["gene"]
        table = load_genes()
        number = table.entrez(symbol) if symbol in table else ""
        ids = (number,) if number else self._search("gene", f"{symbol}[sym] AND human[orgn]", 1).ids
        return (
            Answer(tuple(line for lines in self._summaries("gene", ids, _gene_lines) for line in lines))
            if ids
            else Answer()
        )


def _gene_lines(row: dict[str, Any]) -> list[str]:
    """Return name and summary, a sentence a line; nothing for a gene of another species."""
    if row["organism"]["taxid"] != HUMAN:
        return []
    name, number = clean(text(row["name"]), 40), count(row["uid"])
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z])", clean(text(row["summary"]), 4000))
    told = [clean(sentence) for sentence in sentences[:SUMMARY_SENTENCES] if sentence]
    return [f"{name} (NCBI Gene {number}): {clean(text(row['description']), 200)}", *told]


class PubMed(EUtilities):
    """Titles of articles, most relevant first."""

    name = "pubmed_titles"
    title = "PubMed"
    description = (
        "Titles of the most relevant PubMed articles for a few keywords, such as a gene and a process. "
        "A title is a hint, not proof."
    )
    takes = "query"
    every_source = frozenset({"pubmed"})

    def ask(self, arguments: dict[str, Any]) -> Answer:
        """Search, then ask for the titles. PubMed ignores words that it does not know, which is told."""
        found = self._search("pubmed", arguments["query"], self.top)
        lines = self._summaries("pubmed", found.ids, _article_line) if found.ids else []
        if lines:
            lines.append(f"{found.number} articles match in all")
            lines += [f"PubMed does not know, and ignored: {listed(found.ignored)}"] if found.ignored else []
        return Answer(tuple(lines))


def _article_line(row: dict[str, Any]) -> str:
    where = f"{clean(text(row['source']), 80)}, {clean(text(row['pubdate']), 20)[:4]}, PMID {count(text(row['uid']))}"
    retracted = "RETRACTED: " if "Retracted Publication" in row.get("pubtype", []) else ""
    return f"{retracted}{clean(text(row['title']), 300)} ({where})"
