"""The page of reinforcement runs: true to its outcome, no bolder than its intervals, self-contained."""

import copy
import json
import re

import pytest
from browser import contrast, opened, overflow
from reinforcement_outcome import outcome as made_up
from test_page import assert_without_script, parsed

from counterpoise.errors import UserError
from counterpoise.report import reinforcement_prose as prose
from counterpoise.report.reinforcement_page import reinforcement_page, write_reinforcement_page

HOSTILE = '<img src=x onerror=alert(1)>"\u202e'


@pytest.fixture(scope="module")
def outcome():
    return json.loads(json.dumps(made_up()))


@pytest.fixture(scope="module")
def hostile():
    """Names of arms, texts of prompts and answers, and an alarm that would do harm."""
    found = made_up(name=HOSTILE, first=HOSTILE)
    found["answers"][0]["shown"][0] |= {"prompt": HOSTILE * 200, "right": HOSTILE}
    found["answers"][0]["shown"][0]["answers"][1]["before"] = HOSTILE
    found["alarms"][0]["sentence"] = HOSTILE
    found["rewards"][0]["rewards"]["span-exact"]["best_constant"]["answer"] = HOSTILE
    return found


@pytest.fixture(scope="module")
def written(outcome, hostile, tmp_path_factory):
    paths = {}
    for name, given in {"plain": outcome, "hostile": hostile}.items():
        paths[name] = tmp_path_factory.mktemp("pages") / "report.html"
        write_reinforcement_page(given, paths[name])
    return paths


def test_numbers_of_the_table_are_those_of_the_scores(outcome):
    section = reinforcement_page(outcome).split('<section id="scores">')[1].split("</table>")[0]
    lines = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", section, re.DOTALL)
    assert len(lines) == 4
    told = [re.sub(r"<[^>]+>|\s+", " ", line).replace("\N{NO-BREAK SPACE}", " ").split() for line in lines]
    assert told[1][:4] == ["ncbi-disease", "entity", "F1", "bft"]
    assert ".350" in told[1]
    assert ".550" in told[1]
    assert "▲" in told[1]
    assert "+.200" in told[1]
    assert " ".join(told[1]).endswith("200 .400 training dictionary")
    assert "▼" in told[2], "a log-likelihood that rises is worse"
    assert "lower is better" in " ".join(told[2])
    assert not {"▲", "▼"} & {*told[0], *told[3]}


def test_what_is_told_is_what_intervals_allow(outcome):
    assert prose.lead(outcome) == "Of 4 changes on held-out items 2 are clear: 1 for the better and 1 for the worse."
    better, worse = prose.changes(outcome)
    assert better.startswith("bft became better on ncbi-disease (entity F1): from .350 to .550")
    assert worse.startswith("sft became worse on general-sentences (NLL): from 3.000 to 3.400")
    (gain,) = prose.gains(outcome)
    assert gain.startswith("On ncbi-disease, bft fared better than sft: by +.190")
    told = " ".join(prose.cannot(outcome))
    assert "Whether training helped or harmed sft on ncbi-disease and bft on general-sentences" in told
    assert "1 of 2 gains beside those of sft are not told apart" in told
    assert "That sft knows more of ncbi-disease than a trivial method" in told
    assert "That bft knows more" not in told
    assert "That sft earns its reward span-exact by knowing: at last .350, where one answer to everything" in told
    assert "That bft earns" not in told
    assert "there are 2, and intervals over so few are too narrow" in told


def test_of_nothing_measured_nothing_is_said(outcome):
    bare = outcome | {"scores": [], "gains": [], "answers": [], "alarms": [], "curves": []}
    assert prose.lead(bare).startswith("Nothing was measured before and after")
    text = parsed(reinforcement_page(bare)).text
    assert "Of held-out items, nothing" in text
    assert "None was seen" in text
    unclear = outcome | {"scores": outcome["scores"][:1], "gains": []}
    assert prose.lead(unclear) == "Of 1 changes on held-out items none is clear."
    one = copy.deepcopy(outcome)
    one["study"]["seeds"] = [3]
    assert prose.cannot(one)[-1] == "How another training seed would have come out: there is one."


def test_own_filters_are_told_arm_by_arm(outcome):
    own = copy.deepcopy(outcome)
    own["filter"]["policy"] = "own"
    own["filter"]["arms"]["bft"]["sentence"] = "99 of 240 prompts are kept"
    text = parsed(reinforcement_page(own)).text
    assert "sft: 151 of 240 prompts are kept." in text
    assert "bft: 99 of 240 prompts are kept." in text
    assert "All arms had the same prompts in the same order, chosen by sft" in parsed(reinforcement_page(outcome)).text


def test_answers_are_shown_as_they_are(outcome):
    page = reinforcement_page(outcome)
    section = page.split('<section id="answers">')[1]
    cells = re.findall(r'<td class="words" dir="auto">(.*?)</td>', section)
    assert [re.sub(r"<[^>]+>", "", cell) for cell in cells] == ["none", "the same", "ataxia", "nothing"]
    assert "of 200 answers sft changed 20, bft changed 31" in parsed(page).text


def test_self_contained_and_escaped(outcome, hostile):
    for given in (outcome, hostile):
        assert_without_script(reinforcement_page(given))


def test_written_whole_or_not_at_all(outcome, tmp_path):
    path = tmp_path / "new" / "report.html"
    write_reinforcement_page(outcome, path)
    assert list(path.parent.iterdir()) == [path]
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"report.html: cannot be written"):
        write_reinforcement_page(outcome, tmp_path / "file" / "report.html")


@pytest.mark.parametrize("name", ["plain", "hostile"])
@pytest.mark.parametrize("look", [{}, {"dark": True}, {"width": 360, "height": 780}, {"scripts": False}])
def test_opens_anywhere_without_complaint_or_sideways_scrolling(browser, written, name, look):
    with opened(browser, written[name], **look) as page:
        for summary in page.locator("details > summary").all()[1:]:  # the first is open
            summary.click()
        assert overflow(page) == 0
        assert page.locator("svg.curve").count() == 12
        assert page.locator(".gaps .point").count() == 4


@pytest.mark.parametrize("dark", [False, True])
def test_can_be_read(browser, written, dark):
    with opened(browser, written["plain"], dark=dark) as page:
        for selector in (".gap.better", ".said li", "td .interval", ".absent", ".ends"):
            assert contrast(page, selector) >= 4.5, selector
