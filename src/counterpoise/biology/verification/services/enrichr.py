"""Enrichr: which pathways of KEGG, Reactome, BioPlanet and Hallmark are over-represented in a set of human genes.

The list is sent once (``/addList``, a form), then each library is asked (``/enrich``). The documented answer is one
object, library -> rows of [rank, term, p, odds ratio, combined score, overlapping genes, adjusted p, ...]. Enrichr
keeps the lists that it is sent, under a number that anybody may ask for.
Kuleshov et al., Nucleic Acids Research 2016, doi:10.1093/nar/gkw377.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from counterpoise.biology.verification.cache import Answer
from counterpoise.biology.verification.finding import clean, listed
from counterpoise.biology.verification.online import OnlineTool
from counterpoise.biology.verification.services.reading import count, probability, rows, text

ADDRESS = "https://maayanlab.cloud/Enrichr"
PER_SECOND = 2.0
"""Requests a second; none is published."""
CUTOFF = 0.05
"""Largest adjusted p of a row that is told."""
LIBRARIES = {
    "kegg": "KEGG_2021_Human",
    "reactome": "Reactome_2022",
    "bioplanet": "BioPlanet_2019",
    "hallmark": "MSigDB_Hallmark_2020",
}
"""Source name -> library."""
_REACTOME_ID = re.compile(r"(.+) (R-HSA-\d+)")


class Enrichr(OnlineTool):
    """Enriched pathways of a gene set, ``top`` of each library, smallest adjusted p first."""

    name = "enrichr_pathways"
    service = "enrichr"
    title = "Enrichr"
    description = (
        "Over-represented pathways (KEGG, Reactome, BioPlanet, Hallmark) in a whole set of human genes, from Enrichr. "
        "Use it for claims on pathways that the genes share."
    )
    takes = "genes"
    every_source = frozenset(LIBRARIES)

    def ask(self, arguments: dict[str, Any]) -> Answer:
        """Send the list, then ask each library."""
        form = {"list": (None, "\n".join(arguments["genes"])), "description": (None, "gene set")}
        number = self.client.ask("POST", "/addList", lambda body: count(body["userListId"]), files=form)
        found = []
        asked = [(source, LIBRARIES[source]) for source in sorted(self.sources)]
        for source, library in asked:
            params = {"userListId": number, "backgroundType": library}
            read = partial(self._read, source=source, library=library)
            found += self.client.ask("GET", "/enrich", read, params=params)
        found.sort(key=lambda row: row[0])
        lines = tuple(line for _, line, _ in found)
        terms = tuple(term for _, _, term in found)
        return Answer(lines, terms, listed([library for _, library in asked]))

    def _read(self, body: Any, source: str, library: str) -> list[tuple[float, str, tuple[str, str]]]:
        found = []
        for row in rows(body[library]):
            p, genes = probability(row[6]), [clean(text(gene), 40) for gene in rows(row[5])]
            name = clean(text(row[1]), 200)
            if p > CUTOFF or not name:
                continue
            parts = _REACTOME_ID.fullmatch(name)
            name, term = (parts[1], parts[2]) if parts else (name, f"{library}:{name}")
            line = f"{source}: {name}: {len(genes)} genes ({listed(genes)}), adjusted p {p:.2g}"
            found.append((p, clean(line), (term, name)))
        return sorted(found, key=lambda row: row[0])[: self.top]
