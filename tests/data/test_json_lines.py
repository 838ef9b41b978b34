"""Lines of .jsonl by the fast reader and writer: they hold what the standard library says, to the last digit."""

import datetime
import decimal
import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counterpoise.data.record_files import json_line
from counterpoise.data.records import Located, Problem, json_record, plain_json_record

numbers = st.one_of(st.integers(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def same(ours, theirs):
    """Equal, and of equal types: 1 is not 1.0."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == theirs or (isinstance(ours, float) and math.isnan(ours) and math.isnan(theirs))


@given(values, st.sampled_from((True, False)))
@example({"id": 2**64}, False)
@example({"id": 2**64 - 1}, False)
@example({"deep": [{"id": -(2**63) - 1}]}, False)
@example({"rate": -0.0, "none": {}}, True)
def test_a_line_holds_what_the_plain_reader_reads(value, escaped):
    line = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass") + b"\n"
    ours, theirs = json_record(line, "a.jsonl", 7), plain_json_record(line, "a.jsonl", 7)
    assert type(ours) is type(theirs)
    if isinstance(ours, Located):
        assert same(ours.record, theirs.record)
        assert (ours.place, ours.source) == (theirs.place, theirs.source) == ("line 7", "a.jsonl:7")
    else:
        assert ours == theirs


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b" \t\r\n",
        "\u00a0\n".encode(),
        b'{"a": NaN, "b": -Infinity}\n',
        b'{"a": "\\ud83e"}\n',
        b'{"a": "\xff"}\n',
        b'{"a": 1}{"b": 2}\n',
        b'{"a": 1,}\n',
        b"{'a': 1}\n",
        b'{"a": 01}\n',
        b'{"a": "\x01"}\n',
        b'{"a": 1, "a": 2}\r\n',
        b'{"a": 1e400, "b": 1e18, "c": 9223372036854775808.0}\n',
        b'{"a": -0}\n',
        b'{"a": ' + b"[" * 3000 + b"]" * 3000 + b"}\n",
        b'{"a": ' + b"[" * 1000 + b"]" * 1000 + b"}\n",
        b'{"a": ' + b"[" * 100 + b"18446744073709551617" + b"]" * 100 + b"}\n",
        b"[1, 2]\n",
        b'"text"\n',
        b"null\n",
        b"12345678901234567890123\n",
        b'{"a": "' + b"9" * 400 + b'", "b": ' + b"9" * 400 + b"}\n",
    ],
)
def test_an_odd_line_is_what_the_plain_reader_says_of_it(line):
    ours, theirs = json_record(line, "a.jsonl", 2), plain_json_record(line, "a.jsonl", 2)
    assert type(ours) is type(theirs)
    if isinstance(ours, Located):
        assert same(ours.record, theirs.record)
    else:
        assert ours == theirs
        assert ours is None or isinstance(ours, Problem)


def test_a_mark_before_the_first_line_alone_is_left_out():
    assert json_record(b'\xef\xbb\xbf{"a": 1}\n', "a.jsonl", 1).record == {"a": 1}
    assert "not valid JSON" in json_record(b'\xef\xbb\xbf{"a": 1}\n', "a.jsonl", 2).reason


@given(st.dictionaries(st.text(), values, max_size=5))
@example({"id": 2**200, "text": "β\ud83e"})
def test_what_is_written_reads_as_it_was(record):
    line = json_line(record)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    assert same(json.loads(line), record)


def test_what_json_has_not_is_text():
    day, amount = datetime.datetime(2024, 5, 6, 7, 8, tzinfo=datetime.UTC), decimal.Decimal("1.50")
    found = json.loads(json_line({"day": day, "amount": amount, "none": None, "tissue": "Großhirn"}))
    assert found == {"day": str(day), "amount": "1.50", "none": None, "tissue": "Großhirn"}
    assert same(json.loads(json_line({"p": math.nan, "none": None})), {"p": math.nan, "none": None})
    assert "Großhirn".encode() in json_line({"id": 2**70, "tissue": "Großhirn"})  # by the slower way, too
