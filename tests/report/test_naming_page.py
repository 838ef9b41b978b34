"""The page of a naming run: complete, true to its records, escaped, small with a thousand sets, at home anywhere."""

import json
import re
from base64 import b64decode
from gzip import decompress

import numpy as np
import pytest
from browser import contrast, opened, overflow
from naming_records import HOSTILE_RUN, RUN, claim, direct, enriched, failed, finding, hostile, make_record
from test_page import parsed

from counterpoise.biology.naming import UNRELATED
from counterpoise.errors import UserError
from counterpoise.report import naming_prose as prose
from counterpoise.report.naming_cards import Room, card
from counterpoise.report.naming_page import OPEN_CARDS, STATIC_CARDS, naming_page, write_naming_page

VARIANTS = {
    "one": ([make_record()], RUN),
    "no run": ([make_record()], None),
    "modes": ([make_record(), direct(), failed(), enriched()], RUN),
    "enrichment": ([enriched(), enriched(id="b", name="", enrichment=[], confidence=None)], RUN),
    "hostile": ([hostile()] * (STATIC_CARDS + 3), HOSTILE_RUN),
    "hostile, few": ([hostile()], HOSTILE_RUN),
    "none": ([], None),
}


def packed_bodies(page):
    found = re.search(r'<script type="application/json" id="bodies">"(.*?)"</script>', page)
    return json.loads(decompress(b64decode(found.group(1)))) if found else []


