"""How sure was the model of each target token? Log-probabilities from hidden states and an LM head, without logits.

    >>> import torch
    >>> from counterpoise import scoring
    >>> hidden, weight = torch.eye(3), torch.eye(4)[:, :3]  # N = H = 3, V = 4
    >>> scoring.token_log_probs(hidden, weight, torch.tensor([0, 1, 3])).exp()
    tensor([0.4754, 0.4754, 0.1749])

Three paths, one result (the tests hold them to :mod:`counterpoise.scoring.reference`):

- head frozen: gradients of the hidden states are made in the forward pass (:mod:`counterpoise.scoring.one_pass`);
- head trained: the backward pass makes each tile of logits again (:mod:`counterpoise.scoring.recompute`);
- no gradient wanted: one walk over the vocabulary.

None ever allocates anything of size [N, V]. On a CUDA device Triton kernels do the work between the products
(:mod:`counterpoise.scoring.kernels`), where Triton can run; the KL to a reference stays with torch operators.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, overload

import torch
from torch import Tensor

from counterpoise.scoring.one_pass import OnePass, walk
from counterpoise.scoring.recompute import Recompute
from counterpoise.scoring.reference import reference_token_log_probs
from counterpoise.scoring.tiles import Head, compute_dtype

__all__ = ["Head", "TokenScores", "reference_token_log_probs", "score_tokens", "supervised_rows", "token_log_probs"]

IGNORED = -100
"""Target of a position that is not supervised."""


@dataclass(frozen=True)
class TokenScores:
    """What the LM head says of N supervised tokens. Float32 (float64 stays); None where not asked for."""

    log_probs: Tensor
    """[N] log-probability of the target token, differentiable."""
    entropy: Tensor | None = None
    """[N] entropy, in nats, of the 20 most likely tokens, renormalised; no gradient."""
    collision: Tensor | None = None
    """[N] sum over the vocabulary of squared probabilities; no gradient."""
    reference_kl: Tensor | None = None
    """[N] KL(reference || policy) in nats, differentiable in the policy."""


def score_tokens(
    hidden: Tensor,
    head: Head,
    targets: Tensor,
    *,
    needs: Collection[str] = (),
    reference_hidden: Tensor | None = None,
    reference_head: Head | None = None,
    check: bool = True,
) -> TokenScores:
    """Score N supervised tokens under an LM head.

    Args:
        hidden: [N, H] hidden states that enter the head, supervised rows only (see :func:`supervised_rows`).
        head: weight [V, H] with bias, softcap and scale. Where its weight or bias requires a gradient the recompute
            path runs, else the one-pass path.
        targets: [N] int64, 0 to V - 1.
        needs: any of ``entropy``, ``collision``, ``reference_kl``.
        reference_hidden: [N, H] hidden states of the frozen reference model, for ``reference_kl``.
        reference_head: its head; default ``head``, detached.
        check: look whether all targets are in the vocabulary, which makes a GPU wait.

    Raises:
        ValueError: shapes that do not fit, or ``reference_kl`` without ``reference_hidden``.
    """
    _check(hidden, head, targets, look=check)
    wanted = frozenset(needs)
    if unknown := wanted - {"entropy", "collision", "reference_kl"}:
        raise ValueError(f"score_tokens cannot give {sorted(unknown)}; it gives entropy, collision and reference_kl")
    dtype = compute_dtype(hidden, head.weight)
    anchor_hidden = anchor_head = None
    if "reference_kl" in wanted:
        if reference_hidden is None or reference_hidden.shape[0] != hidden.shape[0]:
            raise ValueError("reference_kl needs reference_hidden: a row of the reference model per row of hidden")
        base = reference_head or head
        anchor_head = Head(base.weight.detach(), _detached(base.bias), base.softcap, base.scale)
        anchor_hidden = reference_hidden.detach().to(dtype)
    frozen = Head(head.weight.detach(), _detached(head.bias), head.softcap, head.scale)

    head_trains = head.weight.requires_grad or (head.bias is not None and head.bias.requires_grad)
    if torch.is_grad_enabled() and head_trains:
        found = Recompute.apply(
            hidden, head.weight, head.bias, dtype, frozen, targets, wanted, anchor_hidden, anchor_head
        )
    elif torch.is_grad_enabled() and hidden.requires_grad:
        found = OnePass.apply(hidden, dtype, frozen, targets, wanted, anchor_hidden, anchor_head)
    else:
        with torch.autocast(hidden.device.type, enabled=False):
            parts = walk(hidden.to(dtype), frozen, targets, wanted, anchor_hidden, anchor_head, rows=False)
        found = parts["log_probs"], parts.get("entropy"), parts.get("collision"), parts.get("kl")
    log_probs, entropy, collision, kl = found
    return TokenScores(
        log_probs,
        entropy if "entropy" in wanted else None,
        collision if "collision" in wanted else None,
        kl if "reference_kl" in wanted else None,
    )


@overload
def token_log_probs(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    bias: Tensor | None = ...,
    softcap: float | None = ...,
    scale: float = ...,
    entropy: Literal[False] = ...,
) -> Tensor: ...


@overload
def token_log_probs(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    bias: Tensor | None = ...,
    softcap: float | None = ...,
    scale: float = ...,
    *,
    entropy: Literal[True],
) -> tuple[Tensor, Tensor]: ...


def token_log_probs(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    bias: Tensor | None = None,
    softcap: float | None = None,
    scale: float = 1.0,
    entropy: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Return the log-probability of each target token, without ever holding the logits.

    Args:
        hidden: [N, H] hidden states that enter the head, one row a supervised token.
        weight: [V, H] of the LM head; may require a gradient.
        targets: [N] int64, 0 to V - 1.
        bias: [V] or None; may require a gradient.
        softcap: ``logits = softcap * tanh(logits / softcap)`` (Gemma 2), after ``scale``.
        scale: factor on the logits (Cohere; Granite divides by its own).
        entropy: also return [N] entropy, in nats, of the 20 most likely tokens, renormalised (no gradient).

    Returns:
        [N] float32 (float64 where ``hidden`` is), differentiable in hidden, weight and bias; with ``entropy`` a pair.

    Raises:
        ValueError: shapes that do not fit.
    """
    scores = score_tokens(hidden, Head(weight, bias, softcap, scale), targets, needs=["entropy"] if entropy else [])
    if entropy:
        assert scores.entropy is not None
        return scores.log_probs, scores.entropy
    return scores.log_probs


