"""Which tools a run has, masks, and calls that a model makes, sound or not."""

import json

import pytest
from service_server import ServiceServer

from counterpoise.biology.verification import LOCAL, ONLINE, SOURCES, TOOLS, Finding, Toolbox, make_toolbox
from counterpoise.biology.verification.tool import ArgumentProblem, arguments_of, check_arguments
from counterpoise.errors import UserError

GO = ["go-bp", "go-cc", "go-mf"]


@pytest.fixture
def server():
    with ServiceServer() as server:
        yield server


@pytest.fixture
def online(server, tmp_path):
    def make(names=None, **options):
        settings = {
            "offline": False,
            "cache": tmp_path / "cache",
            "addresses": server.addresses,
            "timeout": 5,
            **options,
        }
        return make_toolbox(names, **settings)

    return make


@pytest.fixture
def gmt(tmp_path):
    def write(name, *ids):
        path = tmp_path / name
        path.write_text(
            "".join(f"{i}\tmade up\tTP53\tMDM2\tCDKN1A\n" for i in ids) + "rest\tx\tINS\tALB\tAPOA1\tAPOB\n"
        )
        return path

    return write


def names_of(toolbox):
    return tuple(tool.name for tool in toolbox.tools)


# Which tools


def test_offline_the_local_tools_are_there_and_the_others_named(tmp_path):
    toolbox = make_toolbox(cache=tmp_path)
    assert names_of(toolbox) == LOCAL
    assert set(toolbox.left_out) == set(ONLINE)
    assert all("offline" in why for why in toolbox.left_out.values())


def test_offline_a_tool_with_kept_answers_answers_from_them(online, server):
    online(["pubmed_titles"]).call("pubmed_titles", {"query": "TP53"})
    asked = len(server.requests)
    toolbox = online(offline=True)
    assert names_of(toolbox) == (*LOCAL, "pubmed_titles")
    assert toolbox.call("pubmed_titles", {"query": "TP53"}).cached
    assert "offline" in toolbox.call("pubmed_titles", {"query": "MDM2"}).failure
    assert len(server.requests) == asked


def test_online_all_tools_answer(online):
    toolbox = online()
    assert names_of(toolbox) == TOOLS
    assert toolbox.left_out == {}
    given = {"genes": ["TP53", "MDM2", "CDKN1A"], "gene": "TP53", "query": "DNA repair"}
    for tool in toolbox.tools:
        found = toolbox.call(tool.name, {name: given[name] for name in arguments_of(tool.takes)})
        assert found.failure == ""
        assert found.lines
        assert found.source
        json.dumps(found.as_dict())


def test_schemas_are_functions_that_name_what_is_required(online):
    for tool, schema in zip(online().tools, online().schemas(), strict=True):
        function = schema["function"]
        assert schema["type"] == "function"
        assert function["name"] == tool.name
        assert function["parameters"]["required"] == list(function["parameters"]["properties"])
        assert function["parameters"]["required"] == list(arguments_of(tool.takes))
        json.dumps(schema)


def test_every_source_of_a_tool_has_a_name(online):
    assert frozenset().union(*(tool.sources for tool in online().tools)) == frozenset(SOURCES)


def test_versions_are_those_of_the_local_sources(tmp_path, gmt):
    versions = make_toolbox(cache=tmp_path, gmt=[gmt("mine.gmt", "a")]).versions
    assert versions["go-bp"] == "Gene Ontology, release 2022-07-01"
    assert versions["mine"] == "mine (gene set file)"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"names": ["enrichmnt"]}, r"no verification tool 'enrichmnt' \(did you mean 'enrichment'\?\)"),
        ({"masked_sources": ["gobp"]}, "masked source 'gobp' is not known"),
        ({"addresses": {"ncbi": "https://x"}}, "no service 'ncbi'"),
        ({"addresses": {"eutils": "ftp://x"}}, "expected one that starts with https://"),
        ({"top": 0}, "top is 0"),
        ({"timeout": 0}, "timeout 0"),
    ],
)
def test_mistakes_are_named(tmp_path, options, words):
    with pytest.raises(UserError, match=words):
        make_toolbox(cache=tmp_path, **options)


