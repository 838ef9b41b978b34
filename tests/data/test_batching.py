"""Batches hold every token and target in its place; the order is a permutation that depends on seed and epoch alone."""

from itertools import chain, pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.data.batching import collate, length_grouped_order
from counterpoise.data.encoded import Encoded

PAD = 99
TOKENS = st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=1, max_size=12)
ITEMS = st.lists(
    TOKENS.map(lambda tokens: Encoded([i for i, _ in tokens], [s for _, s in tokens])), min_size=1, max_size=5
)


def test_a_batch_worked_by_hand() -> None:
    items = [Encoded([1, 2, 3, 4], [False, False, True, True]), Encoded([5, 6], [True, True])]
    batch = collate(items, PAD)
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4], [5, 6, PAD, PAD]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch["targets"].tolist() == [[-100, 3, 4, -100], [6, -100, -100, -100]]
    assert batch["samples"].tolist() == [[-1, 0, 0, -1], [1, -1, -1, -1]]
    assert batch["num_samples"].item() == 2
    assert [item.num_targets for item in items] == [2, 1]  # the 5 has nothing to be predicted from
    left = collate(items, PAD, padding_side="left")
    assert left["input_ids"].tolist() == [[1, 2, 3, 4], [PAD, PAD, 5, 6]]
    assert left["targets"].tolist() == [[-100, 3, 4, -100], [-100, -100, 6, -100]]


@given(ITEMS, st.sampled_from(["left", "right"]))
def test_every_sample_comes_back_out_of_the_batch(items: list[Encoded], side: str) -> None:
    batch = collate(items, PAD, side)
    assert {batch[name].dtype for name in batch} == {torch.int64}
    assert {tuple(batch[name].shape) for name in batch if name != "num_samples"} == {
        (len(items), max(len(item.input_ids) for item in items))
    }
    for row, item in enumerate(items):
        real = batch["attention_mask"][row].bool()
        assert batch["input_ids"][row][real].tolist() == item.input_ids
        assert (batch["input_ids"][row][~real] == PAD).all()
        assert (batch["targets"][row][~real] == -100).all()
        expected = [i if s else -100 for i, s in zip(item.input_ids[1:], item.supervised[1:], strict=True)]
        assert batch["targets"][row][real].tolist() == [*expected, -100]
    is_target = batch["targets"] != -100
    assert is_target.sum(1).tolist() == [item.num_targets for item in items]
    rows = torch.arange(len(items))[:, None].expand_as(is_target)
    assert torch.equal(batch["samples"], torch.where(is_target, rows, -1))
    compacted = batch["samples"][is_target]
    assert (compacted.diff() >= 0).all()  # what the objectives ask for


@given(ITEMS)
def test_the_padding_side_moves_no_target(items: list[Encoded]) -> None:
    left, right = collate(items, PAD, "left"), collate(items, PAD, "right")
    for name in ("targets", "samples"):
        assert torch.equal(left[name][left["targets"] != -100], right[name][right["targets"] != -100])


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="no items"):
        collate([], PAD)
    with pytest.raises(ValueError, match="padding_side is 'top'"):
        collate([Encoded([1], [True])], PAD, "top")
    with pytest.raises(ValueError, match="batch_size 0"):
        length_grouped_order([1], 0, 0, 0)


@given(st.lists(st.integers(1, 500), max_size=300), st.integers(1, 9), st.integers(0, 2**32), st.integers(0, 9))
def test_the_order_is_a_permutation(lengths: list[int], batch_size: int, seed: int, epoch: int) -> None:
    order = length_grouped_order(lengths, batch_size, seed, epoch)
    assert sorted(order) == list(range(len(lengths)))
    assert order == length_grouped_order(lengths, batch_size, seed, epoch)
    if len(lengths) <= 50 * batch_size:  # one group: its batches cut the sorted lengths
        full = len(lengths) - len(lengths) % batch_size
        batches = [[lengths[i] for i in order[start : start + batch_size]] for start in range(0, full, batch_size)]
        grouped = sorted(batches, key=lambda batch: (-batch[0], -batch[-1]))
        assert list(chain.from_iterable(grouped)) == sorted((lengths[i] for i in order[:full]), reverse=True)


def test_the_order_changes_with_seed_and_epoch_and_is_the_same_on_every_machine() -> None:
    lengths = [(37 * i) % 101 for i in range(1000)]
    orders = [length_grouped_order(lengths, 8, seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4
    assert length_grouped_order([3, 1, 2, 5, 4, 6, 7], 2, 0, 0) == [3, 4, 0, 2, 6, 5, 1]


def test_grouping_saves_padding_and_the_batches_do_not_come_by_length() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 500, (2000,), generator=generator).tolist()

    def padded(order: list[int]) -> int:
        return sum(
            max(lengths[i] for i in order[s : s + 16]) * len(order[s : s + 16]) for s in range(0, len(order), 16)
        )

    order = length_grouped_order(lengths, 16, 0, 0)
    assert padded(order) < 1.1 * sum(lengths) < 1.5 * sum(lengths) < padded(list(range(2000)))
    longest = [max(lengths[i] for i in order[s : s + 16]) for s in range(0, 2000, 16)]
    rising = sum(a < b for a, b in pairwise(longest))
    assert 0.3 < rising / len(longest) < 0.7
