"""The page of ``counterpoise inspect``: complete, true to its numbers, escaped, quick to build, at home anywhere."""

import copy
import re
import time

import pytest
from browser import opened, overflow
from inspection_outcome import make_heat, make_outcome, make_samples
from test_page import parsed

from counterpoise.errors import UserError
from counterpoise.report import inspection_prose as prose
from counterpoise.report import write_inspection_page
from counterpoise.report.histograms import histogram
from counterpoise.report.inspection_page import inspection_page

SECTIONS = (
    "weight",
    "distributions",
    "diagnostic",
    "token-by-token",
    "bad-data",
    "all-samples",
    "limits",
    "made",
)
NASTY = "</style></script><script>alert(1)</script><img src=x onerror=alert(1)>\u202e"


def bare():
    """An outcome of one short sample and no objective: nothing to compare, nothing suspicious."""
    outcome = make_outcome(1)
    outcome |= {"objectives": {}, "suspects": [], "suspect_count": 0, "heat": {}, "environment": {}, "samples": {}}
    outcome["diagnostic"] = None
    return outcome


def one_text():
    """No comparison text, no terms, and samples too few for some intervals and for some values."""
    outcome = make_outcome(2)
    outcome["diagnostic"]["texts"] = outcome["diagnostic"]["texts"][:1]
    outcome["diagnostic"]["enrichment"] = None
    for key in ("low_share", "group_b"):
        outcome["diagnostic"]["texts"][0][key] |= {"low": None, "high": float("nan")}
    for key in ("longest_run", "group_a"):
        outcome["diagnostic"]["texts"][0][key] = None
    return outcome


def hostile():
    """Everything that comes from data or from the command line is a trap."""
    outcome = make_outcome(20)
    outcome["command"] = NASTY
    outcome["model"] = {"name": NASTY, "detail": NASTY}
    outcome["data"] |= {"source": NASTY, "split": NASTY, "warnings": [NASTY], "left_out": {NASTY: 1}}
    outcome["objectives"] = {NASTY: outcome["objectives"]["BFT v3"]}
    outcome["diagnostic"]["texts"][0]["name"] = NASTY
    outcome["diagnostic"]["enrichment"] |= {"terms": NASTY, "note": NASTY}
    for row in outcome["diagnostic"]["sensitivity"]:
        row["text"] = NASTY
    outcome["suspects"][0] |= {"id": NASTY, "source": NASTY, "reasons": [NASTY], "text": NASTY}
    for key in ("id", "source", "group", "flags", "text"):
        outcome["samples"][key][0] = NASTY
    for key in ("p_conf", "sample_weight"):
        outcome["samples"][key] = {NASTY: outcome["samples"][key]["BFT v3"]}
    heat = make_heat(NASTY, n=3, tokens=[NASTY, "\ud83d", "\x00"], id=NASTY, source=NASTY, note=NASTY, prompt=NASTY)
    heat["window"] = {"start": 0, "length": 1}
    for key in ("weights", "sample_weight", "p_conf"):
        heat[key] = {NASTY: heat[key]["BFT v3"]}
    outcome["heat"]["hardest"] = [heat]
    return outcome


VARIANTS = {"all": make_outcome, "bare": bare, "one text": one_text, "hostile": hostile}


