"""What an objective makes of scores: the weights that its loss would give in training, for a whole data set.

    weighing = weigh(objectives.get("bft"), scores, lengths)
    weighing.token_weights, weighing.sample_weights, weighing.p_conf       # [N], [S], [S] or None

The weights are those of `Objective.loss` itself; a schedule is taken as it stands at the end of training, since at its
start ``sft_share: 1 to 0`` is SFT itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from counterpoise.objectives import Objective, Tokens
from counterpoise.objectives.bft import BalancedFineTuning
from counterpoise.objectives.windows import window_sizes

CHUNK = 1024
"""Samples weighed at once."""
BATCH = 16
"""Samples weighed at once under an objective whose weights depend on the batch: the default ``training.batch_size``."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Weighing:
    """What one objective says of N tokens and S samples."""

    token_weights: Floats
    sample_weights: Floats
    pull: Floats
    """[N] the factor on each token's SFT gradient, up to a common one."""
    p_conf: Floats | None = None


def weigh(objective: Objective, scores: Mapping[str, Floats], lengths: NDArray[np.int64]) -> Weighing:
    """Weigh samples in the order of the data.

    Args:
        objective: what weighs.
        scores: log_probs and whatever the objective needs, [N] float32 each, sample after sample.
        lengths: [S] supervised tokens of each sample, at least 1.
    """
    size = BATCH if objective.batch_statistics else CHUNK
    ends = np.concatenate([[0], lengths.cumsum()])
    found: list[tuple[Tensor, Tensor, Tensor, Tensor | None]] = []
    for first in range(0, len(lengths), size):
        own = torch.from_numpy(lengths[first : first + size])
        start, stop = ends[first], ends[first + len(own)]
        values: dict[str, Any] = {
            name: torch.from_numpy(scores[name][start:stop]) for name in ("log_probs", *objective.needs)
        }
        log_probs = values.pop("log_probs")
        samples = torch.repeat_interleave(torch.arange(len(own)), own)
        out = objective.loss(log_probs, samples, num_samples=len(own), progress=1.0, **values)
        pulls = pull(objective, out.token_weights, out.sample_weights, samples)
        found.append((out.token_weights, out.sample_weights, pulls, out.p_conf))
    token_weights, sample_weights, all_pulls, p_confs = zip(*found, strict=True)
    return Weighing(
        _joined(token_weights),
        _joined(sample_weights),
        _joined(all_pulls),
        None if p_confs[0] is None else _joined(p_confs),
    )


def pull(objective: Objective, token_weights: Tensor, sample_weights: Tensor, samples: Tensor) -> Tensor:
    """[N] the factor on each token's SFT gradient, up to the common denominator.

    Args:
        objective: says what its loss is averaged over.
        token_weights: [N], sample_weights: [B], samples: [N], which sample each token belongs to.
    """
    factor = sample_weights
    if objective.average == "sample":
        factor = factor / torch.bincount(samples, minlength=factor.numel()).clamp(min=1)
    return token_weights * factor[samples]


def effective_share(pulls: Floats) -> float:
    """Kish's effective number of tokens over their number, ``(sum w)^2 / (N sum w^2)``; 0 where nothing pulls."""
    wide = pulls.astype(np.float64)
    return float(wide.sum() ** 2 / max(len(wide) * np.square(wide).sum(), 1e-30))


def weakest_windows(
    objective: BalancedFineTuning, log_probs: Floats, lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Start and length [S], in supervised tokens, of the window whose confidence is the sample's p_conf.

    For v3 it is the window around a token, clipped at the ends of the sample; of several that are equally weak, the
    first is taken.
    """
    samples = torch.repeat_interleave(torch.arange(len(lengths)), torch.from_numpy(lengths))
    tokens = Tokens(torch.from_numpy(log_probs), samples, len(lengths))
    sizes = window_sizes(tokens, objective.window).numpy()
    geometric = objective.variant == "v1-geometric"
    values = log_probs.astype(np.float64) if geometric else np.exp(log_probs.astype(np.float64))
    starts, widths = np.zeros_like(lengths), np.zeros_like(lengths)
    ends = np.concatenate([[0], lengths.cumsum()])
    for b, (length, size) in enumerate(zip(lengths, sizes, strict=True)):
        before = np.concatenate([[0.0], values[ends[b] : ends[b + 1]].cumsum()])
        if objective.variant == "v3":
            first = np.arange(length) - size // 2
        else:
            first = np.arange(max(length - size, 0) + 1)
        low, high = np.maximum(first, 0), np.minimum(first + size, length)
        weakest = int(((before[high] - before[low]) / (high - low)).argmin())
        starts[b], widths[b] = low[weakest], high[weakest] - low[weakest]
    return starts, widths


def _joined(parts: tuple[Tensor, ...]) -> Floats:
    return torch.cat(parts).float().numpy()
