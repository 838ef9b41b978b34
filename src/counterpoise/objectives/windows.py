"""Sliding windows over the supervised tokens of each sample, from one cumulative sum: linear in tokens, no loop.

Tokens are compacted (no prompt, no padding), so a window never leaves its sample, also where several samples share a
packed row. A window size is a number of tokens (``256``), a share of each response (``0.25``) or a percentage
(``"25%"``; ``"100%"`` is the whole response).
"""

from __future__ import annotations

import torch
from torch import Tensor

from counterpoise.objectives.base import Tokens

WindowSize = int | float | str


def check_window(window: WindowSize, owner: str) -> None:
    """Raise ValueError unless ``window`` is a size that :func:`window_sizes` understands."""
    share = _share(window)
    is_tokens = isinstance(window, int) and not isinstance(window, bool) and window >= 1
    if not is_tokens and not (share is not None and 0.0 < share <= 1.0):
        raise ValueError(
            f"{owner}: window is {window!r}; expected a number of tokens such as 256, "
            'or a share of the response such as 0.25 or "25%"'
        )


def window_sizes(tokens: Tokens, window: WindowSize) -> Tensor:
    """[B] int64: the window of each sample, in tokens; at least 1."""
    share = _share(window)
    if share is None:
        return torch.full_like(tokens.lengths, int(window))
    return (tokens.lengths * share).round().long().clamp(min=1)


def local_means(values: Tensor, tokens: Tokens, window: WindowSize) -> Tensor:
    """[N] -> [N]: the mean over the window around each token, clipped at the ends of its sample.

    The window of token ``t`` is ``[t - g // 2, t - g // 2 + g)`` within the sample: it always contains ``t``.
    """
    position, start, end, size = _positions(tokens, window)
    low = torch.maximum(position - size // 2, start)
    high = torch.minimum(position - size // 2 + size, end)
    return _range_means(values, low, high)


def weakest_window(values: Tensor, tokens: Tokens, window: WindowSize) -> Tensor:
    """[N] -> [B]: the least mean over the full windows of ``g`` tokens, stride 1, of each sample.

    A sample of ``T`` tokens has ``T - g + 1`` windows; one shorter than ``g`` is a single window, the whole of it.
    A sample without tokens gets +inf.
    """
    position, start, end, size = _positions(tokens, window)
    is_window = (position + size <= end) | (position == start)
    means = _range_means(values, position, torch.minimum(position + size, end))
    return per_sample_min(means.masked_fill(~is_window, float("inf")), tokens)


def per_sample_min(values: Tensor, tokens: Tokens) -> Tensor:
    """[N] -> [B]: the least value of each sample; +inf for a sample without tokens."""
    least = values.new_full((tokens.num_samples,), float("inf"))
    return least.scatter_reduce(0, tokens.samples, values, reduce="amin")


def _share(window: WindowSize) -> float | None:
    if isinstance(window, str):
        try:
            return float(window.removesuffix("%")) / 100 if window.endswith("%") else float("nan")
        except ValueError:
            return float("nan")
    return window if isinstance(window, float) else None


def _positions(tokens: Tokens, window: WindowSize) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each [N] int64: the token's place, where its sample starts and ends, and its window size."""
    samples = tokens.samples
    end = tokens.ends[samples]
    start = end - tokens.lengths[samples]
    position = torch.arange(samples.numel(), device=samples.device)
    return position, start, end, window_sizes(tokens, window)[samples]


def _range_means(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """[N]: mean of ``values[low:high]`` for each pair, from one cumulative sum.

    The sum runs in float64: over 100,000 tokens a float32 sum would cost four of the seven digits. (Apple's MPS has no
    float64 and keeps float32.)
    """
    wide = values if values.device.type == "mps" else values.double()
    before = torch.cat([wide.new_zeros(1), wide.cumsum(0)])
    return ((before[high] - before[low]) / (high - low)).to(values.dtype)