@pytest.mark.parametrize("name", VARIANTS)
def test_well_formed_and_self_contained(name):
    page = inspection_page(VARIANTS[name]())
    found = parsed(page)
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in found.tags:
        assert tag not in ("iframe", "object", "embed", "img", "base", "form")
        assert "src" not in attributes
        assert "style" not in attributes
        assert not [key for key in attributes if key.startswith("on")]
    scripts = [attributes for tag, attributes in found.tags if tag == "script"]
    assert sum("type" not in attributes for attributes in scripts) == 1
    assert all(attributes.get("type", "application/json") == "application/json" for attributes in scripts)
    assert len([1 for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy"]) == 1
    assert "nan" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL).lower().split()


def test_sections_stand_in_order_and_those_without_data_are_left_out():
    def sections(outcome):
        tags = parsed(inspection_page(outcome)).tags
        return tuple(a["id"] for tag, a in tags if tag == "section" and "id" in a)

    assert sections(make_outcome()) == SECTIONS
    assert sections(bare()) == ("weight", "distributions", "bad-data", "limits", "made")


def test_the_numbers_are_those_of_the_outcome():
    text = parsed(inspection_page(make_outcome())).text
    for number in (
        "a probability of .562 on average",
        "19.0\N{NO-BREAK SPACE}% under SFT, 2.0\N{NO-BREAK SPACE}% under DFT and 5.0\N{NO-BREAK SPACE}% under BFT v3",
        ".410[.120,\N{NO-BREAK SPACE}.660]",
        "2.57 times as many [2.20,\N{NO-BREAK SPACE}3.01]",
        "29.0\N{NO-BREAK SPACE}%[26.0\N{NO-BREAK SPACE}%, 32.0\N{NO-BREAK SPACE}%]",
        "2 of the 7 samples",
        "duplicate 4, low-confidence 3 and mojibake 1",
        "12 answers were cut at 1024 tokens",
        "3: no supervised token",
        "0.1.0 at commit 0123456789abcdef+",
    ):
        assert number in text


def test_starving_is_said_only_where_it_happens():
    outcome = make_outcome()
    assert "Under DFT and BFT v3 that is less than half" in prose.where_the_weight_goes(outcome)
    outcome["objectives"]["BFT v3"]["shares"]["low"] = 0.0951
    assert "Under DFT that is less than half" in prose.where_the_weight_goes(outcome)
    outcome["objectives"]["DFT"]["shares"]["low"] = 0.2
    assert "No objective gives them less than half" in prose.where_the_weight_goes(outcome)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.0, 0.1, "which is less"), (0.4, 0.5, "which is more"), (0.3, 0.4, "cannot be told"), (None, None, "too few")],
)
def test_texts_are_told_apart_only_where_intervals_lie_apart(low, high, said):
    outcome = make_outcome()
    texts = outcome["diagnostic"]["texts"] = outcome["diagnostic"]["texts"][:2]
    texts[0]["group_b"] = {"value": 0.29, "low": 0.26, "high": 0.32}
    texts[1]["group_b"] = {"value": 0.3, "low": low, "high": high}
    assert said in prose.dense_or_sparse(outcome)


def test_windows_of_like_length_are_compared_where_they_were_read():
    outcome = make_outcome()
    whole, other, short = outcome["diagnostic"]["texts"]
    whole["group_b"] = {"value": 0.9, "low": 0.85, "high": 0.95}
    other["group_b"] = {"value": 0.06, "low": 0.03, "high": 0.09}
    short["group_b"] = {"value": 0.07, "low": 0.05, "high": 0.1}
    said = prose.dense_or_sparse(outcome)
    assert "In the data, 90.0 % of the windows" in said
    assert "and 7.0 % in windows as short" in said
    assert said.endswith("in general sentences 6.0 %, which cannot be told apart: the intervals overlap.")
    short["name"] = "general sentences, in windows of 24 tokens"  # the other way round: theirs are the long ones
    assert prose.dense_or_sparse(outcome).endswith(
        "in general sentences, in windows of 24 tokens 7.0 %, which is less: the intervals lie apart."
    )


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(1.1, 3.0, "more terms"), (0.1, 0.9, "fewer terms"), (0.9, 3.0, "cannot be told apart"), (None, None, "too few")],
)
def test_enrichment_is_claimed_only_where_the_interval_allows(low, high, said):
    outcome = make_outcome()
    outcome["diagnostic"]["enrichment"]["ratio"] = {"value": 1.0, "low": low, "high": high}
    assert said in prose.enrichment(outcome)


