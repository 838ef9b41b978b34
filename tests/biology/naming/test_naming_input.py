"""What is given: genes by any name, and input that cannot be named."""

import pytest
from naming_fakes import SET, FakeTool, ScriptedChat, Toolbox, lens_tools

from counterpoise.biology.enrichment import Library
from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.naming import UNRELATED, name_gene_sets
from counterpoise.biology.verification import make_toolbox
from counterpoise.errors import UserError

GOOD = "Process: Lens transparency (0.9)\n\nIt is clear."
LENS = GeneSet("T:1", SET.genes, "lens development", "mine")
REST = GeneSet("T:2", ("TP53", "MDM2", "CDKN1A", "ATM", "GFAP", "KRT5", "KRT14"), "the rest", "mine")
LIBRARY = Library.from_sets("mine", "mine", [LENS, REST], [f"GENE{i}" for i in range(200)])


def direct(*sets, **settings):
    return name_gene_sets(sets, ScriptedChat(name=GOOD), mode="direct", **settings)


def test_every_kind_of_name_is_listed():
    (record,) = direct(GeneSet("x", ("p53", "TP53", "ENSG00000135679", "nonsense", "OCT1")))
    assert record["given"] == ["p53", "TP53", "ENSG00000135679", "nonsense", "OCT1"]
    assert record["genes"] == ["TP53", "MDM2"]
    assert record["duplicates"] == ["TP53"]
    assert record["unknown"] == ["nonsense"]
    assert record["ambiguous"] == {"OCT1": ["POU2F1", "SLC22A1"]}


def test_a_single_gene_is_named_with_a_note():
    (record,) = direct(GeneSet("x", ("TP53",)))
    assert record["complete"]
    assert "a single gene" in record["problems"][0]


@pytest.mark.parametrize("genes", [(), ("nonsense", "rubbish")])
def test_a_set_without_genes_is_told_and_the_others_are_named(genes):
    empty, good = direct(GeneSet("bad", genes), SET)
    assert (empty["name"], empty["confidence"], empty["complete"]) == ("", None, False)
    assert "expected" in empty["problems"][0]
    assert not empty["steps"]
    assert good["complete"]
    with pytest.raises(UserError, match="bad: "):
        direct(GeneSet("bad", genes))


def test_a_set_that_is_too_large_is_refused():
    (large, good) = direct(SET, GeneSet("small", ("TP53",)), genes=3)
    assert "4 genes, more than the 3" in large["problems"][0]
    assert good["name"] == "Lens transparency"
    with pytest.raises(UserError, match="lens: the set has 4 genes, more than the 3"):
        direct(SET, genes=3)


def test_what_does_not_go_together_is_named():
    chat = ScriptedChat(name=GOOD)
    for expected, given in {
        "did you mean 'direct'": ([SET], chat, {"mode": "dirct"}),
        "takes a model": ([SET], None, {"mode": "direct"}),
        "takes no model": ([SET], chat, {"mode": "enrichment"}),
        "no gene set": ([], chat, {"mode": "direct"}),
        "id of two gene sets": ([SET, SET], chat, {"mode": "direct"}),
        "no setting 'claim'": ([SET], chat, {"mode": "agent", "claim": 3}),
        "words is 0": ([SET], chat, {"mode": "direct", "words": 0}),
        "verifier is 'x'": ([SET], chat, {"mode": "agent", "verifier": "x"}),
    }.items():
        sets, subject, settings = given
        with pytest.raises(UserError, match=expected):
            name_gene_sets(sets, subject, **settings)
    assert not chat.requests


def test_a_masked_source_that_a_tool_could_reach_is_an_error():
    chat = ScriptedChat()
    with pytest.raises(UserError, match="'enrichment' can reach go-bp, which is masked"):
        name_gene_sets([SET], chat, mode="agent", toolbox=lens_tools(), masked_sources=["go-bp"])
    assert not chat.requests


