"""Windows of the diagnostic: the share of low-confidence tokens in each, and the longest run of them.

    found = slide(confidence, lengths, low=0.1, window=256, stride=64)
    found.share, found.run          # [W] each: how dense low confidence is, and how long its longest run
    found.sample, found.start       # [W] where the window lies

From one cumulative sum and one running count, without a loop over tokens. Windows run over the supervised tokens of one
sample; a shorter sample is one window, unless it is shorter than `LEAST`, too short to tell a run from chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

LEAST = 16
"""Tokens below which a sample has no window."""
BLOCK = 1 << 14
"""Windows looked at at once."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """W windows, in the order of the samples."""

    sample: Ints
    start: Ints
    """In supervised tokens of the sample."""
    length: Ints
    share: NDArray[np.float64]
    """Low-confidence tokens over all."""
    run: Ints
    """Most low-confidence tokens one after another."""
    left_out: int
    """Samples that are too short for a window."""


def low_runs(low: NDArray[np.bool_], lengths: Ints) -> Ints:
    """[N]: how long the run of low tokens is that ends at each token, within its sample; 0 where the token is not
    low."""
    place = np.arange(len(low))
    starts = np.repeat(lengths.cumsum() - lengths, lengths)
    last_break = np.maximum.accumulate(np.where(low, starts, place + 1))
    return np.asarray(np.where(low, place + 1 - last_break, 0))


def slide(
    confidence: NDArray[np.float32],
    lengths: Ints,
    *,
    low: float,
    window: int,
    stride: int,
) -> Windows:
    """Slide a window over each sample; the last one ends where the sample does.

    Args:
        confidence: [N], sample after sample.
        lengths: [S] supervised tokens of each sample.
        low: confidence below which a token counts as low.
        window, stride: in supervised tokens.
    """
    sample, start, length = _places(lengths, window, stride)
    is_low = confidence < low
    before = np.concatenate([[0], is_low.cumsum()])
    runs = low_runs(is_low, lengths)
    first = (lengths.cumsum() - lengths)[sample] + start
    share = (before[first + length] - before[first]) / np.maximum(length, 1)
    return Windows(sample, start, length, share, _longest(runs, first, length, window), int((lengths < LEAST).sum()))


def longest_runs(confidence: NDArray[np.float32], lengths: Ints, low: float) -> Ints:
    """[S]: the longest run of low tokens of each sample (at least one token each)."""
    runs = low_runs(confidence < low, lengths)
    return np.asarray(np.maximum.reduceat(runs, lengths.cumsum() - lengths))


def _places(lengths: Ints, window: int, stride: int) -> tuple[Ints, Ints, Ints]:
    """Sample, start and length of every window."""
    beyond = np.maximum(lengths - window, 0)
    counts = np.where(lengths < LEAST, 0, -(-beyond // stride) + 1)
    sample = np.repeat(np.arange(len(lengths)), counts)
    number = np.arange(len(sample)) - np.repeat(counts.cumsum() - counts, counts)
    start = np.minimum(number * stride, beyond[sample])
    return sample, start, np.minimum(lengths[sample], window)


def _longest(runs: Ints, first: Ints, length: Ints, window: int) -> Ints:
    """[W]: the longest run inside each window; a run that began before it counts from the window's start."""
    found = np.zeros(len(first), dtype=np.int64)
    # The last windows of the data may end before `window` tokens are there: zeros behind them change no maximum.
    seen = sliding_window_view(np.concatenate([runs, np.zeros(window, dtype=runs.dtype)]), window)
    place = np.arange(window)
    for start in range(0, len(first), BLOCK):
        part = slice(start, start + BLOCK)
        inside = place < length[part, None]
        found[part] = np.where(inside, np.minimum(seen[first[part]], place + 1), 0).max(1)
    return found
