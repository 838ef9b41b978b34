"""The contamination benchmark compares methods that find the same, and stops where they do not."""

import gzip
import json
import sys
from pathlib import Path

import pytest

import contamination

WORDS = [f"word{i}" for i in range(60)]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "medquad").mkdir()
    (tmp_path / "blurb" / "gad").mkdir(parents=True)
    (tmp_path / "blurb" / "ncbi_disease").mkdir()
    (tmp_path / "medqa").mkdir()
    training = [{"id": f"row-{i}", "question": "What ?", "answer": " ".join(WORDS[i : i + 30])} for i in range(20)]
    with gzip.open(tmp_path / contamination.TRAINING, "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in training)
    gad = [{"id": 1, "text": " ".join(WORDS[2:20])}, {"id": 2, "text": "something else"}]
    (tmp_path / "blurb" / "gad" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in gad))
    medqa = {"question": " ".join(WORDS[:12]), "options": ["one", "two"]}
    (tmp_path / contamination.TEXTS["medqa"][0]).write_text(json.dumps(medqa) + "\n")
    (tmp_path / contamination.TAGGED["ncbi_disease"]).write_text("word3\tO\nword4\tB-Disease\n\nwould\tO\n")
    return tmp_path


ARGUMENTS = ["--task", "gad", "--task", "medqa", "--task", "ncbi_disease", "--rounds", "2"]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux only")
def test_both_methods_are_measured_printed_and_saved(folder, monkeypatch, capsys):
    saved = folder / "rows.json"
    monkeypatch.setattr(sys, "argv", ["contamination.py", "--data", str(folder), *ARGUMENTS, "--save", str(saved)])
    contamination.main()
    found = json.loads(saved.read_text())["rows"]
    assert [row["method"] for row in found] == ["counterpoise", "plain sets"]
    assert {row["items"] for row in found} == {5}
    assert {row["training_words"] for row in found} == {20 * 31}
    assert found[1]["plain_over_this"] == 1.0
    printed = capsys.readouterr().out
    assert "gad 0: whole; row-0: word2 word3" in printed
    assert "medqa" in printed


def test_methods_that_disagree_are_refused(folder, monkeypatch):
    monkeypatch.setattr(contamination, "peak_extra_bytes", lambda *arguments: 0)
    monkeypatch.setattr(contamination.Plain, "share", lambda self, key: 0.0)
    with pytest.raises(RuntimeError, match="counts of the two methods differ"):
        contamination.measure(folder, ["gad"], 8, 1)


def test_missing_data_are_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["contamination.py", "--data", str(tmp_path)])
    with pytest.raises(SystemExit):
        contamination.main()
    assert "is not there" in capsys.readouterr().err
