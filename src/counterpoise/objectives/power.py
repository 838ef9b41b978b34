"""The power family, loss ``(1 - c^a) / a``: from SFT (a -> 0) to the probability itself (a = 1).

Its gradient is ``c^a`` times that of SFT, so ``c^a`` is the token weight that is reported, floored and blended.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from counterpoise.objectives.base import Objective, Tokens, Weights, check_number


class _PowerLoss(Objective):
    """Shared by both: subclasses say what the exponent is."""

    def exponent(self, tokens: Tokens) -> Tensor:
        """[N] detached exponent of each token."""
        raise NotImplementedError

    def weigh(self, tokens: Tokens) -> Weights:
        return Weights(token=(self.exponent(tokens) * tokens.log_probs.detach()).exp())

    def token_losses(self, tokens: Tokens, weights: Tensor, share: float) -> Tensor:
        # Where the exponent vanishes, (1 - c^a) / a is -log c: a tiny exponent gives just that in floating point.
        a, log_probs = self.exponent(tokens).clamp(min=1e-7), tokens.log_probs
        powered = -torch.expm1(a * log_probs) / a
        if self.floor > 0:
            # Below c^a = floor the slope stays at the floor: the tangent goes on in a straight line in log c.
            bend = math.log(self.floor) / a
            straight = (1.0 - self.floor) / a + self.floor * (bend - log_probs)
            powered = torch.where(log_probs < bend, straight, powered)
        return share * -log_probs + (1.0 - share) * powered


@dataclass(frozen=True, kw_only=True)
class Power(_PowerLoss):
    """Beyond log-likelihood: one exponent ``alpha`` for all tokens. Source: arXiv 2510.00526."""

    name: ClassVar[str] = "power"
    alpha: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "alpha", 0.0)

    def exponent(self, tokens: Tokens) -> Tensor:
        return torch.full_like(tokens.confidence, self.alpha)


@dataclass(frozen=True, kw_only=True)
class DeFT(_PowerLoss):
    """DEFT: the exponent is the model's certainty at that token, ``sum_v p_v^2``. Source: arXiv 2602.11424."""

    name: ClassVar[str] = "deft"
    needs: ClassVar[frozenset[str]] = frozenset({"collision"})

    def exponent(self, tokens: Tokens) -> Tensor:
        return tokens.extras["collision"].detach()