@pytest.mark.parametrize("name", VARIANTS)
def test_well_formed_and_self_contained(name):
    page = naming_page(*VARIANTS[name])
    for part in [page, *(f"<div>{body}</div>" for body in packed_bodies(page))]:
        found = parsed(part)
        ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        for tag, attributes in found.tags:
            assert tag not in ("iframe", "object", "embed", "img", "base", "form")
            assert "src" not in attributes
            assert "style" not in attributes
            assert not [key for key in attributes if key.startswith("on")]
    scripts = [attributes for tag, attributes in parsed(page).tags if tag == "script"]
    assert sum("type" not in attributes for attributes in scripts) == 2
    policies = [a["content"] for _, a in parsed(page).tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert policies[0].count("'sha256-") == 2
    assert "default-src 'none'" in policies[0]
    assert not re.search("[\u202a-\u202e\x00]", page + "".join(packed_bodies(page)))


def test_everything_of_a_record_stands_in_its_card():
    text = parsed(naming_page([make_record()], RUN)).text.replace("\n", "")
    for said in (
        "p53-dependent cell cycle arrest",
        "DNA damage response",  # before the check
        ".85, medium",
        "TP53, MDM2, CDKN1A",
        "SEPT2/6 (SEPTIN2 or SEPTIN6)",
        "SEPT2/6 may be several genes",
        "MDM2 inhibits it.",
        "They act in the p53 pathway (refuted).",
        "The pathway lists them.",
        "WikiPathways, 2022-07-10",
        "p53 signalling: 3 of 3 genes",
        "the service answered 429 four times",
        "genes TP53, MDM2, CDKN1A and 1 more",
        "It knows nothing of this.",
        "no source was asked",
        "2 of 68",
        "2.3e-8",
        ".012",
        "Process: DNA damage response (0.85)",
        "wikipathways: 2022-07-10",
        "3 min 20 s",
        "gprofiler",
        "it is asked over the network, and the run is offline",
        "counterpoise genes name --file sets.gmt --model tiny --mode agent",
        "By another name (1)p53Not recognised (1)nope",
        "Given twice (1)",
        "none: only what lies on this disk",
    ):
        assert said in text, said


def test_decisions_are_words_with_signs_and_are_counted():
    page = naming_page([make_record(), make_record(id="b")], RUN)
    for word, sign in (("supported", "✓"), ("partly", "◐"), ("refuted", "✗"), ("not checked", "?")):
        assert f'<span class="sign" aria-hidden="true">{sign}</span>{word}</span>' in page
    rows = re.findall(r'<tr><th scope="row">.*?</tr>', page.split('id="decisions"')[1].split("</section>")[0])
    counts = [re.findall(r'class="num">(.*?)<', row) for row in rows]
    assert counts == [["2", "0"], ["0", "2"], ["2", "0"], ["0", "2"]]


def test_tools_are_counted_with_what_failed():
    section = naming_page([make_record(), direct()], RUN).split('id="sources"')[1].split("</section>")[0]
    rows = {
        re.search(r'scope="row">(.*?)<', row).group(1): re.findall(r'class="num">(.*?)<', row)
        for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", section)
    }
    assert rows == {
        "enrichment": ["2", "1", "0", "0"],
        "pubmed": ["1", "0", "1", "0"],
        "gene": ["1", "0", "0", "1"],
    }
    assert "Last failure: the service answered 429 four times" in section


def test_tools_at_hand_are_told_where_nothing_was_asked():
    section = naming_page([direct()], RUN).split('id="sources"')[1].split("</section>")[0]
    assert "Tools at hand: gene_annotations, enrichment. No set made use of them." in section
    assert 'id="sources"' not in naming_page([direct()])


def test_the_lead_counts():
    assert prose.lead([make_record()]) == "1 gene set, named by tiny in agent mode. 1 has a name."
    assert prose.lead([direct(), failed(), direct()]) == (
        "3 gene sets, named by tiny in direct mode. 2 have a name and 1 has no name; for 1 a step failed, and its card "
        "says which."
    )
    assert "by enrichment alone: no language model was asked" in prose.lead([enriched()])
    unrelated = direct(name=UNRELATED, confidence=0.0, confidence_bin="none")
    assert "1 has a name, 2 have no common process and 1 has no name;" in prose.lead(
        [direct(), unrelated, unrelated, failed()]
    )
    assert prose.lead([]) == "No gene set was named."


def test_what_is_said_depends_on_the_mode():
    agent, plain, alone = ([make_record()], [direct()], [enriched()])
    assert "4 claims: 1 supported, 1 partly, 1 refuted and 1 not checked." in prose.how(agent)
    assert "Nothing of that was checked" in prose.how(plain)
    assert "hypergeometric" in prose.how(alone)
    assert "not calibrated" in prose.confidence_use(plain)
    assert "counted" not in prose.confidence_use(plain)
    assert "not calibrated" not in prose.confidence_use(alone)
    assert "counted, not judged" in prose.confidence_use([*plain, *alone])
    assert prose.confidence_levels(alone) == []
    assert {level: n for level, n, _ in prose.confidence_levels([*plain, *agent, *alone])}["medium"] == "2"
    assert any("does not mean that the process explains the data" in limit for limit in prose.limits(agent))
    assert not any("Supported" in limit for limit in prose.limits(plain))
    assert not any("memory" in limit for limit in prose.limits(alone))


@pytest.mark.parametrize(
    ("confidence", "level", "shown", "meaning"),
    [
        (0.0, "none", "0, none", "share no process"),
        (1.0, "high", "1.00, high", "72 % of GPT-4's names"),
        (None, "not given", "not given", "gave no confidence"),
    ],
)
def test_confidence_and_its_meaning(confidence, level, shown, meaning):
    record = direct(confidence=confidence, confidence_bin=level)
    assert prose.confidence(record) == shown
    assert meaning in prose.confidence_meaning(record)
    assert shown in parsed(naming_page([record])).text


def test_no_claim_is_made_for_a_set_that_failed():
    page = naming_page([failed()])
    text = parsed(page).text
    assert "none could be had" in text
    assert "incomplete" in text
    assert "What went wrong" in text
    assert "the endpoint did not answer" in text
    assert 'class="scroll claims"' not in page


def test_one_set_needs_no_table_and_stands_open():
    page = naming_page([make_record()])
    assert 'id="sets"' not in page
    assert page.count('<details class="card" id="set-1" open>') == 1
    many = naming_page([make_record()] * (OPEN_CARDS + 1))
    assert 'id="sets"' in many
    assert not re.search(r'<details class="card" id="set-\d+" open', many)


def test_sections_stand_in_order_and_those_without_data_are_left_out():
    def sections(*given):
        tags = parsed(naming_page(*given)).tags
        return [a["id"] for tag, a in tags if tag == "section" and "id" in a]

    assert sections([make_record()], RUN) == ["cards", "decisions", "levels", "sources", "limits", "made"]
    many = ["all-sets", "decisions", "levels", "sources", "limits", "cards", "made"]
    assert sections([make_record()] * (OPEN_CARDS + 1), RUN) == many
    assert sections([enriched()]) == ["cards", "limits", "made"]


def test_room_is_kept_and_what_is_cut_is_told():
    room = Room(100)
    assert room.text("a" * 50, 20) == "a" * 20 + "…"
    assert room.left == 80
    assert room.text("b" * 80, 200) == "b" * 80
    assert room.text("c", 10) == "…"
    assert list(room.items([1, 2])) == []
    assert room.cut
    assert not Room(10).cut

    genes = [f"GENE{i}" for i in range(2_000)]
    view = card(make_record(given=genes, genes=genes, name="n" * 5_000_000), 100_000)
    assert view["cut"] is False or len(view["name"]) < 1_000
    assert dict(view["genes"])["Genes (2,000)"].endswith("GENE299 and 1,700 more")


def test_megabytes_from_a_model_take_no_more_than_their_room():
    flood = "lorem ipsum <b>" * 400_000
    steps = [{"step": f"step {i}", "prompt": flood, "reply": flood} for i in range(6)]
    claims = [claim(text=flood, reason=flood, evidence=[finding(lines=[flood] * 500)]) for _ in range(50)]
    record = make_record(name=flood, analysis=flood, claims=claims, steps=steps, problems=[flood] * 100)
    page = naming_page([record], RUN)
    assert len(page) < 1_500_000
    assert "Shortened to keep the page small; the whole record is in naming.jsonl." in page


def test_every_step_gets_the_same_room():
    steps = [{"step": str(i), "prompt": "p" * 10_000, "reply": "r" * 10_000} for i in range(4)]
    view = card(direct(steps=steps), 10_000)
    assert len(view["steps"]) == 4
    assert len({len(step["prompt"]) for step in view["steps"]}) == 1
    assert card(direct(steps=steps), 500)["steps"] == []


def words(generator, n):
    return " ".join(VOCABULARY[i] for i in generator.integers(0, len(VOCABULARY), n))


VOCABULARY = [
    "".join(letters) for letters in np.random.default_rng(0).choice(list("abcdefghijklmnopqrstuvwxyz"), (4_000, 7))
]


def agent_run(n):
    """Records of full length: 12 claims with three answers each, 20 prompts and replies of some 2,000 characters."""
    rng = np.random.default_rng(1)
    genes = [f"GENE{i}" for i in rng.integers(0, 20_000, 60)]
    shared = words(rng, 200)  # a prompt's own words are the same in every set
    steps = [{"step": f"step {i}", "prompt": shared + words(rng, 40), "reply": words(rng, 250)} for i in range(20)]
    return [
        make_record(
            id=f"set {i}",
            name=words(rng, 6),
            given=genes,
            genes=genes,
            analysis=words(rng, 300),
            claims=[claim(text=words(rng, 20), evidence=[finding(lines=[words(rng, 15)] * 5)] * 3) for _ in range(12)],
            steps=[{**step, "reply": words(rng, 250)} for step in steps],
        )
        for i in range(n)
    ]


def test_a_thousand_sets_make_a_small_page_that_opens(browser, tmp_path):
    path = tmp_path / "page.html"
    write_naming_page(agent_run(1_000), path, RUN)
    assert path.stat().st_size < 5_000_000
    with opened(browser, path) as page:
        page.locator("#sets .table-status", has_text="Showing 1,000 of 1,000").wait_for()
        page.locator("#set-1000 > summary").click()
        page.locator("#set-1000 .claims td").first.wait_for()
        assert "set 999" in page.inner_text("#set-1000")


def test_written_whole_into_a_folder_that_is_made_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "page.html"
    write_naming_page([hostile()], path, HOSTILE_RUN)  # holds a lone surrogate, which UTF-8 cannot
    assert list(path.parent.iterdir()) == [path]
    path.read_bytes().decode("utf-8")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"page.html: cannot be written"):
        write_naming_page([make_record()], tmp_path / "file" / "page.html")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    many = [make_record(id=f"set {i}", name=f"process {i}") for i in range(1, STATIC_CARDS + 11)]
    paths = {}
    for name, given in {**VARIANTS, "many": (many, RUN)}.items():
        paths[name] = tmp_path_factory.mktemp("pages") / "page.html"
        write_naming_page(given[0], paths[name], given[1])
    return paths


