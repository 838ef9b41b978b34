"""The ontology is walked the right way, and fast propagation gives what a plain walk gives."""

from collections import defaultdict
from collections.abc import Collection, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.biology.ontology import EXPERIMENTAL, GoTerm, Ontology, load_ontology, propagate
from counterpoise.data import facts
from counterpoise.errors import UserError

GO = load_ontology()
ROOTS = {"BP": "GO:0008150", "CC": "GO:0005575", "MF": "GO:0003674"}
APOPTOSIS, INTRINSIC = "GO:0006915", "GO:0097193"


def walk(term: str, steps: Mapping[str, Collection[str]]) -> set[str]:
    """All that can be reached from a term, itself included: the plain reference."""
    seen, ahead = {term}, [term]
    while ahead:
        for other in steps.get(ahead.pop(), ()):
            if other not in seen:
                seen.add(other)
                ahead.append(other)
    return seen


def carried(direct: Mapping[str, Collection[str]], parents: Mapping[str, Collection[str]]) -> dict[str, set[str]]:
    """Each annotation carried upward on its own: the plain reference of `propagate`."""
    found: dict[str, set[str]] = defaultdict(set)
    for term, genes in direct.items():
        for above in walk(term, parents):
            found[above].update(genes)
    return found


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """An acyclic graph (parents have smaller numbers) and genes for some of its terms."""
    n = draw(st.integers(1, 12))
    parents = {str(i): draw(st.sets(st.integers(0, i - 1).map(str), max_size=3)) if i else set() for i in range(n)}
    terms, genes = st.sampled_from(sorted(parents)), st.sets(st.sampled_from("ABCDE"), min_size=1)
    return parents, draw(st.dictionaries(terms, genes))


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_propagation_equals_a_plain_walk(graph: tuple[dict[str, set[str]], dict[str, set[str]]]) -> None:
    parents, direct = graph
    before = {term: set(genes) for term, genes in direct.items()}
    assert propagate(direct, parents) == carried(direct, parents)
    assert direct == before


def test_embedded_components_propagated_equal_a_plain_walk() -> None:
    parents = {term: GO.parents(term) for term in GO.terms}
    expected = carried(GO.annotations("CC", propagated=False), parents)
    found = GO.annotations("CC")
    assert {term: set(genes) for term, genes in found.items()} == expected
    assert list(found) == sorted(found)


def test_sizes() -> None:
    assert len(GO.terms) == 43_558
    kinds = [term.ontology for term in GO.terms.values()]
    assert (kinds.count("BP"), kinds.count("CC"), kinds.count("MF")) == (28_140, 4_180, 11_238)


def test_every_term_leads_to_its_root_and_no_further() -> None:
    for go_id, term in GO.terms.items():
        ancestors = GO.ancestors(go_id)
        assert go_id not in ancestors
        assert (ROOTS[term.ontology] in ancestors) == (go_id != ROOTS[term.ontology])
        assert all(GO.terms[above].ontology == term.ontology for above in ancestors)


def test_down_is_the_reverse_of_up() -> None:
    for go_id in sorted(GO.terms)[::401]:
        for regulates in (False, True):
            assert all(
                go_id in GO.children(above, regulates=regulates) for above in GO.parents(go_id, regulates=regulates)
            )
            below = GO.descendants(go_id, regulates=regulates)
            assert go_id not in below
            assert all(go_id in GO.ancestors(other, regulates=regulates) for other in below)
            assert GO.descendants(go_id) <= GO.descendants(go_id, regulates=True)


def test_a_known_corner() -> None:
    assert GO.term(APOPTOSIS) == GoTerm(APOPTOSIS, "apoptotic process", "BP")
    assert APOPTOSIS in GO.ancestors(INTRINSIC)
    assert INTRINSIC in GO.descendants(APOPTOSIS)
    regulation = "GO:0042981"  # regulation of apoptotic process
    assert APOPTOSIS not in GO.ancestors(regulation)
    assert APOPTOSIS in GO.ancestors(regulation, regulates=True)
    assert regulation in GO.children(APOPTOSIS, regulates=True) - GO.children(APOPTOSIS)
    assert "BAX" in GO.annotations("BP")[APOPTOSIS]


def test_regulators_are_not_members() -> None:
    terms = {i: GoTerm(i, i, "BP") for i in ("process", "regulation")}
    ontology = Ontology(terms, {}, {"regulation": ["process"]}, {"GENE": [("regulation", "IDA")]})
    assert ontology.annotations("BP") == {"regulation": frozenset({"GENE"})}
    assert ontology.parents("regulation") == frozenset()
    assert ontology.ancestors("regulation", regulates=True) == {"process"}


def test_evidence_codes_filter() -> None:
    every, known = GO.annotations("BP"), GO.annotations("BP", EXPERIMENTAL)
    assert all(genes <= every[term] for term, genes in known.items())
    assert len(known[APOPTOSIS]) < len(every[APOPTOSIS])
    assert GO.annotations("BP", ["IDA"]) is GO.annotations("BP", {"IDA"})  # kept after the first call
    assert GO.annotations("BP", []) == {}


def test_annotations_of_a_gene() -> None:
    found = GO.of_gene("TP53")
    assert (APOPTOSIS, "IDA") in found or (INTRINSIC, "IDA") in found or len(found) > 100
    assert found == sorted(found)
    assert GO.of_gene("no such gene") == []
    direct = GO.annotations("BP", propagated=False)
    assert {term for term, genes in direct.items() if "TP53" in genes} == {
        term for term, _ in found if GO.terms[term].ontology == "BP"
    }
    found.clear()
    assert GO.of_gene("TP53")


def test_no_annotation_says_that_nothing_is_known() -> None:
    assert all(code != "ND" for symbol in ("TP53", "A1BG", "ZNF90") for _, code in GO.of_gene(symbol))


def test_experimental_annotations_are_those_of_the_embedded_facts() -> None:
    expected: dict[str, set[str]] = defaultdict(set)
    for fact in facts.all_facts(propagated=False):
        expected[fact.go_id].add(fact.symbol)
    known = facts.load().genes  # protein-coding genes only
    found = {
        term: {symbol for symbol in genes if symbol in known}
        for term, genes in GO.annotations("BP", EXPERIMENTAL, propagated=False).items()
    }
    assert {term: genes for term, genes in found.items() if genes} == expected


@pytest.mark.parametrize("method", ["term", "parents", "children", "ancestors", "descendants"])
def test_unknown_terms(method: str) -> None:
    with pytest.raises(UserError, match="'GO:9999999' is no term of the embedded Gene Ontology"):
        getattr(GO, method)("GO:9999999")


def test_unknown_ontology() -> None:
    with pytest.raises(UserError, match="there is no ontology 'bp'; expected one of BP, CC, MF"):
        GO.annotations("bp")  # type: ignore[arg-type]
