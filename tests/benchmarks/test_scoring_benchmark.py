"""The scoring benchmark compares equal work: both sides find the same log-likelihoods, and the table says so."""

import json
import sys

import pytest

import scoring
from tiny_families import write_family

pytest.importorskip("lm_eval")

ABSTRACTS = ("GFAP is a filament.", "KRT5 needs TP63. It was seen in mice.", "Nothing\u2028was found.")


@pytest.fixture
def data(tmp_path):
    for folder in ("pubmedqa", "mmlu_general"):
        (tmp_path / folder).mkdir()
    asked = [
        {"pubid": str(i), "question": f"Is it {i}?", "contexts": [text], "final_decision": answer, "split": split}
        for i, (text, answer, split) in enumerate(
            zip((*ABSTRACTS, "x"), ("yes", "no", "maybe", "no"), ("test", "test", "test", "dev"), strict=True)
        )
    ]
    general = [
        {
            "id": f"m{i}",
            "subject": "toys" if i else "games",
            "question": f"How many{' ' * i}?",
            "options": ["1", "2"],
            "answer": 1,
        }
        for i in range(3)
    ]
    shots = [{"subject": s, "question": f"{s}?", "options": ["3", "4"], "answer": 0} for s in ("toys", "games", "toys")]
    for name, rows in (("pubmedqa/pubmedqa_l", asked), ("mmlu_general/test", general), ("mmlu_general/dev", shots)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return tmp_path


def test_prompts(data):
    queries, answers = scoring.build_queries("pubmedqa", data, 100)
    assert answers == [0, 1, 2]  # the row of the dev split is not asked
    assert queries[1].messages[0].content == "KRT5 needs TP63. It was seen in mice.\nQuestion: Is it 1?\nAnswer:"
    queries, answers = scoring.build_queries("mmlu, 5 examples", data, 100)
    assert [message.content for message in queries[0].messages] == [
        "games?\nA. 3\nB. 4\nAnswer:",
        "A",
        "How many?\nA. 1\nB. 2\nAnswer:",
    ]
    assert len(queries[1].messages) == 5
    assert answers == [1, 1, 1]
    assert len(scoring.build_queries("mmlu", data, 2)[0]) == 2


def test_both_sides_agree_and_rows_are_saved(data, tmp_path, capsys, monkeypatch):
    folder = write_family("llama", tmp_path / "model", max_position_embeddings=1024)
    saved = tmp_path / "rows.json"
    options = ["--model", str(folder), "--data", str(data), "--rounds", "2", "--batch", "2", "--save", str(saved)]
    monkeypatch.setattr(sys, "argv", ["scoring.py", *options])
    scoring.main()
    rows = json.loads(saved.read_text())["rows"]
    assert [(row["case"], row["format"]) for row in rows[::2]] == [
        (c, f) for c in scoring.CASES for f in scoring.FORMATS
    ]
    for ours, theirs in zip(rows[::2], rows[1::2], strict=True):
        assert (ours["arm"], theirs["arm"]) == ("counterpoise", "lm-eval, batch 2")
        assert theirs["max_difference"] <= scoring.TOLERANCE
        assert theirs["accuracy"] == ours["accuracy"]
        assert ours["items"] == 3
        assert len(theirs["seconds_by_round"]) == 2
        quotients = [a / b for a, b in zip(theirs["seconds_by_round"], ours["seconds_by_round"], strict=True)]
        assert theirs["ratio_by_round"] == quotients
    shown = capsys.readouterr().out
    assert "pubmedqa" in shown
    assert "NOT EQUAL" not in shown


def test_a_difference_and_a_missed_aim_are_printed(capsys):
    row = {
        "case": "c",
        "format": "chat",
        "arm": "lm-eval, batch 1",
        "items": 1,
        "seconds": 1.0,
        "seconds_by_round": [1.0],
    }
    row |= {"ratio": 1.5, "ratio_by_round": [1.5], "extra_mib": None, "accuracy": 0.5, "max_difference": 0.01}
    scoring.show([row])
    assert "1.50 [1.50, 1.50] MISSED, NOT EQUAL" in capsys.readouterr().out


def test_accuracy_takes_the_likeliest_option():
    assert scoring.accuracy([(-1.0, -2.0), (-3.0, -2.0), (-1.0, -2.0)], [0, 1, 1]) == pytest.approx(2 / 3)
