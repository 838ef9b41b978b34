"""Tables and token maps: what stands in the page, what the script makes of it, and that data cannot do harm."""

import gzip
import json
import math
import re
from base64 import b64decode
from hashlib import sha256

import pytest
from browser import contrast, opened, overflow
from hypothesis import given
from hypothesis import strategies as st
from inspection_outcome import make_heat, make_samples

from counterpoise.report import components
from counterpoise.report.components import Column
from counterpoise.report.environment import environment, style, write_page
from counterpoise.report.safe_text import excerpt, script_json, shown, spelled, well_formed
from counterpoise.report.sample_tables import CHOICES, COMPRESSED_FROM, STATIC_ROWS
from counterpoise.report.token_maps import TOKENS

COLUMNS = [
    Column("index", "Row", "number", 0),
    Column("text", "Text", "text"),
    Column("source", "Source", "label"),
    Column("nll", "NLL", "number", 3, "Nats per token."),
    Column("low_share", "Low", "percent"),
]
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>]]>",
    "\u202egnp.exe\u202c \u2066x\u2069",
    "👩🏽‍🔬 👨‍👩‍👧 é ي",
    "nul \x00 bell \x07",
    "lone \ud83d surrogate",
    "A" * 1_000_000,
]


def page_of(*parts):
    """A page that holds ``parts`` and nothing else."""
    template = environment().from_string(
        "{% extends 'base.html.j2' %}{% block policy %}{{ head }}{% endblock %}"
        "{% block content %}{% for part in parts %}{{ part }}{% endfor %}{% endblock %}"
        "{% block scripts %}{{ scripts }}{% endblock %}"
    )
    return template.render(style=style(), head=components.head(), scripts=components.scripts(), parts=parts)


@pytest.fixture
def write(tmp_path):
    def written(*parts):
        path = tmp_path / "page.html"
        write_page(page_of(*parts), path)
        return path

    return written


def make_table(rows, columns=COLUMNS, name="rows"):
    return components.sample_table(name, columns, rows, caption="All rows")


def small_rows():
    return {
        "index": [0, 1, 2, 3],
        "text": ["item 10", "Item 9", "", "über alles"],
        "source": ["b", "a", "b", ""],
        "nll": [0.05, -1.5, None, 1234.5678],
        "low_share": [0.5, math.nan, 0.1234, 0.0],
    }


def data_of(part):
    return re.search(r"<script type=\"application/json\"[^>]*>(.*?)</script>", str(part), re.DOTALL).group(1)


# --- text ---------------------------------------------------------------------------------------------------------


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_in_a_page_is_read_back_and_holds_nothing_that_html_would_see(value):
    text = script_json(value)
    assert json.loads(text) == value
    assert not re.search("[<>&\u202e\u2028\x7f]", text)


def test_json_replaces_lone_surrogates_and_escapes_tags_beyond_the_basic_plane():
    assert script_json("\ud83d") == '"\ufffd"'
    assert json.loads(script_json("\U000e0041")) == "\U000e0041"
    assert "\U000e0041" not in script_json("\U000e0041")


def test_controls_are_shown_and_everything_else_is_left_alone():
    assert shown("a\u202eb") == 'a<span class="control">U+202E</span>b'
    assert shown("<i>&") == "&lt;i&gt;&amp;"
    assert spelled("\x00\u200b") == "[U+0000][U+200B]"
    assert shown("👩🏽‍🔬\n\tπ") == "👩🏽‍🔬\n\tπ"
    assert well_formed("\ud800\x00") == "\ufffd\ufffd"


def test_excerpts():
    assert excerpt("short", 10) == "short"
    assert excerpt("x" * 11, 10) == "x" * 9 + "…"
    assert excerpt("a \n b", 3) == "a b"
    assert len(excerpt(" " * 10_000 + "b", 10)) == 1


# --- what stands in the page ----------------------------------------------------------------------------------------


def test_the_policy_names_the_script_that_is_in_the_page():
    script = re.fullmatch(r"<script>(.*)</script>", str(components.scripts()), re.DOTALL).group(1)
    digest = re.search(r"script-src 'sha256-([^']+)'", str(components.head())).group(1)
    assert b64decode(digest) == sha256(script.encode()).digest()
    assert "default-src 'none'" in components.head()
    assert "</script" not in script
    assert "<!--" not in script
    assert "innerHTML" not in script


