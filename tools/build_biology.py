"""Build the embedded tables of genes, of the Gene Ontology and of WikiPathways that the biology room stands on.

    python tools/build_biology.py --data ../shared/data

reads ``go/``, ``hgnc/`` and ``wikipathways/`` and writes four tables to ``src/counterpoise/biology/tables/``: the same
bytes on every run.

Genes. All approved HGNC entries, of every locus type: symbol, name, aliases, previous symbols and identifiers.

Ontology. All terms of the three ontologies with their parents, without definitions; the artificial parent ``all`` of
the three roots is left out. The three regulates relations share a column.

Annotations. Human, direct, of every evidence code but ND (which says that nothing is known). Genes are joined to HGNC
by Entrez id, so that symbols of any age become approved ones; genes that HGNC does not hold are left out, and counted.

Pathways. The symbols of the WikiPathways file were made from Entrez ids with NCBI Gene symbols (``go/human_genes``):
they are taken back the same way, since an NCBI symbol such as COX2 may be another gene's alias in HGNC.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from build_facts import read, write

OUTPUT = Path(__file__).parents[1] / "src" / "counterpoise" / "biology" / "tables"
NEEDED = (
    "hgnc/hgnc.tsv.gz",
    "go/go_terms.tsv.gz",
    "go/go_edges.tsv.gz",
    "go/human_genes.tsv.gz",
    "go/human_go_annotations.tsv.gz",
    "wikipathways/wikipathways_human_2022_symbols.gmt",
)
PARENT_COLUMN = {"isa": "isa", "part of": "part_of"}
"""Relation -> column; every other relation of the export is one of the three regulates relations."""


def build_genes(data: Path, output: Path) -> dict[str, str]:
    """Write ``genes.tsv.gz``; return Entrez id -> approved symbol."""
    columns = ["hgnc_id", "symbol", "name", "aliases", "previous_symbols", "locus_type", "entrez", "ensembl"]
    symbols, rows = {}, []
    for hgnc, symbol, name, aliases, previous, kind, entrez, ensembl in read(data / NEEDED[0], *columns):
        if entrez:
            symbols[entrez] = symbol
        number = hgnc.removeprefix("HGNC:")
        rows.append((symbol, name, aliases, previous, number, entrez, ensembl.removeprefix("ENSG").lstrip("0"), kind))
    header = ("symbol", "name", "aliases", "previous", "hgnc", "entrez", "ensembl", "locus_type")
    write(output / "genes.tsv.gz", header, rows)
    return symbols


def build_terms(data: Path, output: Path) -> None:
    """Write ``go_terms.tsv.gz``: a row a term, with its parents by relation (GO ids as numbers, parted by ``|``)."""
    parents: dict[tuple[str, str], set[str]] = defaultdict(set)
    for child, parent, relation in read(data / "go/go_edges.tsv.gz", "child", "parent", "relation"):
        if parent != "all":
            parents[child, PARENT_COLUMN.get(relation, "regulates")].add(number_of(parent))

    def above(term: str, column: str) -> str:
        return "|".join(sorted(parents[term, column], key=int))

    columns = ("isa", "part_of", "regulates")
    terms = read(data / "go/go_terms.tsv.gz", "go_id", "name", "ontology")
    write(
        output / "go_terms.tsv.gz",
        ("go_id", "name", "ontology", *columns),
        ((number_of(term), name, kind, *(above(term, column) for column in columns)) for term, name, kind in terms),
    )


def build_annotations(data: Path, output: Path, symbols: Mapping[str, str]) -> None:
    """Write ``go_annotations.tsv.gz``: a row a gene, as ``IDA:6397,16556;IEA:5634``."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    left_out: dict[str, int] = defaultdict(int)
    columns = ("entrez", "symbol", "go_id", "evidence")
    for entrez, symbol, term, code in read(data / "go/human_go_annotations.tsv.gz", *columns):
        if code == "ND":
            continue
        if entrez in symbols:
            found[symbols[entrez]][code].add(number_of(term))
        else:
            left_out[symbol] += 1
    print(f"{sum(left_out.values())} annotations of {len(left_out)} genes without an HGNC entry were left out")
    write(
        output / "go_annotations.tsv.gz",
        ("symbol", "annotations"),
        (
            (symbol, ";".join(f"{code}:{','.join(sorted(terms, key=int))}" for code, terms in sorted(codes.items())))
            for symbol, codes in found.items()
        ),
    )


def build_pathways(data: Path, output: Path, symbols: Mapping[str, str]) -> None:
    """Write ``wikipathways.tsv.gz``: a row a pathway, genes parted by ``|`` in the order of the file."""
    ncbi: dict[str, set[str]] = defaultdict(set)
    for entrez, symbol in read(data / "go/human_genes.tsv.gz", "entrez", "symbol"):
        if entrez in symbols:
            ncbi[symbol].add(symbols[entrez])
    rows, left_out = [], set()
    for line in (data / NEEDED[-1]).read_text(encoding="utf-8").splitlines():
        pathway, name, *genes = line.split("\t")
        known = {gene: next(iter(ncbi[gene])) for gene in genes if len(ncbi.get(gene, ())) == 1}
        left_out.update(set(genes) - set(known))
        rows.append((pathway, name, "|".join(dict.fromkeys(known[gene] for gene in genes if gene in known))))
    print(f"{len(left_out)} genes of pathways without one HGNC entry were left out: {', '.join(sorted(left_out))}")
    write(output / "wikipathways.tsv.gz", ("id", "name", "genes"), rows)


def number_of(go_id: str) -> str:
    """Return the number in a GO id: ``"GO:0006397"`` -> ``"6397"``."""
    return go_id.removeprefix("GO:").lstrip("0")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the embedded tables of the biology room.")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds go/, hgnc/ and wikipathways/")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder to write to (default: the package)")
    arguments = parser.parse_args()
    for needed in NEEDED:
        if not (arguments.data / needed).is_file():
            parser.error(f"--data {arguments.data}: there is no {needed} in it; expected the folder above go/.")
    symbols = build_genes(arguments.data, arguments.output)
    build_terms(arguments.data, arguments.output)
    build_annotations(arguments.data, arguments.output, symbols)
    build_pathways(arguments.data, arguments.output, symbols)


if __name__ == "__main__":
    main()
