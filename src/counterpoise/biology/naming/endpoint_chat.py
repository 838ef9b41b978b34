"""`Chat` over an endpoint with OpenAI's chat interface, tool calls included.

chat = EndpointChat(EndpointClient("http://localhost:8000", parallel=8))
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from counterpoise.biology.naming.parsing import clip
from counterpoise.biology.naming.steps import ChatReply, ChatRequest, ModelCall
from counterpoise.endpoints.client import ChatAnswer, EndpointClient
from counterpoise.endpoints.connection import RequestFailed
from counterpoise.endpoints.parallel import in_parallel
from counterpoise.evaluation.endpoint import LENGTH

_TOO_LONG = re.compile(r"context|too long|too large|maximum.{0,40}token|token.{0,40}(?:limit|maximum|exceed)", re.I)
MOST_CALLS = 8
"""Calls in one message that are carried out; a model that wants more is told so by their absence."""


class EndpointChat:
    """Asks an endpoint; see `Chat`. May be used from several threads: ``client.parallel`` requests at a time in all.

    Args:
        client: the endpoint and its model.
        temperature: 0 for the likeliest answer; None leaves it to the server.
    """

    calls_tools, scores_options, is_batched = True, False, False

    def __init__(self, client: EndpointClient, *, temperature: float | None = 0.0) -> None:
        self.client, self._temperature = client, temperature
        self.sets_at_once = client.parallel
        self._free = threading.BoundedSemaphore(client.parallel)

    @property
    def name(self) -> str:
        """The model's name at the endpoint."""
        return self.client.model

    def ask(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, ChatReply]]:
        """Yield (index, reply) as answers come; see `Chat.ask`.

        Raises:
            UserError: no request can be answered: a wrong key, address or model.
        """
        return in_parallel(self._reply, requests, self.client.parallel)

    def _reply(self, request: ChatRequest) -> ChatReply:
        droppable = request.prompt.droppable
        shorter = sorted({0, droppable // 2, droppable * 7 // 8, droppable})  # the window of the model is not known
        for without in shorter:
            try:
                with self._free:
                    answer = self.client.chat(
                        request.messages(without),
                        max_tokens=request.max_new_tokens,
                        temperature=self._temperature,
                        tools=request.tools,
                    )
            except RequestFailed as problem:
                if problem.status in (400, 413) and _TOO_LONG.search(str(problem)) and without != droppable:
                    continue
                is_lost = problem.status is None or problem.status in (408, 429) or problem.status >= 500
                return ChatReply(failure=f"the endpoint gave no answer: {problem}", is_lost=is_lost)
            return _read(answer, request.prompt.left_out(without))
        raise AssertionError("the shortest prompt returns")


def _read(answer: ChatAnswer, left_out: str) -> ChatReply:
    calls = _calls(answer.message)[:MOST_CALLS]
    text = answer.text or ""
    is_cut = answer.finish in LENGTH
    if not text.strip() and not calls:
        why = "it ended at its longest length before it began" if is_cut else f"finish_reason {answer.finish or 'none'}"
        return ChatReply(failure=f"the endpoint's answer has no text ({why})", left_out=left_out)
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    return ChatReply(text, message=message, calls=calls, is_cut=is_cut, left_out=left_out)


def _calls(message: Mapping[str, Any]) -> tuple[ModelCall, ...]:
    """Return the calls in a message; what has no name is none."""
    found = message.get("tool_calls")
    calls = []
    for number, call in enumerate(found if isinstance(found, list) else []):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            continue
        arguments = function.get("arguments", "")
        written = arguments if isinstance(arguments, str) else json.dumps(arguments)
        calls.append(ModelCall(str(call.get("id") or f"call-{number}"), clip(function["name"], 100), written))
    return tuple(calls)
