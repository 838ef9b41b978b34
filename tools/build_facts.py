"""Build the embedded gene facts from the Gene Ontology and HGNC exports.

    python tools/build_facts.py --data ../shared/data

reads ``go/go_terms.tsv.gz``, ``go/go_edges.tsv.gz``, ``go/human_go_annotations.tsv.gz``, ``go/human_genes.tsv.gz`` and
``hgnc/hgnc.tsv.gz``, and writes five tables to ``src/counterpoise/data/facts/``: the same bytes on every run.

Genes. Protein-coding genes of NCBI Gene that have an approved HGNC entry (joined by Entrez id; symbol and name are
HGNC's) and at least one biological process with experimental evidence, TAS or IC.

Annotations. Biological process only. They are carried upward through is-a and part-of; three edges of the export lead
from the ontology roots to an artificial parent ``all`` and are left out. The export has no column for GO's NOT
qualifier and marks no annotation as negated, so nothing is filtered by it here.

Demo processes. A candidate has 30 to 160 genes, a definition (the export lacks a fifth of them) and a name of at most
6 words that no pattern of ``VAGUE`` matches (regulation, responses, and other grouping terms that no one would give
as an answer). Candidates are taken greedily, those with the most *directly* annotated genes first (terms that
curators use, rather than shelves in the ontology), ties by GO id. One is passed over when it is an ancestor or
descendant of a chosen one, or when the two share more than a quarter of the genes of the smaller (overlap coefficient
> 0.25). The first 116 are kept.

What a gene could also be said to do. A wrong option has to be wrong. ``any_evidence`` therefore holds every demo
process that a gene reaches at any evidence code (electronic and by-similarity annotations included), upward through
is-a, part-of *and* the three regulates relations: "negative regulation of angiogenesis" rules out "angiogenesis".

Split by gene. Genes with a demo process are sorted by the SHA-256 of ``"counterpoise-1:" + symbol``; the first 300
are dev, the next 500 test, all other genes train. A gene's place does not depend on the order of any file. Paralogues
(SLC, KRT, PSM, ... families) fall on both sides of the split, and that is intended: a gene's family is what makes its
process learnable for a gene never seen. The task measures this generalisation, not recall of a memorised fact, and
its floors (naive Bayes on names) have the same information.
"""

import argparse
import gzip
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from counterpoise.data.facts.ontology import EXPERIMENTAL, ancestors_of

OUTPUT = Path(__file__).parents[1] / "src" / "counterpoise" / "data" / "facts"
N_PROCESSES, MIN_GENES, MAX_GENES, MAX_WORDS, MAX_OVERLAP = 116, 30, 160, 6, 0.25
N_DEV, N_TEST, SPLIT_SEED = 300, 500, "counterpoise-1"
TRUE_PATH = ("isa", "part of")
VAGUE = re.compile(
    r"regulation|modulation|response to|stimulus|detection of|involved in|process utilizing|activation"
    r"|establishment of|maintenance of|organism|biological|post-translational|system process$|^cellular "
)
Links = dict[str, set[str]]