@pytest.mark.parametrize("name", ["one", "modes", "hostile", "enrichment"])
@pytest.mark.parametrize("look", [{}, {"dark": True}, {"width": 360, "height": 780}, {"scripts": False, "width": 360}])
def test_opens_anywhere_without_complaint_or_sideways_scrolling(browser, written, name, look):
    with opened(browser, written[name], **look) as page:
        summaries = page.locator(".card > summary").all()
        for summary in [*summaries[:3], *summaries[3:][-2:]]:
            if not summary.evaluate("it => it.parentElement.open"):
                summary.click()
        for summary in page.locator(".card:nth-of-type(-n+3) details > summary").all():
            summary.click()
        assert overflow(page) == 0
        assert page.locator("img").count() == 0
        assert not re.search("[\u202a-\u202e\x00]", page.inner_text("body"))
        assert page.inner_text("h1") == "What do these genes do together?"


@pytest.mark.parametrize("dark", [False, True])
def test_decisions_can_be_read(browser, written, dark):
    with opened(browser, written["one"], dark=dark) as page:
        assert page.locator(".claims").is_visible()
        for selector in (".claims .decision.refuted", ".claims .decision.refuted .sign", ".card-body .meaning"):
            assert contrast(page, selector) >= 4.5, selector


def test_cards_beyond_the_first_are_filled_when_opened_and_only_then(browser, written):
    last = f"#set-{STATIC_CARDS + 10}"
    with opened(browser, written["many"]) as page:
        assert page.locator(".claims table").count() == STATIC_CARDS
        page.locator(f"{last} > summary").focus()
        page.keyboard.press("Enter")
        page.locator(f"{last} .claims table").wait_for()
        assert page.locator(".claims table").count() == STATIC_CARDS + 1
        page.locator(f"{last} > summary").click()
        page.locator(f"{last} > summary").click()
        assert page.locator(f"{last} .claims table").count() == 1


def test_a_row_of_the_table_leads_to_its_card(browser, written):
    with opened(browser, written["many"]) as page:
        page.fill("#sets input[type=search]", "set 29")
        page.locator("#sets .table-status", has_text="Showing 1 of").wait_for()  # it closes an open row
        page.locator("#sets tbody td", has_text="process 29").click()
        link = page.locator("#sets .to-card")
        assert link.get_attribute("href") == "#set-29"
        link.click()
        page.locator("#set-29 .claims table").wait_for()
        assert page.evaluate("document.activeElement.closest('.card').id") == "set-29"


def test_an_address_opens_a_card(browser, written, tmp_path):
    with opened(browser, written["many"]) as page:
        page.evaluate("location.hash = '#set-25'")
        page.locator("#set-25 .claims table").wait_for()
        page.evaluate("location.hash = '#made'")
        page.evaluate("location.hash = '#</script>'")


def test_without_scripts_the_rest_says_where_it_is(browser, written):
    with opened(browser, written["many"], scripts=False) as page:
        page.locator(f"#set-{STATIC_CARDS + 1} > summary").click()
        told = page.inner_text(f"#set-{STATIC_CARDS + 1} .card-body")
        assert told == "Shown where scripts may run; also in naming.jsonl."
