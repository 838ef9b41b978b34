"""Token log-probabilities from full logits: the truth that the fast paths are tested against.

Holds the whole [N, V] matrix of logits, and autograd keeps several more of that size. Never used in training.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def reference_logits(
    hidden: Tensor, weight: Tensor, bias: Tensor | None = None, softcap: float | None = None, scale: float = 1.0
) -> Tensor:
    """Return [N, V] logits in float32 (float64 stays): ``softcap * tanh(scale * (h W^T + bias) / softcap)``."""
    logits = (hidden @ weight.to(hidden.dtype).T).to(torch.promote_types(hidden.dtype, torch.float32))
    logits = (logits if bias is None else logits + bias) * scale
    return logits if softcap is None else softcap * torch.tanh(logits / softcap)


def reference_token_log_probs(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    bias: Tensor | None = None,
    softcap: float | None = None,
    scale: float = 1.0,
) -> Tensor:
    """Return [N] log-probabilities of ``targets``; arguments as in :func:`counterpoise.scoring.token_log_probs`."""
    logits = reference_logits(hidden, weight, bias, softcap, scale)
    return logits.log_softmax(-1).gather(-1, targets[:, None]).squeeze(-1)


def reference_entropy(logits: Tensor, top: int) -> Tensor:
    """[N, V] -> [N]: entropy in nats of the ``top`` most likely tokens, renormalised."""
    p = logits.topk(min(top, logits.shape[-1]), dim=-1).values.softmax(-1)
    return -(p * p.clamp(min=math.ulp(0.0)).log()).sum(-1)


def reference_collision(logits: Tensor) -> Tensor:
    """[N, V] -> [N]: sum of squared probabilities."""
    return logits.softmax(-1).square().sum(-1)


def reference_kl(logits: Tensor, anchor_logits: Tensor) -> Tensor:
    """[N, V], [N, V] -> [N]: ``KL(anchor || policy)`` in nats, differentiable in both."""
    q, log_q = anchor_logits.softmax(-1), anchor_logits.log_softmax(-1)
    return (q * (log_q - logits.log_softmax(-1))).sum(-1)
