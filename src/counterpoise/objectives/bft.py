"""Balanced Fine-Tuning: each token weighed by the model's own confidence, each sample by its weakest window.

Source: arXiv 2511.21075 and the authors' code (TencentAILabHealthcare/BFT, December 2025). With ``c_t`` the model's
probability of the target token, ``g`` the window, and windows over the supervised tokens of one sample only:

    variant         token weight                group confidence                          sample weight
    v1              c_t                         mean of c over g tokens                   1 - p_conf^gamma
    v1-geometric    c_t                         exp(mean of log c over g tokens)          1 - p_conf^gamma
    v3 (default)    clip(c_t / (C_t + eps), 1)  C_t: mean of c over the g tokens around t 1 - p_conf^gamma

``p_conf`` is the least group confidence of the sample. All weights are detached. The loss is averaged over *samples*:
its denominator is the number of samples of the whole optimiser step.

The variants differ where it matters. In a span that is hard throughout (c about 0.05 everywhere) v3 keeps ``w`` near 1
and v1 gives 0.05; an isolated hard token in an easy span is damped by both.

    >>> import torch
    >>> from counterpoise import objectives
    >>> half_hard = torch.tensor([0.9] * 8 + [0.01] * 8).log()
    >>> one_sample = torch.zeros(16, dtype=torch.long)
    >>> [
    ...     round(objectives.get("bft", variant=v).loss(half_hard, one_sample).sample_weights.item(), 3)
    ...     for v in ("v1", "v1-geometric")
    ... ]
    [0.545, 0.905]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from counterpoise.objectives.base import EPS, Objective, Tokens, Weights, check_number
from counterpoise.objectives.windows import (
    WindowSize,
    check_window,
    local_means,
    per_sample_min,
    weakest_window,
)

VARIANTS = ("v1", "v1-geometric", "v3")


@dataclass(frozen=True, kw_only=True)
class BalancedFineTuning(Objective):
    """BFT.

    Options:
        variant: ``v3`` (paper, May 2026), ``v1`` (paper, first versions) or ``v1-geometric`` (the authors' code).
        window: group size in supervised tokens, or a share of the response (0.25, "25%").
        gamma: exponent of the sample weight; larger spares the middling samples.
        use: ``both`` weights, the ``token`` weight alone, or the ``sample`` weight alone (for ablations).
    """

    name: ClassVar[str] = "bft"
    average: ClassVar[Literal["token", "sample"]] = "sample"

    variant: str = "v3"
    window: WindowSize = 256
    gamma: float = 1.0
    use: str = "both"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variant not in VARIANTS:
            raise ValueError(f"objective bft: variant is {self.variant!r}; expected one of {', '.join(VARIANTS)}")
        if self.use not in ("both", "token", "sample"):
            raise ValueError(f"objective bft: use is {self.use!r}; expected both, token or sample")
        check_window(self.window, "objective bft")
        check_number(self, "gamma", 0.0, above=True)

    def weigh(self, tokens: Tokens) -> Weights:
        confidence = tokens.confidence
        if self.variant == "v3":
            local = local_means(confidence, tokens, self.window)
            token_weights = (confidence / (local + EPS)).clamp(0.0, 1.0)
            p_conf = per_sample_min(local, tokens)
        elif self.variant == "v1":
            token_weights = confidence
            p_conf = weakest_window(confidence, tokens, self.window)
        else:
            token_weights = confidence
            p_conf = weakest_window(tokens.log_probs.detach(), tokens, self.window).exp()
        # A mean of probabilities can round to just above 1; the weight of a perfectly known sample is 0, not -1e-8.
        sample_weights = 1.0 - p_conf.clamp(max=1.0) ** self.gamma
        return Weights(
            token=token_weights if self.use != "sample" else None,
            sample=sample_weights if self.use != "token" else None,
            p_conf=p_conf,
        )
