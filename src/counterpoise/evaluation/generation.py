"""What a model writes by itself after a prompt: the likeliest token at each step, or one drawn (`drawing`).

    for reply in generate(loaded, form, queries): reply.text, reply.finish, reply.log_prob

Prompts of like length are padded on the left and answered together; an answer does not depend on its neighbours. It
ends with an end-of-turn token or before one of the query's stop texts ("stop"), or at ``max_new_tokens`` ("length").
Tokens with which all prompts begin (examples, a long instruction) are read once: their keys and values are kept. So is
a prompt that several queries of a batch share, as those do that ask for several samples.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
from transformers.cache_utils import DynamicCache, DynamicLayer

from counterpoise.evaluation.backend import Query, Reply
from counterpoise.evaluation.drawing import Sampling
from counterpoise.evaluation.option_scoring import sliding_windows
from counterpoise.evaluation.prompt_format import PromptFormat
from counterpoise.models.hidden import base_of, body_of, compute_context
from counterpoise.models.load import LoadedModel
from counterpoise.models.virtual import virtual_tokens

LEAST = 32
"""Tokens that prompts must share for sharing them to pay."""


def generate(
    loaded: LoadedModel,
    form: PromptFormat,
    queries: Sequence[Query],
    *,
    batch_tokens: int = 4096,
    rows: int = 16,
    sampling: Sampling | None = None,
) -> Iterator[Reply]:
    """Yield the answer to each query as batches finish, shortest prompts first.

    Args:
        loaded: a decoder-only model or an encoder-decoder, with an adapter or without; put in evaluation mode.
        form: how prompts are written.
        queries: those without options.
        batch_tokens: tokens of a batch at most, padding and answers included; a longer query is a batch of its own.
        rows: answers a batch.
        sampling: how tokens are drawn; None: the likeliest is taken.

    ``Reply.log_prob`` sums the float32 log-probabilities of all tokens generated, the one that ends the answer included
    (those of a stop text too), as the model has them, whatever the temperature; ``Reply.token_log_probs`` lists them
    for queries with ``each_token``.
    """
    loaded.model.eval()
    prompts = [form.generation_ids(query) for query in queries]
    prefix = _Prefix.of(loaded, prompts)
    order = sorted(
        range(len(queries)),
        key=lambda i: (queries[i].max_new_tokens, queries[i].prefill, len(prompts[i]), prompts[i]),
    )
    while order:
        first = order[0]
        chosen: list[int] = []
        while order and len(chosen) < rows:
            longest, new = len(prompts[order[0]]), queries[order[0]].max_new_tokens
            is_like = (new, queries[order[0]].prefill) == (queries[first].max_new_tokens, queries[first].prefill)
            if chosen and not (is_like and (len(chosen) + 1) * (longest + new) <= batch_tokens):
                break
            chosen.append(order.pop(0))
        yield from _answer(loaded, form, [queries[i] for i in chosen], [prompts[i] for i in chosen], prefix, sampling)


def _empty_cache(loaded: LoadedModel) -> DynamicCache | None:
    """Return a cache to read prompts into once and copy; None for models whose cache does not allow it.

    Those are encoder-decoders and virtual tokens; sliding windows, which would count the padding in the middle; layers
    with a recurrent state; and the few families that count positions by themselves.
    """
    base = base_of(loaded.model)
    if base.config.is_encoder_decoder or virtual_tokens(loaded.model) is not None:
        return None
    cache = DynamicCache(config=base.config)
    plain = all(type(layer) is DynamicLayer for layer in cache.layers)
    if not plain or sliding_windows(base.config.get_text_config()):
        return None
    return cache if "position_ids" in inspect.signature(body_of(loaded.model).forward).parameters else None


@dataclass
class _Prefix:
    """The tokens that all prompts begin with, and their keys and values; none where they could not be shared."""

    size: int = 0
    cache: DynamicCache | None = None

    @classmethod
    @torch.no_grad()
    def of(cls, loaded: LoadedModel, prompts: Sequence[list[int]]) -> _Prefix:
        """Read what the prompts share; padding comes behind it."""
        shared = [column[0] for column in takewhile(lambda column: len(set(column)) == 1, zip(*prompts, strict=False))]
        size = min([len(shared), *(len(prompt) - 1 for prompt in prompts)])
        cache = _empty_cache(loaded) if len(prompts) > 1 and size >= LEAST else None
        if cache is None:
            return cls()
        ids = torch.tensor([shared[:size]], device=next(base_of(loaded.model).parameters()).device)
        with compute_context(loaded.model):
            body_of(loaded.model)(input_ids=ids, past_key_values=cache, use_cache=True)
        return cls(size, cache)

    def copies(self, rows: int) -> DynamicCache | None:
        """A copy for each row, to be written behind."""
        if self.cache is None:
            return None
        copied = copy.deepcopy(self.cache)
        copied.batch_repeat_interleave(rows)
        return copied


def _read(
    loaded: LoadedModel, prefix: _Prefix, prompts: Sequence[list[int]], ids: Tensor, mask: Tensor
) -> DynamicCache | None:
    """Return the keys and values that answers begin with: of the prefix, or, where rows are alike, of whole prompts.

    Args:
        loaded, prefix, prompts: as in `generate`; R prompts.
        ids, mask: [R, W], padded between the prefix and the rest.

    A prompt that several rows share is read once, but for its last token: what follows it is each row's own.
    """
    first: dict[tuple[int, ...], int] = {}
    for row, prompt in enumerate(prompts):
        first.setdefault(tuple(prompt), row)
    gained = len(first) < len(prompts) and ids.shape[1] - 1 > prefix.size
    cache = (prefix.copies(len(first)) or _empty_cache(loaded)) if gained else None
    if cache is None:
        return prefix.copies(len(prompts))
    rows = torch.tensor(list(first.values()), device=ids.device)
    shown = mask[rows]
    positions = (shown.cumsum(1) - 1).clamp(min=0)
    body_of(loaded.model)(
        input_ids=ids[rows, prefix.size : -1],
        attention_mask=shown[:, :-1],
        position_ids=positions[:, prefix.size : -1],
        past_key_values=cache,
        use_cache=True,
    )
    numbers = {prompt: number for number, prompt in enumerate(first)}
    cache.batch_select_indices(torch.tensor([numbers[tuple(prompt)] for prompt in prompts], device=ids.device))
    return cache


@torch.no_grad()
def _answer(
    loaded: LoadedModel,
    form: PromptFormat,
    queries: list[Query],
    prompts: list[list[int]],
    prefix: _Prefix,
    sampling: Sampling | None,
) -> Iterator[Reply]:
    model, tokenizer = loaded.model, loaded.tokenizer
    device = next(model.parameters()).device
    width, padding, shared = max(map(len, prompts)), tokenizer.pad_token_id, prefix.size
    ids = torch.tensor([p[:shared] + [padding] * (width - len(p)) + p[shared:] for p in prompts], device=device)
    mask = torch.tensor(
        [[1] * shared + [0] * (width - len(p)) + [1] * (len(p) - shared) for p in prompts], device=device
    )
    inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
    written = width  # tokens in front of those that are generated
    base, virtual = base_of(model), virtual_tokens(model)
    if virtual is not None:  # in front of the sample, as they are trained; PEFT puts them in front of the padding
        place = virtual.in_front_of((mask != 0) & (mask.cumsum(1) == 1))
        embedded = place.embed(base.get_input_embeddings()(ids))
        inputs = {"inputs_embeds": embedded, "attention_mask": place.spread(mask)}
        written = 0
    if base.config.is_encoder_decoder:
        begun = [base.config.decoder_start_token_id, *form.prefill_ids(queries[0])]
        inputs["decoder_input_ids"] = torch.tensor([begun] * len(queries), device=device)
        written = len(begun)
    config = GenerationConfig(
        max_new_tokens=queries[0].max_new_tokens,
        do_sample=False,  # what is drawn is drawn in _Step, which leaves one token
        num_beams=1,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        eos_token_id=form.stop_token_ids,
        pad_token_id=padding,
        bos_token_id=tokenizer.bos_token_id,
        decoder_start_token_id=getattr(base.config, "decoder_start_token_id", None),
    )
    watch = _Watch(tokenizer, queries, set(form.stop_token_ids), written)
    with compute_context(model):
        if "input_ids" in inputs and (cache := _read(loaded, prefix, prompts, ids, mask)) is not None:
            inputs["past_key_values"] = cache
        base.generate(
            **inputs,
            generation_config=config,
            logits_processor=LogitsProcessorList([_Step(watch, sampling)]),
            stopping_criteria=StoppingCriteriaList([watch]),
        )
    for row, query in enumerate(queries):
        steps = watch.steps[row]
        yield Reply(
            query.id,
            text=(query.prefill + watch.text(row)).strip(),
            finish="stop" if watch.ended[row] else "length",
            log_prob=sum(steps),
            token_log_probs=tuple(steps) if query.each_token else (),
        )


class _Step(LogitsProcessor):
    """Chooses each row's next token, and adds its log-probability to the rows that go on."""

    def __init__(self, watch: _Watch, sampling: Sampling | None) -> None:
        self.watch, self._sampling = watch, sampling
        self._streams = sampling.streams([query.id for query in watch.queries]) if sampling else []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        del input_ids
        whole = scores.float().logsumexp(-1)
        if self._sampling is None:
            taken, left = scores.float().max(-1).values, scores
        else:
            uniforms = [stream.random() for stream in self._streams]
            token = self._sampling.draw(scores, torch.tensor(uniforms, dtype=torch.float64, device=scores.device))
            taken = scores.float().gather(-1, token[:, None])[:, 0]
            left = torch.full_like(scores, -torch.inf).scatter(-1, token[:, None], 0.0)
        for steps, ended, log_prob in zip(self.watch.steps, self.watch.ended, (taken - whole).tolist(), strict=True):
            if not ended:
                steps.append(log_prob)
        return left


