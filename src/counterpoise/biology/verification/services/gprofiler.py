"""g:Profiler (g:GOSt): which terms and pathways are over-represented in a set of human genes.

One POST of JSON to ``/api/gost/profile/``. The documented answer holds ``result`` (rows with native, name, source,
p_value and sizes; p_value is already corrected, by g:SCS) and ``meta`` (with the version of the data). An empty list of
sources would mean all sources, so it is never sent, and rows of sources that were not asked are dropped.
Kolberg et al., Nucleic Acids Research 2023, doi:10.1093/nar/gkad347.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from counterpoise.biology.verification.cache import Answer
from counterpoise.biology.verification.finding import clean
from counterpoise.biology.verification.online import OnlineTool
from counterpoise.biology.verification.services.reading import count, probability, rows, text

ADDRESS = "https://biit.cs.ut.ee/gprofiler"
PER_SECOND = 1.0
"""Requests a second; none is published, and one is polite."""
THRESHOLD = 0.05
CODES = {
    "go-bp": "GO:BP",
    "go-cc": "GO:CC",
    "go-mf": "GO:MF",
    "kegg": "KEGG",
    "reactome": "REAC",
    "wikipathways": "WP",
}
"""Source name -> what g:Profiler calls it."""


class GProfiler(OnlineTool):
    """Enriched terms of a gene set, ``top`` of each source, smallest p first."""

    name = "gprofiler_enrichment"
    service = "gprofiler"
    title = "g:Profiler"
    description = (
        "Over-represented Gene Ontology terms and pathways in a whole set of human genes, from g:Profiler. "
        "Use it for claims on what the genes do together."
    )
    takes = "genes"
    every_source = frozenset(CODES)

    def ask(self, arguments: dict[str, Any]) -> Answer:
        """Ask g:GOSt."""
        names = {CODES[source]: source for source in sorted(self.sources)}
        payload = {
            "organism": "hsapiens",
            "query": arguments["genes"],
            "sources": list(names),
            "user_threshold": THRESHOLD,
            "significance_threshold_method": "g_SCS",
            "domain_scope": "annotated",
            "no_evidences": True,
        }
        return self.client.ask("POST", "/api/gost/profile/", lambda body: self._read(body, names), json=payload)

    def _read(self, body: Any, names: dict[str, str]) -> Answer:
        found = []
        for row in rows(body["result"]):
            source = names.get(text(row["source"]))
            if source is None:
                continue
            sizes = count(row["intersection_size"]), count(row["query_size"]), count(row["term_size"])
            found.append(
                (probability(row["p_value"]), clean(row["native"], 60), clean(row["name"], 200), source, sizes)
            )
        found.sort(key=lambda row: row[0])
        taken: Counter[str] = Counter()
        lines, terms = [], []
        for p, native, name, source, (both, query, size) in found:
            taken[source] += 1
            if taken[source] > self.top or not name:
                continue
            lines.append(
                f"{source}: {name} ({native}): {both} of {query} genes, {size} in the term, adjusted p {p:.2g}"
            )
            terms.append((native, name))
        meta = body.get("meta")
        return Answer(tuple(lines), tuple(terms), clean(meta.get("version"), 60) if isinstance(meta, dict) else "")
