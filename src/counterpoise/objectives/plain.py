"""The two objectives that every other one is measured against: SFT and DFT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from counterpoise.objectives.base import Objective, Tokens, Weights


@dataclass(frozen=True, kw_only=True)
class SupervisedFineTuning(Objective):
    """Supervised fine-tuning: every token counts alike, ``w = 1``."""

    name: ClassVar[str] = "sft"


@dataclass(frozen=True, kw_only=True)
class DynamicFineTuning(Objective):
    """Dynamic fine-tuning, ``w = c``: SFT's gradient with its factor 1/c removed, the gradient of ``-c``.

    Its loss is 10 to 1000 times smaller than SFT's: read the plain NLL beside it. Source: arXiv 2508.05629.
    """

    name: ClassVar[str] = "dft"

    def weigh(self, tokens: Tokens) -> Weights:
        return Weights(token=tokens.confidence)
