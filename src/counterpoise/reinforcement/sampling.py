"""Several completions of each prompt, sampled as a policy samples them in training: at a temperature, from all tokens.

    for prompt, texts in sample(LocalModel("smollm2-135m"), prompts, samples=8): texts     # 8 strings

Of a model in this process, a sample depends on the seed, the prompt's id and its own number alone
(`evaluation.drawing`). An endpoint samples by itself; it is told another seed for each of a prompt's samples.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from counterpoise.data.example import Message
from counterpoise.errors import UserError
from counterpoise.evaluation.backend import Query
from counterpoise.evaluation.drawing import Sampling
from counterpoise.evaluation.subjects import EndpointModel, LocalModel
from counterpoise.reinforcement.prompts.prompt import Prompt

logger = logging.getLogger(__name__)

Subject = LocalModel | EndpointModel
SHARE = 32
"""Prompts that an endpoint is asked about in turn, each for one sample after the other."""


def sample(
    subject: Subject,
    prompts: Sequence[Prompt],
    *,
    samples: int = 8,
    temperature: float = 1.0,
    max_new_tokens: int = 64,
    seed: int = 0,
) -> Iterator[tuple[Prompt, list[str]]]:
    """Yield each prompt with its completions, as they are done.

    Args:
        subject: a language model in this process; its ``rows`` and ``batch_tokens`` limit what is answered at
            once. Or an endpoint.
        prompts: in any order; shorter ones are answered first.
        samples: completions a prompt. Where an endpoint fails there are fewer, perhaps none.
        temperature: above 0.
        max_new_tokens: a completion's length at most.
        seed: of the samples.

    Raises:
        UserError: an encoder, which writes no text; a prompt that is too long; or an endpoint that answers nothing.
    """
    if temperature <= 0 or samples < 1:
        raise UserError(f"{samples} samples at temperature {temperature:g}: expected one or more, above 0")
    queries = {prompt.id: _query(prompt, max_new_tokens) for prompt in prompts}
    if isinstance(subject, EndpointModel):
        yield from _from_endpoint(subject, prompts, queries, samples, temperature, seed)
    else:
        yield from _from_local(subject, prompts, queries, samples, Sampling(temperature, seed=seed))


def _query(prompt: Prompt, max_new_tokens: int) -> Query:
    messages = tuple(Message(turn["role"], turn["content"]) for turn in prompt.messages)  # type: ignore[arg-type]
    return Query(prompt.id, messages, max_new_tokens=max_new_tokens)


def _from_local(
    subject: LocalModel, prompts: Sequence[Prompt], queries: dict[str, Query], samples: int, sampling: Sampling
) -> Iterator[tuple[Prompt, list[str]]]:
    from counterpoise.evaluation.local import LocalBackend

    backend = subject.backend()
    if not isinstance(backend, LocalBackend):
        raise UserError(f"{subject.name} is an encoder, which writes no text; name a language model")
    source = {f"{prompt.id}/{number}": (prompt, number) for prompt in prompts for number in range(samples)}
    texts: dict[str, dict[int, str]] = {prompt.id: {} for prompt in prompts}
    asked = [replace(queries[prompt.id], id=name) for name, (prompt, _) in source.items()]
    for reply in backend.drawing(sampling).replies(asked):
        prompt, number = source[reply.id]
        found = texts[prompt.id]
        found[number] = reply.text
        if len(found) == samples:
            yield prompt, [found[place] for place in range(samples)]


def _from_endpoint(
    subject: EndpointModel,
    prompts: Sequence[Prompt],
    queries: dict[str, Query],
    samples: int,
    temperature: float,
    seed: int,
) -> Iterator[tuple[Prompt, list[str]]]:
    from counterpoise.evaluation.endpoint import EndpointBackend

    client = subject.backend().client  # type: ignore[attr-defined]
    answered, failure = 0, ""
    for start in range(0, len(prompts), SHARE):
        share = prompts[start : start + SHARE]
        texts: dict[str, list[str]] = {prompt.id: [] for prompt in share}
        for number in range(samples):
            backend = EndpointBackend(client, form=subject.form, temperature=temperature, seed=seed * samples + number)
            for reply in backend.replies([queries[prompt.id] for prompt in share]):
                if reply.failure:
                    failure = reply.failure
                    logger.warning("%s: sample %d is missing: %s", reply.id, number + 1, reply.failure)
                else:
                    texts[reply.id].append(reply.text)
        answered += sum(map(len, texts.values()))
        if not answered:
            raise UserError(f"{client.url} answered none of the first {len(share) * samples} requests: {failure}")
        yield from ((prompt, texts[prompt.id]) for prompt in share)
