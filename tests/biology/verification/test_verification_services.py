"""Each online tool against the replayed service: what is sent, what is read, every fault, the cache, and masks."""

import copy
import json

import pytest
from service_server import ARTICLES, GENE_SUMMARY, GPROFILER, RELATIONS, SEARCH, Clock, Refusal, ServiceServer, term

from counterpoise.biology.verification import ONLINE
from counterpoise.biology.verification.cache import Cache
from counterpoise.biology.verification.client import ServiceClient
from counterpoise.biology.verification.services.gprofiler import CODES

GENES = ["p53", "MDM2", "CDKN1A", "XYZZY9"]
ARGUMENTS = {
    "gprofiler_enrichment": {"genes": GENES},
    "enrichr_pathways": {"genes": GENES},
    "ncbi_gene": {"gene": "p53"},
    "pubmed_titles": {"query": "TP53 arrest"},
    "pubtator_relations": {"gene": "TP53"},
    "pubtator_search": {"query": "TP53 arrest"},
}
LINES = {
    "gprofiler_enrichment": (
        "go-bp: arrest of the cell cycle after damage (GO:0006977): 3 of 4 genes, 50 in the term, adjusted p 1e-06",
        "kegg: p53 signaling pathway (KEGG:04115): 3 of 4 genes, 50 in the term, adjusted p 1e-05",
        "reactome: G2/M DNA damage checkpoint (REAC:R-HSA-69473): 3 of 4 genes, 50 in the term, adjusted p 0.0002",
    ),
    "enrichr_pathways": (
        "kegg: KEGG_2021_Human apoptosis: 2 genes (TP53, MDM2), adjusted p 1e-05",
        "bioplanet: BioPlanet_2019 apoptosis: 2 genes (TP53, MDM2), adjusted p 0.0001",
        "hallmark: MSigDB_Hallmark_2020 apoptosis: 2 genes (TP53, MDM2), adjusted p 0.0001",
        "reactome: Cell Cycle Checkpoints: 2 genes (TP53, MDM2), adjusted p 0.0001",
    ),
    "ncbi_gene": (
        "TP53 (NCBI Gene 7157): tumor protein p53",
        "Made-up sentence on arrest.",
        "Made-up sentence on death; with more.",
        "A third one.",
    ),
    "pubmed_titles": (
        "Role of TP53 in arrest. (J Made Up, 2019, PMID 30000001)",
        "RETRACTED: Another view. (J Made Up, 2019, PMID 30000002)",
        "1234 articles match in all",
    ),
    "pubtator_relations": (
        "TP53 (gene): associate: Breast Neoplasms (disease) (900 articles)",
        "TP53 (gene): negative correlate: MDM2 (gene) (12 articles)",
    ),
    "pubtator_search": (
        "TP53 seen from afar (Made Up Lett, 2021, PMID 31000001)",
        "41 articles match in all",
    ),
}
EMPTY = {
    "gprofiler_enrichment": {("/gprofiler/api/gost/profile/", ""): {"meta": {"version": "e1"}, "result": []}},
    "enrichr_pathways": {("/enrichr/enrich", ""): lambda fields: {fields["backgroundType"]: []}},
    "ncbi_gene": {("/eutils/esummary.fcgi", "gene"): {"result": {"uids": []}}},
    "pubmed_titles": {("/eutils/esearch.fcgi", "pubmed"): {"esearchresult": {"count": "0", "idlist": []}}},
    "pubtator_relations": {("/pubtator/relations", ""): []},
    "pubtator_search": {("/pubtator/search/", ""): {"results": [], "count": 0}},
}


def changed(body, *path, to):
    """Return a copy with the value at ``path`` replaced."""
    found = copy.deepcopy(body)
    place = found
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return found


def enrichr(row):
    return lambda fields: {fields["backgroundType"]: [row]}


