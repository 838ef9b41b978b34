"""The page of predicted responses: true to its outcome, self-contained, escaped, and at home anywhere."""

import copy
import json
import re

import pytest
from browser import contrast, opened, overflow
from test_page import assert_without_script, parsed

from counterpoise.biology.response import predict_responses, read_responses
from counterpoise.errors import UserError
from counterpoise.report import response_plots, response_prose
from counterpoise.report.response_page import response_page, write_response_page
from synthetic_responses import made_cells

pytest.importorskip("anndata", reason="needs anndata, which is not installed")
HOSTILE = '<img src=x onerror=alert(1)>"\u202e'


@pytest.fixture(scope="module")
def outcome():
    cells, vectors = made_cells(cells=20)
    found = predict_responses(read_responses(cells), {"truth": vectors}, models=("ridge", "knn"), random_seeds=1)
    found["run"] = {"command": "counterpoise genes perturb cells.h5ad", "data": "cells.h5ad", "seconds": 3.0}
    return json.loads(json.dumps(found))


@pytest.fixture(scope="module")
def hostile(outcome):
    """Names from data that would do harm: of a condition, a line, a gene, a table and a sentence."""
    found = copy.deepcopy(outcome)
    text = json.dumps(found)
    quoted = json.dumps(HOSTILE)[1:-1]
    for name in ("ridge on truth", "TP53+MDM2", "made-7"):
        text = text.replace(f'"{name}"', f'"{quoted}"' if name != "TP53+MDM2" else f'"{quoted}+"')
    found = json.loads(text)
    found["left_out"].append(HOSTILE)
    return found


@pytest.fixture(scope="module")
def written(outcome, hostile, tmp_path_factory):
    paths = {}
    for name, given in {"plain": outcome, "hostile": hostile}.items():
        paths[name] = tmp_path_factory.mktemp("pages") / "page.html"
        write_response_page(given, paths[name])
    return paths


def test_numbers_of_the_table_are_those_of_the_rows(outcome):
    page = response_page(outcome)
    section = page.split('<section id="unseen-single">')[1].split("</section>")[0]
    line = re.search(r'<tr><th scope="row" dir="auto">ridge on truth</th>.*?</tr>', section)[0]
    cells = re.findall(r'<td class="num">(.*?)</td>', line)
    row = next(
        r
        for r in outcome["rows"]
        if (r["task"], r["model"], r["metric"]) == ("response-unseen-single", "ridge on truth", "pearson_delta")
    )
    shown = [f"{row[key]:.3f}".replace("0.", ".", 1).replace("-", "\N{MINUS SIGN}") for key in ("value", "low", "high")]
    assert cells[0].startswith(shown[0])
    assert f"[{shown[1]},\N{NO-BREAK SPACE}{shown[2]}]" in cells[0]
    assert f'class="better">+{row["difference"]["value"]:.3f}'.replace("+0.", "+.") in cells[1]
    kinds = re.findall(r'<tbody class="kind-([\w-]+)">', section.split("</table>")[0])
    assert kinds == ["baseline", "random", "vectors", "oracle"]


def test_tables_come_before_figures_and_everything_is_told(outcome):
    page = response_page(outcome)
    ids = [attributes["id"] for tag, attributes in parsed(page).tags if tag == "section" and "id" in attributes]
    splits = ["unseen-single", "unseen-pair", "unseen-cell-line"]
    assert ids == [*splits, "examples", "metrics", "limits", "left-out", "made"]
    text = parsed(page).text.replace("\n", "")
    for said in (
        "24 held-out responses to 12 conditions",
        "of 8 conditions only",  # the additive baseline
        "learnt is the mean response"[1:],
        "Welch",
        "counterpoise genes perturb cells.h5ad",
        "95 % percentile bootstrap over perturbations",
    ):
        assert said in text, said
    with_notes = response_page({**outcome, "left_out": ["ncbi: 2 of 9 genes have no vector"]})
    assert "ncbi: 2 of 9 genes have no vector" in with_notes


def test_self_contained_and_escaped(outcome, hostile):
    for given in (outcome, hostile):
        assert_without_script(response_page(given))


def test_scatter_puts_genes_where_they_are():
    example = {
        "genes": ["x", "y", "z"],
        "observed": [1.0, -2.0, 0.0],
        "observed_half": [0.0, 1.0, 2.0],
        "predicted": {"a": [2.0, 0.0, 0.0], "oracle: b": [0.0] * 3},
    }
    found = response_plots.scatter(example, {"a": 0.5})
    assert [panel.method for panel in found.panels] == ["a", "oracle: b"]
    assert [panel.text for panel in found.panels] == ["r 0.50", ""]
    points = {point.text.split(":")[0]: point for point in found.panels[0].points}
    assert points["x"].text == "x: observed +1.00, predicted +2.00"
    assert (points["z"].x, points["z"].y) == (50.0, 50.0)
    assert points["x"].x == 73.0  # half of the way to the end, which is 2 at 96
    assert points["x"].y == 4.0  # at the top
    assert points["y"].x == 4.0
    assert found.limit == "2.00"
    assert [point.x for point in found.panels[1].points if point.text.startswith("z")] == [96.0]  # of the other half


