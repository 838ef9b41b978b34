"""Local tools over the embedded tables, beside plain walks over the same tables."""

import pytest

from counterpoise.biology.enrichment import Library, load_library
from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.ontology import EXPERIMENTAL, load_ontology
from counterpoise.biology.verification.local import Enrichment, GeneAnnotations, SharedProcesses, ontology_root
from counterpoise.biology.verification.term_lookup import TermLookup

ALL_GO = frozenset({"go-bp", "go-cc", "go-mf"})
REPAIR = ["BRCA1", "BRCA2", "RAD51", "PALB2", "ATM", "INS"]


def test_a_gene_has_its_name_and_its_annotations():
    found = GeneAnnotations().run(gene="TP53")
    assert found.failure == ""
    assert found.lines[0] == "TP53: tumor protein p53"
    assert [line.split(":")[0] for line in found.lines[1:]] == [
        "TP53, biological process",
        "TP53, cellular component",
        "TP53, molecular function",
    ]
    assert "2022-07-01" in found.source


def test_an_alias_is_looked_up_under_its_symbol():
    assert GeneAnnotations().run(gene="p53").arguments == {"gene": "TP53"}


@pytest.mark.parametrize("gene", ["TP53", "INS", "BRCA1"])
def test_annotations_are_the_direct_ones_and_experiments_come_first(gene):
    ontology = load_ontology()
    direct = [(i, code) for i, code in ontology.of_gene(gene) if ontology.terms[i].ontology == "MF"]
    names = {ontology.terms[go_id].name for go_id, _ in direct}
    shown_first = GeneAnnotations(frozenset({"go-mf"})).run(gene=gene).lines[0].split(": ", 1)[1]
    best = {ontology.terms[go_id].name for go_id, code in direct if code in EXPERIMENTAL} or names
    assert any(shown_first.startswith(f"{name} (") for name in best)
    assert shown_first.endswith("more") == (len(names) > 10)


def test_masked_ontologies_are_left_out_of_a_gene():
    found = GeneAnnotations(frozenset({"hgnc", "go-mf"})).run(gene="TP53")
    assert len(found.lines) == 2
    assert "biological process" not in found.as_text()
    assert "component" not in found.as_text()
    assert GeneAnnotations(frozenset({"go-mf"})).run(gene="TP53").lines[0].startswith("TP53, molecular function")


def test_a_name_of_several_genes_or_of_none_is_a_failure():
    assert "POU2F1, SLC22A1" in GeneAnnotations().run(gene="OCT1").failure
    assert "none of the names" in GeneAnnotations().run(gene="nonsense").failure


def test_enrichment_tells_what_the_library_finds():
    library = load_library("go-bp")
    found = Enrichment([library], top=3).run(genes=REPAIR)
    expected = library.enrich(REPAIR)[:3]
    assert found.terms == tuple((term.id, term.name) for term in expected)
    first = expected[0]
    assert found.lines[0].startswith(f"go-bp: {first.name} ({first.id}): {len(first.overlap)} of {first.genes} genes (")
    assert f"p {first.p:.2g}, q {first.q:.2g}" in found.lines[0]


def test_several_libraries_give_their_best_each_sorted_by_p():
    libraries = [load_library(name) for name in ("go-cc", "wikipathways")]
    found = Enrichment(libraries, top=2).run(genes=REPAIR)
    values = sorted(term.p for library in libraries for term in library.enrich(REPAIR)[:2])
    assert [float(line.split(" p ")[1].split(",")[0]) for line in found.lines] == pytest.approx(values, rel=0.06)


def test_a_term_of_one_gene_of_several_is_not_told():
    sets = [GeneSet("one", ("TP53",)), GeneSet("rest", tuple(f"G{i}" for i in range(2000)))]
    tool = Enrichment([Library.from_sets("mine", "mine", sets)])
    assert tool.run(genes=["TP53"]).terms == (("one", "one"),)
    assert tool.run(genes=["TP53", "MDM2"]).lines == ()