def test_without_a_toolbox_the_local_one_keeps_to_the_mask(tmp_path):
    import json

    out = tmp_path / "names.jsonl"
    chat = ScriptedChat(name=GOOD, name_claims="?", analysis_claims="?")
    name_gene_sets([SET], chat, mode="agent", masked_sources=["go-bp"], out=out)
    tools = json.loads((tmp_path / "names.jsonl.settings.json").read_text())["tools"]
    assert tools
    assert all("go-bp" not in sources for sources in tools.values())


def test_enrichment_names_by_the_best_term_and_counts_its_confidence():
    genes = ("CRYAA", "CRYBB2", "BFSP1", "TP53")
    (record,) = name_gene_sets([GeneSet("x", genes)], None, mode="enrichment", libraries=[LIBRARY])
    best = LIBRARY.enrich(genes)[0]
    assert (record["name"], record["confidence"]) == ("lens development", 0.75)
    assert (record["confidence_bin"], record["model"], record["complete"]) == ("low", "", True)
    expected = {"id": "T:1", "name": "lens development", "source": "mine", "overlap": list(genes[:3]), "size": 4}
    assert record["enrichment"][0] == expected | {"p": best.p, "q": best.q}
    assert record["analysis"].startswith(
        "3 of the 4 genes are in lens development (T:1, 4 genes): CRYAA, CRYBB2, BFSP1."
    )
    assert record["steps"] == record["claims"] == []


def test_enrichment_that_finds_nothing_says_so():
    (record,) = name_gene_sets([GeneSet("x", ("CRYAA", "TP53"))], None, mode="enrichment", libraries=[LIBRARY])
    assert (record["name"], record["confidence"], record["confidence_bin"]) == (UNRELATED, 0.0, "none")
    assert record["enrichment"] == []
    assert record["complete"]


def test_the_background_counts():
    def p(background):
        settings = {"mode": "enrichment", "libraries": [LIBRARY], "background": background}
        (record,) = name_gene_sets([GeneSet("x", ("CRYAA", "CRYBB2", "BFSP1"))], None, **settings)
        return record["enrichment"][0]["p"]

    wide = [*LIBRARY.genes, *(f"OTHER{i}" for i in range(2000))]
    assert p(wide) < p(None) / 100


def test_enrichment_goes_on_and_keeps_to_its_library(tmp_path):
    out = tmp_path / "names.jsonl"
    name_gene_sets([SET], None, mode="enrichment", libraries=[LIBRARY], out=out)
    small = Library.from_sets("mine", "mine", [LENS])
    with pytest.raises(UserError, match="libraries"):
        name_gene_sets([SET], None, mode="enrichment", libraries=[small], out=out)


def test_masked_libraries_are_not_tested():
    with pytest.raises(UserError, match="library mine holds mine, which is masked"):
        name_gene_sets([SET], None, mode="enrichment", libraries=[LIBRARY], masked_sources=["mine"])
    with pytest.raises(UserError, match="no library of processes is left"):
        name_gene_sets([SET], None, mode="enrichment", masked_sources=["go-bp", "wikipathways"])
    with pytest.raises(UserError, match="no library of processes is left"):
        name_gene_sets([SET], None, mode="enrichment", toolbox=Toolbox([FakeTool("notes", "genes", None)]))


def test_the_embedded_libraries_know_the_lens(tmp_path):
    from counterpoise.biology.gene_sets import write_gmt

    (record,) = name_gene_sets([SET], None, mode="enrichment")
    assert "lens" in record["name"]
    assert record["enrichment"][0]["source"] == "go-bp"
    assert "2022-07-01" in record["versions"]["go-bp"]
    write_gmt(tmp_path / "own.gmt", [LENS, REST])
    toolbox = make_toolbox(["enrichment"], masked_sources=["go-bp"], gmt=[tmp_path / "own.gmt"])
    (record,) = name_gene_sets([SET], None, mode="enrichment", toolbox=toolbox)
    assert {term["source"] for term in record["enrichment"]} <= {"wikipathways", "own"}
    assert record["name"] == "lens development"
