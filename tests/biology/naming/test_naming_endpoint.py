"""The agent over a real HTTP server that answers like an OpenAI endpoint: tool calls, decisions, and faults."""

import json

import pytest
from naming_fakes import ANALYSIS, CLAIMS, GENE_CLAIMS, SET, FakeTool, Toolbox, lens_tools

from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.naming import name_gene_sets, read_records
from counterpoise.biology.naming.endpoint_chat import EndpointChat
from counterpoise.biology.naming.naming import GIVE_UP
from counterpoise.biology.naming.prompt import Prompt
from counterpoise.biology.naming.steps import ChatRequest
from counterpoise.endpoints import EndpointClient
from counterpoise.errors import UserError
from counterpoise.evaluation.subjects import EndpointModel
from fake_endpoint import FakeEndpoint, Refusal

MARKS = {
    "name": "Name the one biological process",
    "name_claims": "Take the name of the process apart",
    "analysis_claims": "Pick the statements on single genes",
    "verify_tools": "Check one claim on human genes",
    "verify_evidence": "Decide by the evidence below",
    "modify": "claims behind the name were checked",
    "summarise": "Write the final answer",
}


def calls(*functions):
    """An assistant message with tool calls: (name, arguments) each."""
    made = [
        {"id": f"c{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for i, (name, arguments) in enumerate(functions)
    ]
    return {"role": "assistant", "content": None, "tool_calls": made}


def look_up(messages):
    """Ask the tool that fits the claim, then decide that it holds."""
    if messages[-1]["role"] == "tool":
        return "Decision: supported\nReason: the source lists it."
    claim = messages[0]["content"].rsplit("Claim: ", 1)[1]
    if "these genes" in claim:
        return calls(("enrichment", json.dumps({"genes": list(SET.genes)})))
    return calls(("gene_facts", json.dumps({"gene": claim.split()[0]})))


RULES = {
    "name": f"Process: Lens transparency (0.9)\n\n{ANALYSIS}",
    "name_claims": CLAIMS,
    "analysis_claims": GENE_CLAIMS,
    "verify_tools": look_up,
    "verify_evidence": "Decision: supported\nReason: the evidence says so.",
    "modify": "Process: Eye lens structure (0.6)\n\nBFSP1 forms filaments. MIP is a water channel.",
    "summarise": "Process: Anything else (0.8)\n\nThe final analysis.",
}


@pytest.fixture
def server():
    with FakeEndpoint() as running:
        yield running


def script(server, **changes):
    rules = RULES | changes

    def chat(messages):
        name = next(name for name, mark in MARKS.items() if mark in messages[0]["content"])
        rule = rules[name]
        return (rule(messages) if callable(rule) else rule), "stop"

    server.chat = chat


def client_of(server, retries=1):
    return EndpointClient(server.url, retries=retries, parallel=2, sleep=lambda seconds: None)


def name(server, sets=(SET,), toolbox=None, retries=1, mode="agent", **settings):
    chat = EndpointChat(client_of(server, retries))
    return name_gene_sets(sets, chat, mode=mode, toolbox=toolbox or lens_tools(), **settings)


def decisions(record):
    return [claim["decision"] for claim in record["claims"]]


def test_supported(server):
    script(server)
    (record,) = name(server)
    assert record["name"] == record["first_name"] == "Lens transparency"
    assert (record["confidence"], record["confidence_bin"]) == (0.8, "low")
    assert record["analysis"] == "The final analysis."
    assert decisions(record) == ["supported"] * 3
    assert record["claims"][1]["reason"] == "the source lists it."
    assert record["claims"][1]["evidence"][0]["lines"] == ["MIP acts in the lens"]
    assert record["complete"]
    assert record["model"] == "tiny"
    json.dumps(record)


def test_the_conversation_with_tools_has_the_form_of_the_interface(server):
    script(server)
    name(server)
    asked = [post for post in server.posts if MARKS["verify_tools"] in post["messages"][0]["content"]]
    first, last = asked[0]["messages"], max((post["messages"] for post in asked), key=len)
    assert [tool["function"]["name"] for tool in asked[0]["tools"]] == ["enrichment", "gene_facts"]
    assert [message["role"] for message in first] == ["user"]
    assert [message["role"] for message in last] == ["user", "assistant", "tool"]
    assert last[1]["tool_calls"][0]["id"] == last[2]["tool_call_id"]
    assert "acts in the lens" in last[2]["content"] or "lens development" in last[2]["content"]
    assert all(post["temperature"] == 0 for post in server.posts)
    assert not any("tools" in post for post in server.posts if MARKS["name"] in post["messages"][0]["content"])


def decided(word):
    """Look up, then decide ``word`` on the name and "supported" on genes."""

    def rule(messages):
        made = look_up(messages)
        is_name = "these genes" in messages[0]["content"].rsplit("Claim: ", 1)[1]
        return made.replace("supported", word) if isinstance(made, str) and is_name else made

    return rule


def test_partly(server):
    script(server, verify_tools=decided("partly"))
    (record,) = name(server)
    assert decisions(record) == ["partly", "supported", "supported"]
    assert (record["first_name"], record["name"]) == ("Lens transparency", "Eye lens structure")
    assert record["complete"]


def test_refuted(server):
    script(server, verify_tools=decided("refuted"))
    (record,) = name(server)
    assert decisions(record) == ["refuted", "supported", "supported"]
    assert (record["first_name"], record["name"]) == ("Lens transparency", "lens development")
    assert record["analysis"] == "The final analysis."
    assert record["complete"]


def test_a_tool_that_fails_is_told_to_the_model_and_to_the_reader(server):
    script(server)
    (record,) = name(server, toolbox=lens_tools(gene_failure="status 429 after 3 attempts"))
    assert decisions(record) == ["supported", "not checked", "not checked"]
    assert record["claims"][1]["evidence"][0]["failure"] == "status 429 after 3 attempts"
    assert "without any evidence, thought: supported" in record["claims"][1]["reason"]
    assert record["problems"] == [
        "gene_facts: status 429 after 3 attempts",
        "summarise: no claim on the analysis could be decided, so it stays as it was",
    ]
    told = [m["content"] for post in server.posts for m in post["messages"] if m["role"] == "tool"]
    assert any("status 429 after 3 attempts" in text for text in told)


def test_a_decision_without_a_look_is_none(server):
    script(server, verify_tools="Decision: supported\nReason: everybody knows that.")
    (record,) = name(server)
    assert set(decisions(record)) == {"not checked"}
    assert record["claims"][0]["reason"].startswith("No tool was asked.")


def test_the_loop_ends(server):
    script(server, verify_tools=lambda messages: calls(("gene_facts", '{"gene": "MIP"}')))
    (record,) = name(server, turns=3, claims=1)
    assert set(decisions(record)) == {"not checked"}
    assert record["claims"][0]["reason"] == "Not decided: the model was still looking things up after 3 answers."
    assert len(record["claims"][0]["evidence"]) == 3
    assert len([step for step in record["steps"] if step["step"].startswith("check claim 1 on the name")]) == 3


def test_talk_without_a_decision_is_reminded_of_and_ends(server):
    script(server, verify_tools="Let me think about it in many more words than six.")
    (record,) = name(server, retries=1, claims=1)
    assert record["claims"][0]["reason"] == "Not decided: the model's answers hold no decision."
    checks = [step for step in record["steps"] if step["step"].startswith("check claim 1 on the name")]
    assert len(checks) == 3
    assert "two lines" in checks[1]["prompt"]


@pytest.mark.parametrize("arguments", ["{broken", "[]", '"MIP"', '{"gene": 7}', '{"name": "MIP"}', "null"])
def test_calls_that_make_no_sense_come_back_as_failures(server, arguments):
    def rule(messages):
        return look_up(messages) if messages[-1]["role"] == "tool" else calls(("gene_facts", arguments), ("none", "{}"))

    script(server, verify_tools=rule)
    (record,) = name(server, claims=1)
    assert set(decisions(record)) == {"not checked"}
    first, second = record["claims"][0]["evidence"]
    assert first["failure"]
    assert "no tool" in second["failure"]


def test_broken_claims(server):
    script(server, name_claims='{"claims": 3', analysis_claims='["MIP is a water channel.", "CRYAA is a crys')
    (record,) = name(server)
    assert [claim["about"] for claim in record["claims"]] == ["analysis"]
    assert not record["complete"]
    assert record["problems"] == ["claims on the name: the answers hold none; the name was not checked"]


def test_no_process_line(server):
    script(server, name="The lens.")
    (record,) = name(server)
    assert (record["name"], record["complete"], record["analysis"]) == ("", False, "The lens.")
    assert len(server.posts) == 3


def test_a_model_without_tool_calls_is_shown_the_evidence(server):
    script(server)
    (record,) = name(server, verifier="evidence")
    assert decisions(record) == ["supported"] * 3
    assert record["claims"][0]["reason"] == "the evidence says so."
    assert not any("tools" in post for post in server.posts)


def test_a_server_that_refuses_tools_is_told(server):
    script(server)
    server.always = lambda payload: Refusal(400, said="tools are not supported") if "tools" in payload else None
    (record,) = name(server)
    assert set(decisions(record)) == {"not checked"}
    assert "tools are not supported" in record["claims"][0]["reason"]


def test_an_endpoint_that_dies_half_way_is_gone_on_with(server, tmp_path):
    out = tmp_path / "names.jsonl"
    sets = [GeneSet(f"s{i}", SET.genes[: 2 + i]) for i in range(3)]
    script(server)
    healthy = name(server, sets)
    before = len(server.posts)
    server.always = lambda payload: Refusal(500) if len(server.posts) - before > 25 else None
    broken = name(server, sets, out=out)
    lost = [record for record in broken if record["ask_again"]]
    assert 1 <= len(lost) < 3
    assert all("status 500" in record["problems"][0] and not record["complete"] for record in lost)
    assert sorted(record["id"] for record in read_records(out)) == ["s0", "s1", "s2"]
    server.always = None
    mended = name(server, sets, out=out)
    assert [{**record, "seconds": 0} for record in mended] == [{**record, "seconds": 0} for record in healthy]
    assert sorted(record["id"] for record in read_records(out)) == ["s0", "s1", "s2"]
    asked = len(server.posts)
    assert name(server, sets, out=out) == mended
    assert len(server.posts) == asked


def test_a_dead_endpoint_is_not_asked_for_every_set(server, tmp_path):
    sets = [GeneSet(f"s{i}", SET.genes) for i in range(40)]
    out = tmp_path / "names.jsonl"
    script(server)
    server.always = Refusal(503, said="out of memory")
    with pytest.raises(
        UserError, match=f"tiny could not be reached for {GIVE_UP} sets in a row .*out of memory.*goes on"
    ):
        name(server, sets, out=out, mode="direct", retries=0)
    assert len(read_records(out)) == GIVE_UP
    assert len(server.posts) < 20
    server.always = None
    records = name(server, sets, out=out, mode="direct")
    assert all(record["complete"] for record in records)
    assert len(read_records(out)) == 40


def test_a_wrong_key_is_an_error_before_anything_is_named(server, tmp_path):
    server.always = Refusal(401, said="who are you")
    with pytest.raises(UserError, match="who are you"):
        name(server, mode="direct", out=tmp_path / "names.jsonl")
    assert read_records(tmp_path / "names.jsonl") == []


def test_a_prompt_beyond_the_servers_window_is_shortened(server):
    script(server)
    limit = 1500  # characters of the question

    def refuse(payload):
        is_long = len(payload["messages"][0]["content"]) > limit
        return Refusal(400, said="This model's maximum context length is 512 tokens") if is_long else None

    server.always = refuse
    genes = tuple(f"GENE{i}" for i in range(200))
    words = {"claim": "c"}
    ((_, reply),) = EndpointChat(client_of(server)).ask([ChatRequest(Prompt("verify_tools", words, genes))])
    assert not reply.failure
    assert "of 200 genes" in reply.left_out
    server.always = Refusal(400, said="This model's maximum context length is 5 tokens")
    ((_, reply),) = EndpointChat(client_of(server)).ask([ChatRequest(Prompt("verify_tools", words, genes))])
    assert "maximum context length" in reply.failure
    assert not reply.is_lost


def test_requests_under_way_are_bounded_over_all_sets(server):
    import threading
    import time

    now, most, lock = [0], [0], threading.Lock()
    script(server)
    answer = server.chat

    def slow(messages):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)
        with lock:
            now[0] -= 1
        return answer(messages)

    server.chat = slow
    name(server, [GeneSet(f"s{i}", SET.genes) for i in range(5)])
    assert most[0] == 2


def test_the_subject_of_an_evaluation_is_taken(server, tmp_path):
    script(server)
    subject = EndpointModel(server.url, retries=0)
    (record,) = name_gene_sets([SET], subject, mode="agent", toolbox=lens_tools(), out=tmp_path / "n.jsonl")
    assert record["complete"]
    settings = json.loads((tmp_path / "n.jsonl.settings.json").read_text())
    assert settings["model"]["identity"]["model"] == "tiny"
    assert settings["tools"] == {"enrichment": ["go-bp"], "gene_facts": ["hgnc"]}


def test_an_answer_without_text_fails_its_step(server):
    script(server, name={"role": "assistant", "content": "  "})
    (record,) = name(server)
    assert not record["complete"]
    assert "has no text" in record["problems"][0]


def test_tools_are_called_side_by_side(server):
    """Two claims of one set wait for a slow tool at the same time."""
    import threading

    both = threading.Barrier(2, timeout=10)

    def slow(gene):
        both.wait()
        return [f"{gene} acts in the lens"], []

    toolbox = Toolbox([lens_tools().tools[0], FakeTool("gene_facts", "gene", slow)])
    script(server)
    (record,) = name(server, toolbox=toolbox)
    assert decisions(record) == ["supported"] * 3