def test_tools_of_ncbi_share_one_client_and_the_key_makes_it_faster(online, monkeypatch):
    monkeypatch.delenv("NCBI_API_KEY", raising=False)
    gene, titles = online(["ncbi_gene", "pubmed_titles"]).tools
    assert gene.client is titles.client
    assert gene.client.pace.per_second == 3
    monkeypatch.setenv("NCBI_API_KEY", "k" * 36)
    assert online(["ncbi_gene"]).tools[0].client.pace.per_second == 10


def test_the_key_goes_to_ncbi_alone(online, server, monkeypatch):
    monkeypatch.setenv("NCBI_API_KEY", "k" * 36)
    toolbox = online(email="who@example.org")
    for name, arguments in [
        ("gprofiler_enrichment", {"genes": ["TP53"]}),
        ("enrichr_pathways", {"genes": ["TP53"]}),
        ("pubtator_search", {"query": "TP53"}),
        ("pubtator_relations", {"gene": "TP53"}),
        ("pubmed_titles", {"query": "TP53"}),
    ]:
        toolbox.call(name, arguments)
    with_key = {request.path.split("/")[1] for request in server.requests if "k" * 36 in json.dumps(vars(request))}
    with_email = {request.path.split("/")[1] for request in server.requests if "who@" in json.dumps(vars(request))}
    assert with_key == with_email == {"eutils"}


# Masks


def test_masked_sources_are_out_of_every_tool(online, server):
    toolbox = online(masked_sources=GO)
    assert "shared_processes" in toolbox.left_out
    assert not [tool for tool in toolbox.tools if tool.sources & set(GO)]
    genes = ["TP53", "MDM2", "CDKN1A", "BAX"]
    toolbox.check_masks(GO)
    for tool in toolbox.tools:
        if tool.takes == "genes":
            text = json.dumps(toolbox.call(tool.name, {"genes": genes}).as_dict())
            assert "GO:" not in text
    sent = [request.fields.get("sources") for request in server.requests if "gprofiler" in request.path]
    assert [sorted(sources) for sources in sent] == [["KEGG", "REAC", "WP"]]
    assert toolbox.call("gene_annotations", {"gene": "TP53"}).lines == ("TP53: tumor protein p53",)


def test_masking_the_hallmarks_keeps_them_from_the_wire(online, server):
    toolbox = online(masked_sources=["hallmark"])
    toolbox.call("enrichr_pathways", {"genes": ["TP53", "MDM2"]})
    libraries = [request.fields.get("backgroundType", "") for request in server.requests]
    assert "KEGG_2021_Human" in libraries
    assert not [library for library in libraries if "Hallmark" in library]


def test_a_tool_whose_only_source_is_masked_is_left_out_and_says_so(online):
    toolbox = online(masked_sources=["pubmed", "hgnc", *GO])
    assert "masked" in toolbox.left_out["pubmed_titles"]
    assert "masked" in toolbox.left_out["gene_annotations"]
    assert "left out: every source" in toolbox.call("pubmed_titles", {"query": "x"}).failure


def test_a_file_that_shows_a_masked_source_is_left_out_whatever_its_name(tmp_path, gmt):
    files = [gmt("mine.gmt", "HALLMARK_P53_PATHWAY", "another"), gmt("other.gmt", "plain set")]
    toolbox = make_toolbox(["enrichment"], cache=tmp_path, gmt=files, masked_sources=["hallmark"])
    assert toolbox.left_out == {"mine": "this gene set file holds sets of hallmark, which is masked"}
    found = toolbox.call("enrichment", {"genes": ["TP53", "MDM2", "CDKN1A"]})
    assert "HALLMARK" not in found.as_text()
    assert "plain set" in found.as_text()


def test_a_file_can_be_masked_by_its_name(tmp_path, gmt):
    toolbox = make_toolbox(["enrichment"], cache=tmp_path, gmt=[gmt("mine.gmt", "x")], masked_sources=["mine"])
    assert "mine" in toolbox.left_out


