"""A conversation partner behind an OpenAI-compatible endpoint, its answers streamed as server-sent events.

partner = EndpointChat("http://127.0.0.1:8000")
partner.answer([Message("user", "What is GFAP?")], write=print, note=print)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import requests

from counterpoise.data.example import Message
from counterpoise.endpoints import EndpointClient
from counterpoise.endpoints.address import find_key, is_loopback
from counterpoise.endpoints.connection import BearerToken, RequestFailed
from counterpoise.serving.conversation import Write

TOO_LONG = (400, 413, 422)
"""What servers refuse a conversation with that is longer than the model's window."""


class EndpointChat:
    """A model behind an endpoint; implements `conversation.Partner`.

    Where the server refuses a conversation as too long, it is asked again without the oldest turns. Its window is the
    server's business: one that does not check it answers worse and worse.

    Args:
        url: such as http://127.0.0.1:8000; the key as in `endpoints`.
        model: its name there; None: the only one that it serves.
        temperature: of sampling; 0 for the likeliest tokens.
        max_new_tokens: longest answer.
        timeout: seconds without a byte from the server.

    Raises:
        UserError: no server there, or not exactly one model.
    """

    def __init__(
        self,
        url: str,
        model: str | None = None,
        *,
        temperature: float = 0.0,
        max_new_tokens: int = 512,
        timeout: float = 120.0,
    ) -> None:
        client = EndpointClient(url, model=model, timeout=timeout, retries=1)
        self.url, self.model = client.url, client.model
        self._temperature, self._new, self._timeout = temperature, max_new_tokens, timeout
        self._session = requests.Session()
        self._session.trust_env = not is_loopback(self.url)
        self._auth = BearerToken(find_key(None, self.url))

    def answer(self, messages: list[Message], write: Write, note: Write) -> str:
        """See `conversation.Partner`.

        Raises:
            RequestFailed: refused, lost, or not what the interface promises.
        """
        while True:
            try:
                return self._ask(messages, write)
            except RequestFailed as failure:
                if not (_says_too_long(failure) and _drop_oldest(messages)):
                    raise
                note("the oldest turn no longer fits the model's window and is left out")

    def _ask(self, messages: list[Message], write: Write) -> str:
        payload = {
            "model": self.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "max_tokens": self._new,
            "temperature": self._temperature,
            "stream": True,
        }
        try:
            with self._session.post(
                f"{self.url}/chat/completions",
                json=payload,
                auth=self._auth,
                timeout=self._timeout,
                stream=True,
                allow_redirects=False,
            ) as response:
                if not response.ok:
                    said = " ".join(response.text.split())[:300]
                    raise RequestFailed(f"refused with status {response.status_code}: {said}", response.status_code)
                return _read(response, write)
        except requests.RequestException as error:
            raise RequestFailed(f"the connection to {self.url} was lost ({type(error).__name__})") from None


def _read(response: requests.Response, write: Write) -> str:
    """Hand over each piece of a streamed answer; return why it ended."""
    finish, events = "", 0
    for event in _events(response):
        events += 1
        if "error" in event:
            error = event["error"]
            raise RequestFailed(str(error.get("message", error) if isinstance(error, dict) else error))
        try:
            for choice in event["choices"]:  # the last event of some servers has none, only token counts
                piece = (choice.get("delta") or choice.get("message") or {}).get("content")
                if isinstance(piece, str) and piece:
                    write(piece)
                finish = choice.get("finish_reason") or finish
        except (KeyError, TypeError, AttributeError):
            raise RequestFailed("the answer lacks what the interface promises") from None
    if not events:
        raise RequestFailed("the answer lacks what the interface promises")
    return finish


def _events(response: requests.Response) -> Iterator[dict[str, Any]]:
    """Yield the JSON of each ``data:`` line, up to ``[DONE]``, which not every server sends.

    A server that does not stream sends its whole answer as one body, which is then the only event.
    """
    lines = response.iter_lines()
    for line in lines:
        if line.startswith(b"{"):
            data = b"\n".join([line, *lines])
        elif line.startswith(b"data:"):
            data = line[5:].strip()
        else:
            continue
        if data == b"[DONE]":
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            raise RequestFailed("a piece of the answer is not JSON") from None
        if isinstance(event, dict):
            yield event


def _says_too_long(failure: RequestFailed) -> bool:
    said = str(failure).lower()
    return failure.status in TOO_LONG and any(word in said for word in ("context", "too long", "maximum", "length"))


def _drop_oldest(messages: list[Message]) -> bool:
    """Take the first question and its answer out; False where only the present question is left."""
    first = next(i for i, message in enumerate(messages) if message.role != "system")
    if first == len(messages) - 1:
        return False
    after = next((i for i in range(first + 1, len(messages)) if messages[i].role == "user"), len(messages) - 1)
    del messages[first:after]
    return True
