"""Chat and completions of a server with OpenAI's HTTP interface.

    client = EndpointClient("http://localhost:8000", parallel=8)
    client.model                                                    # the one that it serves
    client.chat([{"role": "user", "content": "What is GFAP?"}], max_tokens=64).text
    client.complete("GFAP is a", max_tokens=8).text

What is retried and what is raised: `endpoints.connection`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counterpoise.endpoints.connection import Connection, RequestFailed
from counterpoise.errors import UserError

MOST_STOPS = 4
"""Stop texts that OpenAI's interface takes; further ones are not sent."""


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What a chat model wrote.

    Attributes:
        message: as the server gave it, tool calls included; append it to the conversation to go on.
        finish: the server's finish_reason, or empty.
        log_prob: of the whole answer, in nats, where it was asked for and given.
        usage: the server's token counts, or empty.
    """

    message: dict[str, Any]
    finish: str
    log_prob: float | None
    usage: Mapping[str, Any]

    @property
    def text(self) -> str | None:
        """The message's content; None if it has none, as with tool calls."""
        content = self.message.get("content")
        return content if isinstance(content, str) else None


@dataclass(frozen=True, slots=True)
class Completion:
    """How a model went on from a text.

    Attributes:
        text: what it wrote; after the prompt itself, if ``echo`` was asked for.
        finish: the server's finish_reason, or empty.
        logprobs: ``tokens``, ``token_logprobs`` and ``text_offset`` as the server gave them, or None.
        usage: the server's token counts, or empty.
    """

    text: str
    finish: str
    logprobs: Mapping[str, Any] | None
    usage: Mapping[str, Any]

    @property
    def log_prob(self) -> float | None:
        """Sum of all token log-probabilities, in nats, if every token has one."""
        return _sum((self.logprobs or {}).get("token_logprobs"))


class EndpointClient:
    """An endpoint and one model of it; may be used from several threads.

    Args:
        url: http://host:8000 or https://host/v1.
        api_key: else that of the environment variable COUNTERPOISE_API_KEY, or at OpenAI OPENAI_API_KEY. It is sent in
            the Authorization header, and neither logged nor written.
        model: the model's name; None asks the server, which must then serve exactly one.
        timeout: seconds without a byte from the server.
        retries: attempts after the first.
        parallel: requests that callers should keep under way at once.
        sleep: waits between attempts, in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        model: str | None = None,
        timeout: float = 60.0,
        retries: int = 5,
        parallel: int = 4,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._connection = Connection(
            url, api_key=api_key, timeout=timeout, retries=retries, parallel=parallel, sleep=sleep
        )
        self.parallel = parallel
        self._model = model
        self._limit = "max_tokens"
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"EndpointClient({self.url!r}, model={self._model!r})"

    @property
    def url(self) -> str:
        """The address that is used, with its /v1."""
        return self._connection.base

    @property
    def model(self) -> str:
        """The model that is asked.

        Raises:
            UserError: none was named, and the server does not serve exactly one.
        """
        with self._lock:
            if self._model is None:
                served = self.models()
                if len(served) != 1:
                    choice = ": " + ", ".join(served[:20]) if served else ""
                    raise UserError(f"{self.url} serves {len(served)} models{choice}; name the one to ask")
                self._model = served[0]
            return self._model

    def models(self) -> list[str]:
        """Ask which models the server serves.

        Raises:
            UserError: it does not say.
        """
        try:
            return self._connection.request("GET", "/models", None, lambda body: [str(m["id"]) for m in body["data"]])
        except RequestFailed as failure:
            raise UserError(f"{self.url} does not list its models ({failure}); name the one to ask") from None

    def chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        max_tokens: int,
        temperature: float | None = 0.0,
        stop: Sequence[str] = (),
        seed: int | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        logprobs: bool = False,
    ) -> ChatAnswer:
        """Ask for the next message of a conversation.

        Args:
            messages: ``{"role": ..., "content": ...}``, the latest last.
            max_tokens: longest answer; sent as max_completion_tokens to a server that wants that name.
            temperature: None leaves it to the server; some models take no other than their own.
            stop: texts at which the answer ends.
            seed: for sampling, where the server knows it.
            tools: functions that the model may call, in OpenAI's JSON schema.
            logprobs: ask for the answer's log-probability.

        Raises:
            RequestFailed: this request was refused, or not answered.
            UserError: no request would be answered.
        """
        payload = self._payload(temperature=temperature, stop=list(stop)[:MOST_STOPS], seed=seed, tools=list(tools))
        payload |= {"messages": [dict(message) for message in messages], self._limit: max_tokens}
        if logprobs:
            payload["logprobs"] = True
        try:
            return self._post("/chat/completions", payload, _read_chat)
        except RequestFailed as failure:
            if failure.status != 400 or "max_completion_tokens" not in str(failure) or "max_tokens" not in payload:
                raise
        self._limit = "max_completion_tokens"
        payload[self._limit] = payload.pop("max_tokens")
        return self._post("/chat/completions", payload, _read_chat)

    def complete(
        self,
        prompt: str,
        *,
        max_tokens: int,
        temperature: float | None = 0.0,
        stop: Sequence[str] = (),
        seed: int | None = None,
        logprobs: int | None = None,
        echo: bool = False,
    ) -> Completion:
        """Ask how a text goes on.

        Args:
            prompt: the text, special tokens of a chat template included if there is to be any.
            max_tokens, temperature, stop, seed: as in `chat`.
            logprobs: alternatives a token whose log-probabilities are wanted; any number brings the token's own.
            echo: repeat the prompt in the answer, its tokens' log-probabilities included.

        Raises:
            RequestFailed: this request was refused, or not answered.
            UserError: no request would be answered.
        """
        payload = self._payload(temperature=temperature, stop=list(stop)[:MOST_STOPS], seed=seed, logprobs=logprobs)
        payload |= {"prompt": prompt, "max_tokens": max_tokens}
        if echo:
            payload["echo"] = True
        return self._post("/completions", payload, _read_completion)

    def _payload(self, **options: Any) -> dict[str, Any]:
        return {"model": self.model} | {name: value for name, value in options.items() if value not in (None, [])}

    def _post(self, path: str, payload: Mapping[str, Any], read: Callable[[Any], Any]) -> Any:
        return self._connection.request("POST", path, payload, read, about=f"model {payload['model']!r}")


def _read_chat(body: Any) -> ChatAnswer:
    choice = body["choices"][0]
    message = choice["message"]
    if not isinstance(message, dict) or not isinstance(message.get("content"), str | None):
        raise ValueError("no message")
    if "content" not in message and not message.get("tool_calls"):
        raise ValueError("neither content nor tool calls")
    tokens = (choice.get("logprobs") or {}).get("content")
    log_prob = _sum([token["logprob"] for token in tokens]) if tokens else None
    return ChatAnswer(message, choice.get("finish_reason") or "", log_prob, body.get("usage") or {})


def _read_completion(body: Any) -> Completion:
    choice = body["choices"][0]
    if not isinstance(choice["text"], str):
        raise ValueError("no text")
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict | None):
        raise ValueError("logprobs are no mapping")
    return Completion(choice["text"], choice.get("finish_reason") or "", logprobs, body.get("usage") or {})


def _sum(log_probs: Any) -> float | None:
    if not isinstance(log_probs, list) or not log_probs or not all(isinstance(x, int | float) for x in log_probs):
        return None
    return float(sum(log_probs))