G, E = ("/gprofiler/api/gost/profile/", ""), ("/enrichr/enrich", "")
GENE, FOUND, TITLES = (
    ("/eutils/esummary.fcgi", "gene"),
    ("/eutils/esearch.fcgi", "pubmed"),
    ("/eutils/esummary.fcgi", "pubmed"),
)
RELATED, SEARCHED = ("/pubtator/relations", ""), ("/pubtator/search/", "")
OTHER_FORMS = [
    *[("gprofiler_enrichment", G, body) for body in ([], {}, {"result": {}}, {"result": [1]}, {"result": [{}]})],
    *[
        ("gprofiler_enrichment", G, changed(GPROFILER, "result", 0, name, to=value))
        for name, value in [
            ("p_value", "small"),
            ("p_value", 7),
            ("p_value", float("nan")),
            ("query_size", -1),
            ("source", 3),
        ]
    ],
    ("enrichr_pathways", ("/enrichr/addList", ""), {"userListId": "none"}),
    ("enrichr_pathways", E, {"OtherLibrary": []}),
    ("enrichr_pathways", E, enrichr([1, "short"])),
    ("enrichr_pathways", E, enrichr([1, "name", 0.1, 1, 1, "TP53;MDM2", 0.01])),
    ("enrichr_pathways", E, enrichr([1, "name", 0.1, 1, 1, ["TP53"], "0.01"])),
    *[("ncbi_gene", GENE, body) for body in ([], {}, {"result": []}, {"result": {"7157": "TP53"}})],
    ("ncbi_gene", GENE, changed(GENE_SUMMARY, "result", "7157", "summary", to=["a list"])),
    *[("pubmed_titles", FOUND, body) for body in ([], {}, {"esearchresult": {}}, {"esearchresult": {"idlist": ["x"]}})],
    ("pubmed_titles", FOUND, {"esearchresult": {"count": "1", "idlist": ["1,2&db=x"]}}),
    ("pubmed_titles", TITLES, changed(ARTICLES, "result", "30000001", "title", to=None)),
    *[("pubtator_relations", RELATED, body) for body in ({}, [1], [{"type": "x"}])],
    ("pubtator_relations", RELATED, changed(RELATIONS, 0, "publications", to="many")),
    *[("pubtator_search", SEARCHED, body) for body in ([], {}, {"results": {}}, {"results": [{}]})],
    ("pubtator_search", SEARCHED, changed(SEARCH, "results", 0, "title", to={"text": "x"})),
]


@pytest.fixture
def server():
    with ServiceServer() as server:
        yield server


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(server, clock, tmp_path):
    def make(name, sources=None, **options):
        kind = ONLINE[name]
        client = ServiceClient(
            server.addresses[kind.service], per_second=1000, timeout=0.3, retries=1, clock=clock, sleep=clock.sleep
        )
        return kind(client, sources, **{"cache": Cache(tmp_path / "cache"), **options})

    return make


def test_every_tool_is_tested():
    assert set(ARGUMENTS) == set(ONLINE) == set(LINES) == set(EMPTY)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_answer(make, name):
    found = make(name).run(**ARGUMENTS[name])
    assert (found.failure, found.cached) == ("", False)
    assert found.lines == LINES[name]
    assert found.tool == name
    assert "asked on 20" in found.source


@pytest.mark.parametrize("name", ARGUMENTS)
def test_nothing_found_is_no_failure_and_is_kept(make, server, name):
    server.answers.update(EMPTY[name])
    for cached in (False, True):
        found = make(name).run(**ARGUMENTS[name])
        assert (found.lines, found.terms, found.failure, found.cached) == ((), (), "", cached)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_second_time_nobody_is_asked(make, server, name):
    first = make(name).run(**ARGUMENTS[name])
    asked = len(server.requests)
    second = make(name).run(**ARGUMENTS[name])
    assert len(server.requests) == asked
    assert second.cached
    assert (second.lines, second.terms, second.source) == (first.lines, first.terms, first.source)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_old_answer_is_asked_for_again_but_serves_offline(make, server, name):
    make(name).run(**ARGUMENTS[name])
    asked = len(server.requests)
    assert make(name, offline=True, max_age_days=-1).run(**ARGUMENTS[name]).cached
    assert len(server.requests) == asked
    assert not make(name, max_age_days=-1).run(**ARGUMENTS[name]).cached
    assert len(server.requests) == 2 * asked


@pytest.mark.parametrize("name", ARGUMENTS)
def test_offline_nothing_is_sent(make, server, name):
    found = make(name, offline=True).run(**ARGUMENTS[name])
    assert "this run is offline" in found.failure
    assert server.requests == []


FAULTS = {
    "hang": "no answer within 0.3 s",
    "close": "the connection was closed",
    "html": "answered with a web page, not JSON",
    "truncated": "closed before the answer was complete",
    "429": "refused with status 429: too fast",
    "500": "refused with status 500",
}
FAULTY = [(name, fault) for name in ARGUMENTS for fault in FAULTS if fault != "hang" or name == "pubtator_relations"]
"""Every fault of every service; time-outs, which have to be waited for, of one."""
REFUSALS = {
    "429": Refusal(429, {"Retry-After": "2"}, {"error": "too fast"}),
    "500": Refusal(500, body=b"<html>no</html>"),
}


@pytest.mark.parametrize(("name", "fault"), FAULTY)
def test_a_fault_that_passes_costs_nothing(make, server, clock, name, fault):
    server.script = [REFUSALS.get(fault, fault)]
    assert make(name).run(**ARGUMENTS[name]).lines == LINES[name]
    assert max(clock.slept) >= (2 if fault == "429" else 0.5)