def test_first_rows_stand_there_as_html():
    table = make_table(make_samples(80), COLUMNS)
    assert table.count("<tr>") == 1 + STATIC_ROWS
    assert "The first 50 of 80 rows" in table
    assert "Nats per token." in table
    assert "<caption" in table


def test_numbers_are_rounded_and_missing_ones_are_told():
    table = make_table(small_rows())
    columns = json.loads(data_of(table))["columns"]
    assert columns[3]["values"] == [0.05, -1.5, None, 1234.568]
    assert columns[4]["values"] == [0.5, None, 0.123, 0]
    assert columns[2] == {
        "title": "Source",
        "kind": "label",
        "digits": 3,
        "labels": ["", "a", "b"],
        "values": [2, 1, 2, 0],
    }
    for text in (">.050<", ">−1.500<", ">1,234.568<", ">50.0\N{NO-BREAK SPACE}%<", ">0.0\N{NO-BREAK SPACE}%<", ">-<"):
        assert text in table


def test_many_rows_are_packed_alike_each_time():
    rows = make_samples(COMPRESSED_FROM + 1)
    first, second = make_table(rows), make_table(rows)
    assert first == second
    assert 'data-encoding="gzip"' in first
    unpacked = json.loads(gzip.decompress(b64decode(json.loads(data_of(first)))))
    assert unpacked["rows"] == COMPRESSED_FROM + 1
    assert unpacked["columns"][3]["values"][:3] == [round(value, 3) for value in rows["nll"][:3]]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["a", "b", "a"], "label"),
        (["a", "b", "c"], "text"),  # each row has its own: nothing to choose
        ([f"label {i // 2}" for i in range(2 * CHOICES)], "label"),
        ([f"label {i // 2}" for i in range(2 * CHOICES + 2)], "text"),
    ],
)
def test_labels_that_are_no_choice_become_text(labels, kind):
    table = make_table({"a": labels}, [Column("a", "A", "label")])
    assert json.loads(data_of(table))["columns"][0]["kind"] == kind


def test_wrong_use_is_an_error():
    with pytest.raises(ValueError, match="no data for the columns nll and low_share"):
        make_table({"index": [], "text": [], "source": []})
    with pytest.raises(ValueError, match="differ in length"):
        make_table({**small_rows(), "nll": [1.0]})
    with pytest.raises(ValueError, match="no name of a part"):
        make_table(small_rows(), name="two words")
    with pytest.raises(ValueError, match="another length"):
        components.heat_maps("maps", [make_heat("wrong", confidence=[0.1])])


def test_a_map_shows_confidence_without_the_script():
    sample = make_heat("A", tokens=["a", " b\n", "c"], confidence=[0.02, 1.0, math.nan])
    sample |= {"weights": {"SFT": [1.0, 1.0, 1.0]}, "window": {"start": 1, "length": 1}}
    found = components.heat_maps("maps", [sample])
    assert '<span class="w0" title="confidence .020">a</span>' in found
    assert '<span class="w10 weak" title="confidence 1.000"> b↵\n</span>' in found
    assert '<span class="w0" title="confidence -">c</span>' in found
    assert json.loads(data_of(found))["maps"][0]["confidence"] == [0.02, 1, None]
    assert "mean confidence .510" in found


def test_long_samples_and_long_tokens_are_cut_and_say_so():
    n = TOKENS + 5
    sample = make_heat("Long", n=n, window={"start": n - 2, "length": 2})
    sample["tokens"] = ["y" * 1_000_000, *sample["tokens"][1:]]
    found = components.heat_maps("maps", [sample])
    assert "The first 2,000 of 2,005 tokens are shown." in found
    assert "beyond what is shown" in found
    assert found.count("title=") == TOKENS
    assert len(found) < 300_000


def test_a_window_that_is_the_whole_answer_is_not_underlined():
    found = components.heat_maps("maps", [make_heat("Whole", window={"start": 0, "length": 90})])
    assert "The weakest window is the whole answer." in found
    assert 'weak"' not in found.split('class="heat-tokens"')[1]


# --- in a browser -----------------------------------------------------------------------------------------------------


