"""Requests to a service: every misbehaviour against a real local server, and waits by a clock that nobody waits for."""

import logging
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from service_server import Clock, Refusal, ServiceServer

from counterpoise.biology.verification import client as module
from counterpoise.biology.verification.client import REST, REST_AFTER, ServiceClient, ServiceFailed

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def server():
    with ServiceServer() as server:
        server.answers["/thing", ""] = {"value": 7}
        yield server


@pytest.fixture
def clock():
    return Clock()


def make(server, clock, **options):
    settings = {"per_second": 1000, "timeout": 0.3, "retries": 2, "clock": clock, "sleep": clock.sleep, **options}
    return ServiceClient(server.url, **settings)


def value(body):
    return body["value"]


def test_an_answer_and_what_was_sent(server, clock):
    assert make(server, clock).ask("GET", "/thing", value, params={"a": "x y&z"}) == 7
    (asked,) = server.requests
    assert (asked.method, asked.fields) == ("GET", {"a": "x y&z"})
    assert asked.headers["User-Agent"].startswith("counterpoise/")
    assert "Authorization" not in asked.headers


PASSING = {
    "hang": "no answer within 0.3 s",
    "close": "the connection was closed",
    "truncated": "the connection was closed|is not JSON",
    "html": "answered with a web page, not JSON",
    "429": "refused with status 429: slow down",
    "500": "refused with status 500$|refused with status 500 ",
    "503": "refused with status 503: later",
}
REFUSALS = {
    "429": Refusal(429, body={"error": "slow down"}),
    "500": Refusal(500, body=b"<html>oops</html>"),
    "503": Refusal(503, body={"message": "later"}),
}


@pytest.mark.parametrize("act", PASSING)
def test_what_passes_is_asked_again(server, clock, act):
    server.script = [REFUSALS.get(act, act)] * 2
    assert make(server, clock).ask("GET", "/thing", value) == 7
    assert len(server.requests) == 3
    waits = [wait for wait in clock.slept if wait >= 0.5]
    assert len(waits) == 2
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2


@pytest.mark.parametrize("act", PASSING)
def test_and_given_up_in_a_sentence(server, clock, act):
    server.always = REFUSALS.get(act, act)
    with pytest.raises(ServiceFailed, match=PASSING[act]) as caught:
        make(server, clock).ask("GET", "/thing", value)
    assert str(caught.value).endswith("(3 attempts)")
    assert len(server.requests) == 3


def test_retry_after_is_kept_to_and_holds_the_others_too(server, clock):
    server.script = [Refusal(429, {"Retry-After": "17"})]
    client = make(server, clock)
    assert client.ask("GET", "/thing", value) == 7
    assert max(clock.slept) == 17
    assert clock.now >= 17


def test_retry_after_as_a_date(server, clock):
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    server.script = [Refusal(503, {"Retry-After": moment})]
    make(server, clock).ask("GET", "/thing", value)
    assert 27 < max(clock.slept) < 31


def test_a_wait_beyond_patience_is_given_up_at_once(server, clock):
    server.script = [Refusal(429, {"Retry-After": "4000"})]
    with pytest.raises(ServiceFailed, match="status 429, which asks to wait 4000 s"):
        make(server, clock).ask("GET", "/thing", value)
    assert len(server.requests) == 1
    assert not [wait for wait in clock.slept if wait > 1]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 414, 501])
def test_other_refusals_are_not_asked_again(server, clock, status):
    server.always = Refusal(status, body={"error": {"message": "no\x07 such"}})
    with pytest.raises(ServiceFailed, match=f"^refused with status {status}: no such$"):
        make(server, clock).ask("GET", "/thing", value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [[], {}, None, "text", 3, {"value": {}}])
def test_json_of_another_form_is_a_failure_and_not_asked_again(server, clock, body):
    server.answers["/thing", ""] = lambda fields: body

    def read(found):
        return found["value"] + 1

    with pytest.raises(ServiceFailed, match="its answer is not of the documented form"):
        make(server, clock).ask("GET", "/thing", read)
    assert len(server.requests) == 1


def test_deeply_nested_json_is_a_failure(server, clock):
    server.always = Refusal(200, body=b"[" * 200_000)
    with pytest.raises(ServiceFailed, match="not JSON"):
        make(server, clock, retries=0).ask("GET", "/thing", value)


def test_an_endless_answer_is_not_read(server, clock, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 1_000_000)
    server.answers["/thing", ""] = {"value": "x" * 2_000_000}
    with pytest.raises(ServiceFailed, match="longer than 1 MB"):
        make(server, clock).ask("GET", "/thing", value)


def test_nobody_there(clock):
    with ServiceServer() as gone:
        pass
    with pytest.raises(ServiceFailed, match="no connection: nothing answers"):
        make(gone, clock).ask("GET", "/thing", value)


def test_a_redirected_post_is_a_failure_and_a_redirected_get_is_followed(server, clock):
    moved = Refusal(302, {"Location": "/thing"})
    server.script = [moved]
    assert make(server, clock).ask("GET", "/old", value) == 7
    server.script = [moved]
    with pytest.raises(ServiceFailed, match="status 302"):
        make(server, clock).ask("POST", "/old", value, json={})


def test_a_service_that_is_down_is_left_alone_for_a_while(server, clock):
    client = make(server, clock, retries=0)
    server.always = REFUSALS["500"]
    for _ in range(REST_AFTER):
        with pytest.raises(ServiceFailed, match="status 500"):
            client.ask("GET", "/thing", value)
    server.always = None
    with pytest.raises(ServiceFailed, match=f"not asked: its last {REST_AFTER} requests failed; asked again in 300 s"):
        client.ask("GET", "/thing", value)
    assert len(server.requests) == REST_AFTER
    clock.now += REST + 1
    assert client.ask("GET", "/thing", value) == 7


def test_an_answer_between_failures_ends_the_count(server, clock):
    client = make(server, clock, retries=0)
    for act in [REFUSALS["500"], None] * REST_AFTER:
        server.script = [act]
        if act is None:
            assert client.ask("GET", "/thing", value) == 7
        else:
            with pytest.raises(ServiceFailed, match="status 500"):
                client.ask("GET", "/thing", value)


def test_refusals_of_one_request_do_not_put_the_service_to_rest(server, clock):
    client = make(server, clock)
    server.always = Refusal(404)
    for _ in range(REST_AFTER + 1):
        with pytest.raises(ServiceFailed, match="status 404"):
            client.ask("GET", "/thing", value)


def test_the_key_is_in_no_message_and_no_log(server, clock, caplog):
    caplog.set_level(logging.DEBUG)
    server.always = Refusal(400, body={"error": f"API key {KEY} is invalid"})
    with pytest.raises(ServiceFailed, match=r"API key \[API key\] is invalid"):
        make(server, clock, secret=KEY).ask("POST", "/thing", value, data={"api_key": KEY})
    assert server.requests[0].fields == {"api_key": KEY}
    assert KEY not in caplog.text


def test_requests_of_many_threads_keep_the_pace(server):
    slept: list[float] = []
    client = ServiceClient(server.url, per_second=4, clock=lambda: 50.0, sleep=slept.append)
    threads = [threading.Thread(target=client.ask, args=("GET", "/thing", value)) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 9
    assert sorted(slept) == pytest.approx([i / 4 for i in range(1, 9)])


def test_attempts_count_for_the_pace(server):
    slept: list[float] = []
    client = ServiceClient(server.url, per_second=0.1, retries=1, clock=lambda: 0.0, sleep=slept.append)
    server.script = [REFUSALS["500"]]
    client.ask("GET", "/thing", value)
    assert max(slept) == 10
