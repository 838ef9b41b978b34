"""A real HTTP server on a free loopback port that answers like an OpenAI endpoint, or misbehaves as it is told.

with FakeEndpoint() as server:
    server.script = ["hang", Refusal(429, {"Retry-After": "3"})]     # for the next POSTs; then it answers
    EndpointClient(server.url)
"""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Refusal:
    """An error status, with headers and what the server says."""

    status: int
    headers: dict = field(default_factory=dict)
    said: str = ""


def tokens_of(text: str) -> list[str]:
    """Cut a text into words with the white space before them: concatenated, they are the text."""
    return re.findall(r"\s*\w+|\s*[^\w\s]|\s+", text)


def log_prob_of(i: int, token: str) -> float:
    """The tiny rule: a token's length in tenths of nats, and a hundredth for each token before it."""
    return -len(token) / 10 - i / 100


class FakeEndpoint:
    """The server.

    Attributes:
        script: what to do with the next POSTs instead of answering: "hang", "close", "nonsense", "truncated",
            "schema", a `Refusal`, or None to answer.
        always: the same for every POST after the script.
        chat: messages -> (text, finish_reason); text may be a whole message.
        tokenize: text -> token strings, for echo.
        first_token: a special token that echo puts first; its characters count in the offsets, as vLLM has it.
        offsets: "counted", or "none" (-1, as SGLang has it).
        echo: False answers an echo request without log-probabilities of the prompt.
        requests: (path, payload, headers) of every request, in the order in which they came.
    """

    def __init__(self) -> None:
        self.script: list = []
        self.always: object = None
        self.models = ["tiny"]
        self.chat: Callable[[list[dict]], tuple] = lambda messages: ("echo: " + messages[-1]["content"], "stop")
        self.complete: Callable[[str], tuple] = lambda prompt: (" and so on", "stop")
        self.tokenize = tokens_of
        self.first_token = ""
        self.offsets = "counted"
        self.usage = True
        self.echo = True
        self.requests: list[tuple[str, dict, dict]] = []
        self.delay: Callable[[dict], float] = lambda payload: 0.0
        self._released = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> "FakeEndpoint":
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                owner.requests.append((self.path, {}, dict(self.headers)))
                if self.path == "/v1/models":
                    self.answer(200, {"data": [{"id": name} for name in owner.models]})
                else:
                    self.answer(404, {"error": {"message": "no such page"}})

            def do_POST(self) -> None:
                payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with owner._lock:
                    owner.requests.append((self.path, payload, dict(self.headers)))
                    act = owner.script.pop(0) if owner.script else owner.always
                if callable(act):
                    act = act(payload)
                owner._released.wait(owner.delay(payload))
                if act == "hang":
                    owner._released.wait(20)
                    self.close_connection = True
                elif act == "close":
                    self.close_connection = True
                elif act == "nonsense":
                    self.answer(200, b"<html>busy</html>")
                elif act == "schema":
                    self.answer(200, {"object": "something else"})
                elif act == "truncated":
                    self.answer(200, b'{"choices": [{"text": "half', missing=40)
                    self.close_connection = True
                elif isinstance(act, Refusal):
                    self.answer(act.status, {"error": {"message": act.said}}, act.headers)
                elif self.path == "/v1/chat/completions":
                    self.answer(200, owner.chat_body(payload))
                elif self.path == "/v1/completions":
                    self.answer(200, owner.completion_body(payload))
                else:
                    self.answer(404, {"error": {"message": f"no route {self.path}"}})

            def answer(self, status: int, body: object, headers: dict | None = None, missing: int = 0) -> None:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content) + missing))
                self.end_headers()
                self.wfile.write(content)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that went away is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def posts(self) -> list[dict]:
        """Payloads of all POSTs."""
        return [payload for _, payload, _ in self.requests if payload]

    def chat_body(self, payload: dict) -> dict:
        text, finish = self.chat(payload["messages"])
        message = text if isinstance(text, dict) else {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        if payload.get("logprobs"):
            choice["logprobs"] = {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -0.25}]}
        return {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}

    def completion_body(self, payload: dict) -> dict:
        if payload.get("echo"):
            return self._echo(payload["prompt"])
        text, finish = self.complete(payload["prompt"])
        logprobs = {"tokens": ["a", "b"], "token_logprobs": [-1.0, -2.0]} if "logprobs" in payload else None
        return {"choices": [{"index": 0, "text": text, "finish_reason": finish, "logprobs": logprobs}]}

    def _echo(self, prompt: str) -> dict:
        if not self.echo:
            return {"choices": [{"index": 0, "text": prompt + " x", "finish_reason": "length", "logprobs": None}]}
        given = ([self.first_token] if self.first_token else []) + self.tokenize(prompt)
        tokens = [*given, " next"]
        starts = [sum(len(t) for t in tokens[:i]) for i in range(len(tokens))]
        logprobs = {
            "tokens": tokens,
            "token_logprobs": [None, *(log_prob_of(i, t) for i, t in enumerate(tokens) if i)],
            "text_offset": starts if self.offsets == "counted" else [-1] * len(tokens),
        }
        body: dict = {"choices": [{"index": 0, "text": prompt + " next", "finish_reason": "length"}]}
        body["choices"][0]["logprobs"] = logprobs
        if self.usage:
            body["usage"] = {"prompt_tokens": len(given), "completion_tokens": 1}
        return body
