"""The whole pipeline with a scripted model: a hundred records, files, going on, stopping, and failing."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import torch
from instruction_writer import Writer, record

from counterpoise.data.reading import read_examples
from counterpoise.errors import Stopped, UserError
from counterpoise.evaluation.backend import Reply
from counterpoise.evaluation.drawing import Sampling
from counterpoise.evaluation.subjects import LocalModel
from counterpoise.instructing import Recipe, prepare
from counterpoise.instructing.asking import backend_of
from counterpoise.instructing.leakage import TestSets
from counterpoise.instructing.record import labelled
from counterpoise.instructing.seeds import read_seeds
from tiny_families import write_family

SEEDS = read_seeds()
CATEGORIES = SEEDS.categories


@pytest.fixture(autouse=True)
def few_test_sets(monkeypatch):
    """What the package embeds is compared with in a test of its own."""
    from counterpoise.data.contamination import TestIndex

    def load(data_dir=None, say=None):
        del data_dir, say
        found = TestSets(TestIndex())
        found.add("exam", {"q1": "the patient drank nine cups of cold tea before noon on a monday"})
        return found

    monkeypatch.setattr(TestSets, "load", load)


def mixed(call, query):
    """Replies of all kinds, one after the other."""
    own = record(call, CATEGORIES[call % 5])
    return {
        0: own,
        1: f"{own}\n\nRecord 2\n{record(10_000 + call, CATEGORIES[2])}",
        2: "I would rather talk about the weather.",
        3: record(0, CATEGORIES[0]),  # the same as the first
        4: own.replace("Output:", "Output: I'm sorry, but I cannot answer that."),
        5: Reply(query.id, text=own, finish="length"),
        6: own + " He drank nine cups of cold tea before noon on a Monday.",
        7: own.replace("Category: ", "Category: un"),
        8: json.dumps({"category": CATEGORIES[1], "instruction": f"Say what {call} is in Roman.", "output": f"{call}"}),
        9: own.partition("\nOutput")[0],
    }[call % 10]


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if "card" not in path.name}


def test_a_hundred_records_through_the_whole_pipeline(tmp_path):
    out, writer = tmp_path / "new.jsonl", Writer(mixed)
    plan = prepare(writer, out, count=100, recipe=Recipe(batch=7))
    assert not out.exists()  # nothing is written, and nobody asked, before run
    assert writer.asked == []
    told = []
    card = plan.run(lambda *step: told.append(step))
    found = rows(out)
    assert len(found) == card["records"] == 100
    assert len({row["id"] for row in found}) == 100
    assert all(row["category"] in CATEGORIES for row in found)
    assert all(len(row["made_from"]) == 3 and set(row["made_from"]) <= SEEDS.records.keys() for row in found)
    rejects = rows(tmp_path / "new.rejects.jsonl")
    reasons = Counter(row["reason"] for row in rejects)
    assert reasons == {key: n for key, n in card["rejects"].items() if n}
    assert set(reasons) == {"form", "near-duplicate", "refusal", "truncated", "test item", "category", "fields"}
    assert all(row["text"] and row["detail"] for row in rejects)
    assert card["found"] == 100 + card["surplus"] + len(rejects)
    assert told[-1] == ("records kept", 100, 100)
    assert told[0][:2] == ("calls, at most", 1)
    examples = read_examples(str(out)).examples  # as training reads it
    assert len(examples) == 100
    assert examples[0].id == found[0]["id"]
    assert examples[0].messages[0].content == found[0]["instruction"]
    assert "nine cups of cold tea" not in out.read_text(encoding="utf-8")
    assert len(list(SEEDS.records)) == 40


def test_each_query_shows_three_seeds_and_asks_in_the_recipes_terms(tmp_path):
    writer = Writer()
    prepare(writer, tmp_path / "new.jsonl", count=3, recipe=Recipe(batch=4, max_tokens=99)).run()
    kept = {row["id"]: row["made_from"] for row in rows(tmp_path / "new.jsonl")}
    begun = {Recipe().category(call, CATEGORIES) for call in range(50)}
    assert begun == set(CATEGORIES)
    for query in writer.asked:
        assert query.max_new_tokens == 99
        category = Recipe().category(int(query.id.split()[1]), CATEGORIES)
        assert (query.prefill, query.stop) == (f"Category: {category}\nInstruction:", ("\nCategory:",))
        shown = kept.get(f"new-{query.id.split()[1]}-1", [])
        for key in shown:
            assert labelled(SEEDS.records[key]) in query.messages[0].content


def test_run_again_it_asks_nothing_and_writes_the_same(tmp_path):
    out = tmp_path / "new.jsonl"
    card = prepare(Writer(mixed), out, count=20).run()
    before = files(tmp_path)
    again = Writer(mixed)
    out.write_text("spoilt", encoding="utf-8")
    assert prepare(again, out, count=20).run() == card
    assert again.asked == []
    assert files(tmp_path) == before


@pytest.mark.parametrize("from_accepted", [0, 2])
@pytest.mark.parametrize("die_after", [1, 5, 16, 23])
def test_stopped_anywhere_it_goes_on_as_if_it_had_not_been(tmp_path, die_after, from_accepted):
    recipe = Recipe(batch=8, from_accepted=from_accepted)
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = Writer(mixed)
    prepare(whole, tmp_path / "whole" / "new.jsonl", count=30, recipe=recipe).run()
    out = tmp_path / "parts" / "new.jsonl"
    first = Writer(mixed, die_after=die_after)
    with pytest.raises(Stopped) as stopped:
        prepare(first, out, count=30, recipe=recipe).run()
    assert stopped.value.signal_number == signal.SIGINT
    assert f"{die_after} calls are kept" in str(stopped.value)
    assert "the same command goes on" in str(stopped.value)
    second = Writer(mixed)
    prepare(second, out, count=30, recipe=recipe).run()
    assert len(first.asked) + len(second.asked) == len(whole.asked)  # nothing twice
    asked = {query.id: query for query in (*first.asked, *second.asked)}
    assert asked == {query.id: query for query in whole.asked}
    whole_files, part_files = files(tmp_path / "whole"), files(tmp_path / "parts")
    calls = "new.calls.jsonl"
    assert sorted(part_files.pop(calls).splitlines()) == sorted(whole_files.pop(calls).splitlines())
    assert part_files == whole_files


def test_a_line_cut_short_by_a_kill_is_asked_again(tmp_path):
    out = tmp_path / "new.jsonl"
    with pytest.raises(Stopped):
        prepare(Writer(die_after=5), out, count=20).run()
    journal = tmp_path / "new.calls.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    again = Writer()
    prepare(again, out, count=20).run()
    assert len(rows(out)) == 20
    numbers = [row["call"] for row in rows(journal)[1:]]
    assert sorted(numbers) == list(range(len(numbers)))


CHILD = """
import sys, time
sys.path[:0] = {paths!r}
from counterpoise.instructing import Recipe, prepare
from instruction_writer import Writer, record
def slow(call, query):
    time.sleep(0.01)
    return record(call)
