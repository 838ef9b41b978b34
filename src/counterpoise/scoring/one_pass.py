"""Frozen LM head (LoRA, QLoRA, P-tuning, most adapters): gradients computed in the forward pass.

The backward pass scales row t by the scalar that arrives for token t. One product with the head for the logits, one for
the rows, nothing recomputed, and exact for weights that depend on other tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from counterpoise.scoring.statistics import BlockStatistics, block_statistics
from counterpoise.scoring.tiles import Head, blocks, statistics_dtype, tile_shape

FIELDS = ("log_probs", "entropy", "collision", "kl")
Results = tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]


def walk(
    hidden: Tensor,
    head: Head,
    targets: Tensor,
    needs: frozenset[str],
    anchor_hidden: Tensor | None,
    anchor_head: Head | None,
    rows: bool,
) -> dict[str, Tensor]:
    """Run :func:`block_statistics` over blocks of rows and join what came out: name -> [N] or [N, H]."""
    size = tile_shape(hidden)[0]
    parts: list[BlockStatistics] = [
        block_statistics(
            hidden[a:b],
            head,
            targets[a:b],
            needs=needs,
            anchor_hidden=None if anchor_hidden is None else anchor_hidden[a:b],
            anchor_head=anchor_head,
            rows=rows,
        )
        for a, b in blocks(hidden.shape[0], size)
    ]
    if not parts:
        dtype = statistics_dtype(hidden)
        narrow = ("log_probs", "log_normaliser", "anchor_log_normaliser", "entropy", "collision", "kl")
        return {
            **{name: hidden.new_empty(0, dtype=dtype) for name in narrow},
            **{name: hidden.new_empty(hidden.shape, dtype=dtype) for name in ("log_prob_rows", "kl_rows")},
        }
    joined = {}
    for name in vars(parts[0]):
        values = [getattr(part, name) for part in parts]
        if values[0] is not None:
            joined[name] = values[0] if len(values) == 1 else torch.cat(values)
    return joined


def in_order(ctx: Any, found: dict[str, Tensor]) -> Results:
    """Return what was found in the order of ``FIELDS``; entropy and collision carry no gradient."""
    results = [found.get(name) for name in FIELDS]
    ctx.mark_non_differentiable(*[r for r in results[1:3] if r is not None])
    ctx.set_materialize_grads(False)
    return tuple(results)  # type: ignore[return-value]


class OnePass(torch.autograd.Function):
    """``apply(hidden, head, targets, needs, anchor_hidden, anchor_head)`` -> results in the order of ``FIELDS``."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        dtype: torch.dtype,
        head: Head,
        targets: Tensor,
        needs: frozenset[str],
        anchor_hidden: Tensor | None,
        anchor_head: Head | None,
    ) -> Results:
        with torch.autocast(hidden.device.type, enabled=False):
            found = walk(hidden.to(dtype), head, targets, needs, anchor_hidden, anchor_head, rows=True)
        ctx.save_for_backward(found["log_prob_rows"], found.get("kl_rows"))
        ctx.hidden_dtype = hidden.dtype
        return in_order(ctx, found)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        log_prob_rows, kl_rows = ctx.saved_tensors
        grad_hidden = None
        for grad, rows in ((grads[0], log_prob_rows), (grads[3], kl_rows)):
            if grad is not None and rows is not None:
                part = grad[:, None] * rows
                grad_hidden = part if grad_hidden is None else grad_hidden + part
        if grad_hidden is not None:
            grad_hidden = grad_hidden.to(ctx.hidden_dtype)
        return grad_hidden, None, None, None, None, None, None
