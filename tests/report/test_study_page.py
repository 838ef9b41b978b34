"""The page of a study: true to its outcome, whole, escaped, small, and working in a browser without a network."""

import copy
import json
import math
import random
import re

import pytest
from browser import contrast, opened, overflow
from hypothesis import given, settings
from hypothesis import strategies as st
from study_outcome import ARMS, SEEDS, TASKS, curve, items, make_study
from test_page import parsed

from counterpoise.errors import UserError
from counterpoise.report import study_record, study_tables
from counterpoise.report.numbers import fraction, signed, typeset, with_interval
from counterpoise.report.study_curves import mean_line, mean_shares, png, thin
from counterpoise.report.study_page import study_page, write_study_page
from counterpoise.report.study_plots import frontiers, panels, round_ticks
from counterpoise.report.study_prose import conclusions
from counterpoise.report.study_reading import read_study_outcome

NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x00👩‍🔬"
SECTIONS = (
    "conclusions", "results", "differences-baseline", "differences-sft", "forgetting", "also", "frontier",
    "training", "weights", "heat", "by-item", "done", "notes", "made",
)  # fmt: skip
NEW = ("axes", "arm_settings", "unfinished", "budget", "budget_note", "also", "frontiers", "curves", "heat", "items")
STOPPED = {"arm": "dft", "trained_on": "all", "seed": 2, "why": "stopped at step 60 of 120"}


def hostile():
    """An outcome with NASTY for every text in it, names included."""

    def spoiled(value, key=""):
        if isinstance(value, dict):
            return {spoiled(k) if k in (*ARMS, *TASKS) else k: spoiled(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [spoiled(v, key) for v in value]
        return f"{value} {NASTY}" if isinstance(value, str) and key not in ("family", "trained_on") else value

    return spoiled(make_study())


def variants():
    whole = make_study()
    many = make_study(curves=[curve("sft", 0, random.Random(0)) | {"trained_on": task} for task in TASKS])
    return {
        "whole": whole,
        "old": {key: value for key, value in whole.items() if key not in NEW},
        "unfinished": make_study(unfinished=[STOPPED]),
        "nothing finished": make_study(scores=[], comparisons=[], unfinished=[{**STOPPED, "arm": arm} for arm in ARMS]),
        "one seed": make_study(study=whole["study"] | {"seeds": [0]}, curves=whole["curves"][::3]),
        "trained on each task": many,
        "empty": {},
        "hostile": hostile(),
    }


@pytest.mark.parametrize("name", variants())
def test_well_formed_and_ids_are_unique(name):
    found = parsed(study_page(variants()[name]))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for t, a in found.tags if t == "a" and a["href"].startswith("#")} <= set(ids)
    tags = [tag for tag, _ in found.tags]
    assert tags.count("table") == tags.count("caption")
    for tag, attributes in found.tags:
        assert "style" not in attributes
        assert not [key for key in attributes if key.startswith("on")]
        assert attributes.get("src", "data:").startswith("data:")
        if tag == "svg" and "aria-hidden" not in attributes and "y" not in attributes:  # with y: in another one
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
        assert tag != "img" or attributes["alt"]


def test_all_sections_in_order():
    found = parsed(study_page(make_study()))
    ids = [attributes.get("id") for tag, attributes in found.tags if tag == "section"]
    assert [i for i in ids if i] == list(SECTIONS)


@pytest.mark.parametrize("missing", make_study())
def test_every_key_may_be_missing(missing):
    outcome = make_study()
    del outcome[missing]
    parsed(study_page(outcome))
    parsed(study_page({missing: make_study()[missing]}))


def test_hostile_text_is_shown_not_obeyed():
    page = study_page(hostile())
    found = parsed(page)
    assert all(attributes.get("src") != "x" for tag, attributes in found.tags if tag == "img")
    assert page.count("<script") == page.count('<script type="application/json"') + 1
    assert "\u202e" not in page
    assert "\x00" not in page
    assert "U+202E" in found.text


def test_numbers_of_the_main_table_are_those_of_the_outcome():
    outcome = make_study()
    text = parsed(study_page(outcome)).text
    for score in outcome["scores"]:
        assert typeset(fraction(score["value"])) in text
        assert typeset(f"[{fraction(score['low'])}, {fraction(score['high'])}]") in text
    reading = read_study_outcome(outcome)
    for gap in reading.comparisons:
        assert typeset(with_interval(gap, signed)) in text
    (row,) = [row for row in study_tables.main_rows(reading) if row["arm"] == "sft"]
    gap = reading.gap("baseline", "sft", "pubmedqa")
    cell = row["cells"][reading.tasks.index("pubmedqa")]
    assert cell.gap == signed(gap.value)
    assert (cell.direction, cell.floor) == ("better", "")
    assert study_tables.main_rows(reading)[0]["baseline"]


def test_marks_follow_what_is_better_not_the_sign():
    reading = read_study_outcome(make_study())
    assert reading.gap("baseline", "sft", "medquad").value < 0
    assert reading.gap("baseline", "sft", "medquad").direction == "better"  # NLL: less is better
    assert reading.gap("forgetting", "sft", "general-sentences").direction == "worse"
    (panel,) = [panel for panel in panels(reading, "baseline") if panel.task == "medquad"]
    row = panel.rows[0]
    assert row.low < row.middle < row.high < panel.zero


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=30, max_size=30)
)
def test_the_prose_states_a_difference_only_where_it_is_clear(drawn):
    """Whatever values, intervals and p-values are: p below .05 and an interval without 0, or no claim."""
    outcome = make_study(frontiers=[])
    for row, (value, below, above, p) in zip(outcome["comparisons"], drawn * 2, strict=False):
        row |= {"value": value, "low": value - below, "high": value + above, "p_holm": p * 0.1}
    said = conclusions(read_study_outcome(outcome))
    for family, than in (("baseline", "than base:"), ("sft", "than sft"), ("forgetting", "than base at what")):
        rows = [row for row in outcome["comparisons"] if row["family"] == family]
        for way in ("better", "worse"):
            clear = {
                (row["ours"], row["task"])
                for row in rows
                if row["p_holm"] < 0.05
                and not row["low"] <= 0 <= row["high"]
                and (way == "better") == ((row["value"] > 0) == row["higher_is_better"])
            }
            sentences = [s for s in said.can if s.startswith(f"{way.capitalize()} {than}")]
            assert claims(sentences) == clear
    clear = sum(r["p_holm"] < 0.05 and not r["low"] <= 0 <= r["high"] for r in outcome["comparisons"])
    unclear = sum(int(n) for s in said.cannot if s.startswith("Differences that") for n in re.findall(r"(\d+) of", s))
    assert clear + unclear == len(outcome["comparisons"])


