"""Human gene -> biological process facts, embedded in the package: nothing to download.

    from counterpoise.data import facts

    facts.load().genes["CFTR"]                     # Gene(symbol='CFTR', name=..., split=...)
    facts.training_records(limit=1600)             # prompt-completion rows over the training genes
    facts.prompt(gene), facts.prior_prompt()       # the question, with and without the gene

Genes are split into train, dev and test once, for every task; the tables hold nothing about a model. Importing this
module reads no table; ``load`` reads them once. ``SOURCE.md`` in this folder describes the tables, and
``tools/build_facts.py`` in the repository makes them.

Sources: Gene Ontology and its human annotations (GO release 2022-07-01, through the Bioconductor 3.16 tables GO.db
and org.Hs.eg.db), CC BY 4.0, Gene Ontology Consortium, doi:10.1093/genetics/iyad031 and doi:10.1038/75556; gene
symbols and names of the HUGO Gene Nomenclature Committee, CC0. Changed here: filtered, propagated and split.
"""

from .ontology import EXPERIMENTAL
from .records import check_split, named_facts, training_records
from .store import SPLITS, Fact, Gene, GeneFacts, Process, Split, all_facts, load
from .templates import gene_set_prompt, prior_prompt, prompt

__all__ = [
    "EXPERIMENTAL",
    "SPLITS",
    "Fact",
    "Gene",
    "GeneFacts",
    "Process",
    "Split",
    "all_facts",
    "check_split",
    "gene_set_prompt",
    "load",
    "named_facts",
    "prior_prompt",
    "prompt",
    "training_records",
]
