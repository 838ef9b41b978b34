"""What a run config asks for, behind one face: a language model that learns to write, or an encoder that learns labels.

job = job_for(config, data_dir, say)
loaded = job.load()
data = job.prepare(loaded)
fit(loaded, data.training, objective, ..., scored=job.scored(loaded), collate=job.collate)
job.measure(loaded, data)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from torch.utils.data import IterableDataset

from counterpoise.data.steps import Collate
from counterpoise.errors import UserError
from counterpoise.evaluation.sources import has_splits
from counterpoise.models.load import LoadedModel
from counterpoise.training.config import RunConfig

Say = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """Encoded data of a run."""

    training: Sequence[Any] | IterableDataset[Any]
    held_out: Sequence[Any]
    described: dict[str, Any]
    """What environment.json says of the data; ``fingerprint`` and ``examples`` are always there."""


class Job(ABC):
    """One kind of model with its data and its measures."""

    collate: Collate | None = None
    """Makes padded batches; None: those of text to generate."""

    def __init__(self, config: RunConfig, data_dir: str | Path | None, say: Say) -> None:
        self.config = config
        self.data_dir = data_dir
        self.say = say

    @abstractmethod
    def read(self) -> None:
        """Read the data: before the model is loaded, so that what is wrong with it is told at once."""

    def test_split(self) -> str | None:
        """Return the split of ``data.test``: of what has splits the one that evaluation is on, else its only one."""
        return self.config.evaluation.split if has_splits(self.config.data.test or "") else None

    @abstractmethod
    def load(self) -> LoadedModel:
        """Load the model with its adapter; may be called again for a second, untrained copy."""

    @abstractmethod
    def prepare(self, loaded: LoadedModel) -> Prepared:
        """Encode what was read."""

    @abstractmethod
    def scored(self, loaded: LoadedModel) -> nn.Module:
        """Wrap the model so that its forward pass returns what the objective weighs."""

    @abstractmethod
    def measure(self, loaded: LoadedModel, data: Prepared) -> dict[str, dict[str, Any]]:
        """Measure the model as it is: task -> metric -> measurement with ``estimate()`` and ``difference(other)``."""

    def floors(self, data: Prepared) -> dict[str, dict[str, dict[str, float]]]:
        """What trivial methods reach: task -> metric -> {floor: value}."""
        return {}

    @abstractmethod
    def save(self, loaded: LoadedModel, folder: Path) -> None:
        """Write the model and what belongs to it."""


def job_for(config: RunConfig, data_dir: str | Path | None, say: Say) -> Job:
    """Return the job that ``model.task`` names."""
    if config.model.task == "language-model":
        from counterpoise.studies.language_model import LanguageModelJob

        return LanguageModelJob(config, data_dir, say)
    from counterpoise.studies.encoder import EncoderJob

    return EncoderJob(config, data_dir, say)


def split_held_out(items: Sequence[Any], share: float, seed: int) -> tuple[list[Any], list[Any]]:
    """Return (training, held-out) items: a random ``share``, at least one item where it is above 0, in stable order.

    Raises:
        UserError: nothing would be left to train on.
    """
    count = 0 if share == 0 else max(1, round(share * len(items)))
    if count >= len(items):
        raise UserError(f"data.held_out keeps all {len(items)} examples; nothing is left to train on")
    chosen = set(np.random.default_rng(seed).permutation(len(items))[:count].tolist())
    return (
        [item for i, item in enumerate(items) if i not in chosen],
        [item for i, item in enumerate(items) if i in chosen],
    )
