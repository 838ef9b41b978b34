"""Optimiser steps: the same samples whatever the ranks and the cut; every sample on one rank; equal numbers of
micro-batches on all."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.data.encoded import Encoded
from counterpoise.data.steps import StepCutter, StepOrder


def items(lengths):
    """Samples whose tokens are their number + 1, so that they can be told apart in a batch."""
    return [Encoded([i + 1] * n, [t > 0 for t in range(n)], source=f"row {i}") for i, n in enumerate(lengths)]


def seen(step):
    """Sample number -> how many of its tokens are targets."""
    found = {}
    for batch in step["micro_batches"]:
        for target in batch["targets"][batch["targets"] != -100].tolist():
            found[target - 1] = found.get(target - 1, 0) + 1
    return found


def test_an_epoch_is_every_sample_once_in_steps():
    order = StepOrder([5, 9, 2, 7, 1], 2, seed=0, group_by_length=True)
    first = list(order)
    assert len(order) == len(first) == 3
    assert [len(step) for step in first] == [2, 2, 1]
    assert sorted(i for step in first for i in step) == [0, 1, 2, 3, 4]
    assert list(order) == first
    order.set_epoch(1)
    assert sorted(i for step in order for i in step) == [0, 1, 2, 3, 4]
    assert len({str(list(order)), str(first)}) == 2


@given(
    st.lists(st.integers(2, 30), min_size=1, max_size=20),
    st.integers(1, 4),
    st.sampled_from(["none", "rows", "flat"]),
    st.one_of(st.none(), st.integers(1, 5)),
)
def test_every_target_is_seen_once_over_all_ranks(lengths, world_size, packing, micro):
    samples = items(lengths)
    steps = [
        StepCutter(0, micro_batch_size=micro, packing=packing, row_tokens=32, rank=rank, world_size=world_size)(samples)
        for rank in range(world_size)
    ]
    assert len({len(step["micro_batches"]) for step in steps}) == 1
    whole = {}
    for step in steps:
        for sample, count in seen(step).items():
            assert sample not in whole
            whole[sample] = count
    assert whole == {i: n - 1 for i, n in enumerate(lengths)}
    for step in steps:
        assert (step["samples"], step["tokens"]) == (len(lengths), sum(n - 1 for n in lengths))
        assert step["input_tokens"] == sum(lengths)
    assert sum(int(b["num_samples"]) for step in steps for b in step["micro_batches"]) == len(lengths)
    assert sorted(s for step in steps for s in step["sources"]) == sorted(item.source for item in samples)


def test_a_rank_without_samples_takes_part_with_an_empty_batch():
    step = StepCutter(0, rank=1, world_size=2)(items([3]))
    (batch,) = step["micro_batches"]
    assert (batch["targets"] == -100).all()
    assert batch["rows"].numel() == 0
    assert int(batch["num_samples"]) == 0
    assert step["sources"] == []


def test_rows_point_at_the_targets():
    for packing in ("none", "rows", "flat"):
        for batch in StepCutter(0, packing=packing, micro_batch_size=2)(items([4, 2, 6]))["micro_batches"]:
            assert torch.equal(batch["targets"].reshape(-1)[batch["rows"]], batch["targets"][batch["targets"] != -100])


def test_shapes_of_the_three_layouts():
    lengths = [8, 5, 3, 2]

    def shapes(**how):
        cut = StepCutter(0, **how)(items(lengths))
        return [tuple(batch["input_ids"].shape) for batch in cut["micro_batches"]]

    assert shapes(micro_batch_size=2) == [(2, 8), (2, 3)]
    assert shapes(packing="rows", row_tokens=10) == [(2, 10)]  # 8 + 2 and 5 + 3
    assert shapes(packing="rows", row_tokens=10, micro_batch_size=1) == [(1, 10), (1, 8)]
    assert shapes(packing="flat") == [(1, 18)]
    assert shapes(packing="flat", micro_batch_size=3) == [(1, 16), (1, 2)]


def test_text_to_generate_needs_no_mask():
    """It is padded on the right, where no token looks; tests/invariances hold padded and packed rows equal."""
    (batch,) = StepCutter(0)(items([4, 3]))["micro_batches"]
    assert "attention_mask" not in batch
    assert batch["input_ids"].tolist() == [[1, 1, 1, 1], [2, 2, 2, 0]]


def test_a_batch_of_another_kind_is_collated_by_its_own_function():
    def own(batch):
        return {"targets": torch.tensor([[len(batch)]]), "samples": torch.tensor([[0]]), "num_samples": torch.tensor(1)}

    (batch,) = StepCutter(0, collate=own)(items([3, 2]))["micro_batches"]
    assert batch["targets"].tolist() == [[2]]
