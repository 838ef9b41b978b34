"""What a loss says of itself: sums that add up over micro-batches and ranks, and the means that are made of them.

total = sum(out.sums for out in outputs)      # [len(SUMS)], stays on the device
means_of(total.tolist())                      # one transfer an optimiser step: nll, confidence, effective_share ...
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from counterpoise.objectives.base import Tokens

SUMS = (
    "tokens",
    "samples",
    "filled",  # samples that have supervised tokens
    "nll",
    "confidence",
    "token_weight",
    "sample_weight",
    "pull",  # token weight x sample weight (x 1 / T_b): what each token's log-probability is multiplied by
    "squared_pull",
    "p_conf",
    "p_conf_samples",
)


def sums_of(
    tokens: Tokens, token_weights: Tensor, sample_weights: Tensor, coefficients: Tensor, p_conf: Tensor | None
) -> Tensor:
    """[len(SUMS)] float64 (float32 on MPS), on the tokens' device: the sums of one call, without any transfer."""
    dtype = torch.float32 if tokens.log_probs.device.type == "mps" else torch.float64
    filled = tokens.lengths > 0
    pull = (token_weights * coefficients[tokens.samples]).to(dtype)
    zero = pull.new_zeros(())
    weakest = zero if p_conf is None else p_conf.masked_fill(~filled, 0.0).to(dtype).sum()
    return torch.stack(
        [
            zero + tokens.samples.numel(),
            zero + tokens.num_samples,
            filled.sum().to(dtype),
            -tokens.log_probs.detach().to(dtype).sum(),
            tokens.confidence.to(dtype).sum(),
            token_weights.to(dtype).sum(),
            sample_weights.masked_fill(~filled, 0.0).to(dtype).sum(),
            pull.sum(),
            pull.square().sum(),
            weakest,
            zero if p_conf is None else filled.sum().to(dtype),
        ]
    )


def means_of(sums: Sequence[float]) -> dict[str, float]:
    """Return the metrics of a call, a step or a run from its sums.

    ``nll``, ``confidence`` and ``token_weight`` are means over supervised tokens, ``sample_weight`` and ``p_conf`` over
    samples that have any. ``effective_share`` is Kish's effective number of tokens over their number: 1 where all
    tokens pull alike, near 0 where a few carry the whole gradient. ``tokens`` and ``samples`` are counts.
    """
    s = dict(zip(SUMS, sums, strict=True))
    counts = {"tokens": s["tokens"], "samples": s["samples"]}
    if s["tokens"] == 0:
        return counts
    found = {
        "nll": s["nll"] / s["tokens"],
        "confidence": s["confidence"] / s["tokens"],
        "token_weight": s["token_weight"] / s["tokens"],
        "sample_weight": s["sample_weight"] / s["filled"],
        "effective_share": s["pull"] ** 2 / max(s["tokens"] * s["squared_pull"], 1e-30),
    }
    if s["p_conf_samples"]:
        found["p_conf"] = s["p_conf"] / s["p_conf_samples"]
    return {**found, **counts}
