"""``counterpoise evaluate`` and ``counterpoise tasks`` as a user meets them, an endpoint that fails included."""

import json
from pathlib import Path

import pytest

from counterpoise.data.example import Example, Message
from fake_endpoint import FakeEndpoint, Refusal


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("COUNTERPOISE_DATA", raising=False)


@pytest.fixture
def data(tmp_path):
    rows = [
        {"id": f"q{i}", "subject": "s", "question": f"Which, {i}?", "options": ["Left", "Right"], "answer": i % 2}
        for i in range(6)
    ]
    path = tmp_path / "data/medqa/medqa_us_test_even.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows[:4], {**rows[4], "answer": 7}, rows[5]]))
    return tmp_path / "data"


def test_the_list_of_tasks(run, data):
    code, shown, _ = run("tasks", "--data-dir", data)
    assert code == 0
    line = next(line for line in shown.splitlines() if line.startswith("medqa "))
    assert line.split()[:5] == ["medqa", "medical-qa", "accuracy", "-/-/637", "yes"]
    assert next(line for line in shown.splitlines() if line.startswith("gene-process")).count("embedded") == 1
    rows = json.loads(run("tasks", "--json", "--data-dir", data)[1])
    assert {row["name"]: row["available"] for row in rows}["gad"] is False
    code, shown, _ = run("tasks", "show", "medqa", "--data-dir", data)
    assert "Which, 0?\n\nA. Left\nB. Right" in shown
    assert ">>> A" in shown


def test_an_endpoint_that_answers(run, data):
    with FakeEndpoint() as server:
        server.chat = lambda messages: ("A." if "Which, 0" in messages[-1]["content"] else "I would say B", "stop")
        code, shown, errors = run(
            "evaluate", "--endpoint", server.url, "-t", "medqa", "--data-dir", data, "--out", "r.json", "-q"
        )
    assert code == 0, errors
    assert "accuracy, generated" in shown
    assert "4 answers say nothing that can be read; they count as wrong" in shown
    assert "1 records cannot be used and are left out; first: medqa_us_test_even.jsonl, line 5" in shown
    row = json.loads(Path("r.json").read_text())["rows"][0]
    assert (row["n"], row["value"]) == (5, 0.2)
    code, shown, errors = run("evaluate", "--out", "r.json", "--rescore", "--json")
    assert json.loads(shown)["rows"] == [row]


def test_an_endpoint_that_fails_for_some_is_told_and_not_scored(run, data):
    """Two questions get nonsense until retries are used up; a second start asks these two alone, and gets them."""
    broken = True

    def act(payload):
        asked = payload["messages"][-1]["content"]
        return Refusal(500) if broken and ("Which, 1" in asked or "Which, 2" in asked) else None

    words = ("evaluate", "--endpoint", None, "-t", "medqa", "--data-dir", data, "--out", "r.json", "-q", "--retries", 0)
    with FakeEndpoint() as server:
        server.always, server.chat = act, lambda messages: ("A", "stop")
        words = [server.url if word is None else word for word in words]
        code, shown, errors = run(*words)
        assert code == 0, errors
        assert "medqa: 2 of 5 items have no reply (generated) and are not scored" in shown
        assert json.loads(Path("r.json").read_text())["rows"][0]["n"] == 3
        broken, asked = False, len(server.requests)
        code, shown, errors = run(*words)
        assert "not scored" not in shown
        posts = [request for request in server.requests[asked:] if request[0].endswith("completions")]
        assert len(posts) == 2


