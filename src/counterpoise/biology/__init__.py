"""Gene sets: which genes, what is known of them, which process they share, and how sure one may be of that.

    from counterpoise.biology.identifiers import load_genes         # symbols, aliases, Ensembl, Entrez -> HGNC symbols
    from counterpoise.biology.gene_sets import read_gene_sets       # gmt, csv, tsv, txt, jsonl, h5ad
    from counterpoise.biology.ontology import load_ontology         # GO terms, human annotations
    from counterpoise.biology.enrichment import load_library        # over-representation, without a network

Importing a module here reads no table and no model; the `load_` functions read the embedded tables once a process.
"""