def cells(page, column, rows=None):
    """The texts of a column as they stand in the document, top to bottom."""
    found = page.locator(f"#rows tbody tr[data-place] td:nth-child({column + 1})").all_inner_texts()
    return found[:rows]


def wait_for_status(page, text):
    page.locator("#rows .table-status", has_text=text).wait_for()


def head_button(page, column):
    return page.locator("#rows thead button").nth(column)


def test_a_table_sorts_numbers_text_and_labels_with_missing_values_last(browser, write):
    with opened(browser, write(make_table(small_rows()))) as page:
        head_button(page, 3).click()
        assert cells(page, 3) == ["−1.500", ".050", "1,234.568", "-"]
        assert page.get_attribute("#rows th:nth-child(4)", "aria-sort") == "ascending"
        head_button(page, 3).click()
        assert cells(page, 3) == ["1,234.568", ".050", "−1.500", "-"]
        assert page.get_attribute("#rows th:nth-child(4)", "aria-sort") == "descending"
        head_button(page, 1).click()
        assert cells(page, 1) == ["Item 9", "item 10", "über alles", ""]
        assert page.get_attribute("#rows th:nth-child(4)", "aria-sort") is None
        head_button(page, 2).click()
        assert cells(page, 2) == ["a", "b", "b", ""]


def test_the_script_writes_cells_as_the_page_had_them(browser, write):
    rows = {
        "n": [0.05, -0.05, 1234.5678, None, 0.0, 7, -0.0004],
        "p": [0.05, 0.1234, 1.0, math.nan, 0.0, 0.9999, -0.5],
        "i": [0, 1, 1234567, None, -3, 4, 5],
        "t": ["a\u202eb", "\x00", "<b>", "tag \U000e0041", "\ufeff", "é\u200b", " "],
    }
    columns = [
        Column("n", "N", "number"),
        Column("p", "P", "percent"),
        Column("i", "I", "number", 0),
        Column("t", "T", "text"),
    ]
    path = write(make_table(rows, columns))
    with opened(browser, path, scripts=False) as page:
        plain = page.locator("#rows tbody td").all_text_contents()
    with opened(browser, path) as page:
        live = page.locator("#rows tbody tr[data-place] td").all_text_contents()
    assert plain == live
    assert "aU+202Eb" in plain


def test_a_table_filters_by_text_and_by_label(browser, write):
    rows = {**make_samples(300), "text": [f"Sample {i}" + (" NEEDLE" if i % 100 == 7 else "") for i in range(300)]}
    with opened(browser, write(make_table(rows))) as page:
        status = page.locator("#rows .table-status")
        assert status.inner_text() == "Showing 300 of 300"
        page.fill("#rows input[type=search]", "needle")
        wait_for_status(page, "Showing 3 of 300")
        assert cells(page, 0) == ["7", "107", "207"]
        page.select_option("#rows select", label=rows["source"][107])
        same = [i for i in (7, 107, 207) if rows["source"][i] == rows["source"][107]]
        assert cells(page, 0) == [str(i) for i in same]
        page.fill("#rows input[type=search]", "nothing like it")
        wait_for_status(page, "Showing 0 of 300")
        assert cells(page, 0) == []


def test_a_table_by_keyboard_alone(browser, write):
    with opened(browser, write(make_table(make_samples(300)))) as page:
        page.focus("#rows select")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "table-scroll"
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert page.locator("#rows tr.current td").first.inner_text() == "1"
        page.keyboard.press("Enter")
        panel = page.locator("#rows .table-row")
        assert panel.locator("dd").first.inner_text() == "1"
        for _ in range(60):
            page.keyboard.press("ArrowDown")
        assert panel.locator("dd").first.inner_text() == "61"
        current = page.locator("#rows tr.current").bounding_box()
        box = page.locator("#rows .table-scroll").bounding_box()
        assert current["y"] + current["height"] <= box["y"] + box["height"]
        page.keyboard.press("Escape")
        assert not panel.is_visible()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Row"
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        assert page.get_attribute("#rows th:first-child", "aria-sort") == "ascending"


