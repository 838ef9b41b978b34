"""What a loss says of itself: sums and counts that add up over micro-batches and ranks, and what is made of them.

total = sum(out.sums for out in outputs)      # [WIDTH], stays on the device
numbers = total.tolist()                      # one transfer an optimiser step
means_of(numbers)                             # nll, confidence, effective_share, p_conf_q50 ...
histograms_of(numbers)                        # {"confidence": [20 counts], "token_weight": ..., "sample_weight": ...}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
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
BINS = 20
"""Of a histogram over [0, 1]; the last one holds larger values too."""
HISTOGRAMS = {"confidence": BINS, "token_weight": BINS, "sample_weight": BINS, "p_conf": 100}
"""What is counted, and in how many bins: confidence and weight of tokens, weight and p_conf of samples that have any.

Bins of p_conf are finer because quantiles are read off them.
"""
WIDTH = len(SUMS) + sum(HISTOGRAMS.values())
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of p_conf, in the metrics as ``p_conf_q05`` to ``p_conf_q95``."""
QUANTILE_NAMES = tuple(f"p_conf_q{round(100 * share):02d}" for share in QUANTILES)


def sums_of(
    tokens: Tokens, token_weights: Tensor, sample_weights: Tensor, coefficients: Tensor, p_conf: Tensor | None
) -> Tensor:
    """[WIDTH] float64 (float32 on MPS), on the tokens' device: the sums and counts of a call, without any transfer."""
    dtype = torch.float32 if tokens.log_probs.device.type == "mps" else torch.float64
    filled = tokens.lengths > 0
    pull = (token_weights * coefficients[tokens.samples]).to(dtype)
    zero = pull.new_zeros(())
    weakest = zero if p_conf is None else p_conf.masked_fill(~filled, 0.0).to(dtype).sum()
    sums = torch.stack(
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
    of_samples = filled.to(dtype)
    counts = (
        counted(tokens.confidence, HISTOGRAMS["confidence"], dtype),
        counted(token_weights, HISTOGRAMS["token_weight"], dtype),
        counted(sample_weights, HISTOGRAMS["sample_weight"], dtype, of_samples),
        counted(p_conf, HISTOGRAMS["p_conf"], dtype, of_samples)
        if p_conf is not None
        else sums.new_zeros(HISTOGRAMS["p_conf"]),
    )
    return torch.cat([sums, *counts])


def counted(values: Tensor, bins: int, dtype: torch.dtype, each: Tensor | None = None) -> Tensor:
    """[bins] how many of ``values`` [N] lie in each of equal bins over [0, 1]; each counts 1, or ``each`` [N]."""
    # Not histc or bincount: the one takes no weights, the other makes a GPU wait.
    place = (values.detach() * bins).long().clamp_(0, bins - 1)
    return values.new_zeros(bins, dtype=dtype).index_add_(
        0, place, torch.ones_like(values, dtype=dtype) if each is None else each
    )


def means_of(sums: Sequence[float]) -> dict[str, float]:
    """Return the metrics of a call, a step or a run from its sums.

    ``nll``, ``confidence`` and ``token_weight`` are means over supervised tokens, ``sample_weight`` and ``p_conf`` over
    samples that have any; ``p_conf_q05`` to ``p_conf_q95`` are quantiles of p_conf, read off bins of 0.01.
    ``effective_share`` is Kish's effective number of tokens over their number: 1 where all
    tokens pull alike, near 0 where a few carry the whole gradient. ``tokens`` and ``samples`` are counts.
    """
    s = dict(zip(SUMS, sums[: len(SUMS)], strict=True))
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
        found |= dict(zip(QUANTILE_NAMES, _quantiles(sums[-HISTOGRAMS["p_conf"] :]), strict=True))
    return {**found, **counts}


def histograms_of(sums: Sequence[float]) -> dict[str, list[int]]:
    """Return counts over [0, 1] of the tokens' confidence and weight and of the samples' weight, BINS each."""
    found, start = {}, len(SUMS)
    for name, bins in HISTOGRAMS.items():
        if bins == BINS:
            found[name] = [round(count) for count in sums[start : start + bins]]
        start += bins
    return found


def _quantiles(counts: Sequence[float]) -> list[float]:
    """Quantiles of what was counted in bins over [0, 1], as if it lay evenly inside each bin."""
    reached = np.concatenate([[0.0], np.cumsum(counts)])
    edges = np.linspace(0.0, 1.0, len(counts) + 1)
    return [float(np.interp(share * reached[-1], reached, edges)) for share in QUANTILES]