def test_a_benchmark_refuses_a_tool_that_can_reach_a_masked_source(tmp_path, gmt):
    toolbox = make_toolbox(cache=tmp_path, gmt=[gmt("mine.gmt", "HALLMARK_P53_PATHWAY")])
    toolbox.check_masks(["pubmed"])
    with pytest.raises(UserError, match="tool 'gene_annotations' can reach go-bp, which is masked"):
        toolbox.check_masks(["go-bp"])
    with pytest.raises(UserError, match="tool 'enrichment' can reach hallmark"):
        toolbox.check_masks(["hallmark"])
    with pytest.raises(UserError, match="can reach go-bp"):
        Toolbox(toolbox.tools, masked_sources=["go-bp"])


def test_files_need_names_of_their_own(tmp_path, gmt):
    with pytest.raises(UserError, match="another source is called 'go-bp'"):
        make_toolbox(cache=tmp_path, gmt=[gmt("go-bp.gmt", "x")])
    one, two = gmt("mine.gmt", "x"), tmp_path / "more" / "mine.gmt"
    two.parent.mkdir()
    two.write_text(one.read_text())
    with pytest.raises(UserError, match="another source is called 'mine'"):
        make_toolbox(cache=tmp_path, gmt=[one, two])


def test_two_tools_of_one_name_are_refused(tmp_path):
    (tool,) = make_toolbox(["gene_annotations"], cache=tmp_path).tools
    with pytest.raises(UserError, match="the same name"):
        Toolbox([tool, tool])


# Calls


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    return make_toolbox(cache=tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("lookup", {}, "there is no tool 'lookup'; expected gene_annotations, enrichment, shared_processes"),
        ("enrichmnt", {}, "did you mean 'enrichment'"),
        ("pubmed_titles", {"query": "x"}, "pubmed_titles is left out: this run is offline"),
        ("enrichment", None, "the arguments are no object; expected genes"),
        ("enrichment", "TP53", "the arguments are no object"),
        ("enrichment", {}, "genes is missing"),
        ("enrichment", {"gene": "TP53"}, "'gene' is no argument of it; expected genes"),
        ("enrichment", {"genes": ["TP53"], "top": 5}, "'top' is no argument"),
        ("enrichment", {"genes": []}, "genes is empty"),
        ("enrichment", {"genes": [1, 2]}, "no list of texts"),
        ("enrichment", {"genes": {"a": 1}}, "no list of texts"),
        ("enrichment", {"genes": [f"G{i}" for i in range(2001)]}, "2001 names; expected at most 2000"),
        ("gene_annotations", {"gene": ["TP53"]}, "expected one gene symbol"),
        ("gene_annotations", {"gene": "TP53 OR 1=1[orgn]"}, "expected one gene symbol"),
        ("gene_annotations", {"gene": ""}, "expected one gene symbol"),
        ("shared_processes", {"genes": ["TP53"]}, "query is missing; expected genes and query"),
        ("shared_processes", {"genes": ["TP53"], "query": " \x00 "}, "query is empty"),
        ("shared_processes", {"genes": ["TP53"], "query": 3}, "query is empty or no text"),
    ],
)
def test_a_wrong_call_is_a_finding_that_says_so(local, name, arguments, words):
    found = local.call(name, arguments)
    assert isinstance(found, Finding)
    assert words in found.failure
    assert found.lines == ()
    json.dumps(found.as_dict())


@pytest.mark.parametrize("given", ["TP53, MDM2;CDKN1A", "TP53 MDM2\nCDKN1A", [" TP53 ", "MDM2", "TP53", "CDKN1A", ""]])
def test_small_slips_are_taken_as_they_are_meant(local, given):
    assert local.call("enrichment", {"genes": given}).arguments == {"genes": ["TP53", "MDM2", "CDKN1A"]}


def test_a_long_query_is_clipped():
    assert len(check_arguments("query", {"query": "x " * 900})["query"]) <= 300


def test_arguments_of_any_kind_are_an_argument_problem():
    for given in ([], 3, {"genes": None}, {"genes": [None]}, {1: 2}):
        with pytest.raises(ArgumentProblem):
            check_arguments("genes", given)
