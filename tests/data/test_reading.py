"""Files of every kind give the same examples; a broken line is named, or dropped and counted."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.data.reading import iter_examples, read_examples
from counterpoise.data.records import Problem
from counterpoise.errors import UserError

ROWS = [
    {"prompt": "What is NA?", "completion": "NA"},
    {"prompt": 'A "quoted", two-line\nquestion', "completion": "007"},
    {"prompt": "Qu'est-ce que la maladie d'Alzheimer ? β-amyloïde 🧠", "completion": " null"},
]
PAIRS = [(row["prompt"], row["completion"]) for row in ROWS]


def pairs(source: Path, **options: object) -> list[tuple[str, ...]]:
    read = read_examples(source, **options)  # type: ignore[arg-type]
    return [tuple(message.content for message in example.messages) for example in read.examples]


def write_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))


def write_csv(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["prompt", "completion"])
        writer.writeheader()
        writer.writerows(ROWS)


def write_parquet(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(ROWS), path)


WRITERS: dict[str, Callable[[Path], object]] = {
    ".jsonl": write_jsonl,
    ".json": lambda path: path.write_text(json.dumps(ROWS, ensure_ascii=False), encoding="utf-8"),
    ".csv": write_csv,
    ".parquet": write_parquet,
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_kind_of_file_gives_the_same_text(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    WRITERS[suffix](path)
    assert pairs(path) == PAIRS
    read = read_examples(str(path))
    assert read.dropped == []
    other = tmp_path / "other.jsonl"
    write_jsonl(other)
    assert read.fingerprint == read_examples(other).fingerprint


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv"])
def test_gzip(tmp_path: Path, suffix: str) -> None:
    plain = tmp_path / f"rows{suffix}"
    WRITERS[suffix](plain)
    packed = tmp_path / f"rows{suffix}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert pairs(packed) == PAIRS
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"rows.*\.gz: not a complete gzip file"):
        read_examples(packed)
    packed.write_bytes(plain.read_bytes())
    with pytest.raises(UserError, match="not a complete gzip file"):
        read_examples(packed)


def test_sources_count_lines_and_rows(tmp_path: Path) -> None:
    for suffix, expected in {
        ".jsonl": ["rows.jsonl:1", "rows.jsonl:2", "rows.jsonl:3"],
        ".csv": ["rows.csv:2", "rows.csv:3", "rows.csv:5"],  # the second record spans two lines
        ".parquet": ["rows.parquet:1", "rows.parquet:2", "rows.parquet:3"],
    }.items():
        path = tmp_path / f"rows{suffix}"
        WRITERS[suffix](path)
        assert [example.source for example in read_examples(path).examples] == expected


def test_tsv_is_never_quoted(tmp_path: Path) -> None:
    path = tmp_path / "genes.tsv"
    path.write_bytes(b'\xef\xbb\xbfprompt\tcompletion\r\nWhat is "NA?\tNA\r\n\r\nB\t"b\r\n')
    assert pairs(path) == [('What is "NA?', "NA"), ("B", '"b')]


def test_json_takes_a_data_key(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"version": 1, "data": ROWS}))
    assert pairs(path) == PAIRS


def test_a_field_longer_than_the_csv_modules_default_limit(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("prompt,completion\nq," + "a" * 200_000 + "\n")
    assert len(pairs(path)[0][1]) == 200_000


GOOD = '{"prompt": "p", "completion": "c"}'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "facts.jsonl",
            f'{GOOD}\n{GOOD}\n{{"prompt": "p" "completion": "c"}}\n{GOOD}\n',
            "facts.jsonl, line 3: not valid JSON (Expecting ',' delimiter at column 16); fix the line, or pass "
            "--skip-bad to drop it",
        ),
        (
            "facts.jsonl",
            f'{GOOD}\n\n["p"]\n',
            'line 3: expected an object with named columns, found ["p"]; fix the line',
        ),
        ("facts.jsonl", f'{GOOD}\n{{"prompt": "p"}}\n', "line 2: has no column 'completion'; it has 'prompt'; fix"),
        (
            "facts.jsonl",
            f'{GOOD}\n{{"prompt": "p", "completion": ""}}',
            "facts.jsonl, line 2: column 'completion' is empty",
        ),
        ("facts.jsonl", GOOD + "\n" + "[" * 100_000, "facts.jsonl, line 2: not valid JSON ("),
        (
            "facts.csv",
            "prompt,completion\np,c\np\n",
            "line 3: has 1 fields where the header has 2 (column 'completion' is",
        ),
        (
            "facts.csv",
            "prompt,completion\np,c\np,c,d\n",
            "line 3: has 3 fields where the header has 2 (there are too many)",
        ),
        ("facts.csv", 'prompt,completion\np,c\n"p,c\np,c\n', "line 3: not valid csv (a quoted field is never closed)"),
        ("facts.csv", 'prompt,completion\np,c\n"p"x,c\n', "facts.csv, line 3: not valid csv ("),
        ("facts.tsv", "prompt\tcompletion\np\tc\np\n", "facts.tsv, line 3: has 1 fields where the header has 2"),
        (
            "facts.json",
            f"[{GOOD}, 3]",
            "facts.json, record 2: expected an object with named columns, found 3; fix the record",
        ),
    ],
)
def test_a_broken_line_stops_or_is_dropped(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UserError) as error:
        read_examples(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    read = read_examples(path, skip_bad=True)
    assert len(read.dropped) == 1
    assert str(error.value).startswith(f"{read.dropped[0]}; fix the ")
    assert {example.messages[0].content for example in read.examples} == {"p"}
    assert f"kept {len(read.examples)} examples, dropped 1\n  {read.dropped[0]}" in read.summary()


def test_skip_bad_keeps_the_lines_after_the_broken_one(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_bytes(b'{"x": 1}\n' + GOOD.encode() + b'\n\xff\xfe\n{"prompt": 1, "completion": "c"}\n' + GOOD.encode())
    read = read_examples(path, skip_bad=True)
    assert [example.source for example in read.examples] == ["facts.jsonl:2", "facts.jsonl:5"]
    assert [problem.place for problem in read.dropped] == ["line 1", "line 3", "line 4"]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "json"])
def test_text_that_is_not_utf_8_is_named_by_line_and_byte(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"latin.{suffix}"
    separator = b"\t" if suffix == "tsv" else b","
    rows = {
        "jsonl": GOOD.encode() + b'\n{"prompt": "na\xefve", "completion": "c"}\n',
        "json": b"[" + GOOD.encode() + b',\n{"prompt": "na\xefve", "completion": "c"}]',
    }
    path.write_bytes(rows.get(suffix, b"prompt,completion\nna\xefve,c\np,c\n".replace(b",", separator)))
    with pytest.raises(UserError, match=rf"latin.{suffix}, line 2: not UTF-8 \(byte 0xef at byte \d+ of the .*UTF-8"):
        read_examples(path)
    if suffix != "json":
        assert len(read_examples(path, skip_bad=True).examples) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.jsonl", "", "holds no records"),
        ("empty.jsonl", "\n\n", "holds no records"),
        ("empty.csv", "prompt,completion\n", "holds no records"),
        ("empty.csv", "", "holds no records"),
        ("empty.json", "[]", "holds no records"),
        ("empty.json", "", "empty.json: not valid JSON (Expecting value at line 1, column 1)"),
        ("object.json", '{"rows": []}', 'expected a list of records, or {"data": [...]}'),
        ("lines.json", f"{GOOD}\n{GOOD}\n", "if it holds one record a line, name it .jsonl"),
        ("twice.csv", "prompt,prompt\na,b\n", "twice.csv, line 1: the header names column 'prompt' twice"),
        ("torn.parquet", "PAR1", "torn.parquet: not a readable parquet file"),
        ("empty.parquet", "", "empty.parquet: not a readable parquet file"),
        ("notes.txt", "hello", "notes.txt: unknown kind of file; expected .jsonl, "),
        ("rows.parquet.gz", "", "rows.parquet.gz: unknown kind of file"),
    ],
)
def test_a_file_that_cannot_be_read_at_all(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    for skip_bad in (False, True):
        with pytest.raises(UserError) as error:
            read_examples(path, skip_bad=skip_bad)
        assert message in str(error.value)


def test_all_lines_bad_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_text("{\n{\n")
    with pytest.raises(
        UserError, match=r"none of its 2 records can be used; the first: facts\.jsonl, line 1: not valid"
    ):
        read_examples(path, skip_bad=True)


def test_a_missing_source_names_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_jsonl(tmp_path / "facts.jsonl")
    for source, message in {
        "fact.jsonl": r"fact\.jsonl: no such file \(did you mean 'facts\.jsonl'\?\)",
        str(tmp_path / "fcts.jsonl"): r"no such file \(did you mean 'facts\.jsonl'\?\)",
        "none/facts.jsonl": "there is no folder none",
        "medqaud": r"medqaud: neither a file, nor a catalog data set \(did you mean 'medquad'\?\), nor a hub id",
        "facts": r"facts: neither a file, .*\(did you mean 'facts\.jsonl'\?\)",
        ".": r"is a folder; name one file in it \(facts\.jsonl\)",
        "hub:a b": "hub:a b: not a hub id; expected hub:owner/name",
    }.items():
        with pytest.raises(UserError, match=message):
            read_examples(source)


def test_options_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    write_jsonl(path)
    with pytest.raises(UserError, match="limit is 0; expected a whole number of at least 1"):
        read_examples(path, limit=0)
    with pytest.raises(UserError, match="data format 'csv' is unknown"):
        read_examples(path, format="csv")
    with pytest.raises(UserError, match="a file has no split 'test'"):
        read_examples(path, split="test")
    assert len(read_examples(path, limit=2).examples) == 2


def test_iteration_is_streaming(tmp_path: Path) -> None:
    path = tmp_path / "facts.jsonl"
    path.write_text(f"{GOOD}\n" * 3 + "{\n")
    examples = iter_examples(path)
    assert [next(examples).source for _ in range(3)] == [f"facts.jsonl:{n}" for n in (1, 2, 3)]
    with pytest.raises(UserError, match="line 4"):
        next(examples)
    found: list[Problem] = []
    assert len(list(iter_examples(path, on_bad=found.append))) == 3
    assert found == [Problem("facts.jsonl", "line 4", found[0].reason)]


def test_the_format_of_the_first_record_holds_for_all(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_text(f'{GOOD}\n{{"instruction": "a", "output": "b"}}\n')
    with pytest.raises(UserError, match=r"mixed\.jsonl, line 2: has no column 'prompt'"):
        read_examples(path)


def test_the_hub_is_asked_for_one_split_and_offline_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked: list[tuple[object, ...]] = []

    def load_dataset(name: str, config: str | None, *, split: str, revision: str | None) -> list[dict[str, str]]:
        asked.append((name, config, split, revision))
        return ROWS

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert read_examples("owner/name").examples[2].source == "hub:owner/name/train:3"
    read_examples("hub:owner/name:medical@v1.0", split="test")
    assert asked == [("owner/name", None, "train", None), ("owner/name", "medical", "test", "v1.0")]

    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach 'owner/name' on the Hub.\nTraceback ...")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(UserError) as error:
        read_examples("hub:owner/name")
    assert str(error.value) == (
        "hub:owner/name: the hub cannot be reached and its cache does not hold this data set "
        "(Couldn't reach 'owner/name' on the Hub); connect, or give a local file"
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(str.strip)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_any_text_survives_csv_and_jsonl(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("any")
    with (folder / "any.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("prompt", "completion"), *rows])
    lines = [json.dumps({"prompt": p, "completion": c}, ensure_ascii=False) + "\n" for p, c in rows]
    (folder / "any.jsonl").write_bytes("".join(lines).encode())
    assert pairs(folder / "any.csv") == rows
    assert pairs(folder / "any.jsonl") == rows
