"""One walk over the vocabulary for a block of rows: log-probabilities, what else was asked for, and, for a frozen head,
the rows that the backward pass will scale.

For a frozen head the gradient of ``log c_t`` with respect to ``h_t`` is ``W[y_t] - sum_v p_v W_v`` (times the slopes of
softcap and scale): it does not depend on the token's weight, so the forward pass can compute it while the tile's
probabilities are at hand. Gradients need no second look at the logits, and the objective may weigh tokens by anything.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from counterpoise.scoring.tiles import (
    Head,
    RunningSoftmax,
    add_product,
    blocks,
    gather_in_tile,
    statistics_dtype,
    tile_shape,
    use_kernels,
)

TOP_K = 20
"""Tokens that ``entropy`` runs over."""


@dataclass
class BlockStatistics:
    """Results for R rows, all in float32 (float64 stays). What was not asked for is None."""

    log_probs: Tensor
    """[R]"""
    log_normaliser: Tensor
    """[R]"""
    entropy: Tensor | None = None
    """[R]"""
    collision: Tensor | None = None
    """[R]"""
    kl: Tensor | None = None
    """[R]"""
    anchor_log_normaliser: Tensor | None = None
    """[R]"""
    log_prob_rows: Tensor | None = None
    """[R, H]: gradient of the log-probability with respect to the hidden state."""
    kl_rows: Tensor | None = None
    """[R, H]: gradient of the KL with respect to the hidden state."""


@torch.no_grad()
def block_statistics(
    hidden: Tensor,
    head: Head,
    targets: Tensor,
    *,
    needs: Collection[str] = (),
    anchor_hidden: Tensor | None = None,
    anchor_head: Head | None = None,
    rows: bool = False,
) -> BlockStatistics:
    """Walk the vocabulary once for ``hidden`` [R, H] (compute dtype) and ``targets`` [R]."""
    count, vocabulary = hidden.shape[0], head.weight.shape[0]
    like = hidden.new_empty(0, dtype=statistics_dtype(hidden))
    softmax = RunningSoftmax(count, like)
    target_logits = like.new_zeros(count)
    expected = like.new_zeros(hidden.shape) if rows else None  # sum_v p_v slope_v W_v, unnormalised
    squares = like.new_zeros(count, 1)
    top: Tensor | None = None
    anchored = anchor_hidden is not None and anchor_head is not None
    if anchored:
        anchor = RunningSoftmax(count, like)
        anchor_self, anchor_cross = like.new_zeros(count, 1), like.new_zeros(count, 1)
        anchor_expected = like.new_zeros(hidden.shape) if rows else None
    fused = use_kernels(hidden) and not anchored
    if fused:
        from counterpoise.scoring import kernels  # here, because it imports Triton

    for start, stop in blocks(vocabulary, tile_shape(hidden)[1]):
        if fused:
            product, weight = head.product(hidden, start, stop)
            if "entropy" in needs:
                top = _merge_top(top, head.activate(product.to(like.dtype, copy=True), start, stop))
            kept = squares if "collision" in needs else None
            shrink = kernels.fold_tile(product, head, start, targets, softmax, target_logits, kept, keep=rows)
            if expected is not None:
                add_product(expected.mul_(shrink), product, weight)
            continue
        logits, weight = head.tile(hidden, start, stop)
        gather_in_tile(logits, targets, start, stop, into=target_logits)
        if "entropy" in needs:
            top = _merge_top(top, logits)
        exp, shrink = softmax.add(logits)
        if "collision" in needs:
            squares = squares * shrink.square() + exp.square().sum(-1, keepdim=True)
        if expected is not None:
            _accumulate(expected, shrink, exp, head, logits, weight)
        if anchored:
            assert anchor_head is not None
            anchor_logits, _ = anchor_head.tile(anchor_hidden, start, stop)  # type: ignore[arg-type]
            anchor_exp, anchor_shrink = anchor.add(anchor_logits)
            anchor_self = anchor_self * anchor_shrink + (anchor_exp * anchor_logits).sum(-1, keepdim=True)
            anchor_cross = anchor_cross * anchor_shrink + (anchor_exp * logits).sum(-1, keepdim=True)
            if anchor_expected is not None:
                _accumulate(anchor_expected, anchor_shrink, anchor_exp, head, logits, weight)

    normaliser = softmax.log_normaliser()
    result = BlockStatistics(log_probs=target_logits - normaliser.squeeze(-1), log_normaliser=normaliser.squeeze(-1))
    if top is not None:
        log_p = top.log_softmax(-1)
        result.entropy = -(log_p.exp() * log_p).sum(-1)
    if "collision" in needs:
        result.collision = (squares / softmax.total.square()).squeeze(-1)
    if expected is not None:
        expected /= softmax.total
        slope = head.slope(target_logits[:, None])
        result.log_prob_rows = head.weight[targets].to(hidden.dtype) * slope - expected
    if anchored:
        anchor_normaliser = anchor.log_normaliser()
        own = anchor_self / anchor.total - anchor_normaliser
        cross = anchor_cross / anchor.total - normaliser
        result.kl = (own - cross).squeeze(-1)
        result.anchor_log_normaliser = anchor_normaliser.squeeze(-1)
        if expected is not None and anchor_expected is not None:
            result.kl_rows = expected - anchor_expected / anchor.total
    return result


def _merge_top(top: Tensor | None, logits: Tensor) -> Tensor:
    """The largest logits of the tiles before, [R, up to TOP_K], and of this one."""
    best = logits.topk(min(TOP_K, logits.shape[-1]), dim=-1).values
    if top is None:
        return best
    both = torch.cat([top, best], -1)
    return both.topk(min(TOP_K, both.shape[-1]), dim=-1).values


def _accumulate(into: Tensor, shrink: Tensor, exp: Tensor, head: Head, logits: Tensor, weight: Tensor) -> None:
    """``into = into * shrink + (exp * slope) W`` for one tile."""
    weighted = exp if head.softcap is None else exp * head.slope(logits)
    alpha = head.scale if head.softcap is None else 1.0
    add_product(into.mul_(shrink), weighted.to(weight.dtype), weight, alpha=alpha)
