"""The client against a real local server: answers, every misbehaviour, waits between attempts, and the key."""

import logging
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from counterpoise.endpoints import EndpointClient, EndpointUnusable, RequestFailed
from counterpoise.errors import UserError
from fake_endpoint import FakeEndpoint, Refusal

KEY = "sk-0123456789-abcdefghij"
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def server():
    with FakeEndpoint() as server:
        yield server


@pytest.fixture
def waits():
    return []


@pytest.fixture
def client(server, waits):
    return EndpointClient(server.url, model="tiny", timeout=0.3, retries=3, sleep=waits.append)


def test_a_chat_answer_and_what_was_sent(server, client):
    answer = client.chat(HELLO, max_tokens=7, stop=["\n"], seed=3)
    assert (answer.text, answer.finish, answer.log_prob) == ("echo: hello", "stop", None)
    sent = {"model": "tiny", "messages": HELLO, "max_tokens": 7, "temperature": 0.0, "stop": ["\n"], "seed": 3}
    assert server.posts == [sent]


def test_a_completion_and_its_log_prob(client):
    found = client.complete("a", max_tokens=2, logprobs=1)
    assert (found.text, found.finish, found.log_prob) == (" and so on", "stop", -3.0)
    assert client.complete("a", max_tokens=2).log_prob is None
    assert client.chat(HELLO, max_tokens=2, logprobs=True).log_prob == -0.75


def test_tools_are_sent_and_a_message_with_tool_calls_comes_back_whole(server, client):
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "look_up"}}]}
    server.chat = lambda messages: (call, "tool_calls")
    tools = [{"type": "function", "function": {"name": "look_up"}}]
    answer = client.chat(HELLO, max_tokens=7, tools=tools)
    assert answer.message == call
    assert answer.text is None
    assert server.posts[0]["tools"] == tools


def test_the_model_is_asked_for_once(server):
    client = EndpointClient(server.url)
    client.chat(HELLO, max_tokens=1)
    client.chat(HELLO, max_tokens=1)
    assert [path for path, _, _ in server.requests].count("/v1/models") == 1
    assert server.posts[0]["model"] == "tiny"


@pytest.mark.parametrize(("models", "words"), [([], "serves 0 models"), (["a", "b"], "2 models: a, b; name the one")])
def test_without_a_single_model_the_user_has_to_name_one(server, models, words):
    server.models = models
    with pytest.raises(UserError, match=words):
        EndpointClient(server.url).chat(HELLO, max_tokens=1)


PASSING = {
    "hang": "no answer within 0.3 s",
    "close": "connection was closed",
    "nonsense": "not JSON",
    "truncated": "connection was closed|not JSON",
    "schema": "lacks what the interface promises",
    "429": "status 429: slow down",
    "500": "status 500: oops",
    "503": "status 503",
}
ACTS = {"429": Refusal(429, said="slow down"), "500": Refusal(500, said="oops"), "503": Refusal(503)}


@pytest.mark.parametrize("act", PASSING)
def test_what_passes_is_asked_again(server, client, waits, act):
    """Twice, then the answer; each wait is between half and the whole of a time that doubles."""
    server.script = [ACTS.get(act, act)] * 2
    assert client.chat(HELLO, max_tokens=1).text == "echo: hello"
    assert len(server.posts) == 3
    assert len(waits) == 2
    assert 0.5 <= waits[0] <= 1.0 <= waits[1] <= 2.0


@pytest.mark.parametrize("act", PASSING)
def test_what_does_not_pass_fails_in_the_end_and_says_why(server, client, waits, act):
    server.always = ACTS.get(act, act)
    with pytest.raises(RequestFailed, match=PASSING[act]) as caught:
        client.chat(HELLO, max_tokens=1)
    assert "4 attempts" in str(caught.value)
    assert len(server.posts) == 4
    assert len(waits) == 3


def test_retry_after_in_seconds_or_as_a_date_is_waited_for(server, client, waits):
    later = datetime.now(UTC) + timedelta(seconds=90)
    server.script = [
        Refusal(429, {"Retry-After": "7"}),
        Refusal(503, {"Retry-After": format_datetime(later, usegmt=True)}),
        Refusal(429, {"Retry-After": "soon"}),
    ]
    client.chat(HELLO, max_tokens=1)
    assert waits[0] == 7.0
    assert 80 < waits[1] <= 90
    assert 2.0 <= waits[2] <= 4.0


def test_a_retry_after_of_hours_is_not_waited_for(server, client, waits):
    server.always = Refusal(429, {"Retry-After": "7200"})
    with pytest.raises(RequestFailed, match="asks to wait 7200 s"):
        client.chat(HELLO, max_tokens=1)
    assert waits == []


