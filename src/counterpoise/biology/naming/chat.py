"""How naming reaches a model: `Chat`, over a model in this process or over an endpoint.

    chat = make_chat(LocalModel("smollm2-135m"))              # or EndpointModel("http://localhost:8000")
    for index, reply in chat.ask(requests): reply.text

A prompt that is too long for the model's window loses lines of evidence and then genes, the last ones first, until it
fits; the reply says how many. A request that cannot be answered has a ``failure``; what concerns all requests raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from counterpoise.biology.naming.steps import ChatReply, ChatRequest
from counterpoise.evaluation.backend import Backend


class Chat(Protocol):
    """Something that answers requests.

    Attributes:
        name: the model.
        calls_tools: it may be given tools to call.
        scores_options: it can choose among options by their log-likelihood; otherwise it has to write its choice.
        sets_at_once: gene sets that are worked on at a time.
        is_batched: it is faster the more requests it is given in one call; otherwise it may be asked from several
            threads, and each set goes on by itself.
    """

    @property
    def name(self) -> str: ...

    @property
    def calls_tools(self) -> bool: ...

    @property
    def scores_options(self) -> bool: ...

    @property
    def sets_at_once(self) -> int: ...

    @property
    def is_batched(self) -> bool: ...

    def ask(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, ChatReply]]:
        """Yield (index of the request, reply), in any order, each as soon as it is there."""
        ...


class Subject(Protocol):
    """A model that can be evaluated, as in `evaluation.subjects`."""

    def identity(self) -> Any: ...
    def settings(self) -> dict[str, Any]: ...
    def backend(self) -> Backend: ...


def make_chat(subject: Subject | Chat) -> Chat:
    """Load the model, or reach the endpoint; what is a `Chat` already is returned as it is."""
    from counterpoise.biology.naming.backend_chat import BackendChat
    from counterpoise.biology.naming.endpoint_chat import EndpointChat

    if is_chat(subject):
        return subject  # type: ignore[return-value]
    backend = subject.backend()  # type: ignore[union-attr]
    client = getattr(backend, "client", None)
    if client is not None and getattr(backend, "form", "") == "chat":
        return EndpointChat(client)
    return BackendChat(backend, subject.identity().model)  # type: ignore[union-attr]


def is_chat(subject: object) -> bool:
    """Say whether this is a `Chat` rather than a model to load."""
    return hasattr(subject, "ask")
