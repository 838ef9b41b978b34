"""How many parameters a model has, how many of them are trained, and what they cost in memory.

    print(parameter_counts(model))        # 139,399,488 parameters, 4,884,480 trainable (3.50%)
    print(memory_bytes(model))            # weights 0.29 GB, gradients 19.54 MB, AdamW 39.08 MB: 0.35 GB + activations

Both are read off the weights as they lie in memory, whatever their dtype; activations depend on the batch.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ParameterCounts:
    """How many numbers a model has, and how many of them training changes; tied weights count once."""

    total: int
    trainable: int

    def __str__(self) -> str:
        share = self.trainable / max(self.total, 1)
        return f"{self.total:,} parameters, {self.trainable:,} trainable ({share:.2%})"


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that training needs whatever the batch is; activations come on top. Tied weights count once.

    ``weights`` are all of them, trained ones included and scales of 4-bit blocks too; ``trained`` those that training
    changes; ``gradients`` and ``optimizer`` (AdamW's two moments) have the trained weights' own dtype.
    """

    weights: int
    trained: int
    gradients: int
    optimizer: int

    @property
    def total(self) -> int:
        """Weights, gradients and optimiser state together."""
        return self.weights + self.gradients + self.optimizer

    def __str__(self) -> str:
        parts = ("weights", self.weights), ("gradients", self.gradients), ("AdamW", self.optimizer)
        return ", ".join(f"{name} {_size(count)}" for name, count in parts) + f": {_size(self.total)} + activations"


def parameter_counts(model: nn.Module) -> ParameterCounts:
    """Count the parameters of a model; a 4-bit weight counts its numbers, not the bytes they are packed in."""
    parameters = list(model.parameters())
    return ParameterCounts(
        total=sum(_numbers(p) for p in parameters),
        trainable=sum(_numbers(p) for p in parameters if p.requires_grad),
    )


def memory_bytes(model: nn.Module) -> MemoryEstimate:
    """Estimate what training this model with AdamW needs before any activation, from its weights as they are now."""
    trained = sum(_bytes(p) for p in model.parameters() if p.requires_grad)
    weights = sum(_bytes(p) + sum(map(_bytes, _block_scales(p))) for p in model.parameters())
    return MemoryEstimate(weights=weights, trained=trained, gradients=trained, optimizer=2 * trained)


def _numbers(parameter: nn.Parameter) -> int:
    packed: Any = getattr(parameter, "quant_state", None)  # bitsandbytes keeps the real shape here
    return parameter.numel() if packed is None else math.prod(packed.shape)


def _block_scales(parameter: nn.Parameter) -> Iterator[Tensor]:
    """The tensors beside a 4-bit weight: the scale of each block and, if scales are packed too, theirs."""
    state: Any = getattr(parameter, "quant_state", None)
    while state is not None:
        yield from (value for name in ("absmax", "code", "offset") if torch.is_tensor(value := getattr(state, name)))
        state = getattr(state, "state2", None)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.2f} MB"