def read(path: Path, *columns: str) -> Iterator[tuple[str, ...]]:
    """Yield the named columns of a gzip-compressed table (tab-separated, no quoting, "NA" is a string)."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        header = next(lines).rstrip("\n").split("\t")
        where = [header.index(column) for column in columns]
        for line in lines:
            cells = line.rstrip("\n").split("\t")
            yield tuple(cells[i] for i in where)


def write(path: Path, header: Sequence[str], rows: Iterable[tuple[str, ...]]) -> None:
    """Write a table whose bytes depend on its content alone (sorted rows, no time stamp, no file name)."""
    text = "\n".join("\t".join(row) for row in [header, *sorted(rows)]) + "\n"
    path.write_bytes(gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0))
    print(f"{path.name}: {text.count(chr(10)) - 1:,} rows, {path.stat().st_size:,} bytes")


def read_genes(data: Path) -> dict[str, tuple[str, str]]:
    """Return Entrez id -> (approved symbol, approved name) of protein-coding genes."""
    coding = {
        entrez
        for entrez, kind in read(data / "go" / "human_genes.tsv.gz", "entrez", "genetype")
        if kind == "protein-coding"
    }
    return {
        entrez: (symbol, name)
        for entrez, symbol, name in read(data / "hgnc" / "hgnc.tsv.gz", "entrez", "symbol", "name")
        if entrez in coding
    }


def read_parents(data: Path) -> tuple[list[tuple[str, str, str]], Links, Links]:
    """Return the true-path edges (child, parent, relation), and parents by is-a/part-of and by every relation."""
    edges, true_path, every = [], defaultdict(set), defaultdict(set)
    columns = ("child", "parent", "relation", "ontology")
    for child, parent, relation, ontology in read(data / "go" / "go_edges.tsv.gz", *columns):
        if ontology != "BP" or parent == "all":
            continue
        every[child].add(parent)
        if relation in TRUE_PATH:
            true_path[child].add(parent)
            edges.append((child, parent, relation))
    return edges, true_path, every


def choose_processes(members: Links, direct: Links, terms: dict[str, tuple[str, str]], parents: Links) -> list[str]:
    """Choose the demo processes greedily, as the head of this file says. Returns GO ids in the order chosen."""
    up = ancestors_of(parents)

    def eligible(term: str) -> bool:
        name, definition = terms[term]
        return (
            definition != ""
            and MIN_GENES <= len(members[term]) <= MAX_GENES
            and len(name.split()) <= MAX_WORDS
            and not VAGUE.search(name)
        )

    def compatible(a: str, b: str) -> bool:
        shared, smaller = len(members[a] & members[b]), min(len(members[a]), len(members[b]))
        return a not in up(b) and b not in up(a) and shared <= MAX_OVERLAP * smaller

    chosen: list[str] = []
    for term in sorted(filter(eligible, members), key=lambda t: (-len(direct.get(t, ())), t)):
        if all(compatible(term, other) for other in chosen):
            chosen.append(term)
        if len(chosen) == N_PROCESSES:
            break
    return chosen


def split_genes(symbols: Iterable[str]) -> dict[str, str]:
    """Return symbol -> "dev" or "test" for the held-out genes among ``symbols``."""
    order = sorted(symbols, key=lambda s: hashlib.sha256(f"{SPLIT_SEED}:{s}".encode()).hexdigest())
    return dict.fromkeys(order[:N_DEV], "dev") | dict.fromkeys(order[N_DEV : N_DEV + N_TEST], "test")


def build(data: Path, output: Path) -> None:
    """Read the exports under ``data`` and write the tables to ``output``."""
    terms = {
        term: (name, definition)
        for term, name, ontology, definition in read(
            data / "go" / "go_terms.tsv.gz", "go_id", "name", "ontology", "definition"
        )
        if ontology == "BP"
    }
    genes = read_genes(data)
    edges, parents, every_parent = read_parents(data)
    up, related = ancestors_of(parents), ancestors_of(every_parent)

    evidence: dict[tuple[str, str], set[str]] = defaultdict(set)
    direct: Links = defaultdict(set)
    members: Links = defaultdict(set)
    reached: Links = defaultdict(set)
    columns = ("entrez", "go_id", "evidence", "ontology")
    for entrez, term, code, ontology in read(data / "go" / "human_go_annotations.tsv.gz", *columns):
        if ontology != "BP" or entrez not in genes:
            continue
        symbol = genes[entrez][0]
        reached[symbol] |= related(term)
        if code in EXPERIMENTAL:
            evidence[symbol, term].add(code)
            direct[term].add(symbol)
            for ancestor in up(term):
                members[ancestor].add(symbol)

    demo = choose_processes(members, direct, terms, parents)
    experimental: Links = defaultdict(set)
    for term in demo:
        for symbol in members[term]:
            experimental[symbol].add(term)
    held_out = split_genes(experimental)
    known = {symbol for symbol, _ in evidence}

    write(
        output / "gene_process_facts.tsv.gz",
        ("symbol", "go_id", "evidence"),
        ((symbol, term, "|".join(sorted(codes))) for (symbol, term), codes in evidence.items()),
    )
    write(
        output / "process_parents.tsv.gz",
        ("go_id", "parent", "relation"),
        ((child, parent, relation) for child, parent, relation in edges if child in members),
    )
    write(
        output / "processes.tsv.gz",
        ("go_id", "name", "definition", "demo"),
        ((term, *terms[term], "yes" if term in demo else "no") for term in members),
    )
    write(
        output / "genes.tsv.gz",
        ("symbol", "name", "split"),
        ((symbol, name, held_out.get(symbol, "train")) for symbol, name in genes.values() if symbol in known),
    )
    write(
        output / "demo_genes.tsv.gz",
        ("symbol", "experimental", "any_evidence"),
        (
            (symbol, "|".join(sorted(processes)), "|".join(sorted(reached[symbol] & set(demo))))
            for symbol, processes in experimental.items()
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the embedded gene facts.")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds go/ and hgnc/")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder to write to (default: the package)")
    arguments = parser.parse_args()
    for needed in ("go/go_terms.tsv.gz", "hgnc/hgnc.tsv.gz"):
        if not (arguments.data / needed).is_file():
            parser.error(
                f"--data {arguments.data}: there is no {needed} in it; expected the folder above go/ and hgnc/."
            )
    build(arguments.data, arguments.output)


if __name__ == "__main__":
    main()
