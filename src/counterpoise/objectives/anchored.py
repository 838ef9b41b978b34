"""Rivals that look back at the frozen starting model: ASFT (a KL leash) and iw-SFT (importance weights)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from counterpoise.objectives.base import Objective, Tokens, Weights, check_number
from counterpoise.objectives.plain import DynamicFineTuning


@dataclass(frozen=True, kw_only=True)
class AnchoredFineTuning(DynamicFineTuning):
    """ASFT: DFT plus ``kl_weight * KL(reference || policy)`` at each supervised token. Source: arXiv 2509.23753.

    With LoRA the reference is the model with its adapter off; otherwise a frozen copy of the start.
    """

    name: ClassVar[str] = "asft"
    needs: ClassVar[frozenset[str]] = frozenset({"reference_kl"})
    kl_weight: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "kl_weight", 0.0)

    def token_losses(self, tokens: Tokens, weights: Tensor, share: float) -> Tensor:
        leash = self.kl_weight * tokens.extras["reference_kl"]
        return super().token_losses(tokens, weights, share) + (1.0 - share) * leash


@dataclass(frozen=True, kw_only=True)
class ImportanceWeighted(Objective):
    """iw-SFT: each sample weighs ``clamp(exp(temperature * mean_t(log p - log p_ref)), 0, most)``. arXiv 2507.12856."""

    name: ClassVar[str] = "iw-sft"
    needs: ClassVar[frozenset[str]] = frozenset({"reference_log_probs"})
    temperature: float = 1.0
    most: float = 16.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "temperature", 0.0)
        check_number(self, "most", 0.0)

    def weigh(self, tokens: Tokens) -> Weights:
        gain = (tokens.log_probs - tokens.extras["reference_log_probs"]).detach()
        return Weights(sample=(self.temperature * tokens.per_sample_mean(gain)).exp().clamp(0.0, self.most))
