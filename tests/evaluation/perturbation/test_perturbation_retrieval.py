"""What is retrieved, and what it alone answers: by hand, and against loops written out."""

import numpy as np
import pytest
from toy_screen import PROTEASOME, RIBOSOME

from counterpoise.biology.ontology import ONTOLOGIES, load_ontology
from counterpoise.evaluation.perturbation import retrieval as module
from counterpoise.evaluation.perturbation.go import GeneKnowledge
from counterpoise.evaluation.perturbation.questions import Question
from counterpoise.evaluation.perturbation.retrieval import Retrieval, perturbations_of
from counterpoise.evaluation.perturbation.similarity import gene_rates, similar_profiles, text_similarity


def row(perturbation, gene, label=0):
    return Question(perturbation, gene, "K562", label, "")


KNOWN = [
    row("A", "x", 1),
    row("B", "x", 0),
    row("C", "x", 0),
    row("A", "y", 1),
    row("B", "y", 0),
    row("C", "z", 1),
]
"""Of genes alike: x and y go together under A and B; z was measured under C alone."""
SIMILARITY = np.array([[0.5, 0.2, 0.0], [0.0, 0.1, 0.4], [0.0, 0.0, 0.0]], np.float32)


def small():
    return Retrieval(KNOWN, ["p", "q", "nobody"], SIMILARITY, ["x", "y", "new"])


def shown(found):
    return [(one.row.perturbation, one.row.gene, one.label) for one in found]


def test_the_gene_itself_first_the_most_alike_first():
    found = small().neighbours("p", "x", count=2, of_similar_genes=0)
    assert shown(found) == [("A", "x", 1), ("B", "x", 0)]
    assert [one.similarity for one in found] == pytest.approx([0.5, 0.2])
    assert shown(small().neighbours("q", "x", count=5, of_similar_genes=0))[:2] == [("C", "x", 0), ("B", "x", 0)]


def test_then_genes_that_respond_alike():
    found = small().neighbours("p", "x", count=3, of_similar_genes=1)
    assert shown(found) == [("A", "x", 1), ("B", "x", 0), ("A", "y", 1)]
    assert 0 < found[-1].similarity < 0.5
    fewer = small().neighbours("p", "x", count=4, of_similar_genes=0)
    assert shown(fewer)[2:] == [("A", "y", 1), ("B", "y", 0)], "they fill in where the gene itself has no more rows"
    few = small().neighbours("q", "y", count=4, of_similar_genes=4)
    assert shown(few) == [("B", "y", 0), ("C", "x", 0), ("B", "x", 0)], "of y only as many as others leave room for"


def test_what_resembles_nothing_gets_nothing():
    retrieval = small()
    assert retrieval.unlike == ["nobody"]
    assert retrieval.neighbours("nobody", "x", count=6, of_similar_genes=3) == []
    assert retrieval.neighbours("p", "new", count=6, of_similar_genes=3) == [], "a gene that training has not"
    assert retrieval.neighbours("p", "x", count=0, of_similar_genes=0) == []


def test_rows_of_the_perturbation_itself_are_never_shown():
    similarity = np.ones((3, 3), np.float32)
    retrieval = Retrieval(KNOWN, ["A", "B", "C"], similarity, ["x", "y", "z"])
    for perturbation in "ABC":
        for gene in "xyz":
            found = retrieval.neighbours(perturbation, gene, count=9, of_similar_genes=4)
            assert found or gene == "z"
            assert all(one.row.perturbation != perturbation for one in found)
    assert similarity.all(), "what was given stays as it was"


def test_labels_of_ablations():
    retrieval = small()
    named = {"count": 4, "of_similar_genes": 2}
    none = retrieval.neighbours("p", "x", **named, labels="none")
    measured = retrieval.neighbours("p", "x", **named)
    assert [one.row for one in none] == [one.row for one in measured]
    assert {one.label for one in none} == {None}
    assert all(one.label == one.row.label for one in measured)
    rng = np.random.default_rng(0)
    rows = [row(f"P{p}", f"g{g}", int(rng.random() < 0.3)) for p in range(20) for g in range(5)]
    many = Retrieval(rows, ["p"], np.ones((1, 20), np.float32), [f"g{g}" for g in range(5)])
    changed = 0
    for g in range(5):
        found = many.neighbours("p", f"g{g}", count=20, of_similar_genes=0, labels="shuffled")
        again = many.neighbours("p", f"g{g}", count=20, of_similar_genes=0, labels="shuffled")
        assert found == again
        assert sum(one.label for one in found) == sum(one.row.label for one in found), "the gene's rate stays"
        changed += sum(one.label != one.row.label for one in found)
    assert changed > 10


def test_methods_without_a_model_by_hand(monkeypatch):
    monkeypatch.setattr(module, "SHARPNESS", 1.0)
    retrieval = small()
    asked = [row("p", "x"), row("q", "x"), row("nobody", "x"), row("p", "new")]
    assert retrieval.gene_prior(asked) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0.5])
    votes = retrieval.vote(asked, count=2, of_similar_genes=0)
    p, q = (0.5 * 2 / 3 - 0.2 / 3) / 0.7, -1 / 3
    assert votes == pytest.approx([1 / 3 + p, 1 / 3 + q, 1 / 3, 0.5])
    assert retrieval.vote_of_all(asked) == pytest.approx([1 / 3 + p, 1 / 3 + q, 1 / 3, 0.5])
    a, b, c = (2 / 3 + 1 / 2) / 2, (-1 / 3 - 1 / 2) / 2, (-1 / 3 + 0) / 2
    expected = [(0.5 * a + 0.2 * b) / 0.7, (0.1 * b + 0.4 * c) / 0.5, 0, (0.5 * a + 0.2 * b) / 0.7]
    assert retrieval.perturbation_prior(asked) == pytest.approx(expected)


