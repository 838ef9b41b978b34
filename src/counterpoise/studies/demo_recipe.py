"""The demo's recipe: what every arm shares, what the arms are, and the learning rate each was given.

Rates are tuned, every arm on the same grid and the same 300 dev genes, by ``counterpoise demo --tune``, which writes
``demo_rates.json`` beside this file; the plain demo reads it and prints it. Nothing was tuned on the test genes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from counterpoise import objectives

RATES = (5e-5, 1e-4, 2e-4, 4e-4)
"""The grid: peak learning rates."""
PRIMARY = "corrected accuracy"
"""The metric that rates are chosen by, and that the demo's verdict is about."""


@dataclass(frozen=True)
class Arm:
    """One objective of the comparison. ``key`` is its name in files; ``shown`` says whether the plain demo runs it."""

    key: str
    title: str
    objective: str
    options: dict[str, Any] = field(default_factory=dict)
    shown: bool = True

    def build(self) -> objectives.Objective:
        """Make the objective."""
        return objectives.get(self.objective, **self.options)


FADING = {"start": 1.0, "end": 0.0, "over": 0.33}
ARMS = (
    Arm("sft", "SFT", "sft"),
    Arm("dft", "DFT", "dft"),
    Arm("bft", "BFT", "bft"),
    Arm("bft-floor", "BFT, floor 0.3", "bft", {"floor": 0.3}),
    Arm("bft-share", "BFT, SFT share 0.5", "bft", {"sft_share": 0.5}),
    Arm("bft-fading", "BFT, SFT share 1 to 0", "bft", {"sft_share": FADING}, shown=False),
    Arm("bft-small", "BFT, window 25 %", "bft", {"window": "25%"}, shown=False),
    Arm("bft-v1", "BFT v1", "bft", {"variant": "v1"}, shown=False),
    Arm("dft-floor", "DFT, floor 0.3", "dft", {"floor": 0.3}, shown=False),
)


@dataclass(frozen=True)
class Recipe:
    """What all arms share: model, layers, rows and their order, steps, batch, precision, seed."""

    model: str = "smollm2-135m"
    layers: int = 12
    """Top decoder layers that are trained; the rest, the embeddings and the tied head are frozen."""
    batch_size: int = 16
    warm_up_steps: int = 40
    """Of plain SFT, shared by all arms: they start from the same weights, which know the form of an answer."""
    warm_up_rate: float = 5e-4
    steps: int = 60
    """Of each arm's own objective."""
    max_length: int = 256
    seed: int = 0

    @property
    def rows(self) -> int:
        """Training rows that the warm-up and an arm see together, each once."""
        return (self.warm_up_steps + self.steps) * self.batch_size


def tuned_rates() -> dict[str, Any]:
    """Return the recorded outcome of ``demo --tune``: the grid, every arm's dev scores and its chosen rate."""
    text = (resources.files("counterpoise.studies") / "demo_rates.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
