"""The LM head, a tile at a time: what the one-pass and the recompute path share.

A tile is a block of rows (tokens) by a block of the vocabulary. Its logits are made, used and forgotten, so memory is
that of a tile whatever N and V are; on a CPU a tile also fits the cache, which is why this is not slower than one large
product. Products run in the compute dtype (bfloat16 under autocast), statistics in float32.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

#: Rows by vocabulary entries of a tile: on the CPU, to stay in cache (8 MiB of float32).
CPU_TILE = (512, 4096)

#: The same on a GPU. Reckoned for bfloat16, not yet measured:
#: - Memory. The tile is 64 MiB, and the kernels need nothing beside it; torch operators need some four float32 copies
#:   more, 0.5 GiB, which a 24 GB card can spare. It fits no L2 (A100 40 MB, H200 50 MB, RTX 4090 72 MB beside the
#:   operands): writing and reading it twice is 8 bytes an entry beside 4 H operations, on an H200 8 % of the time of
#:   the two products at H = 4096.
#: - Waves. In blocks of 128 x 256 the logits are 1024 blocks: 7.8 waves of 132 multiprocessors (H200), 9.5 of 108
#:   (A100), 8 of 128 (RTX 4090), so at most 5 % idle. The second product is [4096, H]: at H = 896, 128 blocks, one
#:   wave; half the rows would fit an L2, but leave half of the device idle there.
#: - Width. The float32 sum [4096, H] is read and written twice a tile: 16 bytes beside 4 W operations, 8 % at W = 8192,
#:   more for a narrower tile. A kernel holds a row in registers, 16 numbers a thread at 8192.
DEVICE_TILE = (4096, 8192)

#: Triton compiles its launcher with a C compiler and Python's headers when a kernel first runs, and fails without.
TRITON = (
    importlib.util.find_spec("triton") is not None
    and any(shutil.which(name) for name in (os.environ.get("CC", "gcc"), "clang"))
    and Path(sysconfig.get_path("include"), "Python.h").exists()
)


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
        product, weight = self.product(hidden, start, stop)
        return self.activate(product.to(statistics_dtype(hidden)), start, stop), weight

    def product(self, hidden: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return ``(h W^T [R, stop-start], weight tile [stop-start, H])``, both in the compute dtype."""
        weight = self.weight[start:stop].to(hidden.dtype)
        return hidden @ weight.T, weight

    def activate(self, logits: Tensor, start: int, stop: int) -> Tensor:
        """Turn a product, in float32, into logits, in place: bias, scale, softcap."""
        if self.bias is not None:
            logits += self.bias[start:stop]
        if self.scale != 1.0:
            logits *= self.scale
        if self.softcap is not None:
            logits.div_(self.softcap).tanh_().mul_(self.softcap)
        return logits

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


def use_kernels(tensor: Tensor) -> bool:
    """Whether tiles on this tensor's device, in its dtype, go through :mod:`counterpoise.scoring.kernels`."""
    return TRITON and tensor.device.type == "cuda" and tensor.dtype != torch.float64


def add_product(into: Tensor, left: Tensor, right: Tensor, alpha: float = 1.0) -> None:
    """``into += alpha * left @ right`` for ``into`` in float32.

    On a GPU, products of 16 bits are added before they are rounded: one pass over ``into``, and no error a tile.
    """
    if left.device.type == "cuda" and left.dtype in (torch.bfloat16, torch.float16):
        torch.addmm(into, left, right, alpha=alpha, out_dtype=into.dtype, out=into)
    else:
        into.add_(left @ right, alpha=alpha)


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
