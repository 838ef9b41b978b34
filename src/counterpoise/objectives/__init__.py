"""Fine-tuning objectives: how much each token, and each sample, counts. Pure tensor functions, a page each.

    >>> import torch
    >>> from counterpoise import objectives
    >>> bft = objectives.get("bft", window=4)
    >>> log_probs = torch.tensor([0.9, 0.8, 0.05, 0.05, 0.7]).log().requires_grad_()
    >>> samples = torch.tensor([0, 0, 1, 1, 1])  # which sample each token belongs to
    >>> out = bft.loss(log_probs, samples)
    >>> [round(w, 3) for w in out.token_weights.tolist()], [round(s, 3) for s in out.sample_weights.tolist()]
    ([1.0, 0.941, 1.0, 0.188, 1.0], [0.15, 0.95])

With gradient accumulation, several ranks or packing, give ``denominator``: the samples (``bft.average == "sample"``) or
tokens of the whole optimiser step.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from counterpoise.errors import nearest
from counterpoise.objectives.anchored import AnchoredFineTuning, ImportanceWeighted
from counterpoise.objectives.base import EXTRAS, Objective, ObjectiveOutput, Schedule, Tokens
from counterpoise.objectives.bft import BalancedFineTuning
from counterpoise.objectives.plain import DynamicFineTuning, SupervisedFineTuning
from counterpoise.objectives.power import DeFT, Power
from counterpoise.objectives.token_rivals import (
    EntropyAdaptive,
    Focal,
    PriorFineTuning,
    ProFit,
    TokenAdaptiveReweighting,
)

OBJECTIVES: dict[str, type[Objective]] = {
    objective.name: objective
    for objective in (
        SupervisedFineTuning,
        DynamicFineTuning,
        BalancedFineTuning,
        Focal,
        Power,
        EntropyAdaptive,
        AnchoredFineTuning,
        TokenAdaptiveReweighting,
        DeFT,
        ProFit,
        PriorFineTuning,
        ImportanceWeighted,
    )
}

__all__ = [
    "EXTRAS",
    "OBJECTIVES",
    "Objective",
    "ObjectiveOutput",
    "Schedule",
    "Tokens",
    "get",
    "names",
    "option_names",
]


def names() -> list[str]:
    """Return the names that :func:`get` knows."""
    return list(OBJECTIVES)


def option_names(name: str) -> list[str]:
    """Return the options that objective ``name`` takes."""
    return [option.name for option in fields(OBJECTIVES[name])]


def get(name: str, **options: Any) -> Objective:
    """Make an objective by name.

    Raises:
        ValueError: an unknown name or option (the message lists the choices), or a value that does not fit.
    """
    if name not in OBJECTIVES:
        raise ValueError(f"unknown objective {name!r}{nearest(name, names())}; choose from {', '.join(names())}")
    known = option_names(name)
    for option in options:
        if option not in known:
            raise ValueError(
                f"objective {name} has no option {option!r}{nearest(option, known)}; it takes {', '.join(known)}"
            )
    return OBJECTIVES[name](**options)
