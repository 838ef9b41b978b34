"""Every catalog entry is whole; local copies, where there are any, hold what their entry says."""

import gzip
import json
import os
import re
from itertools import chain
from pathlib import Path

import pytest

from counterpoise.data import catalog
from counterpoise.data.formats import FORMATS
from counterpoise.data.reading import read_examples
from counterpoise.errors import UserError

BESIDE = Path(__file__).parents[3] / "shared" / "data"
DATA_DIR = Path(os.environ.get(catalog.DATA_DIR_VARIABLE, BESIDE))
LOCAL = [name for name in catalog.names() if not catalog.get(name).is_embedded]


def test_the_names_of_the_catalog() -> None:
    assert catalog.names() == ["gene-process", "gene_summaries", "medquad", "meqsum", "mts_dialog", "wikidoc"]


@pytest.mark.parametrize("name", catalog.names())
def test_an_entry_is_whole(name: str) -> None:
    entry = catalog.get(name)
    assert entry.name == name
    assert entry.format in FORMATS
    assert entry.licence
    assert entry.redistribution
    assert re.search(r"\b20\d\d\b", entry.citation)
    assert entry.homepage.startswith("https://")
    assert entry.rows.keys() == entry.splits.keys() >= {"train", "test"}
    assert not any(Path(split.file).is_absolute() for split in entry.splits.values())


def test_unknown_names_and_splits_list_the_choices() -> None:
    with pytest.raises(UserError, match=r"'medqad' is unknown \(did you mean 'medquad'\?\); expected gene-process, "):
        catalog.get("medqad")
    with pytest.raises(UserError, match=r"no split 'tset' \(did you mean 'test'\?\); expected train, dev, test"):
        catalog.examples("gene-process", "tset")


def test_a_set_that_is_not_there_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(catalog.DATA_DIR_VARIABLE, raising=False)
    with pytest.raises(
        UserError, match=r"medquad: no data folder is given \(--data-dir or COUNTERPOISE_DATA\); get it"
    ):
        catalog.examples("medquad", "train")
    with pytest.raises(UserError) as error:
        read_examples("medquad", data_dir=tmp_path)
    for part in (f"{tmp_path}", "https://github.com/abachaa/MedQuAD", "CC BY 4.0", "or read hub:keivalya/"):
        assert part in str(error.value)
    assert not catalog.get("medquad").is_available(tmp_path)


def test_splits_by_share_part_topics_and_keep_every_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"focus": f"Topic {i % 400}", "question": f"q{i}", "answer": f"a{i}"} for i in range(800)]
    rows += [{**row, "focus": row["focus"].upper() + " "} for row in rows]
    folder = tmp_path / "medquad"
    folder.mkdir()
    (folder / "medquad.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    monkeypatch.setenv(catalog.DATA_DIR_VARIABLE, str(tmp_path))
    assert catalog.get("medquad").is_available()
    questions: dict[str, list[str]] = {}
    topics: dict[str, set[str]] = {}
    for split in ("train", "dev", "test"):
        found = [example.messages[0].content for example in catalog.examples("medquad", split)]
        questions[split] = found
        topics[split] = {rows[int(question[1:])]["focus"] for question in found}
    assert sorted(chain.from_iterable(questions.values())) == sorted(row["question"] for row in rows)
    assert sum(len(found) for found in topics.values()) == len(set.union(*topics.values())) == 400
    assert len(questions["train"]) == pytest.approx(1440, abs=60)
    assert all(len(questions[split]) > 20 for split in ("dev", "test"))


def test_a_range_of_rows_and_broken_lines(tmp_path: Path) -> None:
    (tmp_path / "meqsum").mkdir()
    lines = [json.dumps({"question": f"q{i}", "summary": f"s{i}"}) for i in range(502)]
    lines[1] = "{"
    (tmp_path / "meqsum" / "meqsum.jsonl").write_text("\n".join(lines))
    test = catalog.examples("meqsum", "test", tmp_path)
    assert [example.messages[1].content for example in test] == ["s500", "s501"]
    assert test[0].messages[0].content.endswith("\n\nq500")
    with pytest.raises(UserError, match=r"meqsum\.jsonl, line 2: not valid JSON"):
        catalog.examples("meqsum", "train", tmp_path)
    read = read_examples("meqsum", data_dir=tmp_path, skip_bad=True)
    assert (len(read.examples), len(read.dropped)) == (499, 1)


def test_a_folder_of_the_same_name_does_not_hide_the_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("medquad").mkdir()
    with pytest.raises(UserError, match="get it from"):
        read_examples("medquad", data_dir=tmp_path)


def test_columns_and_limit_of_the_caller_hold() -> None:
    read = read_examples("gene-process", columns={"instruction": "prompt", "output": "completion"}, limit=3)
    assert [example.source for example in read.examples] == [f"gene-process/train:{n}" for n in (1, 2, 3)]
    assert read.examples == read_examples("gene-process", limit=3).examples


def test_the_embedded_facts_have_the_rows_of_their_entry_and_share_no_question() -> None:
    entry = catalog.get("gene-process")
    assert entry.is_available()
    found = {split: catalog.examples("gene-process", split) for split in entry.splits}
    assert {split: len(examples) for split, examples in found.items()} == entry.rows
    asked = [{example.messages[0].content for example in examples} for examples in found.values()]
    assert not asked[0] & asked[1]
    assert not (asked[0] | asked[1]) & asked[2]


@pytest.mark.shared
@pytest.mark.parametrize("name", LOCAL)
def test_local_copies_hold_the_rows_of_their_entry(name: str) -> None:
    entry = catalog.get(name)
    if not entry.is_available(DATA_DIR):
        pytest.skip(f"{name} is not in the data folder; set {catalog.DATA_DIR_VARIABLE}")
    for split, rows in entry.rows.items():
        examples = catalog.examples(name, split, DATA_DIR)
        assert len(examples) == rows
        assert {tuple(message.role for message in example.messages) for example in examples} == {("user", "assistant")}


@pytest.mark.shared
def test_genes_held_out_in_the_facts_have_no_summary_in_training() -> None:
    if not catalog.get("gene_summaries").is_available(DATA_DIR):
        pytest.skip(f"gene_summaries is not in the data folder; set {catalog.DATA_DIR_VARIABLE}")
    from counterpoise.data import facts

    trained = {located.record["symbol"] for located in catalog.records("gene_summaries", "train", DATA_DIR)}  # type: ignore[union-attr]
    assert len(trained) > 10_000
    assert not {symbol for symbol, gene in facts.load().genes.items() if gene.split != "train"} & trained