def test_histograms_keep_shares_and_one_scale_where_asked():
    laid = histogram("h", [1, 3, 0, 0], ("0", ".5", "1"))
    assert laid.bars == [(0.0, 25.0, 33.3), (25.0, 25.0, 100.0), (50.0, 25.0, 0.0), (75.0, 25.0, 0.0)]
    assert laid.text == "most, 75.0 %, between 0.25 and 0.5"
    assert laid.ticks == [(0.0, "0", "start"), (50.0, ".5", "middle"), (100.0, "1", "end")]
    assert histogram("h", [1, 3], ("0", "1"), top=1.0).bars[1][2] == 75.0
    assert histogram("h", [0, 0], ("0", "1")).text == "no values"


def test_columns_that_say_nothing_are_left_out():
    page = inspection_page(make_outcome())
    table = page.split('id="samples"')[1].split("</thead>")[0]
    assert "p_conf, BFT v3" in table
    assert "p_conf, SFT" not in table
    assert "Weight, SFT" not in table


def test_written_whole_into_a_folder_that_is_made_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "report.html"
    write_inspection_page(hostile(), path)  # holds a lone surrogate, which UTF-8 cannot
    assert list(path.parent.iterdir()) == [path]
    path.read_bytes().decode("utf-8")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"report.html: cannot be written"):
        write_inspection_page(make_outcome(), tmp_path / "file" / "report.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"folder: cannot be written \(Is a directory\)"):
        write_inspection_page(make_outcome(), tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder", "new"]


def test_a_usual_page_is_small():
    outcome = make_outcome(3_000)
    outcome["heat"] = {
        key: [make_heat(f"{key} {i}", n=250, seed=i) for i in range(12)] for key in ("hardest", "typical", "easiest")
    }
    assert len(inspection_page(outcome).encode()) < 3_000_000


def test_a_hundred_thousand_samples_build_in_time_and_open(browser, tmp_path):
    outcome = make_outcome(1, samples=make_samples(100_000))
    path = tmp_path / "report.html"
    start = time.perf_counter()
    write_inspection_page(outcome, path)
    assert time.perf_counter() - start < 30
    assert path.stat().st_size < 12_000_000
    with opened(browser, path) as page:
        page.locator("#samples .table-status", has_text="Showing 100,000 of 100,000").wait_for()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    paths = {}
    for name in ("all", "hostile", "bare"):
        paths[name] = tmp_path_factory.mktemp("pages") / f"{name}.html"
        write_inspection_page(copy.deepcopy(VARIANTS[name]()), paths[name])
    return paths


@pytest.mark.parametrize("name", ["all", "hostile", "bare"])
@pytest.mark.parametrize("look", [{}, {"dark": True}, {"width": 360, "height": 780}, {"scripts": False, "width": 360}])
def test_opens_anywhere_without_complaint_or_sideways_scrolling(browser, written, name, look):
    with opened(browser, written[name], **look) as page:
        for heading in page.locator("details summary").all():
            if heading.is_visible() and not heading.evaluate("it => it.parentElement.open"):
                heading.click()
        assert overflow(page) == 0
        assert page.locator("img").count() == 0
        assert not re.search("[\u202a-\u202e\x00]", page.inner_text("body"))
        assert page.inner_text("h1") == "Where would each objective put its weight?"


def test_its_parts_are_alive(browser, written):
    with opened(browser, written["all"]) as page:
        page.locator("#samples thead button", has_text="NLL").click()
        assert page.locator("#samples th[aria-sort=ascending]").inner_text().startswith("NLL")
        page.locator("#tokens label", has_text="DFT weight").click()
        assert page.inner_text("#tokens .heat-what") == "DFT weight"
        page.fill("#suspects input[type=search]", "mojibake")
        page.locator("#suspects .table-status", has_text="Showing 1 of 2").wait_for()
