"""Best-fit packing: every sample once, no row too long; rows whose targets, samples and positions restart exactly."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.data.batching import collate
from counterpoise.data.encoded import Encoded
from counterpoise.data.packing import best_fit, collate_rows


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), max_size=40),
    st.integers(8, 60),
)
def test_every_sample_once_and_no_row_too_long(pairs, capacity):
    lengths, others = [a for a, _ in pairs], [b for _, b in pairs]
    rows = best_fit(lengths, capacity, others)
    assert sorted(i for row in rows for i in row) == list(range(len(pairs)))
    for row in rows:
        for sizes in (lengths, others):
            assert sum(sizes[i] for i in row) <= max(capacity, *(sizes[i] for i in row))


@given(st.lists(st.integers(1, 64), min_size=1, max_size=60))
def test_rows_are_few(lengths):
    rows = best_fit(lengths, 64)
    room = sorted(64 - sum(lengths[i] for i in row) for row in rows)
    assert len(rows) == 1 or room[-1] + room[-2] < 64, "two rows could have been one"


def test_the_fullest_row_that_fits_is_taken():
    assert best_fit([7, 5, 4, 3, 1], 10) == [[0, 3], [1, 2, 4]]
    assert best_fit([5, 5, 5], 10) == [[0, 1], [2]]
    assert best_fit([12, 3], 10) == [[0], [1]]
    assert best_fit([4, 4], 10, [6, 6]) == [[0], [1]]
    assert best_fit([], 10) == []


def item(start, length, supervised_from, encoder=()):
    return Encoded(
        list(range(start, start + length)), [i >= supervised_from for i in range(length)], encoder_ids=list(encoder)
    )


def test_a_packed_row():
    batch = collate_rows([[item(10, 4, 2), item(20, 3, 0)], [item(30, 2, 1)]], pad_token_id=9)
    assert batch["input_ids"].tolist() == [[10, 11, 12, 13, 20, 21, 22], [30, 31, 9, 9, 9, 9, 9]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 0, 1, 2], [0, 1, 0, 1, 2, 3, 4]]
    no = -100
    assert batch["targets"].tolist() == [[no, 12, 13, no, 21, 22, no], [31, no, no, no, no, no, no]]
    assert batch["samples"].tolist() == [[-1, 0, 0, -1, 1, 1, -1], [2, -1, -1, -1, -1, -1, -1]]
    assert int(batch["num_samples"]) == 3
    assert "attention_mask" not in batch


def test_packed_and_padded_hold_the_same_targets_of_the_same_samples():
    items = [item(10, 4, 2), item(20, 3, 0), item(30, 2, 1), item(40, 6, 3)]
    packed, padded = collate_rows([items], 0), collate(items, 0)
    for name in ("targets", "samples"):
        kept = [batch[name][batch["targets"] != -100].tolist() for batch in (packed, padded)]
        assert kept[0] == kept[1]


def test_an_encoder_decoder_numbers_its_segments():
    items = [item(10, 3, 1, encoder=[1, 2, 3, 4]), item(20, 2, 1, encoder=[5])]
    batch = collate_rows([items], pad_token_id=0)
    assert batch["segments"].tolist() == [[1, 1, 1, 2, 2]]
    assert batch["encoder_input_ids"].tolist() == [[1, 2, 3, 4, 5]]
    assert batch["encoder_segments"].tolist() == [[1, 1, 1, 1, 2]]
    assert "position_ids" not in batch
    padded = collate(items, pad_token_id=0)
    assert padded["encoder_input_ids"].tolist() == [[1, 2, 3, 4], [5, 0, 0, 0]]
    assert padded["encoder_attention_mask"].tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]
    assert torch.equal(padded["targets"], torch.tensor([[11, 12, -100], [21, -100, -100]]))


def test_nothing_to_lay_out():
    with pytest.raises(ValueError, match="no rows"):
        collate_rows([], 0)
    with pytest.raises(ValueError, match="an empty one"):
        collate_rows([[]], 0)