def test_only_visible_rows_of_many_are_in_the_document(browser, write):
    rows = make_samples(6_000)
    with opened(browser, write(make_table(rows))) as page:
        page.wait_for_selector("#rows.live tr[data-place]")
        assert page.locator("#rows tbody tr").count() < 80
        page.evaluate("document.querySelector('.table-scroll').scrollTop = 1e9")
        page.wait_for_selector("#rows tr[data-place='5999']")
        assert cells(page, 0)[-1] == "5,999"
        assert page.locator("#rows tbody tr").count() < 80
        head_button(page, 3).click()
        assert cells(page, 3, 1) == [f"{min(rows['nll']):.3f}".lstrip("0")]


def test_a_browser_that_cannot_unpack_keeps_the_first_rows(browser, write):
    path = write(make_table(make_samples(6_000)))
    with opened(browser, path, before="delete window.DecompressionStream") as page:
        assert "too old" in page.locator("#rows .table-status").inner_text()
        assert page.locator("#rows tbody tr").count() == STATIC_ROWS


TIMED_CLICK = """i => {
  const start = performance.now();
  document.querySelectorAll("thead button")[i].click();
  return performance.now() - start;
}"""


def test_a_hundred_thousand_rows_open_and_sort_without_freezing(browser, write, capsys):
    columns = [*COLUMNS, *(Column(key, key, "number") for key in ("tokens", "confidence", "longest_run"))]
    columns += [Column("id", "Id", "text"), Column("group", "Group", "label")]
    path = write(make_table(make_samples(100_000), columns))
    with opened(browser, path) as page:
        page.wait_for_selector("#rows.live tr[data-place]")
        ready = page.evaluate("performance.now()")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        sorts = {column.title: page.evaluate(TIMED_CLICK, i) for i, column in enumerate(columns)}
        page.fill("#rows input[type=search]", "guillain barré")
        page.locator("#rows .table-status:not(:text('Showing 100,000 of'))").wait_for()
        assert overflow(page) == 0
    with capsys.disabled():
        times = ", ".join(f"{title} {ms:.0f}" for title, ms in sorts.items())
        size = path.stat().st_size / 1e6
        print(f"\n100,000 rows, {size:.1f} MB: first paint {paint:.0f} ms, live {ready:.0f} ms, sorts {times} ms")
    assert paint < 2_000
    assert ready < 8_000
    assert max(sorts.values()) < 4_000


def backgrounds(page, token=0):
    return page.eval_on_selector_all(
        ".heat-tokens", f"maps => maps.map(map => getComputedStyle(map.children[{token}]).backgroundColor)"
    )


def test_one_switch_changes_the_colours_of_all_maps(browser, write):
    samples = [make_heat("One", seed=1), make_heat("Two", seed=2)]
    for sample in samples:
        sample["confidence"][0] = sample["weights"]["DFT"][0] = 0.05
        sample["weights"]["BFT v3"][0] = 0.5
    with opened(browser, write(components.heat_maps("maps", samples)), reduced_motion=True) as page:
        confidence = backgrounds(page)
        assert page.is_checked("#maps input[value='-1']")
        assert page.is_disabled("#maps .times input")
        page.check("#maps input[value='0']")
        sft = backgrounds(page)
        assert len(set(sft)) == 1
        assert sft[0] not in confidence
        assert not page.is_checked("#maps input[value='-1']")
        assert page.inner_text("#maps .heat-what") == "SFT weight"
        page.check("#maps input[value='2']")
        alone = backgrounds(page)
        page.check("#maps .times input")
        assert page.inner_text("#maps .heat-what") == "BFT v3 weight times sample weight"
        assert backgrounds(page) != alone
        page.focus("#maps input[value='2']")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert page.is_checked("#maps input[value='-1']")
        assert backgrounds(page) == confidence


def test_weights_above_one_stretch_the_scale(browser, write):
    sample = make_heat("Heavy")
    sample["weights"]["SFT"] = [16.0] + [8.0] * 89
    with opened(browser, write(components.heat_maps("maps", [sample]))) as page:
        page.check("#maps input[value='0']")
        assert page.locator(".heat-ticks b").all_inner_texts() == ["0", "8", "16"]
        assert page.locator(".heat-tokens > span").first.get_attribute("class") == "w10"
        assert page.locator(".heat-tokens > span").nth(1).get_attribute("class") == "w5"
        page.check("#maps input[value='-1']")
        assert page.locator(".heat-ticks b").all_inner_texts() == ["0", ".5", "1"]


