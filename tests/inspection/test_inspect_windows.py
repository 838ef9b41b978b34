"""Windows of low confidence against plain loops, on any data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.inspection import windows
from counterpoise.inspection.windows import LEAST, longest_runs, low_runs, slide


def reference(confidence, lengths, low, window, stride):
    """(sample, start, length, share, run) of each window, as one would write it down."""
    found, begin = [], 0
    for sample, total in enumerate(lengths):
        own = confidence[begin : begin + total]
        begin += total
        if total < LEAST:
            continue
        starts, start = [], 0
        while start + window < total:
            starts.append(start)
            start += stride
        starts.append(max(total - window, 0))
        for start in starts:
            part = own[start : start + window]
            longest = now = 0
            for value in part:
                now = now + 1 if value < low else 0
                longest = max(longest, now)
            found.append((sample, start, len(part), sum(v < low for v in part) / len(part), longest))
    return found


@st.composite
def data(draw):
    lengths = draw(st.lists(st.integers(1, 90), min_size=1, max_size=6))
    # few different values, so that long runs occur
    values = draw(st.lists(st.sampled_from([0.01, 0.05, 0.6]), min_size=sum(lengths), max_size=sum(lengths)))
    return np.array(values, dtype=np.float32), np.array(lengths)


@given(data(), st.integers(LEAST, 40), st.integers(1, 16))
def test_windows_are_those_of_a_plain_loop(given_data, window, stride):
    confidence, lengths = given_data
    found = slide(confidence, lengths, low=0.1, window=window, stride=stride)
    expected = reference(confidence.tolist(), lengths.tolist(), 0.1, window, stride)
    rows = zip(found.sample, found.start, found.length, found.share, found.run, strict=True)
    assert [tuple(map(float, row)) for row in rows] == [tuple(map(float, row)) for row in expected]
    assert found.left_out == sum(n < LEAST for n in lengths)


@given(data())
def test_longest_run_of_a_sample(given_data):
    confidence, lengths = given_data
    found = longest_runs(confidence, lengths, 0.1)
    whole = [reference(c.tolist(), [len(c)], 0.1, 10**6, 1) for c in np.split(confidence, lengths.cumsum()[:-1])]
    for run, length, rows in zip(found, lengths, whole, strict=True):
        if length >= LEAST:
            assert run == rows[0][-1]


def test_a_run_ends_with_its_sample():
    assert low_runs(np.array([True, True, True, False, True]), np.array([2, 3])).tolist() == [1, 2, 1, 0, 1]


def test_blocks_change_nothing(monkeypatch):
    random = np.random.default_rng(0)
    confidence, lengths = random.random(3000).astype(np.float32), np.array([1200, 40, 1760])
    whole = slide(confidence, lengths, low=0.5, window=64, stride=8)
    monkeypatch.setattr(windows, "BLOCK", 7)
    parted = slide(confidence, lengths, low=0.5, window=64, stride=8)
    assert (whole.run == parted.run).all()
    assert whole.run.max() > 5


@pytest.mark.parametrize("lengths", [[], [3]])
def test_no_windows(lengths):
    found = slide(
        np.full(sum(lengths), 0.5, np.float32), np.array(lengths, dtype=np.int64), low=0.1, window=16, stride=4
    )
    assert len(found.run) == len(found.share) == 0
