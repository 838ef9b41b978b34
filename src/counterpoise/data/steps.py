"""One optimiser step at a time: which samples it holds, which of them this rank takes, and how they are cut up.

The samples of a step depend on the seed, the epoch, the lengths and the batch size alone. How many ranks share them,
how many go through the model at once and whether they are packed changes nothing but speed: the loss of a step is
divided by what the *whole* step holds, which every rank knows without asking.

    order = StepOrder(lengths, batch_size=16, seed=0, group_by_length=True)     # a batch sampler: a step a time
    cut = StepCutter(collate, micro_batch_size=4, rank=0, world_size=1)
    for indices in order:
        step = cut([items[i] for i in indices])          # {"micro_batches": [...], "samples": 16, "tokens": 812, ...}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Sampler

from counterpoise.data.batching import collate, length_grouped_order
from counterpoise.data.packing import best_fit, collate_rows

Packing = Literal["none", "rows", "flat"]
Collate = Callable[[Sequence[Any]], dict[str, Tensor]]
"""From samples to a batch with ``targets`` (-100 where not supervised), ``samples`` and ``num_samples``."""


class StepOrder(Sampler[list[int]]):
    """A batch sampler of whole optimiser steps, in an order that the arguments and the epoch fix."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, group_by_length: bool) -> None:
        self.lengths = list(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.group_by_length = group_by_length
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        lengths = self.lengths if self.group_by_length else [1] * len(self.lengths)
        order = length_grouped_order(lengths, self.batch_size, self.seed, self.epoch)
        for start in range(0, len(order), self.batch_size):
            yield order[start : start + self.batch_size]


@dataclass(frozen=True)
class StepCutter:
    """Takes the samples of a whole step and returns this rank's part of it, cut into micro-batches.

    Args:
        pad_token_id: fills rows up.
        micro_batch_size: samples (or, under packing "rows", rows) that go through the model at once; None: all.
        packing: "none": one sample a row, padded to the longest; "rows": samples packed by best fit into rows of at
            most ``row_tokens``; "flat": all samples of a micro-batch in one row, without any padding.
        row_tokens: tokens of a packed row.
        rank, world_size: this process and how many there are.
        collate: makes a padded batch of samples that are not text to generate (encoder models); no packing then.

    Calling it returns ``micro_batches`` (as many on every rank: one that has fewer gets empty ones, which take part in
    the ranks' communication and add nothing), ``samples`` and ``tokens`` (of the whole step, all ranks),
    ``input_tokens`` (of the whole step, padding not counted) and ``sources`` (of this rank's samples).
    """

    pad_token_id: int
    micro_batch_size: int | None = None
    packing: Packing = "none"
    row_tokens: int = 1024
    rank: int = 0
    world_size: int = 1
    collate: Collate | None = None

    def __call__(self, items: Sequence[Any]) -> dict[str, Any]:
        shares = [items[rank :: self.world_size] for rank in range(self.world_size)]
        cuts = [self._cut(share) for share in shares]
        own = [self._batch(rows) for rows in cuts[self.rank]]
        missing = max(len(cut) for cut in cuts) - len(own)
        if missing:
            shortest = min(items, key=lambda item: len(item.input_ids))
            own = [self._nothing(shortest)] * missing + own
        return {
            "micro_batches": own,
            "samples": len(items),
            "tokens": sum(item.num_targets for item in items),
            "input_tokens": sum(len(item.input_ids) + len(getattr(item, "encoder_ids", ())) for item in items),
            "sources": [item.source for item in shares[self.rank]],
        }

    def _cut(self, share: Sequence[Any]) -> list[list[list[Any]]]:
        """Micro-batches of rows of samples."""
        if self.packing == "rows" and share:
            lengths = [len(item.input_ids) for item in share]
            rows = best_fit(lengths, self.row_tokens, [len(item.encoder_ids) for item in share])
            packed = [[share[i] for i in row] for row in rows]
        else:
            packed = [[item] for item in share]
        size = self.micro_batch_size or max(len(packed), 1)
        chunks = [packed[start : start + size] for start in range(0, len(packed), size)]
        if self.packing == "flat":
            return [[[item for row in chunk for item in row]] for chunk in chunks]
        return chunks

    def _batch(self, rows: list[list[Any]]) -> dict[str, Tensor]:
        if self.packing != "none":
            batch = collate_rows(rows, self.pad_token_id)
        elif self.collate is not None:
            batch = self.collate([item for row in rows for item in row])
        else:
            batch = collate([item for row in rows for item in row], self.pad_token_id)
        if self.collate is None:
            # Padding is on the right, where no token of a causal model looks; kernels are faster without a mask.
            batch.pop("attention_mask", None)
        return _with_rows(batch)

    def _nothing(self, item: Any) -> dict[str, Tensor]:
        """A batch of one sample that counts nothing."""
        batch = self._batch([[item]])
        batch["targets"] = torch.full_like(batch["targets"], -100)
        batch["samples"] = torch.full_like(batch["samples"], -1)
        batch["num_samples"] = torch.zeros_like(batch["num_samples"])
        return _with_rows(batch)


def _with_rows(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add ``rows`` [N]: where the supervised positions lie in the flattened batch. Found here, no GPU has to wait."""
    return {**batch, "rows": (batch["targets"].reshape(-1) != -100).nonzero().squeeze(-1)}