def test_tokens_tell_their_numbers_to_mouse_and_keyboard(browser, write):
    sample = make_heat("Told", n=400, seed=5)
    with opened(browser, write(components.heat_maps("maps", [sample]))) as page:
        readout = page.locator(".heat-readout")
        page.hover(".heat-tokens > span:nth-child(3)")
        assert f"confidence {sample['confidence'][2]:.3f}".replace("0.", ".") in readout.inner_text()
        assert page.locator(".heat-tokens [tabindex]").count() == 1
        page.focus(".heat-tokens [tabindex='0']")
        page.keyboard.press("ArrowRight")
        text = readout.inner_text()
        for part in ("2 of 400", "·" + sample["tokens"][1].strip(), "SFT 1.000", "DFT", "BFT v3"):
            assert part in text
        page.keyboard.press("ArrowDown")
        assert int(readout.inner_text().split()[0]) > 5
        page.keyboard.press("ArrowUp")
        assert int(readout.inner_text().split()[0]) < 5  # back in the first line
        assert page.locator(".heat-tokens.folded").count() == 1
        page.keyboard.press("End")
        assert readout.inner_text().startswith("400 of 400")
        assert page.locator(".heat-tokens.folded").count() == 0
        assert page.locator(".heat-tokens [tabindex]").count() == 1
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.click(".heat-fold")
        assert page.locator(".heat-tokens.folded").count() == 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("step", [0, 5, 10])
def test_tokens_can_be_read_on_every_colour(browser, write, dark, step):
    sample = make_heat("Read", confidence=[step / 10] * 90)
    with opened(browser, write(components.heat_maps("maps", [sample])), dark=dark, reduced_motion=True) as page:
        assert contrast(page, ".heat-tokens > span") >= 4.5
        assert contrast(page, ".heat-brief") >= 4.5
        assert contrast(page, ".heat-switch input:checked + span") >= 4.5


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_hostile_data_are_shown_and_do_nothing(browser, write, scripts):
    n = len(HOSTILE)
    rows = {"index": list(range(n)), "text": HOSTILE, "source": HOSTILE, "nll": [1.0] * n, "low_share": [0.5] * n}
    columns = [Column(c.key, HOSTILE[0] + c.title, c.kind, c.digits, HOSTILE[1]) for c in COLUMNS]
    table = components.sample_table("rows", columns, rows, caption=HOSTILE[1])
    heat = make_heat(
        HOSTILE[0], n=n, tokens=HOSTILE, id=HOSTILE[1], source=HOSTILE[2], note=HOSTILE[3], prompt="".join(HOSTILE)
    )
    for key in ("weights", "sample_weight", "p_conf"):
        heat[key] = {HOSTILE[0]: heat[key]["BFT v3"], HOSTILE[2]: heat[key]["BFT v3"]}
    heat["window"] = {"start": 1, "length": 2}
    path = write(table, components.heat_maps("maps", {HOSTILE[0]: [heat]}))
    assert path.stat().st_size < 100_000
    with opened(browser, path, width=360, scripts=scripts) as page:
        assert page.locator("script").count() == (1 if scripts else 3)  # the data are taken out once read
        assert page.locator("img").count() == 0
        assert overflow(page) == 0
        text = page.inner_text("body")
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x07]", text)
        for part in ("<script>alert(1)</script>", "U+202E", "U+0000", "👩🏽‍🔬"):
            assert part in text
        if scripts:
            page.check("#maps input[value='0']")
            page.focus(".heat-tokens [tabindex]")
            page.locator("#rows tbody tr[data-place]").nth(6).click()
            assert len(page.inner_text("#rows .table-row")) < 2_000
            assert overflow(page) == 0
            page.fill("#rows input[type=search]", "<SCRIPT>")
            wait_for_status(page, "Showing 1 of 7")
            assert page.locator("img").count() == 0


def test_without_scripts_the_content_stands(browser, write):
    path = write(make_table(make_samples(80)), components.heat_maps("maps", [make_heat("Still")]))
    with opened(browser, path, scripts=False) as page:
        assert page.locator("#rows tbody tr").count() == STATIC_ROWS
        assert page.locator(".without-script").is_visible()
        assert not page.locator(".table-tools").is_visible()
        assert not page.locator(".heat-switch").is_visible()
        assert len(set(page.eval_on_selector_all(".heat-tokens > span", "all => all.map(t => t.className)"))) > 4