class _Watch(StoppingCriteria):
    """Ends each row at its own end token or stop text, and keeps its tokens up to there."""

    def __init__(self, tokenizer: Any, queries: Sequence[Query], ends: set[int], prompt: int) -> None:
        self.tokenizer, self.queries, self._ends, self._prompt = tokenizer, queries, ends, prompt
        self.ended = [False] * len(queries)
        self.steps: list[list[float]] = [[] for _ in queries]
        self._ids: list[list[int]] = [[] for _ in queries]
        self._cut: dict[int, str] = {}

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        del scores
        for row, ids in enumerate(input_ids[:, self._prompt :].tolist()):
            if self.ended[row]:
                continue
            self._ids[row] = ids
            self.ended[row] = ids[-1] in self._ends
            stops = self.queries[row].stop
            text = self.text(row) if any(stops) else ""  # decoding all of it at each step would cost its square
            starts = [text.find(stop) for stop in stops if stop and stop in text]
            if starts:
                self.ended[row], self._cut[row] = True, text[: min(starts)]
        return torch.tensor(self.ended, device=input_ids.device)

    def text(self, row: int) -> str:
        """Return what a row says so far, up to its stop text."""
        if row in self._cut:
            return self._cut[row]
        found: str = self.tokenizer.decode(self._ids[row], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return found
