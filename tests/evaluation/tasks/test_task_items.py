"""From records to items: prompts, answers, bad records, missing data, counts, samples."""

import json
import os
import re
from pathlib import Path

import pytest

from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.evaluation.tasks.items import fill_in, is_available, labelled_examples, read_items, training_examples
from counterpoise.evaluation.tasks.source import task_examples, task_labels

SHARED = Path(os.environ.get("COUNTERPOISE_DATA", Path(__file__).parents[4] / "shared" / "data"))
QUESTION = {"id": "1", "subject": "anatomy", "question": "Where?", "options": ["Here", "There"], "answer": 1}


def write(folder, name, rows):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((json.dumps(row) if not isinstance(row, str) else row) + "\n" for row in rows))


def test_letters(tmp_path):
    write(tmp_path, "medqa/medqa_us_test_even.jsonl", [QUESTION])
    item = read_items(tasks.get("medqa"), data_dir=tmp_path).items[0]
    assert item.prompt == "Where?\n\nA. Here\nB. There\n\nAnswer with the letter of the right option.\nAnswer:"
    assert item.prior_prompt == item.prompt.removeprefix("Where?\n\n")
    assert (item.options, item.answer, item.target, item.option_texts) == (("A", "B"), 1, "B", ("Here", "There"))
    assert (item.subject, item.text) == ("anatomy", "Where?")


def test_lists_in_a_prompt_and_a_split_by_value(tmp_path):
    row = {
        "pubid": 7,
        "question": "Is it?",
        "contexts": ["One.", "Two."],
        "final_decision": "no",
        "long_answer": "SECRET",
    }
    write(tmp_path, "pubmedqa/pubmedqa_l.jsonl", [{**row, "split": "dev"}, {**row, "split": "test", "question": "Q2"}])
    found = read_items(tasks.get("pubmedqa"), "test", data_dir=tmp_path).items
    assert [item.prompt.splitlines()[:4] for item in found] == [["One.", "Two.", "", "Question: Q2"]]
    assert found[0].target == "no"
    assert "SECRET" not in str(found[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"answer": 2}, r"line 2: column 'answer' is 2, outside the 2 options \(0 is the first\)"),
        ({"answer": "Elsewhere"}, r"line 2: column 'answer' is 'Elsewhere', which is none of the options: Here, There"),
        ({"options": ["Here"]}, r"line 2: column 'options' is a list; expected a list of two or more texts"),
        ({"options": "Here"}, r"line 2: column 'options' is text; expected a list"),
        ({"question": None}, r"line 2: column 'question' is null; expected text"),
        ({"answer": True}, r"line 2: column 'answer' is True, which is none"),
    ],
)
def test_a_bad_record_is_named_and_the_others_are_kept(tmp_path, change, says):
    write(
        tmp_path,
        "medqa/medqa_us_test_even.jsonl",
        [QUESTION, {**QUESTION, **change}, "{broken", {**QUESTION, "id": "3"}],
    )
    found = read_items(tasks.get("medqa"), data_dir=tmp_path)
    assert [item.id for item in found.items] == ["1", "3"]
    assert len(found.problems) == 2
    assert re.search(says, str(found.problems[0])), str(found.problems[0])
    assert "line 3: not valid JSON" in str(found.problems[1])


def test_missing_columns_name_what_there_is(tmp_path):
    write(
        tmp_path,
        "medqa/medqa_us_test_even.jsonl",
        [QUESTION, {"questoin": "?", **{k: QUESTION[k] for k in ("options", "answer")}}],
    )
    assert "has no column 'question' (did you mean 'questoin'?)" in str(
        read_items(tasks.get("medqa"), data_dir=tmp_path).problems[0]
    )


def test_missing_data_says_where_it_goes(tmp_path, monkeypatch):
    monkeypatch.delenv("COUNTERPOISE_DATA", raising=False)
    with pytest.raises(
        UserError, match=r"bioasq: .*bioasq/test.jsonl is not there; get it from http\S+ .*put it there"
    ):
        read_items(tasks.get("bioasq"), data_dir=tmp_path)
    with pytest.raises(UserError, match=r"no data folder is given \(--data-dir or COUNTERPOISE_DATA\)"):
        read_items(tasks.get("bioasq"))
    with pytest.raises(UserError, match=r"bioasq has no split 'tset' \(did you mean 'test'\?\)"):
        read_items(tasks.get("bioasq"), "tset", data_dir=tmp_path)


def test_counts_are_checked(tmp_path):
    write(tmp_path, "medqa/medqa_us_test_even.jsonl", [QUESTION])
    assert read_items(tasks.get("medqa"), data_dir=tmp_path).notes == [
        "medqa: test has 1 items where the published data has 637, so its scores are not comparable"
    ]


def test_samples_are_drawn_by_seed_and_grow(tmp_path):
    write(tmp_path, "medqa/medqa_us_test_even.jsonl", [{**QUESTION, "id": str(i)} for i in range(50)])
    few, more, other = (
        [item.id for item in read_items(tasks.get("medqa"), data_dir=tmp_path, limit=n, seed=s).items]
        for n, s in ((5, 0), (9, 0), (5, 1))
    )
    assert set(few) < set(more)
    assert few != other
    assert more == sorted(more, key=int)


