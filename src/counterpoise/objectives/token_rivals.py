"""Rivals that weigh each token by the model's confidence or uncertainty: focal, EAFT, TALR, ProFit, PriFT."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from counterpoise.objectives.base import Objective, Tokens, Weights, check_number

TOP_K = 20
"""Tokens that EAFT's entropy runs over."""


@dataclass(frozen=True, kw_only=True)
class Focal(Objective):
    """Focal loss, ``w = (1 - c)^gamma``: the opposite direction to DFT. Source: Lin et al., ICCV 2017."""

    name: ClassVar[str] = "focal"
    gamma: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "gamma", 0.0)

    def weigh(self, tokens: Tokens) -> Weights:
        return Weights(token=(1.0 - tokens.confidence).clamp(min=0.0) ** self.gamma)


@dataclass(frozen=True, kw_only=True)
class EntropyAdaptive(Objective):
    """EAFT, ``w = (H_top20 / ln 20)^alpha``: a confident model, right or wrong, is left alone. arXiv 2601.02151."""

    name: ClassVar[str] = "eaft"
    needs: ClassVar[frozenset[str]] = frozenset({"entropy"})
    alpha: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "alpha", 0.0)

    def weigh(self, tokens: Tokens) -> Weights:
        return Weights(token=(tokens.extras["entropy"].detach() / math.log(TOP_K)).clamp(0.0, 1.0) ** self.alpha)


@dataclass(frozen=True, kw_only=True)
class TokenAdaptiveReweighting(Objective):
    """TALR, ``w = max(c^(1/tau), least)``, tau the median over the call of each sample's mean NLL. arXiv 2509.20758.

    tau is a statistic of the batch: this is the one objective whose result changes when the same samples are cut into
    other micro-batches. Of an even number of samples the lower median is taken, as ``torch.median`` does.
    """

    name: ClassVar[str] = "talr"
    batch_statistics: ClassVar[bool] = True
    least: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "least", 0.0, 1.0)

    def weigh(self, tokens: Tokens) -> Weights:
        if tokens.samples.numel() == 0:
            return Weights(token=tokens.confidence)
        losses = -tokens.log_probs.detach()
        tau = tokens.per_sample_mean(losses)[tokens.lengths > 0].median().clamp(min=1e-8)
        return Weights(token=(-losses / tau).exp().clamp(min=self.least))


@dataclass(frozen=True, kw_only=True)
class ProFit(Objective):
    """ProFit: drop the tokens with ``c < threshold``, keep the others as SFT does. Source: arXiv 2601.09195."""

    name: ClassVar[str] = "profit"
    threshold: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number(self, "threshold", 0.0, 1.0)

    def weigh(self, tokens: Tokens) -> Weights:
        return Weights(token=(tokens.confidence >= self.threshold).to(tokens.confidence.dtype))


@dataclass(frozen=True, kw_only=True)
class PriorFineTuning(Objective):
    """PriFT, ``w = c`` under the frozen pretrained model: the weight never drifts. Source: arXiv 2606.09396."""

    name: ClassVar[str] = "prift"
    needs: ClassVar[frozenset[str]] = frozenset({"reference_log_probs"})

    def weigh(self, tokens: Tokens) -> Weights:
        return Weights(token=tokens.extras["reference_log_probs"].detach().exp())