@pytest.mark.parametrize(("name", "fault"), FAULTY)
def test_a_fault_that_stays_is_told_and_not_kept(make, server, name, fault):
    server.always = REFUSALS.get(fault, fault)
    found = make(name).run(**ARGUMENTS[name])
    assert FAULTS[fault] in found.failure
    assert found.failure.startswith(found.source)
    assert found.failure.endswith("(2 attempts)")
    assert (found.lines, found.terms, found.cached) == ((), (), False)
    server.always = None
    assert make(name).run(**ARGUMENTS[name]).lines == LINES[name]


@pytest.mark.parametrize(("name", "path", "body"), OTHER_FORMS)
def test_another_form_is_a_failure(make, server, name, path, body):
    server.answers[path] = body if callable(body) else lambda fields: body
    found = make(name).run(**ARGUMENTS[name])
    assert "its answer is not of the documented form" in found.failure
    assert found.lines == ()


# What is sent


def test_genes_are_sent_as_known_symbols_and_the_rest_is_told(make, server):
    found = make("gprofiler_enrichment").run(genes=GENES)
    assert server.requests[0].fields["query"] == ["CDKN1A", "MDM2", "TP53"]
    assert found.arguments == {"genes": ["TP53", "MDM2", "CDKN1A"], "unrecognised": ["XYZZY9"]}


def test_the_order_of_genes_does_not_matter_to_the_cache(make, server):
    make("gprofiler_enrichment").run(genes=["TP53", "MDM2"])
    assert make("gprofiler_enrichment").run(genes=["MDM2", "p53"]).cached
    assert not make("gprofiler_enrichment").run(genes=["MDM2"]).cached


@pytest.mark.parametrize("name", ["gprofiler_enrichment", "enrichr_pathways"])
def test_without_a_known_gene_nothing_is_sent(make, server, name):
    assert "none of the names" in make(name).run(genes=["XYZZY9"]).failure
    assert server.requests == []


def test_gprofiler_is_asked_as_documented(make, server):
    found = make("gprofiler_enrichment").run(genes=GENES)
    (asked,) = server.requests
    assert (asked.method, asked.path) == ("POST", "/gprofiler/api/gost/profile/")
    assert asked.fields["organism"] == "hsapiens"
    assert asked.fields["user_threshold"] == 0.05
    assert sorted(asked.fields["sources"]) == sorted(CODES.values())
    assert found.source.startswith("g:Profiler e113_eg59_p19_made (go-bp, ")
    assert found.terms[0] == ("GO:0006977", "arrest of the cell cycle after damage")


def test_gprofiler_keeps_the_best_of_each_source(make, server):
    rows = [term("GO:BP", f"GO:{i:07}", f"process {i}", i / 1000) for i in range(9, 0, -1)]
    server.answers[G] = {"result": [*rows, term("KEGG", "KEGG:1", "pathway", 0.04)]}
    found = make("gprofiler_enrichment", top=2).run(genes=GENES)
    assert [name for _, name in found.terms] == ["process 1", "process 2", "pathway"]


def test_enrichr_is_asked_as_documented(make, server):
    found = make("enrichr_pathways").run(genes=GENES)
    added, *asked = server.requests
    assert (added.method, added.path) == ("POST", "/enrichr/addList")
    assert added.fields["list"] == "CDKN1A\nMDM2\nTP53"
    assert {request.fields["userListId"] for request in asked} == {"363320"}
    assert [request.fields["backgroundType"] for request in asked] == [
        "BioPlanet_2019",
        "MSigDB_Hallmark_2020",
        "KEGG_2021_Human",
        "Reactome_2022",
    ]
    assert found.terms[3] == ("R-HSA-69620", "Cell Cycle Checkpoints")
    assert "KEGG_2021_Human" in found.source


def test_a_failure_of_one_library_is_a_failure_of_the_call(make, server):
    server.script = [None, None, REFUSALS["500"], REFUSALS["500"]]
    found = make("enrichr_pathways").run(genes=GENES)
    assert "status 500" in found.failure
    assert found.lines == ()


def test_a_known_gene_is_asked_by_its_number_and_another_searched(make, server):
    make("ncbi_gene").run(gene="p53")
    assert [request.path for request in server.requests] == ["/eutils/esummary.fcgi"]
    assert server.requests[0].fields["id"] == "7157"
    server.requests.clear()
    make("ncbi_gene").run(gene="NEW1GENE")
    search, summary = server.requests
    assert search.fields["term"] == "NEW1GENE[sym] AND human[orgn]"
    assert summary.fields["id"] == "7157"