def test_ids_that_repeat_are_told_apart(tmp_path):
    write(tmp_path, "medqa/medqa_us_test_even.jsonl", [QUESTION, QUESTION])
    assert [item.id for item in read_items(tasks.get("medqa"), data_dir=tmp_path).items] == ["1", "1#2"]


def test_entities(tmp_path):
    text = "The\tO\ncolon\tB-Disease\ncancer\tI-Disease\n\nNone\tO\n\nPain\tI-Disease\n"
    (tmp_path / "blurb/ncbi_disease").mkdir(parents=True)
    (tmp_path / "blurb/ncbi_disease/test.tsv").write_text(text)
    found = read_items(tasks.get("ncbi-disease"), data_dir=tmp_path)
    assert [item.target for item in found.items] == ["colon cancer", "none"]
    assert found.items[0].prompt.startswith("The colon cancer\n\nList every disease")
    assert "line 7: tag 'I-Disease' comes first" in str(found.problems[0])
    assert [note.split(" where")[0] for note in found.notes] == [
        "ncbi-disease: test has 2 items",
        "ncbi-disease: test has 1 entities",
    ]


def test_labels_and_numbers(tmp_path):
    known = tasks.get("hoc").options
    write(
        tmp_path,
        "blurb/hoc/test.jsonl",
        [{"id": "a", "text": "T", "labels": [known[3], known[1]]}, {"text": "U", "labels": ["x"]}],
    )
    found = read_items(tasks.get("hoc"), data_dir=tmp_path)
    assert found.items[0].target == f"{known[1]}; {known[3]}"
    assert "label 'x' is none of the known ones" in str(found.problems[0])
    write(
        tmp_path,
        "blurb/biosses/test.jsonl",
        [
            {"id": 1, "sentence1": "a", "sentence2": "b", "score": 2.4},
            {"id": 2, "sentence1": "a", "sentence2": "b", "score": "2"},
        ],
    )
    found = read_items(tasks.get("biosses"), data_dir=tmp_path)
    assert (found.items[0].target, found.items[0].value, len(found.items[0].options)) == ("2.4", 2.4, 21)
    assert "column 'score' is text; expected a finite number" in str(found.problems[0])


def test_what_is_trained_on(tmp_path):
    rows = [{"id": f"g{i}", "text": f"@GENE$ {i} @DISEASE$", "label": i % 2} for i in range(6)]
    write(tmp_path, "blurb/gad/train.jsonl", rows)
    write(tmp_path, "blurb/gad/test.jsonl", rows)
    items = read_items(tasks.get("gad"), "train", data_dir=tmp_path).items
    assert [m.content for m in training_examples(items)[1].messages] == [items[1].prompt, "yes"]
    assert [e.label for e in labelled_examples(tasks.get("gad"), items)][:2] == ["no", "yes"]
    read = task_examples("task:gad", data_dir=tmp_path, limit=4)
    assert len(read.examples) == 4
    labels = task_labels("task:gad", task="sequence-classification", data_dir=tmp_path)
    assert labels.space.labels == ("no", "yes")
    with pytest.raises(UserError, match=r"task:gad: set model.task to sequence-classification"):
        task_labels("task:gad", task="regression", data_dir=tmp_path)
    with pytest.raises(UserError, match=r"task 'gda' is unknown"):
        task_examples("task:gda", data_dir=tmp_path)


def test_an_encoder_does_not_choose_between_texts(tmp_path):
    write(tmp_path, "medqa/medqa_us_test_even.jsonl", [QUESTION])
    with pytest.raises(UserError, match=r"medqa is no task for an encoder"):
        labelled_examples(tasks.get("medqa"), read_items(tasks.get("medqa"), data_dir=tmp_path).items)


def test_fill_in():
    assert fill_in("{a} {b} {c}", {"a": "x", "b": ["y", "z"], "c": 1.5}) == "x y\nz 1.5"


def test_embedded_tasks_need_no_folder(monkeypatch):
    monkeypatch.delenv("COUNTERPOISE_DATA", raising=False)
    assert len(read_items(tasks.get("gene-process"), "dev").items) == 300
    assert len(read_items(tasks.get("general-sentences")).items) == 60


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the data folder beside the project")
def test_real_data_have_the_published_counts():
    """All that is there reads without a problem; what differs from BLURB is said."""
    notes = []
    for name in tasks.names():
        spec = tasks.get(name)
        if spec.perturbation is not None:
            continue  # test_perturbation_published.py; these note questions without evidence
        for split in spec.data:
            if not is_available(spec, SHARED, (split,)):
                continue
            found = read_items(spec, split, data_dir=SHARED)
            assert not found.problems, name
            notes += found.notes
    assert notes == [
        f"hoc: {split} has {ours:,} items where the published data has {theirs:,}, so its scores are not comparable"
        for split, ours, theirs in (("train", 1108, 1295), ("dev", 157, 186), ("test", 315, 371))
    ]
