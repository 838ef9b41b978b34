"""How likely is each answer after its question? Option log-likelihoods, each question read once.

The question's keys and values are kept and shared by its options, so four options cost little more than one. The answer
is scored as it is trained: rendered by the same chat template, its end-of-turn token included.

    scores = score_options(model, renderer, [("Which process ...?", ("angiogenesis", "autophagy"))])
    scores[0].mean             # [2] mean log-probability per token of each option
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from counterpoise.data.encoded import Encoded
from counterpoise.data.example import Example, Message
from counterpoise.data.rendering import Renderer
from counterpoise.errors import UserError
from counterpoise.evaluation.nll import sequence_nll
from counterpoise.models.head import find_head
from counterpoise.models.hidden import base_of, body_of, compute_context
from counterpoise.models.virtual import virtual_tokens
from counterpoise.scoring import token_log_probs

Question = tuple[str, Sequence[str]]
"""A prompt and its options."""


@dataclass(frozen=True)
class OptionScores:
    """Log-likelihoods of the options of one question, in nats; arrays are [options]."""

    total: NDArray[np.float64]
    tokens: NDArray[np.int64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Length-normalised: mean log-probability per token."""
        return self.total / self.tokens


@torch.no_grad()
def score_options(
    model: Any,
    renderer: Renderer,
    questions: Sequence[Question],
    *,
    rows: int = 16,
    on_progress: Callable[[int], None] | None = None,
) -> list[OptionScores]:
    """Score the options of each question.

    Args:
        model: a language model, PEFT-wrapped or not; put in evaluation mode. Encoder-decoders and adapters made of
            virtual tokens are scored option by option, since their questions' keys and values cannot be shared here.
        renderer: the renderer that training used.
        questions: prompts with their options; a question may have any number of options.
        rows: questions a batch.
        on_progress: called with the number of questions done after each batch.
    """
    model.eval()
    order = sorted(range(len(questions)), key=lambda i: len(questions[i][0]))
    results: dict[int, OptionScores] = {}
    share = not base_of(model).config.is_encoder_decoder and virtual_tokens(model) is None
    for first in range(0, len(order), rows):
        batch = order[first : first + rows]
        encoded = [[_encode(renderer, questions[i][0], option) for option in questions[i][1]] for i in batch]
        scored = _score_batch(model, renderer, encoded) if share else _score_each(model, renderer, encoded)
        for i, scores in zip(batch, scored, strict=True):
            results[i] = scores
        if on_progress is not None:
            on_progress(min(first + rows, len(order)))
    return [results[i] for i in range(len(questions))]


def _encode(renderer: Renderer, prompt: str, option: str) -> Encoded:
    return renderer.encode(Example((Message("user", prompt), Message("assistant", option)), source=prompt[:60]))


def _score_each(model: Any, renderer: Renderer, encoded: list[list[Encoded]]) -> list[OptionScores]:
    """Read question and option anew for each option."""
    nll = sequence_nll(model, [option for options in encoded for option in options], renderer.tokenizer.pad_token_id)
    ends = np.cumsum([len(options) for options in encoded])[:-1]
    pairs = zip(np.split(-nll.total, ends), np.split(nll.tokens, ends), strict=True)
    return [OptionScores(total, tokens) for total, tokens in pairs]


def _score_batch(model: Any, renderer: Renderer, encoded: list[list[Encoded]]) -> list[OptionScores]:
    device = next(model.parameters()).device
    head, body = find_head(model), body_of(model)
    starts = [_answer_start(options) for options in encoded]
    prompts = [options[0].input_ids[:start] for options, start in zip(encoded, starts, strict=True)]
    answers = [
        [option.input_ids[start : _answer_end(option)] for option in options]
        for options, start in zip(encoded, starts, strict=True)
    ]
    padding = renderer.tokenizer.pad_token_id
    ids, mask = _pad(prompts, padding, device)
    with compute_context(model):
        read = body(input_ids=ids, attention_mask=mask, use_cache=True)
        last = read.last_hidden_state[torch.arange(len(prompts)), mask.sum(1) - 1]

        owner = torch.tensor([i for i, group in enumerate(answers) for _ in group], device=device)
        flat = [answer for group in answers for answer in group]
        answer_ids, answer_mask = _pad(flat, padding, device)
        cache = read.past_key_values
        cache.reorder_cache(owner)  # one copy of the question's keys and values for each of its options
        position = mask.sum(1)[owner][:, None] + torch.arange(answer_ids.shape[1], device=device)
        out = body(
            input_ids=answer_ids,
            attention_mask=torch.cat([mask[owner], answer_mask], 1),
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        # The first answer token is predicted by the question's last position, each other one by that before it.
        hidden = torch.cat([last[owner][:, None], out[:, :-1]], 1)
        keep = answer_mask.bool()
        log_probs = token_log_probs(
            hidden[keep], head.weight, answer_ids[keep], bias=head.bias, softcap=head.softcap, scale=head.scale
        )
    row = keep.nonzero()[:, 0]
    total = torch.zeros(len(flat), dtype=torch.float64, device=device).index_add(0, row, log_probs.double())
    counts = keep.sum(1)
    results, start = [], 0
    for group in answers:
        part = slice(start, start + len(group))
        results.append(OptionScores(total[part].cpu().numpy(), counts[part].cpu().numpy()))
        start += len(group)
    return results


def _answer_start(options: list[Encoded]) -> int:
    """Return where the answer starts: the same place in every option, since prompts are tokenised apart."""
    start = options[0].supervised.index(True)
    prompt = options[0].input_ids[:start]
    if any(option.input_ids[:start] != prompt for option in options):
        raise UserError(
            f"the options of {options[0].source!r} do not share their prompt's tokens: max_length cuts the prompt "
            "differently for each answer; expected a larger max_length"
        )
    return start


def _answer_end(option: Encoded) -> int:
    return len(option.supervised) - option.supervised[::-1].index(True)


def _pad(rows: list[list[int]], padding: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Right-pad to [R, T]; return ids and mask."""
    length = max(len(row) for row in rows)
    ids = torch.full((len(rows), length), padding, dtype=torch.long)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    return ids.to(device), mask.to(device)
