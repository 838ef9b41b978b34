"""Asking, keeping, going on, scoring again: with a backend that answers by a rule."""

import json

import pytest
from scripted import Scripted, likes

from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.evaluation.backend import Reply
from counterpoise.evaluation.kept import Kept
from counterpoise.evaluation.runner import Ask, check_tasks, rescore, run


@pytest.fixture
def data(tmp_path):
    """Twelve GAD sentences (eight associations) to test, eight to learn from; a few questions of MedQA and MMLU."""

    def write(name, rows):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    for split, n in (("train", 8), ("test", 12)):  # U+2028 ends a line for some readers, and stands in real abstracts
        text = "@GENE$ {}\u2028 @DISEASE$"
        rows = [{"id": f"{split}{i}", "text": text.format(i), "label": int(i % 3 != 0)} for i in range(n)]
        write(f"blurb/gad/{split}.jsonl", rows)
    options = ["Here", "There"]
    write(
        "medqa/medqa_us_test_even.jsonl",
        [{"id": str(i), "subject": "s", "question": "Where?", "options": options, "answer": i % 2} for i in range(5)],
    )
    for split in ("dev", "test"):
        rows = [
            {"id": f"{split}-{s}-{i}", "subject": s, "question": f"{s} {i}?", "options": options, "answer": 0}
            for s in ("law", "logic")
            for i in range(3)
        ]
        write(f"mmlu_general/{split}.jsonl", rows)
    return tmp_path / "data"


def test_scores_floors_and_what_was_asked(data):
    backend = Scripted(likes("yes"))
    result = run(tasks.get("gad"), backend, Ask(data_dir=data, shots=2, methods=("options", "generated")))
    values = {name: m.value for name, m in result.scored.measurements.items()}
    assert values["accuracy"] == values["accuracy, generated"] == pytest.approx(8 / 12)
    assert values["positive micro F1"] == pytest.approx(0.8)
    assert values["accuracy, prior-corrected"] == pytest.approx(
        4 / 12
    )  # the rule likes yes with and without a question
    assert result.floors_of("accuracy, generated")["majority"] == pytest.approx(8 / 12)
    assert result.floors_of("accuracy")["options alone"] == pytest.approx(8 / 12)
    assert result.floors_of("accuracy")["chance"] == 0.5
    shown = [m.content for m in next(q for q in backend.asked if q.id == "test0|options").messages]
    assert len(shown) == 5
    assert {shown[1], shown[3]} == {"yes", "no"}, "examples are drawn in turn from each answer"
    prior = next(q for q in backend.asked if q.id == "test0|prior")
    assert "@GENE$ 0" not in prior.messages[-1].content


def test_examples_of_the_own_subject(data):
    backend = Scripted(likes("A"))
    run(tasks.get("mmlu-general"), backend, Ask(data_dir=data, shots=2))
    for query in backend.asked:
        if query.id.endswith("|options"):
            subject = query.id.split("-")[1]
            assert [m.content.split(" ")[0] for m in query.messages[::2]] == [subject] * 3


def test_a_reply_that_fails_is_left_out_and_counted(data):
    def rule(query):
        return None if query.id == "test1|options" else likes("yes")(query)

    scored = run(tasks.get("gad"), Scripted(rule), Ask(data_dir=data)).scored
    assert scored.unanswered == {"options": 1}
    assert scored.failures == ["timed out"]
    assert scored.measurements["accuracy"].value == pytest.approx(7 / 11)
    assert "test1" not in scored.units["accuracy"]


def test_an_answer_that_says_nothing_is_wrong_and_counted(data):
    backend = Scripted(lambda query: Reply(query.id, text="Who knows?"))
    scored = run(tasks.get("medqa"), backend, Ask(data_dir=data, methods=("generated",))).scored
    assert scored.unparsed == 5
    assert scored.measurements["accuracy, generated"].value == 0
    scored = run(tasks.get("gad"), backend, Ask(data_dir=data, methods=("generated",))).scored
    assert scored.measurements["positive micro F1, generated"].value == 0
    assert scored.measurements["accuracy, generated"].value == pytest.approx(4 / 12), (
        "nothing said is the negative class"
    )