def made_up():
    rng = np.random.default_rng(1)
    rows = [
        row(f"P{p:02}", f"g{g:02}", int(rng.random() < 0.4)) for p in range(15) for g in range(12) if rng.random() < 0.6
    ]
    similarity = np.round(rng.random((6, len(perturbations_of(rows)))), 2).astype(np.float32)
    similarity[similarity < 0.3] = 0
    return rows, similarity


def test_equal_to_loops_written_out():
    rows, similarity = made_up()
    asked, genes = [f"q{i}" for i in range(6)], sorted({r.gene for r in rows})
    names = perturbations_of(rows)
    retrieval = Retrieval(rows, asked, similarity, genes)
    rates = {g: np.mean([r.label for r in rows if r.gene == g]) for g in genes}
    profile = {
        g: np.array([sum(r.label - rates[g] for r in rows if r == (p, g, *r[2:])) for p in names]) for g in genes
    }
    alike = {
        (g, h): profile[g] @ profile[h] / np.sqrt((profile[g] @ profile[g] + 1) * (profile[h] @ profile[h] + 1))
        for g in genes
        for h in genes
    }
    for i, perturbation in enumerate(asked):
        to = dict(zip(names, similarity[i].astype(float), strict=True))
        for gene in genes:
            others = sorted((h for h in genes if h != gene and alike[gene, h] > 0), key=lambda h: -alike[gene, h])[:10]
            same = sorted((-to[r.perturbation], n) for n, r in enumerate(rows) if r.gene == gene)
            far = sorted((-to[r.perturbation] * alike[gene, r.gene], n) for n, r in enumerate(rows) if r.gene in others)
            same, far = ([(n, -s) for s, n in found if s < 0] for found in (same, far))
            take = min(len(far), max(2, 5 - len(same)))
            expected = same[: 5 - take] + far[:take]
            places, scores = retrieval.places(perturbation, gene, 5, 2)
            assert len(places) == len(expected)
            assert scores == pytest.approx([s for _, s in expected], abs=1e-6)
            weights = np.array([s for _, s in expected])
            deviation = np.array([rows[n].label - rates[rows[n].gene] for n, _ in expected])
            vote = rates[gene] + (weights @ deviation / weights.sum() if expected else 0)
            assert retrieval.vote([row(perturbation, gene)], count=5, of_similar_genes=2)[0] == pytest.approx(
                vote, abs=1e-5
            )


def test_profiles_of_unseen_genes_resemble_none():
    labels, genes, perturbations = np.array([1.0, 0.0]), np.array([0, 0]), np.array([0, 1])
    assert gene_rates(labels, genes, 2).tolist() == [0.5, 0.5]
    _, alike = similar_profiles(labels, genes, perturbations, 3, 2, asked=np.array([2, 0]), most=5)
    assert alike.shape == (2, 3)
    assert not alike.any()


def test_descriptions_resemble_each_other_by_their_words():
    texts = ["inhibits the kinase BRAF", "blocks the proteasome", "inhibits MEK, a kinase"]
    found = text_similarity(["a BRAF kinase inhibitor that inhibits growth", "the proteasome", "???"], texts)
    assert found.shape == (3, 3)
    assert found[0].argmax() == 0
    assert found[1].argmax() == 1
    assert found[0, 2] > 0
    assert not found[2].any()
    assert not text_similarity(["a b"], ["?", "!"]).any()


@pytest.fixture(scope="module")
def go():
    return GeneKnowledge()


def test_go_similarity_is_simgic(go):
    """Against sets written out: the terms of each gene with all above them, weighted by information content."""
    ontology = load_ontology()
    rows, columns = ["RPL3", "PSMB5"], ["RPL4", "PSMA1", "GATA1"]
    whole = {kind: set().union(*ontology.annotations(kind).values()) for kind in ONTOLOGIES}

    def terms(gene):
        direct = {term for term, _ in ontology.of_gene(gene)}
        return direct.union(*(ontology.ancestors(term) for term in direct))

    def content(found):
        total = 0.0
        for term in found:
            kind = ontology.terms[term].ontology
            total -= np.log(len(ontology.annotations(kind)[term]) / len(whole[kind]))
        return total

    expected = [[content(terms(r) & terms(c)) / content(terms(r) | terms(c)) for c in columns] for r in rows]
    np.testing.assert_allclose(go.similarity(rows, columns), expected, rtol=1e-5)


def test_complexes_resemble_themselves(go):
    found = go.similarity(RIBOSOME, [*RIBOSOME, *PROTEASOME])
    others = found[:, :6][~np.eye(6, dtype=bool)].reshape(6, 5)
    assert (others.mean(1) > 1.5 * found[:, 6:].mean(1)).all()
    np.testing.assert_allclose(np.diag(found), 1, rtol=1e-6)


def test_old_names_and_unknown_ones(go):
    assert go.symbol("SEPT7") == "SEPTIN7"
    assert go.symbol("NOGENE1") == ""
    assert go.symbol("OCT1") == ""
    found = go.similarity(["SEPT7", "NOGENE1", "OCT1"], ["SEPTIN7", "GATA1"])
    assert found[0, 0] == pytest.approx(1)
    assert not found[1:].any()


def test_what_a_prompt_tells_of_a_gene(go):
    about = go.about("TP53")
    assert about.startswith("tumor protein p53; ")
    assert about.count("; ") == 2
    assert go.about("NOGENE1") == ""
