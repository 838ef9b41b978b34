"""What `ScoredModel` and `ScoredEncoder` share: the wrapped model, what the objective needs, the reference model."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from counterpoise.models.hidden import base_of
from counterpoise.training.zero import zero_stage


class Scored(nn.Module):
    """A model whose forward pass returns what objectives weigh.

    Args:
        model: PEFT-wrapped or not.
        needs: what the objective needs beyond log-probabilities (``Objective.needs``). The reference is the model
            before training: with its adapter off, or, without an adapter, a frozen copy made here (frozen weights are
            shared, not copied).
    """

    def __init__(self, model: nn.Module, needs: Collection[str] = ()) -> None:
        super().__init__()
        self.model = model
        self.needs = frozenset(needs)
        self._reference: list[nn.Module] = []  # in a list, so that it is no submodule: not moved, wrapped or saved
        if self.needs_reference and not hasattr(model, "disable_adapter"):
            # ZeRO stage 3 takes the model's weights apart, and would take those that the copy shares with it.
            shared = {} if zero_stage() == 3 else {id(p): p for p in model.parameters() if not p.requires_grad}
            self._reference.append(copy.deepcopy(model, memo=shared).requires_grad_(False).eval())

    @property
    def needs_reference(self) -> bool:
        """Whether the objective compares with the model before training."""
        return bool(self.needs & {"reference_log_probs", "reference_kl"})

    @property
    def config(self) -> Any:
        return self.model.config

    @property
    def _no_split_modules(self) -> Any:
        """The layers that FSDP shards one by one, as the model names them."""
        return getattr(base_of(self.model), "_no_split_modules", None)

    @contextmanager
    def reference(self, device: torch.device) -> Iterator[nn.Module]:
        """The model before training, in evaluation mode, inside this context. Gradients are the caller's matter."""
        if self._reference:
            yield self._reference[0].to(device)
            return
        was_training = self.model.training
        self.model.eval()
        with self.model.disable_adapter():  # type: ignore[operator]
            yield self.model
        self.model.train(was_training)
