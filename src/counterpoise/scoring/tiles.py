"""The LM head, a tile at a time: what the one-pass and the recompute path share.

A tile is a block of rows (tokens) by a block of the vocabulary. Its logits are made, used and forgotten, so memory is
that of a tile whatever N and V are; on a CPU a tile also fits the cache, which is why this is not slower than one large
product. Products run in the compute dtype (bfloat16 under autocast), statistics in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

#: Rows by vocabulary entries of a tile: on the CPU, to stay in cache (8 MiB of float32); elsewhere, to fill the device.
CPU_TILE = (512, 4096)
DEVICE_TILE = (4096, 8192)


@dataclass(frozen=True)
class Head:
    """An LM head: ``logits = softcap * tanh(scale * (h W^T + bias) / softcap)``; without softcap, no tanh."""

    weight: Tensor
    """[V, H]"""
    bias: Tensor | None = None
    """[V]"""
    softcap: float | None = None
    scale: float = 1.0

    def tile(self, hidden: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return ``(logits [R, stop-start] in float32, weight tile [stop-start, H] in the compute dtype)``."""
        weight = self.weight[start:stop].to(hidden.dtype)
        logits = (hidden @ weight.T).to(statistics_dtype(hidden))
        if self.bias is not None:
            logits += self.bias[start:stop]
        if self.scale != 1.0:
            logits *= self.scale
        if self.softcap is not None:
            logits.div_(self.softcap).tanh_().mul_(self.softcap)
        return logits, weight

    def slope(self, logits: Tensor) -> Tensor | float:
        """Derivative of the logits with respect to ``h W^T + bias``: the chain rule through softcap and scale."""
        if self.softcap is None:
            return self.scale
        return self.scale * (1.0 - (logits / self.softcap).square())


def statistics_dtype(hidden: Tensor) -> torch.dtype:
    """float32, or float64 where the hidden states are."""
    return torch.promote_types(hidden.dtype, torch.float32)


def compute_dtype(hidden: Tensor, weight: Tensor) -> torch.dtype:
    """Return the dtype that products run in: autocast's where it is on, else the narrower of the two given."""
    kind = hidden.device.type
    if torch.is_autocast_enabled(kind) and hidden.dtype != torch.float64:
        return torch.get_autocast_dtype(kind)
    return hidden.dtype if hidden.dtype.itemsize <= weight.dtype.itemsize else weight.dtype


def blocks(total: int, size: int) -> Iterator[tuple[int, int]]:
    """Cut ``range(total)`` into (start, stop) of at most ``size``."""
    for start in range(0, total, size):
        yield start, min(start + size, total)


def tile_shape(tensor: Tensor) -> tuple[int, int]:
    """Return rows and vocabulary entries of a tile on this device."""
    return CPU_TILE if tensor.device.type == "cpu" else DEVICE_TILE


class RunningSoftmax:
    """Softmax statistics of rows whose logits arrive tile by tile (online softmax, Milakov and Gimelshein 2018)."""

    def __init__(self, rows: int, like: Tensor) -> None:
        self.peak = like.new_full((rows, 1), -torch.inf)
        self.total = like.new_zeros(rows, 1)

    def add(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Take in a tile; return ``(exp(logits - peak), factor that earlier sums shrink by)``."""
        peak = torch.maximum(self.peak, logits.amax(-1, keepdim=True))
        shrink = (self.peak - peak).exp()
        exp = (logits - peak).exp_()
        self.total = self.total * shrink + exp.sum(-1, keepdim=True)
        self.peak = peak
        return exp, shrink

    def log_normaliser(self) -> Tensor:
        """[R, 1]: log-sum-exp of all logits seen."""
        return self.peak + self.total.log()


def gather_in_tile(logits: Tensor, targets: Tensor, start: int, stop: int, into: Tensor) -> None:
    """Write the logits of those ``targets`` that lie in this tile to ``into`` [R]."""
    inside = (targets >= start) & (targets < stop)
    place = (targets - start).clamp(0, stop - start - 1)
    torch.where(inside, logits.gather(-1, place[:, None]).squeeze(-1), into, out=into)