@pytest.mark.parametrize("status", [400, 413, 422, 501])
def test_a_refusal_of_one_request_is_not_retried(server, client, waits, status):
    server.script = [Refusal(status, said="too long")]
    with pytest.raises(RequestFailed, match=f"status {status}: too long") as caught:
        client.chat(HELLO, max_tokens=1)
    assert caught.value.status == status
    assert waits == []
    assert client.chat(HELLO, max_tokens=1).text == "echo: hello"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "set COUNTERPOISE_API_KEY"),
        (403, "set COUNTERPOISE_API_KEY"),
        (402, "paid up"),
        (404, "/v1/chat/completions: .* model 'tiny'"),
        (301, "check the address"),
    ],
)
def test_a_refusal_of_all_requests_is_the_users(server, client, waits, status, words):
    """At once, if it is the first thing that the server says; after a good answer it is that request's failure."""
    server.script = [Refusal(status, said="no")]
    with pytest.raises(EndpointUnusable, match=words):
        client.chat(HELLO, max_tokens=1)
    assert waits == []
    client.chat(HELLO, max_tokens=1)
    server.script = [Refusal(status, said="no")]
    with pytest.raises(RequestFailed, match=f"status {status}: no"):
        client.chat(HELLO, max_tokens=1)
    assert waits == []


def test_an_unknown_host_is_said_at_once(waits):
    client = EndpointClient("http://no-such-host.invalid:8000", model="m", sleep=waits.append)
    with pytest.raises(UserError, match=r"no-such-host\.invalid:8000/v1: the host is unknown"):
        client.chat(HELLO, max_tokens=1)
    assert waits == []


def test_a_port_where_nobody_listens_is_tried_again_and_then_the_users(waits):
    with FakeEndpoint() as server:
        url = server.url
    client = EndpointClient(url, model="m", retries=2, sleep=waits.append)
    with pytest.raises(UserError, match=r"nothing answers at this address \(3 attempts\)"):
        client.chat(HELLO, max_tokens=1)
    assert len(waits) == 2


def test_a_server_that_went_away_is_a_failure_of_the_request(waits):
    with FakeEndpoint() as server:
        client = EndpointClient(server.url, model="m", retries=1, timeout=0.5, sleep=waits.append)
        client.chat(HELLO, max_tokens=1)
        client._connection._session.close()
    with pytest.raises(RequestFailed):
        client.chat(HELLO, max_tokens=1)


def test_a_server_that_wants_the_newer_name_of_the_limit_gets_it(server, client):
    """OpenAI's reasoning models refuse max_tokens and name what they want; it is remembered."""

    def picky(payload):
        if "max_tokens" in payload:
            return Refusal(400, said="Unsupported parameter: use 'max_completion_tokens' instead.")
        return None

    server.always = picky
    for _ in range(2):
        assert client.chat(HELLO, max_tokens=9, temperature=None).text == "echo: hello"
    assert [sorted(p) for p in server.posts[1:]] == [["max_completion_tokens", "messages", "model"]] * 2


def test_the_key_is_sent_and_shown_nowhere(server, waits, caplog, capfd):
    """Not even where the server repeats it, in a refusal or in an answer."""
    client = EndpointClient(server.url, api_key=KEY, model="tiny", retries=1, sleep=waits.append)
    with caplog.at_level(logging.DEBUG):
        server.script = [Refusal(401, said=f"Incorrect API key provided: {KEY}.")]
        with pytest.raises(UserError, match=r"provided: \[API key\]\.") as refused:
            client.chat(HELLO, max_tokens=1)
        server.always = Refusal(500, said=f"cannot read {KEY}")
        with pytest.raises(RequestFailed, match="cannot read") as failed:
            client.chat(HELLO, max_tokens=1)
        server.always = None
        server.chat = lambda messages: (f"your key is {KEY}", "stop")
        assert client.chat(HELLO, max_tokens=1).text == "your key is [API key]"
    shown = [str(refused.value), str(failed.value), repr(client), caplog.text, *capfd.readouterr()]
    assert not any(KEY in text for text in shown)
    assert {headers["Authorization"] for _, _, headers in server.requests} == {f"Bearer {KEY}"}


def test_a_short_key_is_taken_out_of_messages_and_answers_are_left_alone(server):
    """Local servers are often given a word as key; an answer may hold that word."""
    client = EndpointClient(server.url, api_key="gene", model="tiny", retries=0)
    server.script = [Refusal(401, said="gene is no key")]
    with pytest.raises(UserError, match=r"401: \[API key\] is no key"):
        client.chat(HELLO, max_tokens=1)
    assert client.chat([{"role": "user", "content": "which gene"}], max_tokens=1).text == "echo: which gene"


def test_a_netrc_is_not_read(server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("COUNTERPOISE_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = EndpointClient(server.url)
    client._connection._session.trust_env = True  # as for an endpoint on another machine
    client.chat(HELLO, max_tokens=1)
    assert not any("Authorization" in headers for _, _, headers in server.requests)


def test_a_loopback_endpoint_is_not_asked_through_a_proxy(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert EndpointClient(server.url, retries=0).chat(HELLO, max_tokens=1).text == "echo: hello"


def test_long_words_of_the_server_are_cut(server, client):
    server.script = [Refusal(400, said="x" * 5000)]
    with pytest.raises(RequestFailed) as caught:
        client.chat(HELLO, max_tokens=1)
    assert re.search(r"x{297}\.\.\.$", str(caught.value))


@pytest.mark.parametrize("option", [{"timeout": 0}, {"retries": -1}, {"parallel": 0}])
def test_settings_out_of_range_are_refused(option):
    with pytest.raises(UserError, match="expected above 0, at least 0 and at least 1"):
        EndpointClient("http://localhost", **option)
