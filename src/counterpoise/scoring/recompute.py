"""Trained LM head (full fine-tuning, tied heads): the backward pass makes each tile of logits again.

The forward pass keeps a log-normaliser and a log-probability per token. With the scalar ``g_t`` that arrives for each
token, the backward pass makes the tile's ``g_t (onehot_t - p_t)`` and from it the gradients of hidden states, weight
and bias. The weight's gradient is written once, tile by tile of the vocabulary, never summed over passes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from counterpoise.scoring.one_pass import Results, in_order, walk
from counterpoise.scoring.tiles import Head, add_product, blocks, statistics_dtype, use_kernels

BACKWARD_TILE = {"cpu": (2048, 2048)}
"""Rows by vocabulary entries; tall, so that a weight tile's gradient is one product wherever the rows fit."""
BACKWARD_TILE_DEVICE = (8192, 8192)


class Recompute(torch.autograd.Function):
    """``apply(hidden, weight, bias, ...)`` -> results in the order of ``FIELDS``."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        dtype: torch.dtype,
        head: Head,
        targets: Tensor,
        needs: frozenset[str],
        anchor_hidden: Tensor | None,
        anchor_head: Head | None,
    ) -> Results:
        with torch.autocast(hidden.device.type, enabled=False):
            found = walk(hidden.to(dtype), head, targets, needs, anchor_hidden, anchor_head, rows=False)
        ctx.save_for_backward(
            hidden, weight, bias, targets, found["log_normaliser"], anchor_hidden, found.get("anchor_log_normaliser")
        )
        ctx.dtype, ctx.softcap, ctx.scale, ctx.anchor_head = dtype, head.softcap, head.scale, anchor_head
        return in_order(ctx, found)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets, normaliser, anchor_hidden, anchor_normaliser = ctx.saved_tensors
        nothing = (None,) * 6
        if grads[0] is None and grads[3] is None:
            return None, None, None, *nothing
        with torch.autocast(hidden.device.type, enabled=False):
            grad_hidden, grad_weight, grad_bias = _backward(
                hidden.to(ctx.dtype),
                Head(weight, bias, ctx.softcap, ctx.scale),
                targets,
                normaliser,
                None if grads[3] is None else (anchor_hidden, ctx.anchor_head, anchor_normaliser),
                grads[0],
                grads[3],
                needed=ctx.needs_input_grad[:3],
            )
        if grad_hidden is not None:
            grad_hidden = grad_hidden.to(hidden.dtype)
        return grad_hidden, grad_weight, grad_bias, *nothing


def _backward(
    hidden: Tensor,
    head: Head,
    targets: Tensor,
    normaliser: Tensor,
    anchor: tuple[Tensor, Head, Tensor] | None,
    log_prob_grad: Tensor | None,
    kl_grad: Tensor | None,
    needed: tuple[bool, bool, bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    wide = statistics_dtype(hidden)
    grad_hidden = torch.zeros(hidden.shape, dtype=wide, device=hidden.device) if needed[0] else None
    grad_weight = torch.empty_like(head.weight) if needed[1] else None
    grad_bias = torch.zeros_like(head.bias) if needed[2] and head.bias is not None else None
    row_size, vocabulary_size = BACKWARD_TILE.get(hidden.device.type, BACKWARD_TILE_DEVICE)
    if hidden.shape[0] == 0 and grad_weight is not None:
        grad_weight.zero_()

    fused = use_kernels(hidden) and anchor is None
    if fused:
        from counterpoise.scoring import kernels  # here, because it imports Triton

    for start, stop in blocks(head.weight.shape[0], vocabulary_size):
        weight_tile_grad: Tensor | None = None
        for a, b in blocks(hidden.shape[0], row_size):
            if fused:
                assert log_prob_grad is not None
                change, weight = head.product(hidden[a:b], start, stop)
                kernels.logit_gradient(change, head, start, targets[a:b], normaliser[a:b], log_prob_grad[a:b])
            else:
                change, weight = _logit_gradient(
                    hidden[a:b],
                    head,
                    start,
                    stop,
                    targets[a:b],
                    normaliser[a:b],
                    None if anchor is None else (anchor[0][a:b], anchor[1], anchor[2][a:b]),
                    None if log_prob_grad is None else log_prob_grad[a:b],
                    None if kl_grad is None else kl_grad[a:b],
                )
            if grad_bias is not None:
                grad_bias[start:stop] += change.sum(0, dtype=wide).to(grad_bias.dtype)
            change = change.to(weight.dtype)
            if grad_hidden is not None:
                add_product(grad_hidden[a:b], change, weight)
            if grad_weight is not None:
                part = change.T @ hidden[a:b]
                weight_tile_grad = part if weight_tile_grad is None else weight_tile_grad.to(wide) + part
        if grad_weight is not None and weight_tile_grad is not None:
            grad_weight[start:stop] = weight_tile_grad
    return grad_hidden, grad_weight, grad_bias


def _logit_gradient(
    hidden: Tensor,
    head: Head,
    start: int,
    stop: int,
    targets: Tensor,
    normaliser: Tensor,
    anchor: tuple[Tensor, Head, Tensor] | None,
    log_prob_grad: Tensor | None,
    kl_grad: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """One tile: gradient with respect to ``h W^T + bias`` [R, stop-start] in float32, and the head's weight tile."""
    logits, weight = head.tile(hidden, start, stop)
    slope = head.slope(logits)
    p = (logits - normaliser[:, None]).exp_()
    change = torch.zeros_like(p)
    if log_prob_grad is not None:
        change.addcmul_(p, log_prob_grad[:, None], value=-1)
        place = targets - start
        inside = (place >= 0) & (place < stop - start)
        at_target = torch.where(inside, log_prob_grad, 0)[:, None]
        change.scatter_add_(1, place.clamp(0, stop - start - 1)[:, None], at_target)
    if kl_grad is not None and anchor is not None:
        anchor_hidden, anchor_head, anchor_normaliser = anchor
        q = anchor_head.tile(anchor_hidden, start, stop)[0].sub_(anchor_normaliser[:, None]).exp_()
        change.addcmul_(p.sub_(q), kl_grad[:, None])
    if isinstance(slope, Tensor) or slope != 1.0:
        change *= slope
    return change, weight