def test_enrichment_names_unrecognised_genes_and_fails_without_any_gene():
    tool = Enrichment([load_library("go-bp")])
    found = tool.run(genes=["TP53", "MDM2", "XYZZY9", "OCT1"])
    assert found.arguments == {"genes": ["TP53", "MDM2"], "unrecognised": ["XYZZY9", "OCT1 (POU2F1, SLC22A1)"]}
    assert "none of the names" in tool.run(genes=["XYZZY9"]).failure


def test_names_of_a_users_file_are_cleaned():
    dirty = GeneSet("bad\x1b id", ("TP53", "MDM2"), "a\nname\u202e " + "x" * 900)
    rest = GeneSet("rest", tuple(f"G{i}" for i in range(2000)))
    found = Enrichment([Library.from_sets("mine", "mine", [dirty, rest])]).run(genes=["TP53", "MDM2"])
    assert "\n" not in found.lines[0]
    assert "\x1b" not in found.lines[0]
    assert len(found.terms[0][1]) == 200
    assert found.source == "mine (gene set file)"


@pytest.mark.parametrize("name", ["DNA repair", "nucleus", "GO:0005524"])
def test_shared_processes_equal_a_plain_walk(name):
    ontology = load_ontology()
    found = SharedProcesses().run(genes=REPAIR, query=name)
    ((go_id, _),) = found.terms
    below = {go_id, *ontology.descendants(go_id)}
    inside = [gene for gene in REPAIR if {i for i, _ in ontology.of_gene(gene)} & below]
    assert found.lines[0].startswith(f"{len(inside)} of 6 genes")
    assert all(gene in found.lines[0] for gene in inside)


def test_shared_processes_tell_the_rest_and_the_base_rate():
    found = SharedProcesses().run(genes=REPAIR, query="DNA repair")
    assert found.lines[1] == "Not annotated to it: INS"
    assert found.lines[2].startswith("Of all ")
    assert found.lines[2].endswith(" %)")


def test_no_gene_in_a_term_is_said_too():
    found = SharedProcesses().run(genes=["INS"], query="DNA repair")
    assert found.lines[0].startswith("0 of 1 genes are annotated to DNA repair (GO:0006281)")


def test_a_near_name_is_used_and_said():
    found = SharedProcesses().run(genes=REPAIR, query="repair of DNA damage")
    assert found.lines[0].startswith("No term is called 'repair of DNA damage'")
    assert found.terms


def test_terms_of_masked_ontologies_are_never_found():
    tool = SharedProcesses(frozenset({"go-cc", "go-mf"}))
    for query in ("DNA repair", "GO:0006281", "double-strand break repair"):
        found = tool.run(genes=REPAIR, query=query)
        assert not [name for name, _ in found.terms if load_ontology().terms[name].ontology == "BP"]
        assert "GO:0006281" not in found.as_text()


def test_an_unknown_term_gives_nothing():
    found = SharedProcesses().run(genes=REPAIR, query="quantum basket weaving")
    assert (found.lines, found.failure) == ((), "")


@pytest.mark.parametrize("kind", ["BP", "CC", "MF"])
def test_the_root_holds_every_annotated_gene(kind):
    members = load_ontology().annotations(kind)
    assert members[ontology_root(kind)] == frozenset().union(*members.values())


@pytest.mark.parametrize(
    ("query", "go_id"),
    [
        ("DNA repair", "GO:0006281"),
        ("dna-repair", "GO:0006281"),
        ("Apoptotic processes", "GO:0006915"),
        ("go:0006915", "GO:0006915"),
        ("The regulation of the cell cycle", "GO:0051726"),
        ("Wnt signalling pathway", "GO:0016055"),
    ],
)
def test_lookup_reads_through_case_plural_and_spelling(query, go_id):
    match = TermLookup(["BP"]).find(query)
    assert (match.go_id, match.exact) == (go_id, True)


@pytest.mark.parametrize("query", ["", "the of", "???", "GO:0000000"])
def test_lookup_of_nothing(query):
    assert TermLookup(["BP", "CC", "MF"]).find(query) is None


def test_every_term_is_found_by_its_own_name():
    ontology = load_ontology()
    lookup = TermLookup(["CC"])
    for term in [term for term in ontology.terms.values() if term.ontology == "CC"][::50]:
        match = lookup.find(term.name)
        assert match.exact
        assert ontology.terms[match.go_id].ontology == "CC"