def test_log_likelihoods_at_an_endpoint(run, data):
    with FakeEndpoint() as server:
        words = ("--endpoint", server.url, "--endpoint-form", "completion", "--data-dir", data)
        code, shown, errors = run("evaluate", *words, "-t", "medqa", "-q", "--json")
    assert code == 0, errors
    rows = {row["metric"]: row for row in json.loads(shown)["rows"]}
    assert rows["accuracy"]["n"] == 5
    assert rows["accuracy"]["floors"]["options alone"] == rows["accuracy"]["value"], "the rule knows no question"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("evaluate",), r"no model is named"),
        (("evaluate", "smollm2-135m"), r"no task is named; expected --task and a name"),
        (("evaluate", "smollm2-135m", "-t", "medq"), r"task 'medq' is unknown (did you mean 'medqa'?)"),
        (("evaluate", "no-such-model", "-t", "medqa"), r"Unknown model 'no-such-model'"),
        (("evaluate", "smollm2-135m", "-t", "gad"), r"gad: no data folder is given (--data-dir or COUNTERPOISE_DATA)"),
        (("evaluate", "x", "-t", "medqa", "--method", "guess"), r"--method is 'guess'; expected options or generated"),
        (("evaluate", "--rescore"), r"name its results file with --out"),
        (("evaluate", "--rescore", "--out", "none.json"), r"none.items: there is no settings.json"),
        (("evaluate", "--endpoint", "ftp://x", "-t", "medqa"), r"ftp://x"),
        (("tasks", "export", "--lm-eval", "out"), r"no task is named"),
        (("data", "overlap", "x.jsonl", "-t", "medqa"), r"x.jsonl"),
    ],
)
def test_mistakes_are_one_sentence(run, words, says):
    code, shown, error = run(*words)
    assert code == 2
    assert error.startswith("counterpoise: ")
    assert says in error
    assert error.count("\n") == 1, error
    assert not shown


def test_overlap_and_clean_data(run, data, tmp_path):
    question = "A long question that stands in the test set and also in the training data, word by word?"
    path = tmp_path / "data/medqa/medqa_us_test_even.jsonl"
    path.write_text(
        json.dumps({"id": "q", "subject": "s", "question": question, "options": ["a", "b"], "answer": 0}) + "\n"
    )
    rows = [{"prompt": question, "completion": "b"}, {"prompt": "Another one?", "completion": "a"}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, shown, _ = run("data", "overlap", "train.jsonl", "-t", "medqa", "--data-dir", data, "--clean", "clean.jsonl")
    assert code == 0
    assert "medqa q: whole; train.jsonl:1" in shown
    assert "clean.jsonl: 1 of 2 examples" in shown
    kept = json.loads((tmp_path / "clean.jsonl").read_text())
    assert kept["messages"][0]["content"] == "Another one?"
    before = (tmp_path / "train.jsonl").read_bytes()
    for out, says in (
        ("train.jsonl", "train.jsonl: is the file that is read; name another to write"),
        ("clean.csv", "clean.csv: conversations are written as lists of turns; name a .jsonl file"),
        ("clean.txt", "clean.txt: cannot write this kind of file"),
    ):
        code, shown, error = run("data", "overlap", "train.jsonl", "-t", "medqa", "--data-dir", data, "--clean", out)
        assert (code, shown) == (2, "")
        assert says in error
    assert (tmp_path / "train.jsonl").read_bytes() == before


def test_overlap_reads_any_amount_of_data_one_example_at_a_time(run, data, tmp_path, monkeypatch):
    from counterpoise.evaluation import overlap, sources

    question = "A long question that stands in the test set and also in the training data, word by word?"
    (tmp_path / "data/medqa/medqa_us_test_even.jsonl").write_text(
        json.dumps({"id": "q", "subject": "s", "question": question, "options": ["a", "b"], "answer": 0}) + "\n"
    )
    (tmp_path / "train.jsonl").write_text(json.dumps({"prompt": question, "completion": "b"}) + "\n")
    alive = most = 0

    class Watched(Example):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def many(source, **_):
        nonlocal alive, most
        for number in range(3_000):
            alive += 1
            most = max(most, alive)
            text = question if number == 2_000 else f"Question {number} about gene {number % 7}?"
            yield Watched((Message("user", text), Message("assistant", "b")), f"train.jsonl:{number}")

    for module in (overlap, sources):
        monkeypatch.setattr(module, "iter_source", many)
    code, shown, _ = run("data", "overlap", "train.jsonl", "-t", "medqa", "--data-dir", data, "--clean", "clean.jsonl")
    assert code == 0
    assert "clean.jsonl: 2,999 of 3,000 examples" in shown
    assert most < 10