def supervised_rows(
    hidden: Tensor, targets: Tensor, samples: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Compact a batch to its supervised positions, before the head sees it.

    Args:
        hidden: [R, T, H] hidden states.
        targets: [R, T] int64, already shifted: the token that each position is to predict, or -100.
        samples: [R, T] int64, the sample that each target belongs to.

    Returns:
        ``hidden [N, H], targets [N], samples [N]``, row by row from left to right.
    """
    flat = targets.reshape(-1)
    keep = (flat != IGNORED).nonzero().squeeze(-1)
    chosen = None if samples is None else samples.reshape(-1)[keep]
    return hidden.reshape(-1, hidden.shape[-1]).index_select(0, keep), flat[keep], chosen


def _detached(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach()


def _check(hidden: Tensor, head: Head, targets: Tensor, look: bool) -> None:
    if hidden.dim() != 2 or head.weight.dim() != 2 or hidden.shape[1] != head.weight.shape[1]:
        raise ValueError(
            "hidden must be [N, H] and weight [V, H] with the same H; "
            f"got {tuple(hidden.shape)} and {tuple(head.weight.shape)}"
        )
    if targets.shape != hidden.shape[:1] or targets.is_floating_point():
        raise ValueError(f"targets must be [N] integers, N = {hidden.shape[0]}; got {tuple(targets.shape)}")
    if head.bias is not None and head.bias.shape != head.weight.shape[:1]:
        raise ValueError(f"bias must be [V], V = {head.weight.shape[0]}; got {tuple(head.bias.shape)}")
    if head.softcap is not None and head.softcap <= 0:
        raise ValueError(f"softcap is {head.softcap}; expected a number above 0, or None")
    if look and targets.numel():
        low, high = torch.stack(torch.aminmax(targets)).tolist()
        if low < 0 or high >= head.weight.shape[0]:
            raise ValueError(
                f"targets run from {low} to {high}; expected 0 to {head.weight.shape[0] - 1}, the head's vocabulary "
                "(drop unsupervised positions first: supervised_rows)"
            )
