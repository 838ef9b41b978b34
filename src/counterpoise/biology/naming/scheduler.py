"""Take many gene sets forward at once: what they wait for is asked together, and each goes on when it is answered.

    for i, case in work(jobs, chat, toolbox): ...                # (number, case), as cases end

A model that is batched gets the requests of up to ``chat.sets_at_once`` sets in one call, whatever step each is at; a
set that ends makes room for the next. An endpoint takes a set a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from counterpoise.biology.naming.case import Case
from counterpoise.biology.naming.chat import Chat
from counterpoise.biology.naming.steps import ChatReply, ChatRequest, Steps, ToolRequest
from counterpoise.biology.verification.finding import Finding
from counterpoise.biology.verification.toolbox import Toolbox
from counterpoise.endpoints.parallel import in_parallel

TOOL_THREADS = 4
"""Tool calls under way at once, for a model that is batched; services keep their own pace besides."""
Job = Callable[[], tuple[Case, Steps[None]]]
"""Makes a case and its step function; called when its turn comes."""


def work(jobs: Sequence[Job], chat: Chat, toolbox: Toolbox | None) -> Iterator[tuple[int, Case]]:
    """Yield (number of the job, its case) as cases end.

    Raises:
        UserError: what concerns all sets, such as a wrong key for the endpoint.
    """
    if chat.is_batched:
        return _in_waves(jobs, chat, toolbox)
    return in_parallel(lambda job: _alone(job, chat, toolbox), jobs, chat.sets_at_once)


def _alone(job: Job, chat: Chat, toolbox: Toolbox | None) -> Case:
    """Work on one set until it ends."""
    case, steps = job()
    requests = next(steps, None)
    while requests is not None:
        replies: list[Any] = [None] * len(requests)
        for i, reply in _answers(requests, chat, toolbox):
            replies[i] = reply
        try:
            requests = steps.send(replies)
        except StopIteration:
            break
    return case


def _in_waves(jobs: Sequence[Job], chat: Chat, toolbox: Toolbox | None) -> Iterator[tuple[int, Case]]:
    """Ask all that the sets under way wait for in one call, over and over."""
    coming = iter(enumerate(jobs))
    under_way: dict[int, _Set] = {}
    while True:
        begun = [(number, _Set(*job())) for number, job in islice(coming, chat.sets_at_once - len(under_way))]
        for number, one in begun:
            one.go_on(None)
            if one.requests is None:
                yield number, one.case
            else:
                under_way[number] = one
        if not under_way:
            if not begun:
                return
            continue
        asked = [(number, place) for number, one in under_way.items() for place in range(len(one.requests or ()))]
        requests = [request for one in under_way.values() for request in one.requests or ()]
        for i, reply in _answers(requests, chat, toolbox):
            number, place = asked[i]
            one = under_way[number]
            one.replies[place] = reply
            if len(one.replies) == len(one.requests or ()):
                one.go_on([one.replies[place] for place in sorted(one.replies)])
                if one.requests is None:
                    yield number, under_way.pop(number).case


class _Set:
    """A set under way: what it waits for, and what it has got of that."""

    def __init__(self, case: Case, steps: Steps[None]) -> None:
        self.case, self._steps = case, steps
        self.requests: list[Any] | None = None
        self.replies: dict[int, Any] = {}

    def go_on(self, replies: list[Any] | None) -> None:
        """Send the replies (None to begin); ``requests`` is None afterwards if the set has ended."""
        self.replies = {}
        try:
            self.requests = next(self._steps) if replies is None else self._steps.send(replies)
        except StopIteration:
            self.requests = None


def _answers(requests: Sequence[Any], chat: Chat, toolbox: Toolbox | None) -> Iterator[tuple[int, ChatReply | Finding]]:
    """Yield (index, answer) of requests to the model and to tools."""
    asked = [i for i, request in enumerate(requests) if isinstance(request, ChatRequest)]
    called = [i for i, request in enumerate(requests) if isinstance(request, ToolRequest)]

    def call(i: int) -> Finding:
        assert toolbox is not None  # only steps that were given one call tools
        return toolbox.call(requests[i].name, requests[i].arguments)

    if called:
        yield from ((called[place], finding) for place, finding in in_parallel(call, called, TOOL_THREADS))
    if asked:
        yield from ((asked[place], reply) for place, reply in chat.ask([requests[i] for i in asked]))
