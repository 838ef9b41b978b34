"""Tools that check a claim on genes against sources, local and online, behind one small protocol.

    from counterpoise.biology.verification import make_toolbox

    toolbox = make_toolbox()                                              # no network
    finding = toolbox.call("gene_annotations", {"gene": "TP53"})
    print(finding.as_text())                                              # source with version, then the facts

    toolbox = make_toolbox(offline=False, masked_sources=["go-bp", "go-cc", "go-mf"])
    toolbox.check_masks(["go-bp"])                                        # UserError if any tool could ask it

local      gene_annotations, enrichment, shared_processes: the tables in the package, and gmt files
services/  gprofiler_enrichment, enrichr_pathways, ncbi_gene, pubmed_titles, pubtator_relations, pubtator_search
sources    the names of sources, and what masking means

A failed tool gives a `Finding` that says why: never an exception, never silence. Online answers are kept on disk.
"""

from counterpoise.biology.verification.finding import Finding
from counterpoise.biology.verification.making import LOCAL, ONLINE, TOOLS, make_toolbox
from counterpoise.biology.verification.sources import SOURCES
from counterpoise.biology.verification.tool import Tool
from counterpoise.biology.verification.toolbox import Toolbox

__all__ = ["LOCAL", "ONLINE", "SOURCES", "TOOLS", "Finding", "Tool", "Toolbox", "make_toolbox"]
