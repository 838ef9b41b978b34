"""What `compare` gives its page: curves, items, weighed samples, what was forgotten against SFT; the page itself."""

import json

import pytest
from tiny_study import write_study

from counterpoise.report import write_study_page
from counterpoise.studies.compare import compare, load_study
from counterpoise.studies.compare.items import without_texts
from counterpoise.studies.compare.weights import heat_of

ARMS = {
    "zero-shot": {},
    "sft": {"train": {"objective": "sft"}},
    "bft": {"train": {"objective": {"name": "bft", "variant": "v1", "window": 2}}},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    path = write_study(
        folder,
        tasks=["gad"],
        arms=ARMS,
        examples=4,
        evaluation={"limit": 8, "precision": "float32", "methods": ["options"]},
    )
    said = []
    outcome = compare(load_study(path), folder=folder / "runs", data_dir=folder / "data", say=said.append)
    return path, folder, outcome, said


def test_curves_hold_every_step_and_the_weights_that_training_gave(made):
    _, folder, outcome, _ = made
    assert [(c["arm"], c["trained_on"], c["seed"]) for c in outcome["curves"]] == [("sft", "gad", 0), ("bft", "gad", 0)]
    sft, bft = outcome["curves"]
    log = folder / "runs" / "bft" / "gad" / "seed-0" / "run" / "metrics.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert bft["steps"] == [row["step"] for row in rows]
    assert bft["nll"] == pytest.approx([row["nll"] for row in rows], rel=1e-4)
    assert bft["token_weight_histogram"] == [row["token_weight_histogram"] for row in rows]
    assert sft["p_conf"] is None
    assert bft["p_conf"] is not None
    assert all(sum(counts[:-1]) == 0 for counts in sft["token_weight_histogram"]), "SFT weighs every token 1"


def test_items_say_what_each_arm_made_of_them(made):
    _, _, outcome, _ = made
    if "gad" in outcome["items"]:
        pytest.fail("positive F1 belongs to the whole set, and no item has one")
    sentences = outcome["items"]["general-sentences"]
    assert set(sentences["values"]) == {"zero-shot", "sft", "bft"}
    assert len(sentences["ids"]) == len(sentences["text"]) == len(sentences["values"]["bft"]) == 8
    assert sentences["higher_is_better"] is False


def test_samples_are_weighed_under_every_arms_objective_and_kept(made):
    path, folder, outcome, said = made
    assert len(outcome["heat"]) == 4
    labels = {"sft", "bft(variant=v1, window=2)"}
    assert all(set(sample["weights"]) == labels for sample in outcome["heat"])
    assert all(weight == 1.0 for sample in outcome["heat"] for weight in sample["weights"]["sft"])
    assert any("weighing samples" in line for line in said)
    again = []
    assert heat_of(load_study(path), folder / "runs", data_dir="/nowhere", say=again.append) == outcome["heat"]
    assert again == [], "what is kept needs neither data nor model"


def test_a_study_stands_without_its_samples(made, tmp_path):
    path, _, _, _ = made
    said = []
    assert heat_of(load_study(path), tmp_path, data_dir=tmp_path / "empty", say=said.append) == []
    assert len(said) == 2
    assert "no training samples of gad are shown" in said[1]


def test_what_was_forgotten_is_compared_with_sft_too(made):
    _, _, outcome, _ = made
    found = [row for row in outcome["comparisons"] if row["family"] == "sft-forgetting"]
    assert [(row["ours"], row["theirs"], row["task"]) for row in found] == [("bft", "sft", "general-sentences")]
    values = {s["arm"]: s["value"] for s in outcome["scores"] if s["task"] == "general-sentences"}
    assert found[0]["value"] == pytest.approx(values["bft"] - values["sft"])


def test_a_page_to_share_holds_no_text_of_the_data(made, tmp_path):
    _, _, outcome, _ = made
    write_study_page(without_texts(outcome), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert outcome["items"]["general-sentences"]["ids"][0] in page
    assert "@GENE$" in str(outcome["heat"])
    assert "@GENE$" not in page
    assert outcome["items"]["general-sentences"]["text"][0] not in page


def test_the_page_shows_all_of_it(made, tmp_path):
    _, _, outcome, _ = made
    write_study_page(outcome, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for name in ('id="differences-baseline"', 'id="forgetting"', "bft(variant=v1, window=2)", "general-sentences"):
        assert name in page