prepare(Writer(slow), sys.argv[1], count=60, recipe=Recipe(batch=8)).run()
"""


def test_kill_9_loses_at_most_the_batch_in_hand(tmp_path):
    out, journal = tmp_path / "new.jsonl", tmp_path / "new.calls.jsonl"
    here = Path(__file__).parent
    code = CHILD.format(paths=[str(here), str(here.parents[1] / "src")])
    environment = {key: value for key, value in os.environ.items() if key != "COUNTERPOISE_DATA"}
    with subprocess.Popen([sys.executable, "-c", code, str(out)], env=environment) as child:
        end = time.monotonic() + 120
        while not journal.exists() or journal.read_bytes().count(b"\n") < 20:
            assert child.poll() is None
            assert time.monotonic() < end
            time.sleep(0.01)
        child.kill()
    replies = journal.read_bytes().count(b"\n") - 1
    assert replies >= 19
    assert out.read_bytes().count(b"\n") >= replies // 8 * 8 - 8
    finished = subprocess.run([sys.executable, "-c", code, str(out)], env=environment, check=False)
    assert finished.returncode == 0
    assert len(rows(out)) == 60
    numbers = [row["call"] for row in rows(journal)[1:]]
    assert len(numbers) == len(set(numbers))


def test_a_larger_count_goes_on_and_other_settings_are_refused(tmp_path):
    out = tmp_path / "new.jsonl"
    prepare(Writer(), out, count=10, recipe=Recipe(batch=4)).run()
    first = rows(out)
    more = Writer()
    prepare(more, out, count=16, recipe=Recipe(batch=4)).run()
    assert rows(out)[:10] == first
    assert len(rows(out)) == 16
    assert len(more.asked) <= 12
    with pytest.raises(UserError) as caught:
        prepare(Writer(), out, count=16, recipe=Recipe(batch=4, temperature=0.5))
    assert "calls of another run (temperature: was 0.7, is 0.5); choose another --out, or pass --over" in str(
        caught.value
    )
    with pytest.raises(UserError, match="model: was writer, is reader"):
        prepare(Writer(name="reader"), out, count=16, recipe=Recipe(batch=4))
    prepare(Writer(name="reader"), out, count=4, recipe=Recipe(batch=4), overwrite=True).run()
    assert len(rows(out)) == 4


def test_a_smaller_count_writes_fewer_and_forgets_none(tmp_path):
    out, recipe = tmp_path / "new.jsonl", Recipe(batch=4, from_accepted=2)
    prepare(Writer(), out, count=20, recipe=recipe).run()
    whole = rows(out)
    card = prepare(Writer(), out, count=6, recipe=recipe).run()
    assert rows(out) == whole[:6]
    assert card["spent"]["calls"] == 20
    again = Writer()
    prepare(again, out, count=20, recipe=recipe).run()
    assert rows(out) == whole
    assert again.asked == []


def test_a_file_of_somebody_else_is_not_touched(tmp_path):
    out = tmp_path / "new.jsonl"
    out.write_text('{"a": 1}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"has no new\.calls\.jsonl beside it"):
        prepare(Writer(), out, count=4)
    assert out.read_text(encoding="utf-8") == '{"a": 1}\n'
    with pytest.raises(UserError, match=r"expected a name that ends with \.jsonl"):
        prepare(Writer(), tmp_path / "new.csv", count=4)


def test_a_model_that_writes_nothing_of_use_ends_at_the_most_calls(tmp_path):
    writer = Writer(lambda call, query: "no")
    card = prepare(writer, tmp_path / "new.jsonl", count=10, max_calls=21).run()
    assert len(writer.asked) == 21
    assert (card["records"], card["acceptance"], card["rejects"]["form"]) == (0, 0.0, 21)
    assert (tmp_path / "new.jsonl").read_text(encoding="utf-8") == ""
    more = Writer()
    assert prepare(more, tmp_path / "new.jsonl", count=10, max_calls=40).run()["records"] == 10
    assert len(more.asked) <= 19


def test_calls_without_answer_are_counted_and_others_go_on(tmp_path):
    def rule(call, query):
        return Reply(query.id, failure="timed out") if call % 4 == 1 else record(call)

    card = prepare(Writer(rule), tmp_path / "new.jsonl", count=12, recipe=Recipe(batch=8)).run()
    assert card["records"] == 12
    assert card["rejects"]["no answer"] == 4
    assert card["acceptance"] == 1.0  # of what was answered


def test_when_nothing_is_answered_any_more_what_is_done_is_kept(tmp_path):
    out = tmp_path / "new.jsonl"

    def quota(call, query):
        return record(call) if call < 10 else Reply(query.id, failure="refused with status 429: quota exceeded")

    with pytest.raises(UserError) as caught:
        prepare(Writer(quota), out, count=40, recipe=Recipe(batch=8)).run()
    message = str(caught.value)
    assert message.startswith("8 calls in a row were not answered (refused with status 429: quota exceeded); ")
    assert "of 40 records and 16 calls are kept in" in message
    assert message.endswith("and the same command goes on")
    kept = len(rows(out))
    assert kept >= 8
    again = Writer()
    prepare(again, out, count=40, recipe=Recipe(batch=8)).run()
    assert min(int(query.id.split()[1]) for query in again.asked) == 16
    assert len(rows(out)) == 40


def test_a_seed_from_a_test_set_is_refused_before_anybody_is_asked(tmp_path):
    seeds = tmp_path / "seeds.jsonl"
    rows_of = [{"instruction": f"Name bone {i}.", "output": "A bone.", "category": "bones"} for i in range(3)]
    rows_of.append(
        {**rows_of[0], "id": "tea", "instruction": "Who drank nine cups of cold tea before noon on a monday?"}
    )
    seeds.write_text("\n".join(map(json.dumps, rows_of)), encoding="utf-8")
    writer = Writer()
    with pytest.raises(UserError, match=r"seeds\.jsonl: 1 seed holds text of a test set \(tea: .*exam, item q1"):
        prepare(writer, tmp_path / "new.jsonl", count=4, seeds=seeds)
    assert writer.asked == []
    assert not (tmp_path / "new.jsonl").exists()


def test_the_card_says_where_all_is_from_and_can_be_read(tmp_path):
    out = tmp_path / "new.jsonl"
    nasty = "<script>alert(1)</script> `code` | bar"
    writer = Writer(lambda call, query: record(call, CATEGORIES[call % 5], f" {nasty} ```\n# heading {call}"))
    card = prepare(writer, out, count=25, prices=(1.0, 2.0)).run()
    assert json.loads((tmp_path / "new.card.json").read_text(encoding="utf-8")) == card
    page = (tmp_path / "new.card.md").read_text(encoding="utf-8")
    assert card["model"]["fingerprint"] in page
    assert card["template"]["sha256"][:16] in page
    template = Path(sys.modules["counterpoise.instructing"].__file__).parent / "template.txt"
    assert card["template"]["sha256"] == hashlib.sha256(template.read_text("utf-8").strip().encode()).hexdigest()
    assert card["categories"] == dict.fromkeys(CATEGORIES, 5)
    assert sum(card["nearest_seed"]["histogram"].values()) == 25
    assert card["nearest_seed"]["most"] <= 0.7
    assert card["spent"]["money"] == pytest.approx(
        (card["spent"]["prompt_tokens"] + 2 * card["spent"]["reply_tokens"]) / 1e6
    )
    assert card["lengths"]["input"]["most"] == 0
    assert card["tests"]["items"] == {"exam": 1}
    assert "No record shares a run of 8 words with any of 1 test items" in page
    assert "Apache-2.0" in page
    assert "No person has checked them" in page
    assert {row["category"] for row in card["examples"]} == set(CATEGORIES)
    for line in page.splitlines():  # what the model wrote stands in indented code alone
        if "<script>" in line or "# heading" in line:
            assert line.startswith("    ")


def test_distinct_ngrams_and_lengths_by_hand():
    from counterpoise.instructing.card import _distinct, _lengths

    found = _distinct(["a b a b", "a b"])
    assert found == {"1": pytest.approx(2 / 6), "2": pytest.approx(2 / 4), "3": pytest.approx(2 / 2)}
    assert _lengths(["a b c", "", "a"]) == {"mean": 2.0, "median": 2.0, "least": 1, "most": 3}


def test_a_random_model_runs_through_the_pipeline_and_yields_nothing(tmp_path):
    torch.manual_seed(0)
    folder = write_family("llama", tmp_path / "model", max_position_embeddings=4096)
    recipe = Recipe(batch=4, max_tokens=8)
    card = prepare(LocalModel(str(folder)), tmp_path / "new.jsonl", count=5, max_calls=8, recipe=recipe).run()
    assert card["records"] == 0
    assert card["found"] == 8
    assert len(card["model"]["fingerprint"]) == 16
    again = prepare(LocalModel(str(folder)), tmp_path / "new.jsonl", count=5, max_calls=8, recipe=recipe)
    assert again.is_done


def test_a_local_model_is_drawn_from_or_at_temperature_0_asked_for_its_likeliest_answer(tmp_path):
    subject = LocalModel(str(write_family("t5", tmp_path / "t5")))
    drawn, likeliest = (backend_of(subject, Recipe(temperature=t, top_p=0.9, seed=4)) for t in (0.7, 0))
    assert drawn.sampling == Sampling(0.7, 0.9, 4)
    assert likeliest.sampling is None
