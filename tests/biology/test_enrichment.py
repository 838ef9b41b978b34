"""Over-representation gives gseapy's and scipy's numbers, and what is excluded leaves no trace."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from counterpoise.biology.enrichment import LIBRARIES, Library, LibraryTerm, load_library
from counterpoise.biology.gene_sets import GeneSet, read_gene_sets
from counterpoise.biology.hypergeometric import adjusted, upper_tail
from counterpoise.biology.ontology import load_ontology
from counterpoise.errors import UserError

ROOT = Path(__file__).parents[2]
P53 = ("TP53", "MDM2", "CDKN1A", "BAX", "BBC3")


def gseapy_rows(library: Library, genes, background=None) -> dict[str, tuple[float, float, int, int, frozenset[str]]]:
    """Term id -> (p, q, overlap, size, genes), as gseapy has them over the same terms."""
    gseapy = pytest.importorskip("gseapy")
    background = set(library.genes if background is None else background)
    found = gseapy.enrich(list(genes), members_of(library), background=background, outdir=None, no_plot=True)
    rows = {}
    for _, row in found.results.iterrows():
        overlap, size = map(int, row["Overlap"].split("/"))
        shared = frozenset(row["Genes"].split(";"))
        rows[row["Term"]] = (row["P-value"], row["Adjusted P-value"], overlap, size, shared)
    return rows


def members_of(library: Library) -> dict[str, list[str]]:
    """Take a library apart again, by its own index."""
    members: dict[str, list[str]] = {term.id: [] for term in library.terms}
    for gene, term in zip(library._gene_of, library._term_of, strict=True):
        members[library.terms[term].id].append(library.genes[gene])
    return members


def check_against_gseapy(library: Library, genes, background=None) -> None:
    expected = gseapy_rows(library, genes, background)
    found = library.enrich(genes, background=background, cutoff=None)
    assert {each.id for each in found} == set(expected)
    assert len(found) > 3
    for each in found:
        p, q, overlap, size, shared = expected[each.id]
        assert (len(each.overlap), each.size, frozenset(each.overlap)) == (overlap, size, shared)
        assert each.p == pytest.approx(p, rel=1e-9)
        assert each.q == pytest.approx(q, rel=1e-9)
    assert [each.p for each in found] == sorted(each.p for each in found)


@pytest.mark.parametrize("seed", range(3))
def test_p_and_q_are_gseapys_on_random_sets(seed: int) -> None:
    rng = random.Random(seed)
    universe = [f"G{i}" for i in range(300)]
    sets = [GeneSet(f"T{i}", tuple(rng.sample(universe, rng.randint(1, 60)))) for i in range(80)]
    library = Library.from_sets("random", "random", sets)
    check_against_gseapy(library, rng.sample(universe, rng.choice([3, 20, 150])))
    background = set(rng.sample(universe, 200)) | {"outside"}
    check_against_gseapy(library, rng.sample(universe, 50), background)


def test_p_and_q_are_gseapys_on_real_sets() -> None:
    pathways = load_library("wikipathways")
    check_against_gseapy(pathways, P53)
    apoptosis = sorted(load_ontology().annotations("BP")["GO:0097193"])
    check_against_gseapy(pathways, [*apoptosis, "no gene"])
    check_against_gseapy(pathways, apoptosis, background=load_library("go-bp").genes)
    components = load_library("go-cc")
    check_against_gseapy(components, apoptosis)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_tails_are_scipys(data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 20_000))
    drawn = data.draw(st.integers(1, total))
    size = data.draw(st.integers(1, total))
    overlap = data.draw(st.integers(max(1, drawn + size - total), max(1, min(drawn, size))))
    found = upper_tail(np.array([overlap]), total, np.array([size]), drawn)[0]
    expected = stats.hypergeom.sf(overlap - 1, total, size, drawn)
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-290)


def test_tails_of_many_terms_at_once_and_at_the_edges() -> None:
    overlaps, sizes = np.array([1, 5, 5, 1, 3, 2]), np.array([5, 5, 10, 10, 3, 9])
    found = upper_tail(overlaps, 10, sizes, 5)
    assert found == pytest.approx(stats.hypergeom.sf(overlaps - 1, 10, sizes, 5), rel=1e-12)
    assert found[2] == found[3] == 1.0  # the term is the whole background
    large = upper_tail(np.array([200]), 18_000, np.array([200]), 200)  # all of it: 1 / (18000 choose 200)
    assert 0 < large[0] < 1e-300 or large[0] == 0.0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_q_is_scipys(p: list[float]) -> None:
    assert adjusted(np.array(p)) == pytest.approx(stats.false_discovery_control(p), rel=1e-12, abs=1e-300)


def test_q_of_nothing() -> None:
    assert len(adjusted(np.array([]))) == 0


@pytest.fixture
def small() -> Library:
    sets = [
        GeneSet("b", ("A", "B", "C", "B"), "three"),
        GeneSet("a", ("A", "B", "C"), "three again"),
        GeneSet("c", ("A", "D", "E", "F"), "four", "elsewhere"),
        GeneSet("d", ("X", "Y"), "none of it"),
    ]
    return Library.from_sets("small", "here", sets, genes=["P", "Q", "R", "S", "T"])


def test_a_small_library_by_hand(small: Library) -> None:
    found = small.enrich(["C", "A", "unknown", "A", "B"], cutoff=None)
    assert [each.id for each in found] == ["a", "b", "c"]  # equal p: by id
    first = found[0]
    assert (first.overlap, first.size, first.genes) == (("C", "A", "B"), 3, 3)
    assert first.p == pytest.approx(1 / 286)  # 1 / (13 choose 3)
    assert first.q == pytest.approx(1 / 286 * 3 / 2)
    assert first.expected == pytest.approx(9 / 13)
    assert (first.source, found[2].source) == ("here", "elsewhere")
    assert small.terms[0] == LibraryTerm("b", "three", "here")
    assert small.sizes.tolist() == [3, 3, 4, 2]


def test_cutoff_is_on_q(small: Library) -> None:
    assert [each.id for each in small.enrich(["A", "B", "C"])] == ["a", "b"]
    assert small.enrich(["A", "B", "C"], cutoff=1e-6) == []


def test_excluded_terms_leave_no_trace(small: Library) -> None:
    rest = Library.from_sets(
        "rest", "here", [GeneSet("b", ("A", "B", "C"), "three"), GeneSet("d", ("X", "Y"))], genes=small.genes
    )
    found = small.enrich(["A", "B", "X"], exclude={"a", "c", "not there"}, cutoff=None)
    expected = rest.enrich(["A", "B", "X"], cutoff=None)
    assert [(e.id, e.p, e.q) for e in found] == [(e.id, e.p, e.q) for e in expected]
    assert small.enrich(["A", "B"], exclude=["a", "b", "c", "d"], cutoff=None) == []


def test_background_counts_genes_that_the_library_does_not_know(small: Library) -> None:
    found = small.enrich(["A", "B", "new"], background={"A", "B", "D", "new", "n2", "n3"}, cutoff=None)
    three = next(each for each in found if each.id == "a")
    assert (three.size, three.genes) == (2, 3)
    assert three.p == pytest.approx(stats.hypergeom.sf(1, 6, 2, 3))


@pytest.mark.parametrize("genes", [[], ["unknown"], ["P"]])
def test_nothing_to_find(small: Library, genes: list[str]) -> None:
    assert small.enrich(genes, cutoff=None) == []
    assert small.enrich(genes, background=set(), cutoff=None) == []


def test_libraries_that_cannot_be() -> None:
    with pytest.raises(UserError, match="library x: 'S' is the id of two sets"):
        Library.from_sets("x", "x", [GeneSet("S", ("A",)), GeneSet("S", ("B",))])
    with pytest.raises(UserError, match="library x: it holds no genes"):
        Library.from_sets("x", "x", [])
    with pytest.raises(
        UserError, match=r"no embedded library 'go_bp' \(did you mean 'go-bp'\?\); expected go-bp, go-cc"
    ):
        load_library("go_bp")


def test_gmt_files_of_any_age_meet_approved_symbols(tmp_path: Path) -> None:
    path = tmp_path / "mine.gmt"
    path.write_text("S1\tseptins\tSEPT7\tSEPTIN7\tSEPT9\tOCT1\tnot-a-gene\n")
    library = Library.from_gmt(path)
    assert (library.name, library.source) == ("mine", "mine")
    assert set(library.genes) == {"SEPTIN7", "SEPTIN9", "OCT1", "not-a-gene"}  # OCT1 is ambiguous: kept
    found = library.enrich(["SEPTIN7", "SEPTIN9"], cutoff=None)
    assert (found[0].name, found[0].overlap, found[0].source) == ("septins", ("SEPTIN7", "SEPTIN9"), "mine")


@pytest.mark.parametrize("name", LIBRARIES)
def test_embedded_libraries(name: str) -> None:
    library = load_library(name)
    assert load_library(name, most=500) is library
    assert library.sizes.min() >= 3
    assert library.sizes.max() <= 500
    assert {term.source for term in library.terms} == {name}
    assert all(term.name and term.name != term.id for term in library.terms)
    assert library.enrich(P53)[0].q < 1e-3 if name in ("go-bp", "wikipathways") else library.enrich(P53, cutoff=None)


def test_embedded_terms_hold_their_propagated_genes() -> None:
    library, members = load_library("go-bp"), load_ontology().annotations("BP")
    assert len(library.terms) > 10_000
    assert len(load_library("go-bp", least=1, most=100_000).terms) == len(members) > 12_000
    found = members_of(library)
    for term in sorted(found)[::50]:
        assert set(found[term]) == members[term]
    # Genes known only by terms that are too broad stay in the background.
    assert set(library.genes) == members["GO:0008150"]


def test_a_process_is_found_from_its_own_genes() -> None:
    library = load_library("go-bp")
    genes = load_ontology().annotations("BP")["GO:0007051"]  # spindle organization
    assert library.enrich(genes)[0].id == "GO:0007051"
    assert all(each.id != "GO:0007051" for each in library.enrich(genes, exclude=["GO:0007051"]))


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")  # gseapy's logarithm of a p that is 0
def test_hallmark_sets_find_themselves() -> None:
    path = (
        Path(os.environ.get("COUNTERPOISE_DATA", ROOT.parent / "shared" / "data")) / "hallmark/h.all.v7.0.symbols.gmt"
    )
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    library = Library.from_gmt(path)
    assert len(library.terms) == 50
    for each in read_gene_sets(path)[::10]:
        check_against_gseapy(library, set(library.genes) & set(each.genes))
        assert library.enrich(each.genes)[0].id == each.id
