"""Look for leaks: anything in training rows that tells what a benchmark asks. What the builder did is not trusted.

    found = leaks(rows, benchmark_sets(("gene-sets-go", "gene-sets-hu"), "biomedical"))
    print(found[0])                   # train/naming/GO:0031424/0: GO:0031424 is the very term GO:0031424 (gene-sets-go)

Rows may be any with `terms`, `genes` and `completion`, not only those of `build`.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.naming.parsing import parse_answer
from counterpoise.biology.ontology import load_ontology

from .material import GENERAL, all_terms, annotated
from .names import name_key
from .overlap import GeneOverlap
from .row import Row


@dataclass(frozen=True, slots=True)
class Leak:
    """A row that tells of a benchmark's set.

    Attributes:
        row: the row's id.
        benchmark: id of the benchmark's set, and its task in ``source``.
        rule: "id", "name", "relation" or "genes".
        what: the row's term, name, or genes in question.
    """

    row: str
    benchmark: str
    source: str
    rule: str
    what: str

    def __str__(self) -> str:
        said = {
            "id": "is the very term",
            "name": "has the name of",
            "relation": "lies above or below",
            "genes": "are nearly the genes of",
        }[self.rule]
        return f"{self.row}: {self.what} {said} {self.benchmark} ({self.source})"


def leaks(rows: Iterable[Row], benchmarks: Sequence[GeneSet], steps: int | None = None) -> list[Leak]:
    """Return every leak, of each row and rule the first benchmark set that it tells of, in the order of the rows.

    id: a term of the row is a benchmark's. name: a term's name, or the name in the answer's first line, is one's,
    cleaned. relation: a term lies above or below a benchmark's in GO, through is-a, part-of or regulates (a general
    term, of more than `material.GENERAL` genes, above one is no leak: see there). genes: the row's genes, or those of
    a term that it asks to name, have a Jaccard index of 0.8 or more with a benchmark's.

    Args:
        steps: of relations that count as a leak; None: any number.
    """
    ontology, terms = load_ontology(), all_terms()
    by_id = {one.id: one for one in reversed(benchmarks)}
    by_name = {name_key(one.name): one for one in reversed(benchmarks) if one.name}
    index = GeneOverlap([one.genes for one in benchmarks])
    related = _relations(benchmarks, steps)
    term_alike = cache(lambda term: index.alike(terms[term].genes))
    found: list[Leak] = []

    def note(row: Row, one: GeneSet, rule: str, what: str) -> None:
        found.append(Leak(row.id, one.id, one.source, rule, what))

    for row in rows:
        names = {term: ontology.terms[term].name for term in row.terms if term in ontology.terms}
        names |= {term: terms[term].name for term in row.terms if term in terms}
        said = parse_answer(row.completion).name
        for term in row.terms:
            if term in by_id:
                note(row, by_id[term], "id", term)
            elif term in related:
                note(row, related[term], "relation", term)
        for name in dict.fromkeys([*names.values(), said]):
            if name and name_key(name) in by_name:
                note(row, by_name[name_key(name)], "name", name)
        shown = [("its genes", index.alike(row.genes))] if len(row.genes) > 1 else []
        shown += [(term, term_alike(term)) for term in row.terms if term in terms]
        for what, alike in shown:
            if alike:
                note(row, benchmarks[alike[0]], "genes", what)
    return found


def _relations(benchmarks: Sequence[GeneSet], steps: int | None) -> dict[str, GeneSet]:
    """Return term -> a benchmark set that it lies above or below, walking from each set's term on its own."""
    ontology = load_ontology()
    by_name: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for term, found in ontology.terms.items():
        by_name[name_key(found.name)].append(term)
    result: dict[str, GeneSet] = {}
    for one in benchmarks:
        starts = [one.id] if one.id in ontology.terms else []
        starts += by_name.get(name_key(one.name), []) if one.name else []
        for start in starts:
            above, below = {start}, {start}
            if steps is None:
                above |= ontology.ancestors(start, regulates=True)
                below |= ontology.descendants(start, regulates=True)
            for _ in range(steps or 0):
                above |= {up for term in above for up in ontology.parents(term, regulates=True)}
                below |= {down for term in below for down in ontology.children(term, regulates=True)}
            above = {term for term in above if term == start or len(annotated().get(term, ())) <= GENERAL}
            for term in above | below:
                result.setdefault(term, one)
    return result