def claims(sentences):
    """The pairs (arm, task) that sentences name."""
    found = set()
    for sentence in sentences:
        body = re.sub(r"\s\([^)]*\)", "", sentence.split(": ", 1)[1].removesuffix("."))
        for part in re.split(r"; ", body):
            arms, tasks = part.split(" on ")
            found |= {(arm, task) for arm in names(arms) for task in names(tasks)}
    return found


def names(text):
    return re.split(r", | and ", text)


def test_wide_intervals_leave_nothing_to_conclude():
    outcome = make_study(frontiers=[], also={})
    for row in outcome["comparisons"]:
        row |= {"low": row["value"] - 9, "high": row["value"] + 9}
    said = conclusions(read_study_outcome(outcome))
    assert said.can == []
    assert said.cannot[0].startswith("Differences that are not told apart from none: 20 of 20 to base, 16 of 16 to sft")
    assert "of 20 differences to base, none is clear" in said.lead.lower()
    for row in outcome["comparisons"]:
        row["p_holm"] = math.nan
    assert "▲" not in parsed(study_page(outcome)).text.split("no mark: not told apart")[1].split("Training")[0]


def test_limits_are_said():
    outcome = make_study()
    text = " ".join(conclusions(read_study_outcome(outcome)).cannot)
    assert "3 training seeds: intervals over so few are too narrow" in text
    assert "At most 300 items of each task, drawn from split test" in text
    assert "Below what a trivial method reaches: on pubmedqa (majority .552) base (.505)" in text
    assert "Not clearly above what a trivial method reaches: on pubmedqa (majority .552) sft (.560)" in text
    assert "The chosen learning rate is the largest that was tried (1e-3) for sft" in text
    outcome["study"]["seeds"] = [0]
    outcome |= {"tuning": [], "budget_note": "dft saw 2,000 samples, the others 1,920."}
    text = " ".join(conclusions(read_study_outcome(outcome)).cannot)
    assert "One training seed" in text
    assert "No learning rate was searched" in text
    assert "dft saw 2,000 samples" in text


