"""Chunks give what the reader gives, wherever they are cut, and whoever works on them."""

import gzip
import json
import os
import pickle
import signal
from dataclasses import dataclass

import pytest

from counterpoise.data import chunks
from counterpoise.data.chunks import Problems, made_data, open_data
from counterpoise.data.example import Example, Message
from counterpoise.data.reading import read_examples
from counterpoise.data.records import Located, Problem, read_records
from counterpoise.data.workers import WORTH_WORKERS, Workers, each_chunk
from counterpoise.errors import UserError

LINES = b"\xef\xbb\xbf" + b"".join(
    line + ending
    for line, ending in [
        (b'{"prompt": "a", "completion": "b", "id": 1}', b"\n"),
        (b"", b"\n"),
        (b'{"prompt": "second", "completion": "\xc3\xa9"}', b"\r\n"),
        (b'{"prompt": "broken', b"\n"),
        (b'{"prompt": "\xff", "completion": "b"}', b"\n"),
        (b"[1, 2]", b"\n"),
        (b'{"prompt": "' + b"x" * 300 + b'", "completion": "long"}', b"\n"),
        (b'{"prompt": "last", "completion": "no newline"}', b""),
    ]
)


@pytest.fixture
def path(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(LINES)
    return tmp_path / "rows.jsonl"


def items(data):
    return [item for chunk in data.chunks() for item, _, _, _ in chunk.read()]


@pytest.mark.parametrize("size", [1, 7, 50, 64, 200, 10_000])
@pytest.mark.parametrize("packed", [False, True])
def test_lines_are_the_readers_wherever_they_are_cut(path, tmp_path, monkeypatch, size, packed):
    monkeypatch.setattr(chunks, "CHUNK", size)
    if packed:
        (tmp_path / "packed").mkdir()
        path = tmp_path / "packed" / "rows.jsonl.gz"
        path.write_bytes(gzip.compress(LINES))
    data = open_data(path)
    assert data.format == "prompt-completion"
    assert items(data) == list(read_records(path))
    found = list(data.chunks())
    assert len(found) > 1 or size == 10_000
    assert b"".join(chunk.lines for chunk in found) == LINES
    assert sum(chunk.size for chunk in found) == data.size
    for chunk in found:
        for item, number, start, end in chunk.read():
            assert item.place == f"line {number}"
            if isinstance(item, Located):
                assert json.loads(chunk.lines[start:end].decode()) == item.record, "without the byte order mark"


@pytest.mark.parametrize("packed", [False, True])
def test_lines_travel_as_their_place_where_they_have_one(path, tmp_path, monkeypatch, packed):
    monkeypatch.setattr(chunks, "CHUNK", 64)
    if packed:
        path = tmp_path / "rows.jsonl.gz"
        path.write_bytes(gzip.compress(LINES))
    found = list(open_data(path).chunks())
    sent = [pickle.loads(pickle.dumps(chunk.to_send())) for chunk in found]
    assert len(found) > 2
    assert all(bool(chunk.lines) == packed for chunk in sent)
    assert [chunk.received() for chunk in sent] == found
    if not packed:
        path.write_bytes(LINES[:-1])
        with pytest.raises(UserError, match=r"rows.jsonl: became shorter while it was read"):
            sent[-1].received()


def test_other_kinds_are_parsed_as_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "ITEMS", 2)
    (tmp_path / "rows.csv").write_text('prompt,completion\na,b\n"two\nlines",c\nshort\nd,e\n')
    data = open_data(tmp_path / "rows.csv")
    assert items(data) == list(read_records(tmp_path / "rows.csv"))
    assert [chunk.first for chunk in data.chunks()] == [1, 3]
    assert [example.messages[1].content for example in data.examples()] == ["b", "c", "e"]
    assert len(items(open_data("gene-process", split="dev"))) == len(
        read_examples("gene-process", split="dev").examples
    )


def test_examples_that_are_made_come_back_as_they_are():
    turns = (
        Message("user", "q"),
        Message("assistant", "no", train=False),
        Message("user", "q"),
        Message("assistant", "a"),
    )
    made = Example(turns, "made:7", "seven")
    data = made_data("made", lambda: [Problem("made", "row 1", "bad"), made])
    assert list(data.examples()) == [made]
    assert [str(item) for item in items(data) if isinstance(item, Problem)] == ["made, row 1: bad"]


def test_a_format_is_looked_for_at_the_beginning_only(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "LOOKED_AT", 2)
    (tmp_path / "rows.jsonl").write_text('{"x": 1}\n' * 2 + '{"prompt": "a", "completion": "b"}\n')
    data = open_data(tmp_path / "rows.jsonl")
    assert data.format == "auto"
    assert [example.messages[1].content for example in data.examples()] == ["b"], "each by its own columns"
    monkeypatch.setattr(chunks, "LOOKED_AT", 3)
    assert open_data(tmp_path / "rows.jsonl").format == "prompt-completion"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no records"),
        ("\n\n", "holds no records"),
        ("oops\n[1]\n", "none of its records can be read; the first: rows.jsonl, line 1: not valid JSON"),
    ],
)
def test_nothing_to_read_is_said(tmp_path, text, says):
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(UserError, match=says):
        open_data(tmp_path / "rows.jsonl")


def test_an_archive_that_breaks_off_is_said(tmp_path):
    packed = gzip.compress(LINES * 50)
    (tmp_path / "rows.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    data = open_data(tmp_path / "rows.jsonl.gz")
    with pytest.raises(UserError, match="not a complete gzip file"):
        items(data)


@dataclass(frozen=True)
class Count:
    """Numbers of the readable records, and who read them."""

    die_at: int = 0

    def __call__(self, chunk):
        numbers = [number for item, number, _, _ in chunk.read() if isinstance(item, Located)]
        if self.die_at in numbers:
            os.kill(os.getpid(), signal.SIGKILL)
        return numbers, os.getpid()


def test_processes_find_the_same_in_the_same_order(path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 20)
    data = open_data(path)
    told = []
    with Workers(1) as one:
        alone = [found for _, found in each_chunk(data, Count(), one, lambda *words: told.append(words))]
    with Workers(2) as two:
        shared = [found for _, found in each_chunk(data, Count(), two)]
    assert [numbers for numbers, _ in shared] == [numbers for numbers, _ in alone]
    assert [number for numbers, _ in alone for number in numbers] == [1, 3, 7, 8]
    assert {process for _, process in alone} == {os.getpid()}
    assert os.getpid() not in {process for _, process in shared}
    assert {words[0] for words in told} == {"reading rows.jsonl"}


def test_a_worker_that_is_killed_is_said(path):
    said = pytest.raises(UserError, match=r"rows\.jsonl: a process that read it was ended from outside")
    with said, Workers(2) as workers:
        list(each_chunk(open_data(path), Count(die_at=3), workers))


def test_processes_are_started_where_they_pay():
    assert Workers.for_bytes(WORTH_WORKERS - 1).count == 1
    assert Workers.for_bytes(0, 3).count == 3
    assert 1 <= Workers.for_bytes(1 << 40).count <= 8
    with pytest.raises(UserError, match="workers is 0"):
        Workers.for_bytes(0, 0)


def test_problems_are_counted_or_stop_everything():
    found = [Problem("f", f"line {i}", "bad") for i in range(30)]
    with pytest.raises(UserError, match=r"f, line 0: bad; fix the line, or pass --skip-bad"):
        Problems(skip=False).add(found)
    problems = Problems(skip=True)
    problems.add(found)
    assert (problems.count, len(problems.first)) == (30, 20)