def test_strip_draws_the_strongest_conditions_on_one_axis():
    def condition(name, strength, **scores):
        kept = {key: {"pearson_delta": value} for key, value in scores.items()}
        return {"condition": name, "line": "A", "strength": strength, "scores": kept}

    many = [condition(f"g{i}", i, ridge=0.5, mean=-0.18) for i in range(response_plots.CONDITIONS + 3)]
    found = response_plots.strip(many, "pearson_delta", {"ridge": "vectors", "mean": "baseline"})
    assert found.rows[0].label == f"g{response_plots.CONDITIONS + 2}"
    assert len(found.rows) == response_plots.CONDITIONS
    assert found.left_out == 3
    axis = {text: x for x, text in found.ticks}
    assert axis == {"\N{MINUS SIGN}0.2": 0.0, "0.0": found.zero, "0.2": 57.14, "0.4": 85.71}
    assert [mark.kind for mark in found.rows[0].marks] == ["vectors", "baseline"]
    assert found.rows[0].marks[0].x == 100.0
    assert found.rows[0].bar == (found.zero, round(100.0 - found.zero, 2))


def test_words_do_not_claim_more_than_the_intervals():
    def row(model, kind, value, low, high, gap):
        difference = None if gap is None else {"to": "train mean", "value": sum(gap) / 2, "low": gap[0], "high": gap[1]}
        return {
            "task": "response-unseen-single", "metric": "pearson_delta", "model": model, "kind": kind, "items": 9,
            "value": value, "low": low, "high": high, "n": 9, "difference": difference,
        }  # fmt: skip

    mean = row("train mean", "baseline", 0.4, 0.3, 0.5, None)
    unclear = row("ridge on x", "vectors", 0.45, 0.3, 0.6, (-0.05, 0.15))
    better = row("ridge on y", "vectors", 0.6, 0.5, 0.7, (0.1, 0.3))
    worse = row("knn on x", "vectors", 0.2, 0.1, 0.3, (-0.3, -0.1))
    assert response_prose.lead([mean]).startswith("No vectors were given")
    assert response_prose.lead([mean, unclear]).startswith("No vectors predict these responses clearly better")
    assert "In 1 of 2 cases" in response_prose.lead([mean, unclear, better])
    assert "ridge on y (unseen-single, +.200)" in response_prose.lead([mean, unclear, better])
    random = [
        row(f"{each} on random, 9 numbers", "random", 0.5, 0.4, 0.6, (0.0, gap))
        for each, gap in (("knn", 0.1), ("mlp", 0.5))
    ]
    assert response_prose.lead([mean, better, *random]).endswith("+.200). Random vectors gain +.250 there.")
    said = " ".join(response_prose.verdict([mean, unclear, worse], "unseen-single"))
    assert "None of the given vectors is clearly better than the train mean." in said
    assert "Clearly worse than it: knn on x." in said
    assert "reaches .450 [.300, .600] and is above" in said
    assert "Clearly better than the train mean: ridge on y." in " ".join(
        response_prose.verdict([mean, better], "unseen-single")
    )


def test_written_whole_or_not_at_all(outcome, tmp_path):
    path = tmp_path / "new" / "page.html"
    write_response_page(outcome, path)
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_size < 3_000_000
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"page.html: cannot be written"):
        write_response_page(outcome, tmp_path / "file" / "page.html")


@pytest.mark.parametrize("name", ["plain", "hostile"])
@pytest.mark.parametrize("look", [{}, {"dark": True}, {"width": 360, "height": 780}, {"scripts": False}])
def test_opens_anywhere_without_complaint_or_sideways_scrolling(browser, written, name, look):
    with opened(browser, written[name], **look) as page:
        for summary in page.locator("details > summary").all():
            summary.click()
        assert overflow(page) == 0
        assert page.locator("img").count() == 0
        assert page.locator(".panel circle").count() > 100
        assert page.inner_text("h1") == "How do cells respond to perturbations that were never seen?"


@pytest.mark.parametrize("dark", [False, True])
def test_can_be_read(browser, written, dark):
    with opened(browser, written["plain"], dark=dark) as page:
        for selector in (".response .better", ".response .kind-baseline th[scope=row]", ".panel h4 span"):
            assert contrast(page, selector) >= 4.5, selector