def test_an_unfinished_arm_is_named_and_in_no_number():
    outcome = make_study(unfinished=[STOPPED])
    reading = read_study_outcome(outcome)
    assert "dft" not in {score.arm for score in reading.scores} | {gap.ours for gap in reading.comparisons}
    said = conclusions(reading)
    assert said.cannot[0] == (
        "Unfinished, and in no mean and no difference here: dft (stopped at step 60 of 120, seed 2)."
    )
    assert not [s for s in [said.lead, *said.can, *said.cannot[1:]] if "dft" in s]
    (row,) = [row for row in study_tables.main_rows(reading) if row["arm"] == "dft"]
    assert all(cell.unfinished and not cell.value for cell in row["cells"])
    assert all(point.arm != "dft" for plot in frontiers(reading) for point in plot.points)
    _, rows = study_tables.item_table(reading)
    assert set(rows["value dft"]) == {None}
    assert "stopped at step 60 of 120" in parsed(study_page(outcome)).text


def test_an_arm_unfinished_on_one_task_keeps_the_others():
    outcome = make_study(unfinished=[{**STOPPED, "arm": "sft", "trained_on": "medquad"}])
    for row in (*outcome["scores"], *outcome["comparisons"]):
        if row["trained_on"] == "all":
            row["trained_on"] = row["task"]
    reading = read_study_outcome(outcome)
    assert reading.score("sft", "medquad") is None
    assert reading.score("sft", "pubmedqa") is not None
    assert not reading.gaps("sft", "medquad")  # what they are compared with is unfinished
    assert reading.gaps("sft", "pubmedqa")


def test_frontier_in_the_field_and_only_settled_places_are_claimed():
    reading = read_study_outcome(make_study())
    plot = frontiers(reading)[0]
    assert [point.arm for point in plot.points] == list(ARMS[1:])  # the baseline is the origin
    for point in plot.points:
        assert 0 <= point.x[0] <= point.x[1] <= point.x[2] <= 100
        assert 0 <= point.y[2] <= point.y[1] <= point.y[0] <= 300  # more lost is higher up
    assert len(plot.front) == sum(point.on_front for point in plot.points) - 1
    (said, _) = [s for s in conclusions(reading).can if s.startswith("What is gained")]
    assert "dft lies off the front and sft lies on it" in said
    assert "bft" not in said


def test_budget_is_called_the_same_only_if_it_is():
    outcome = make_study()
    assert "all arms saw the same" in study_record.budget_said(read_study_outcome(outcome))
    outcome["budget"][0]["order"] = "another"
    assert "not trained on the same" in study_record.budget_said(read_study_outcome(outcome))
    outcome["budget_note"] = "sft saw them in another order."
    assert study_record.budget_said(read_study_outcome(outcome)) == "sft saw them in another order."


def test_every_rate_is_shown_and_the_chosen_one_marked():
    table = study_record.tuning(read_study_outcome(make_study()))
    assert table["rates"] == ["1e-4", "3e-4", "1e-3"]
    (row,) = [row for row in table["rows"] if (row["arm"], row["task"]) == ("sft", "medquad")]
    assert [chosen for _, chosen in row["cells"]] == [False, False, True]


def test_means_over_seeds_are_over_all_of_them():
    lines = [[(1.0, 2.0), (2.0, 4.0)], [(1.0, 4.0), (3.0, 0.0)]]
    assert mean_line(lines) == [(1.0, 3.0)]
    assert mean_line([lines[0], []]) == []
    runs = [{"h": [[1, 3], [4, 0]]}, {"h": [[6, 2], [0, 8]]}]
    assert mean_shares(runs, "h") == [[0.5, 0.5], [0.5, 0.5]]
    assert mean_shares([*runs, {"h": None}], "h") == []


def test_thinned_lines_keep_their_mean():
    line = [(float(i), math.sin(i)) for i in range(1000)]
    short = thin(line, 100)
    assert len(short) == 100
    assert sum(v for _, v in short) / 100 == pytest.approx(sum(v for _, v in line) / 1000)


def test_a_strip_is_the_image_that_was_asked_for():
    image = pytest.importorskip("PIL.Image")
    from io import BytesIO

    picture = image.open(BytesIO(png([[0, 64, 255], [255, 0, 128]]))).convert("RGBA")
    assert picture.size == (2, 3)
    assert [picture.getpixel((0, y))[3] for y in range(3)] == [255, 64, 0]  # the first value lies at the bottom
    assert [picture.getpixel((1, y))[3] for y in range(3)] == [128, 0, 255]


