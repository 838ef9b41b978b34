"""Streaming: every sample once a pass, the same steps each time, never more than the buffer held, passes differ."""

from itertools import islice

import pytest

from counterpoise.data.example import Example, Message
from counterpoise.data.rendering import Renderer
from counterpoise.data.streaming import StepStream
from counterpoise.errors import UserError
from tiny_models import tiny_tokenizer


class Source:
    """Examples that tell how far they were read."""

    def __init__(self, count):
        self.count = count
        self.taken = 0

    def __call__(self):
        for i in range(self.count):
            self.taken += 1
            yield Example((Message("user", f"q{i}"), Message("assistant", "a" * (1 + i % 7))), source=f"row {i}")


def stream(source, **how):
    return StepStream(source, Renderer(tiny_tokenizer()), **({"batch_size": 4, "seed": 0, "buffer": 12} | how))


def sources(steps):
    return [[item.source for item in step] for step in steps]


def test_every_sample_once_a_pass_and_each_pass_in_its_own_order():
    steps = sources(islice(stream(Source(22)), 12))  # buffers of 12 and 10: 3 + 3 steps a pass
    assert [len(step) for step in steps] == [4, 4, 4, 4, 4, 2] * 2
    first, second = [[s for step in part for s in step] for part in (steps[:6], steps[6:])]
    assert sorted(first) == sorted(second) == sorted(f"row {i}" for i in range(22))
    assert first != second


def test_the_same_steps_each_time():
    assert sources(islice(stream(Source(30)), 9)) == sources(islice(stream(Source(30)), 9))
    assert sources(islice(stream(Source(30)), 9)) != sources(islice(stream(Source(30), seed=1), 9))


def test_no_more_than_the_buffer_is_read_ahead():
    source = Source(10**9)
    next(iter(stream(source, buffer=14)))
    assert source.taken == 12  # whole steps only


def test_a_buffer_smaller_than_a_step():
    assert len(next(iter(stream(Source(9), buffer=1)))) == 4


def test_batches_of_like_length():
    grouped = next(iter(stream(Source(400), batch_size=8, buffer=400)))
    lengths = [len(item.input_ids) for item in grouped]
    assert max(lengths) - min(lengths) <= 3


def test_nothing_to_stream():
    with pytest.raises(UserError, match="holds no examples"):
        next(iter(stream(Source(0))))
