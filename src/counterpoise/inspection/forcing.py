"""Teacher forcing: how sure the model is of every supervised token, batch by batch, without logits or gradients.

    for scored in teacher_force(loaded, items, batch_tokens=4096):
        scored.indices, scored.values["log_probs"]          # which items, and [n] float32, item after item

Items go through the model longest first, in padded batches of like length. The padding is on the right, where no token
of a causal model looks, so no mask is needed and attention takes its fast path.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from counterpoise.data.batching import collate
from counterpoise.data.encoded import Encoded
from counterpoise.models.cpu_attention import enable_cpu_attention
from counterpoise.models.load import LoadedModel
from counterpoise.training.scored_model import ScoredModel

BATCH_TOKENS = 4096
"""Tokens of a batch, padding included: enough to keep two to sixteen cores busy."""


@dataclass(frozen=True)
class Scored:
    """What the model says of the items of one batch."""

    indices: list[int]
    """Places of the items in the sequence that was given."""
    lengths: NDArray[np.int64]
    """Supervised tokens of each of them."""
    values: dict[str, NDArray[np.float32]]
    """log_probs, and whatever else was needed: [sum of lengths] each, item after item."""
    input_tokens: int
    """Tokens that went through the model, padding not counted."""


def batches(items: Sequence[Encoded], batch_tokens: int) -> list[list[int]]:
    """Cut items into batches of like length, longest first; padded to its longest, a batch holds ``batch_tokens`` at
    most (one item that is longer is a batch of its own)."""
    sizes = [len(item.input_ids) + len(item.encoder_ids) for item in items]
    order = sorted(range(len(items)), key=lambda i: -sizes[i])
    found: list[list[int]] = []
    widest = deepest = 0
    for i in order:
        decoder, encoder = len(items[i].input_ids), len(items[i].encoder_ids)
        wide, deep = max(widest, decoder), max(deepest, encoder)
        if not found or (wide + deep) * (len(found[-1]) + 1) > batch_tokens:
            found.append([])
            wide, deep = decoder, encoder
        found[-1].append(i)
        widest, deepest = wide, deep
    return found


def teacher_force(
    loaded: LoadedModel,
    items: Sequence[Encoded],
    *,
    needs: Collection[str] = (),
    batch_tokens: int = BATCH_TOKENS,
    skip: Collection[int] = (),
) -> Iterator[Scored]:
    """Score the supervised tokens of items, in evaluation mode.

    Args:
        loaded: a decoder-only model or an encoder-decoder; the model before training is its own reference, as in the
            first step of training.
        items: what to score; each has a supervised token.
        needs: what objectives need beside log-probabilities (`objectives.EXTRAS`).
        batch_tokens: see :func:`batches`.
        skip: places of items that are not to be scored.
    """
    enable_cpu_attention(loaded.model)
    model = ScoredModel(loaded.model, needs).eval()
    device = next(loaded.model.parameters()).device
    left = set(skip)
    open_items = [i for i in range(len(items)) if i not in left]
    for batch in batches([items[i] for i in open_items], batch_tokens):
        chosen = [open_items[i] for i in batch]
        inputs = collate([items[i] for i in chosen], loaded.tokenizer.pad_token_id)
        for name in ("samples", "num_samples", "attention_mask"):
            inputs.pop(name)
        inputs["rows"] = (inputs["targets"].reshape(-1) != -100).nonzero().squeeze(-1)
        with torch.inference_mode():
            scores = model(**{name: value.to(device) for name, value in inputs.items()})
            values = {name: value.float().cpu().numpy() for name, value in scores.items()}
        yield Scored(
            chosen,
            np.array([items[i].num_targets for i in chosen], dtype=np.int64),
            values,
            sum(len(items[i].input_ids) + len(items[i].encoder_ids) for i in chosen),
        )