@given(st.floats(-1e4, 1e4), st.floats(1e-6, 1e4))
def test_ticks_are_few_and_inside(low, span):
    ticks = round_ticks(low, low + span)
    assert 1 <= len(ticks) <= 5
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in ticks)


def large():
    """Six arms, three seeds, five tasks with a model each, 300 items a task, long texts."""
    draw = random.Random(1)
    text = "A question about a gene, its product, what it binds, and what is known of it in people. " * 4
    runs = [
        curve(arm, seed, draw, steps=1000) | {"trained_on": f"task-{task}"}
        for arm in ARMS for seed in SEEDS for task in range(5)
    ]  # fmt: skip
    asked = {f"task-{i}": items("medquad", draw, 300, text) for i in range(5)}
    heat = make_study()["heat"][0]
    long = {key: heat[key] * 60 for key in ("tokens", "confidence")}
    long["weights"] = dict.fromkeys(ARMS[1:], heat["confidence"] * 60)
    return make_study(curves=runs, items=asked, heat=[heat | long] * 6)


def test_a_large_study_is_small_and_not_slow():
    page = study_page(large())
    assert len(page.encode()) < 3_000_000


def test_written_whole_and_the_reason_said_if_it_cannot_be(tmp_path):
    path = tmp_path / "new" / "report.html"
    write_study_page(json.loads(json.dumps(make_study())), path)
    assert path.read_text(encoding="utf-8") == study_page(make_study())
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(UserError, match="cannot be written"):
        write_study_page(make_study(), path / "report.html")


def test_the_outcome_is_left_as_it_was():
    outcome = make_study()
    before = copy.deepcopy(outcome)
    study_page(outcome)
    assert outcome == before


def written(tmp_path, outcome):
    path = tmp_path / "report.html"
    write_study_page(outcome, path)
    return path


def test_in_a_browser(browser, tmp_path):
    path = written(tmp_path, make_study())
    with opened(browser, path) as page:
        assert overflow(page) <= 0
        assert page.locator("section").count() == len(SECTIONS)
        page.locator("#items").scroll_into_view_if_needed()
        page.locator('#items input[type="search"], #items input[type="text"]').first.fill("Question 7 of pubmedqa")
        page.locator("#items .table-status", has_text="Showing 1 of 1,100").wait_for()
        assert page.locator("#tokens input[type=radio]").count() == 4
        height = page.evaluate("document.querySelector('.gaps .drawn svg').getBoundingClientRect().height")
        assert height > 20
        assert len(set(page.screenshot()[-4000:])) > 50  # not one colour
        natural = page.evaluate("Array.from(document.images, image => image.naturalWidth)")
        assert natural
        assert min(natural) > 10


@pytest.mark.parametrize("name", ["whole", "unfinished", "hostile", "trained on each task"])
def test_no_sideways_scrolling_on_a_phone(browser, tmp_path, name):
    with opened(browser, written(tmp_path, variants()[name]), width=360, height=740) as page:
        assert overflow(page) <= 0
        assert page.locator("main").inner_text()


def test_dark_and_without_scripts(browser, tmp_path):
    path = written(tmp_path, make_study())
    for dark in (False, True):
        with opened(browser, path, dark=dark, scripts=False) as page:
            for selector in (".lead", ".results .interval", ".results .gap", ".gaps td.number", ".note", "caption"):
                assert contrast(page, selector) >= 4.5, (selector, dark)
            assert page.locator("#items tbody tr").count() == 50


def test_models_of_one_arm_are_told_apart_by_what_they_learned():
    outcome = make_study()
    lost = [row for row in outcome["comparisons"] if row["family"] == "forgetting"]
    outcome["comparisons"] += [{**row, "trained_on": "medquad"} for row in lost]
    outcome["comparisons"] += [{**lost[0], "ours": "5-shot", "trained_on": "none"}]
    reading = read_study_outcome(outcome)
    (panel,) = [panel for panel in panels(reading, "forgetting") if panel.task == "general-sentences"]
    assert {"sft (trained on all)", "sft (trained on medquad)", "5-shot"} <= {row.label for row in panel.rows}
    assert {row.label for panel in panels(reading, "baseline") for row in panel.rows} == set(ARMS[1:])
    (said,) = [s for s in conclusions(reading).can if s.startswith("Worse than base at what may be forgotten")]
    assert "sft (trained on medquad) on general-sentences" in said
