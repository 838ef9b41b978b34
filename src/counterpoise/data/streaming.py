"""Data sets larger than memory: read, encoded and cut into optimiser steps as training goes on.

    stream = StepStream(lambda: iter_examples("papers.jsonl"), renderer, batch_size=16, seed=0, buffer=2000)
    for step in stream: ...          # a list of 16 encoded samples, for ever

Never more than ``buffer`` samples are held. They are shuffled within it and cut into batches of like length; each pass
over the data uses another order. The order depends on the data, the seed, the batch size and the buffer alone, so every
rank reads the same steps, and a run that goes on skips what it has seen and meets the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from torch.utils.data import IterableDataset

from counterpoise.data.batching import length_grouped_order
from counterpoise.data.encoded import Encoded
from counterpoise.data.example import Example
from counterpoise.data.rendering import Renderer
from counterpoise.errors import UserError


class StepStream(IterableDataset[list[Encoded]]):
    """Whole optimiser steps, read again and again from the start.

    Args:
        read: opens the data set anew and yields its examples.
        renderer: encodes them.
        batch_size: samples of a step, over all ranks. The last step of a pass may hold fewer.
        seed: of the order.
        buffer: samples that are held, shuffled and grouped together; at least a step's.
        group_by_length: batches of like length within the buffer.
    """

    def __init__(
        self,
        read: Callable[[], Iterable[Example]],
        renderer: Renderer,
        *,
        batch_size: int,
        seed: int,
        buffer: int = 2000,
        group_by_length: bool = True,
    ) -> None:
        super().__init__()
        self.read = read
        self.renderer = renderer
        self.batch_size = batch_size
        self.seed = seed
        self.buffer = max(buffer - buffer % batch_size, batch_size)
        self.group_by_length = group_by_length

    def __iter__(self) -> Iterator[list[Encoded]]:
        filled = 0  # buffers so far, over all passes: each gets an order of its own
        while True:
            before = filled
            for held in self._buffers():
                lengths = [len(item.input_ids) if self.group_by_length else 1 for item in held]
                order = length_grouped_order(lengths, self.batch_size, self.seed, filled)
                filled += 1
                for start in range(0, len(order), self.batch_size):
                    yield [held[i] for i in order[start : start + self.batch_size]]
            if filled == before:
                raise UserError("the data set to be streamed holds no examples")

    def _buffers(self) -> Iterator[list[Encoded]]:
        held: list[Encoded] = []
        for example in self.read():
            held.append(self.renderer.encode(example))
            if len(held) == self.buffer:
                yield held
                held = []
        if held:
            yield held
