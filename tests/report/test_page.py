"""The page: well-formed, self-contained, escaped, complete, and true to the numbers it was given."""

import copy
import re
from html.parser import HTMLParser

import pytest
from demo_outcome import ARMS, FORGETTING, STARVED, make_outcome

from counterpoise.report import write_demo_page
from counterpoise.report.page import demo_page
from counterpoise.report.plots import GROUPS, bars, curves, forest, level, nll_rose_while_loss_fell, visible
from counterpoise.report.prose import starved, tuning_edges
from counterpoise.report.reading import read

VOID = {"meta", "link", "br", "hr", "img", "input", "col"}
SECTIONS = ("results", "forest", "done", "training", "weight", "why", "forgetting", "limits", "made")
NASTY = "</style><script>alert(1)</script><img src=x onerror=alert(1)>"


class Checker(HTMLParser):
    """Collects tags, and fails where one is not closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def parsed(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def assert_without_script(page):
    """Nothing that runs, nothing from elsewhere, one strict policy, and no control character left to act."""
    found = parsed(page)
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in found.tags:
        assert tag not in ("script", "iframe", "object", "embed", "img", "base", "form")
        assert "src" not in attributes
        assert "style" not in attributes
        assert not [key for key in attributes if key.startswith("on")]
    policies = [a["content"] for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert "default-src 'none'" in policies[0]
    assert "\u202e" not in page


def variants():
    bare = make_outcome(arms={})
    for name in ("weights", "tuning", "environment"):
        bare[name] = None
    return {
        "all arms": make_outcome(),
        "no arm": make_outcome(arms={}),
        "one arm": make_outcome(arms={"bft": ARMS["bft"]}),
        "nothing beats the base": make_outcome(dict.fromkeys(STARVED, 0.3)),
        "bare": bare,
        "hostile": make_outcome(example=NASTY, arms={"sft": (NASTY, NASTY)}),
    }


@pytest.mark.parametrize("name", variants())
def test_every_tag_is_closed_and_ids_are_unique(name):
    found = parsed(demo_page(variants()[name]))
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", variants())
def test_nothing_is_loaded_or_run(name):
    found = parsed(demo_page(variants()[name]))
    for tag, attributes in found.tags:
        assert tag not in ("script", "iframe", "object", "embed", "img", "base", "form")
        assert "src" not in attributes
        assert "style" not in attributes
        assert not [key for key in attributes if key.startswith("on")]
        if tag == "link":
            assert attributes["href"] == "data:,"
        elif "href" in attributes:
            assert tag == "a"
            assert re.match(r"https://|#", attributes["href"])
    policy = next(a["content"] for t, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_style_loads_nothing():
    style = re.search(r"<style>(.*?)</style>", demo_page(make_outcome()), re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_strings_are_shown_not_obeyed():
    outcome = make_outcome(example=NASTY, arms={"sft": (NASTY, NASTY)})
    outcome["recipe"]["model"] = NASTY
    outcome["environment"]["model"]["detail"] = NASTY
    outcome["floors"][NASTY] = outcome["floors"]["chance"]
    outcome["weights"]["examples"][0]["tokens"][0] = NASTY
    page = demo_page(outcome)
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("</style>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_all_sections_and_the_numbers_of_the_table():
    found = parsed(demo_page(make_outcome()))
    ids = [attributes.get("id") for tag, attributes in found.tags if tag == "section"]
    assert [i for i in ids if i] == list(SECTIONS)
    for number in (".558", "[.518,\N{NO-BREAK SPACE}.598]", "6.88", "−.079", "naive Bayes, same rows", "CC BY 4.0"):
        assert number in found.text


def test_sections_without_data_are_left_out():
    found = parsed(demo_page(variants()["bare"]))
    ids = {attributes.get("id") for tag, attributes in found.tags if tag == "section"}
    assert ids.isdisjoint({"training", "weight", "why"})
    assert {"results", "forest", "limits"} <= ids


def test_tables_have_captions_and_header_scopes_and_figures_a_name():
    found = parsed(demo_page(make_outcome()))
    tags = [tag for tag, _ in found.tags]
    assert tags.count("table") == tags.count("caption") >= 6
    assert all("scope" in attributes for tag, attributes in found.tags if tag == "th")
    for tag, attributes in found.tags:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert "aria-label" in attributes or "aria-labelledby" in attributes


def test_written_whole_into_a_folder_that_is_made(tmp_path):
    path = tmp_path / "new" / "report.html"
    write_demo_page(make_outcome(), path)
    assert path.read_text(encoding="utf-8") == demo_page(make_outcome())
    assert list(path.parent.iterdir()) == [path]


def test_a_mean_over_no_tokens_is_shown_as_absent():
    outcome = copy.deepcopy(make_outcome())
    for share in outcome["weights"]["shares"].values():
        share["low_token_weight"] = float("nan")
    assert "nan" not in parsed(demo_page(outcome)).text.lower()


def test_forest_places_numbers_in_order_and_on_the_page():
    laid = forest(read(make_outcome()))
    for row in laid.rows:
        assert 0 <= row.low <= row.middle <= row.high <= 100
    by_label = {row.label: row for row in laid.rows}
    assert by_label["base model"].middle < by_label["DFT"].middle < by_label["SFT"].middle
    assert [name for _, name in laid.lines] == ["chance", "naive Bayes, same rows"]
    assert not by_label["chance"].has_interval


def test_bars_add_up_and_keep_their_order():
    for bar in bars(make_outcome()["weights"]):
        assert [part[0] for part in bar.parts] == list(GROUPS)
        assert sum(part[2] for part in bar.parts) == pytest.approx(100)


def test_curves_say_where_the_objective_falls_and_nll_rises():
    reading = read(make_outcome())
    laid = curves(reading.arms)
    assert set(laid) == set(ARMS)
    assert laid["sft"]["nll"].rose is False
    assert nll_rose_while_loss_fell(reading.arms) == ["DFT", "BFT", "BFT, floor 0.3", "BFT, SFT share 0.5"]
    heights = [float(y) for y in re.findall(r",([\d.]+)", laid["dft"]["nll"].raw)]
    assert heights == sorted(heights, reverse=True)  # y grows downward


def test_who_starves():
    outcome = make_outcome()
    assert starved(read(outcome)) == ["DFT", "BFT", "BFT, floor 0.3", "BFT, SFT share 0.5"]
    assert "Why confidence weighting starves here" in demo_page(outcome)
    for share in outcome["weights"]["shares"].values():
        share["low"] = 0.4
    assert starved(read(outcome)) == []
    assert "no objective starves" in demo_page(outcome)


def test_the_starved_are_not_said_to_lose_where_they_do_not():
    losing = demo_page(make_outcome())
    assert "DFT, BFT and BFT, floor 0.3 fell behind SFT" in losing
    winning = demo_page(make_outcome(dict.fromkeys(STARVED, 0.5), FORGETTING))
    assert "none fell measurably behind SFT" in winning


def test_rates_at_the_edge_of_the_grid_are_named():
    outcome = make_outcome()
    assert tuning_edges(read(outcome)) == (
        "At the grid's edge: SFT and BFT, SFT share 0.5 did best at the smallest rate; BFT, floor 0.3 at the largest. "
        "A rate beyond it, which was not tried, might do better still."
    )
    for arm in outcome["tuning"]["arms"].values():
        arm["rate"] = 1e-4
    assert tuning_edges(read(outcome)) == "Every arm shown did best inside the grid."


@pytest.mark.parametrize(
    ("weight", "step"), [(0, 0), (0.04, 0), (0.5, 5), (1, 10), (7, 10), (-1, 0), (float("nan"), 0)]
)
def test_background_steps(weight, step):
    assert level(weight) == step


def test_white_space_of_tokens_is_visible():
    assert visible(" homeostasis") == "·homeostasis"
    assert visible("<|im_end|>\n") == "<|im_end|>↵"
    assert visible("") == "∅"