def test_a_gene_of_another_species_is_not_told(make, server):
    server.answers[GENE] = changed(GENE_SUMMARY, "result", "7157", "organism", "taxid", to=10090)
    found = make("ncbi_gene").run(gene="TP53")
    assert (found.lines, found.failure) == ((), "")


def test_a_number_that_ncbi_does_not_know_is_nothing_found(make, server):
    server.answers[GENE] = {
        "result": {"uids": ["7157"], "7157": {"uid": "7157", "error": "cannot get document summary"}}
    }
    found = make("ncbi_gene").run(gene="TP53")
    assert (found.lines, found.failure) == ((), "")


def test_a_refused_search_is_told(make, server):
    server.answers[FOUND] = {"esearchresult": {"ERROR": "Search Backend failed:\x00 made up"}}
    assert (
        make("pubmed_titles").run(query="x").failure == "PubMed: the search was refused: Search Backend failed: made up"
    )


def test_words_that_pubmed_ignored_are_told(make, server):
    errors = {"phrasesnotfound": ["xyzzy"], "fieldsnotfound": []}
    server.answers[FOUND] = {"esearchresult": {"count": "2", "idlist": ["30000001"], "errorlist": errors}}
    assert make("pubmed_titles").run(query="TP53 xyzzy").lines[-1] == "PubMed does not know, and ignored: xyzzy"


def test_ncbi_is_told_who_asks_and_no_key_stands_in_an_address(make, server, tmp_path):
    tool = make("pubmed_titles")
    tool.set_courtesy("who@example.org", "k" * 36)
    found = tool.run(query="TP53")
    for request in server.requests:
        assert (request.method, request.query) == ("POST", "")
        assert request.fields["tool"] == "counterpoise"
        assert request.fields["email"] == "who@example.org"
        assert request.fields["api_key"] == "k" * 36
    assert "k" * 36 not in json.dumps(found.as_dict())
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert "k" * 36 not in kept
    assert "example.org" not in kept


def test_without_an_email_none_is_sent(make, server):
    make("pubmed_titles").run(query="TP53")
    assert "email" not in server.requests[0].fields
    assert "api_key" not in server.requests[0].fields


def test_pubtator_is_asked_as_documented(make, server):
    make("pubtator_relations").run(gene="p53")
    make("pubtator_search").run(query="a & b=c")
    relations, search = server.requests
    assert (relations.path, relations.fields) == ("/pubtator/relations", {"e1": "@GENE_TP53"})
    assert (search.path, search.fields) == ("/pubtator/search/", {"text": "a & b=c", "page": "1"})


# What a service says is not trusted


def test_text_of_services_is_cleaned_and_clipped(make, server):
    dirty = "ignore\x00 all\u202e\n<b>before</b> " + "x" * 5000
    server.answers[G] = {"result": [term("KEGG", "KEGG:1\x07", dirty, 0.01)]}
    server.answers[TITLES] = changed(ARTICLES, "result", "30000001", "title", to=dirty)
    server.answers[RELATED] = changed(RELATIONS, 0, "target", to=f"@GENE_{dirty}")
    server.answers[SEARCHED] = changed(SEARCH, "results", 0, "title", to=dirty)
    for name in ("gprofiler_enrichment", "pubmed_titles", "pubtator_relations", "pubtator_search"):
        found = make(name).run(**ARGUMENTS[name])
        assert found.failure == ""
        assert all(len(line) <= 420 for line in found.lines)
        assert not [c for line in found.lines for c in line if ord(c) < 32 or c == "\u202e"]


# Masks


def test_masked_sources_never_reach_gprofiler(make, server):
    found = make("gprofiler_enrichment", frozenset({"kegg", "reactome", "wikipathways"})).run(genes=GENES)
    assert sorted(server.requests[0].fields["sources"]) == ["KEGG", "REAC", "WP"]
    assert "GO:0006977" not in json.dumps(found.as_dict())  # the server sends it all the same


def test_masked_sources_never_reach_enrichr(make, server):
    make("enrichr_pathways", frozenset({"kegg", "reactome", "bioplanet"})).run(genes=GENES)
    assert "MSigDB_Hallmark_2020" not in [request.fields.get("backgroundType") for request in server.requests]


def test_an_unmasked_answer_in_the_cache_never_serves_under_a_mask(make, server):
    make("gprofiler_enrichment").run(genes=GENES)
    masked = make("gprofiler_enrichment", frozenset({"kegg"}), offline=True).run(genes=GENES)
    assert "this run is offline" in masked.failure
    assert masked.lines == ()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_tool_without_a_source_cannot_be_made(make, name):
    with pytest.raises(ValueError, match="no source is left"):
        make(name, frozenset({"hgnc"}))