def test_a_killed_run_goes_on_where_it_was(data, tmp_path):
    ask, spec = Ask(data_dir=data), tasks.get("gad")
    kept = Kept.open(tmp_path / "r.items", {"model": "m"})
    with pytest.raises(KeyboardInterrupt):
        run(spec, Scripted(likes("yes"), die_after=7), ask, kept=kept)
    replies = tmp_path / "r.items" / "gad.replies.jsonl"
    whole = replies.read_bytes()
    replies.write_bytes(whole[:-20])  # the last line cut short
    rest = Scripted(likes("yes"))
    result = run(spec, rest, ask, kept=Kept.open(tmp_path / "r.items", {"model": "m"}))
    assert len(rest.asked) == 24 - 6
    alone = run(spec, Scripted(likes("yes")), ask)
    assert {n: m.value for n, m in result.scored.measurements.items()} == {
        n: m.value for n, m in alone.scored.measurements.items()
    }
    again = Scripted(likes("no"))
    run(spec, again, ask, kept=kept)
    assert not again.asked


def test_failures_are_asked_again_when_it_goes_on(data, tmp_path):
    ask, spec, kept = Ask(data_dir=data), tasks.get("gad"), Kept.open(tmp_path / "r.items", {})
    run(spec, Scripted(lambda query: None), ask, kept=kept)
    second = Scripted(likes("yes"))
    assert run(spec, second, ask, kept=kept).scored.unanswered == {"options": 0}
    assert len(second.asked) == 24


def test_scored_again_without_model_or_data(data, tmp_path):
    kept = Kept.open(tmp_path / "r.items", {})
    first = run(tasks.get("gad"), Scripted(likes("yes")), Ask(data_dir=data, shots=2), kept=kept)
    again = rescore(kept, "gad")
    assert {n: m.estimate() for n, m in again.scored.measurements.items()} == {
        n: m.estimate() for n, m in first.scored.measurements.items()
    }
    assert again.floors == first.floors
    assert again.items == first.items
    line = json.loads((tmp_path / "r.items" / "gad.replies.jsonl").read_text().splitlines()[0])
    assert line["messages"][-1][0] == "user"
    assert len(line["reply"]["log_likelihoods"]) == 2


def test_answers_to_other_words_are_not_mixed(data, tmp_path):
    """A task whose prompt changed asks anew; what was kept is scored as it was asked."""
    kept = Kept.open(tmp_path / "r.items", {})
    run(tasks.get("gad"), Scripted(likes("yes")), Ask(data_dir=data), kept=kept)
    newer = tasks.get("gad").model_copy(update={"prompt": "{text} Yes or no?"})
    with pytest.raises(UserError, match=r"gad.replies.jsonl: test\d+\|options was asked in other words"):
        run(newer, Scripted(likes("yes")), Ask(data_dir=data), kept=kept)
    with pytest.raises(UserError, match=r"was asked in other words"):
        run(tasks.get("gad"), Scripted(likes("yes")), Ask(data_dir=data, shots=1), kept=kept)


def test_answers_of_another_model_are_not_mixed(tmp_path):
    Kept.open(tmp_path / "r.items", {"model": "one", "shots": 0})
    with pytest.raises(UserError, match=r"holds answers of another evaluation \(shots: was 0, is 5\)"):
        Kept.open(tmp_path / "r.items", {"model": "one", "shots": 5})
    Kept.open(tmp_path / "r.items", {"model": "two", "shots": 0}, overwrite=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    with pytest.raises(UserError, match=r"is not empty and holds no evaluation"):
        Kept.open(tmp_path / "other", {})


@pytest.mark.parametrize(
    ("task", "ask", "says"),
    [
        ("medqa", {"shots": 2}, r"medqa has no split to take examples from; ask it with --shots 0"),
        ("gad", {"shots": 9}, r"gad: 9 examples are asked for, but there are 8"),
        ("mmlu-general", {"shots": 4}, r"mmlu-general: 4 examples are asked for, but there are 3 of law"),
        ("gad", {"shots": 1, "split": "train"}, r"gad: examples come from split train, which is being asked"),
        ("general-sentences", {}, r"the NLL of running text needs a decoder-only model in this process"),
    ],
)
def test_what_cannot_be_asked(data, task, ask, says):
    with pytest.raises(UserError, match=says):
        run(tasks.get(task), Scripted(likes("yes")), Ask(data_dir=data, **ask))


def test_groups_of_tasks():
    assert [spec.name for spec in check_tasks(["group:forgetting", "mmlu-general"])] == [
        "general-sentences",
        "mmlu-general",
    ]
    with pytest.raises(UserError, match=r"there is no group 'blurp' \(did you mean 'blurb'\?\)"):
        check_tasks(["group:blurp"])
    with pytest.raises(UserError, match=r"no task is named"):
        check_tasks([])
