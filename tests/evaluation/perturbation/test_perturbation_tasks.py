"""Perturbation tasks through the ordinary runner: prompts, rows with floors, written answers, VCWorld's form."""

import json
import sys
from pathlib import Path

import pytest
import torch
import yaml
from scripted import Scripted, likes
from sklearn.metrics import roc_auc_score
from toy_screen import screen, write_table

from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.evaluation.backend import Reply
from counterpoise.evaluation.evaluate import evaluate, rescore
from counterpoise.evaluation.perturbation.scoring import answer_of
from counterpoise.evaluation.perturbation.study import load_study
from counterpoise.evaluation.runner import Ask, run
from counterpoise.evaluation.subjects import LocalModel
from counterpoise.evaluation.tasks.items import read_items
from counterpoise.evaluation.tasks.source import task_examples
from tiny_models import tiny_llama_config, write_model

sys.path.append(str(Path(__file__).parents[3] / "tools"))


def by_id(found):
    return {item.id: item for item in found.items}


def test_a_prompt(toy, folder):
    items = by_id(read_items(toy(), "test", data_dir=folder))
    item = items["RPL5/GATA1"]
    assert (item.answer, item.target, item.options) == (1, "yes", ("no", "yes"))
    assert (item.pair, item.group, item.subject) == (("RPL5", "GATA1"), "GATA1", "K562")
    head, evidence, question = item.prompt.split("\n\n")
    assert head.startswith(
        "CRISPR interference screen in K562 (chronic myelogenous leukaemia) cells\nKnocked down: RPL5 ("
    )
    assert "\nMeasured: GATA1 (GATA binding protein 1; " in head
    lines = evidence.splitlines()[1:]
    assert len(lines) == 6
    assert all(line.startswith("- RP") and line.endswith("change? yes") for line in lines)
    assert [("GATA1" in line, "MYC" in line) for line in lines] == [(True, False)] * 3 + [(False, True)] * 3
    assert question == ("When RPL5 is knocked down, does the expression of GATA1 change? Answer yes or no.\nAnswer:")
    other = items["PSMC1/GATA1"].prompt.split("\n\n")[1].splitlines()[1:]
    assert {line.rpartition(" ")[2] for line in other} == {"no"}


def test_evidence_is_of_training_alone_and_true(toy, folder):
    truth = {(row["pert"], row["gene"]): row["label"] for row in screen() if row["split"] == "train"}
    study = load_study(toy(), "test", folder)
    for question in study.asked:
        neighbours = study.neighbours(question)
        assert len(neighbours) == 6
        assert len({(one.row.perturbation, one.row.gene) for one in neighbours}) == 6
        for one in neighbours:
            assert truth[one.row.perturbation, one.row.gene] == one.label
            assert one.row.cell_line == "K562"
    assert study.strangers() == []


def test_ablations_of_evidence(toy, folder):
    none = by_id(read_items(toy(neighbour_labels="none"), "test", data_dir=folder))
    assert none["RPL5/GATA1"].prompt.count("change? not told") == 6
    without = read_items(toy("perturbqa-k562-de-no-retrieval"), "test", data_dir=folder)
    assert [item.id for item in without.items] == [item.id for item in read_items(toy(), "test", data_dir=folder).items]
    assert not any("similar experiments" in item.prompt for item in without.items)
    assert not without.notes


def test_direction_is_up_or_down(toy, folder):
    item = by_id(read_items(toy("perturbqa-k562-dir"), "test", data_dir=folder))["PSMC1/FTL"]
    assert (item.options, item.target) == (("down", "up"), "up")
    assert "knocked down: FTL goes up" in item.prompt


def test_questions_without_evidence_are_asked_and_counted(toy, folder):
    rows = [{"pert": "NOGENE1", "gene": gene, "label": 0, "split": "test"} for gene in ("GATA1", "FTL")]
    rows.append({"pert": "RPL5", "gene": "ACTB", "label": 0, "split": "test"})
    write_table(folder / "screen.csv", [*screen(), *rows])
    found = read_items(toy(), "test", data_dir=folder)
    assert found.notes == [
        "perturbqa-k562-de: 3 of 19 questions have no evidence: 2 since the perturbation has no GO annotation, or a "
        "name that stands for no gene or for several (NOGENE1); 1 since training has no rows for the gene under any "
        "perturbation alike (ACTB)"
    ]
    prompt = by_id(found)["NOGENE1/FTL"].prompt
    assert "Knocked down: NOGENE1\n" in prompt
    assert "- none is known" in prompt
    assert load_study(toy(), "test", folder).strangers() == ["NOGENE1"]


def test_a_file_that_changed_is_read_again(toy, folder):
    assert len(read_items(toy(), "test", data_dir=folder).items) == 16
    write_table(folder / "screen.csv", screen(tested={"RPL5"}))
    assert len(read_items(toy(), "test", data_dir=folder).items) == 4


def test_rows_and_floors(toy, folder):
    """A model that copies what the evidence says most often is right everywhere here."""

    def rule(query):
        text = query.messages[-1].content
        yes = text.count("change? yes") / 6
        return Reply(query.id, (-1.0, -2.0 + 2 * yes), (1, 1))

    result = run(toy(), Scripted(rule), Ask(data_dir=folder))
    found = {name: one.value for name, one in result.scored.measurements.items()}
    assert found["per-gene AUROC"] == found["accuracy"] == 1
    estimate = result.scored.measurements["per-gene AUROC"].estimate()
    assert (estimate.n, len(result.scored.units["per-gene AUROC"])) == (3, 16), "CALM2 has one label"
    floors = result.floors_of("per-gene AUROC")
    assert floors["chance"] == floors["gene prior"] == 0.5
    assert floors["retrieval only"] == floors["retrieval only, all rows of the gene"] == 1
    assert 0.6 < floors["perturbation prior"] < 0.7, "two genes of three respond to the ribosome"
    labels = [row["label"] for row in screen() if row["split"] == "test"]
    rates = {"GATA1": 0.5, "MYC": 0.5, "FTL": 0.5, "CALM2": 0.0}
    prior = roc_auc_score(labels, [rates[row["gene"]] for row in screen() if row["split"] == "test"])
    assert result.floors_of("pooled AUROC") == {"gene prior": pytest.approx(prior)}
    assert result.floors_of("accuracy")["majority"] == pytest.approx(10 / 16)
    assert set(result.floors_of("accuracy")) == {"chance", "majority", "gene prior"}


def test_pooled_never_stands_without_the_gene_prior(toy, folder):
    for name in ("perturbqa-k562-de", "perturbqa-k562-de-no-retrieval"):
        result = run(toy(name), Scripted(likes("yes")), Ask(data_dir=folder, methods=("options", "generated")))
        for metric in result.scored.measurements:
            if metric.startswith("pooled"):
                assert "gene prior" in result.floors_of(metric)


def test_written_answers_that_say_nothing_abstain(toy, folder):
    def rule(query):
        perturbation, gene = query.id.removesuffix("|generated").split("/")
        if gene == "FTL":
            return Reply(query.id, text="It is hard to say.")
        return Reply(query.id, text="Yes." if perturbation.startswith("RP") else "no, not at all")

    result = run(toy(), Scripted(rule), Ask(data_dir=folder, methods=("generated",)))
    found = {name: one.value for name, one in result.scored.measurements.items()}
    assert result.scored.unparsed == 4
    assert found["answered, generated"] == 0.75
    assert found["per-gene AUROC, generated"] == 1
    assert found["effective per-gene AUROC, generated"] == 0.75
    assert found["accuracy, generated"] == pytest.approx(10 / 12), "CALM2 responds to nothing"
    assert found["effective accuracy, generated"] == pytest.approx(10 / 16)
    silent = run(toy(), Scripted(lambda q: Reply(q.id, text="?")), Ask(data_dir=folder, methods=("generated",)))
    assert {name: one.value for name, one in silent.scored.measurements.items()} == {"answered, generated": 0}


def test_a_failure_is_left_out(toy, folder):
    def rule(query):
        return None if query.id.startswith("RPL5/GATA1") else likes("no")(query)

    scored = run(toy(), Scripted(rule), Ask(data_dir=folder)).scored
    assert scored.unanswered == {"options": 1}
    assert len(scored.units["per-gene AUROC"]) == 15
    assert scored.measurements["per-gene AUROC"].value == 0.5


def test_both_variants_sample_the_same_questions(toy, folder):
    rows = [
        {"pert": f"NOGENE{p}", "gene": f"READOUT{g}", "label": (p + g) % 3 % 2, "split": "test"}
        for p in range(20)
        for g in range(9)
    ]
    write_table(folder / "screen.csv", [*screen(), *rows])
    first, second = (
        read_items(toy(name), "test", data_dir=folder, limit=40, seed=3)
        for name in ("perturbqa-k562-de", "perturbqa-k562-de-no-retrieval")
    )
    assert [item.id for item in first.items] == [item.id for item in second.items]
    assert 2 <= len(first.items) <= 40
    assert f"{len(first.items)} of 196 questions, on " in first.notes[0]
    assert "(seed 3)" in first.notes[0]


def test_training_items_show_no_row_of_their_own_perturbation(toy, folder, monkeypatch):
    monkeypatch.setattr(tasks, "get", lambda name: toy(name))
    read = task_examples("task:perturbqa-k562-de", data_dir=folder)
    assert len(read.examples) == 32
    for example in read.examples:
        perturbation = example.id.split("/")[0]
        assert f"- {perturbation} knocked" not in example.messages[0].content
    assert {example.messages[1].content for example in read.examples} == {"yes", "no"}


def test_a_tiny_model_from_file_to_results_and_back(toy, folder, tmp_path, monkeypatch):
    torch.manual_seed(0)
    from transformers import LlamaForCausalLM

    model = write_model(LlamaForCausalLM(tiny_llama_config(max_position_embeddings=2048)), tmp_path / "llama")
    content = tasks.get("perturbqa-k562-de").model_dump(mode="json", exclude_unset=True)
    for split in ("train", "test"):
        content["data"][split] |= {"file": "screen.csv", "count": None}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    out = tmp_path / "r.json"
    ask = Ask(data_dir=folder, limit=10, methods=("options", "generated"))
    outcome = evaluate([str(path)], LocalModel(str(model)), ask, out=out)
    rows = {row["metric"]: row for row in outcome["rows"]}
    assert outcome["quote"] == {"perturbqa-k562-de": "per-gene AUROC"}
    quoted = rows["per-gene AUROC"]
    assert 0 <= quoted["low"] <= quoted["value"] <= quoted["high"] <= 1
    assert quoted["n"] == 2
    assert quoted["floors"]["gene prior"] == 0.5
    assert "answered, generated" in rows
    assert "pooled AUROC" in rows
    assert rescore(out)["rows"] == outcome["rows"]
    assert json.loads(out.read_text())["left_out"]["perturbqa-k562-de"]["notes"][0].startswith(
        "perturbqa-k562-de: 8 of"
    )
    import perturbation_report

    monkeypatch.setattr(perturbation_report.tasks, "get", toy)
    told = perturbation_report.table("perturbqa-k562-de", {"tiny": out}, str(folder)).splitlines()
    assert told[0].startswith("**perturbqa-k562-de**: 8 questions, ")
    cells = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in told[4:]}
    assert cells["tiny, with evidence"][0] == f"{quoted['value']:.3f}"
    assert "[" in cells["tiny, with evidence"][4]
    assert "tiny, with evidence, generated" in cells


DRUGS = {
    "Vemurafenib": "inhibits the kinase BRAF",
    "Dabrafenib": "inhibits the kinase BRAF with mutation V600E",
    "Bortezomib": "inhibits the proteasome",
    "Carfilzomib": "irreversibly inhibits the proteasome",
}


def vcworld_rows(cells=("C32", "panc1")):
    rows = []
    for cell in cells:
        for drug, text in DRUGS.items():
            for gene in ("DUSP6", "HSPA1A", "GAPDH"):
                hit = {"DUSP6": "BRAF", "HSPA1A": "proteasome", "GAPDH": "nothing"}[gene] in text
                label = int(hit != (cell == "panc1" and gene == "DUSP6"))  # the other way round in one cell line
                split = "train" if drug in ("Vemurafenib", "Bortezomib") else "test"
                rows.append(
                    {"drug": drug, "gene": gene, "cell": cell, "label": label, "split": split, "drug_text": text}
                )
    return rows


def test_vcworlds_form(tmp_path):
    write_table(tmp_path / "vcworld" / "de.csv", vcworld_rows())
    spec = tasks.get("vcworld-de")
    items = by_id(read_items(spec, "test", data_dir=tmp_path))
    assert len(items) == 12
    item = items["Dabrafenib/DUSP6/C32"]
    assert item.prompt.startswith(
        "Cell line: C32 (amelanotic melanoma)\nDrug: Dabrafenib (inhibits the kinase BRAF with"
    )
    assert "Gene measured: DUSP6 (dual specificity phosphatase 6; " in item.prompt
    evidence = item.prompt.split("\n\n")[1].splitlines()[1:]
    assert evidence[0] == "- Vemurafenib: the expression of DUSP6 changes"
    assert "\n".join(item.options) in item.prompt
    assert len(item.options) == 3
    other = items["Dabrafenib/DUSP6/PANC-1"].prompt
    assert "- Vemurafenib: the expression of DUSP6 does not change" in other, "evidence is of the cell line itself"

    def rule(query):
        """Abstain on the housekeeping gene; say at the end what the first line of evidence says."""
        if query.options:
            return Reply(query.id, (-2.0, -3.0, -1.0 if "GAPDH" in query.id else -9.0), (5, 4, 4))
        if "GAPDH" in query.id:
            return Reply(query.id, text="Thinking.\nThe evidence is insufficient.")
        first = query.messages[-1].content.split("\n\n")[1].splitlines()[1]
        said = item.options[int(first.endswith(" changes"))]
        return Reply(query.id, text=f"1. {item.options[0]}, one might think.\n2. But no.\n\n**{said}**\n")

    result = run(spec, Scripted(rule), Ask(data_dir=tmp_path, methods=("options", "generated")))
    found = {name: one.value for name, one in result.scored.measurements.items()}
    assert result.scored.unparsed == 0
    assert found["per-gene AUROC, generated"] == found["accuracy, generated"] == 1
    assert found["answered, generated"] == found["answered"] == pytest.approx(2 / 3)
    assert found["effective accuracy, generated"] == pytest.approx(2 / 3)
    assert found["per-gene AUROC"] == 0.5
    assert found["accuracy"] == 0.5
    assert result.floors_of("per-gene AUROC")["retrieval only"] == 1
    assert {"C32", "PANC-1"} == {item.subject for item in result.items}


def test_a_cell_line_that_nobody_knows(tmp_path):
    write_table(tmp_path / "vcworld" / "de.csv", [*vcworld_rows(), *vcworld_rows(["XYZ-9"])])
    found = read_items(tasks.get("vcworld-de"), "test", data_dir=tmp_path)
    assert len(found.items) == 12
    assert "column 'cell' is 'XYZ-9', which is no known cell line; expected K562, RPE1," in str(found.problems[0])
    rows = [{**row, "cell_text": "a line of our own"} for row in vcworld_rows(["XYZ-9"])]
    write_table(tmp_path / "vcworld" / "de.csv", rows)
    items = read_items(tasks.get("vcworld-de"), "test", data_dir=tmp_path).items
    assert items[0].prompt.startswith("Cell line: XYZ-9 (a line of our own)\n")


def test_a_cell_line_without_training_rows(tmp_path):
    write_table(
        tmp_path / "vcworld" / "de.csv", [r for r in vcworld_rows() if r["cell"] == "C32" or r["split"] == "test"]
    )
    result = run(tasks.get("vcworld-de"), Scripted(likes("The gene's expression changes")), Ask(data_dir=tmp_path))
    assert (
        "6 of 12 questions have no evidence: 6 since the perturbation resembles none of training (" in result.notes[0]
    )
    prompts = {item.id: item.prompt for item in result.items}
    assert "- none is known" in prompts["Dabrafenib/DUSP6/PANC-1"]
    assert "- Vemurafenib: the expression of DUSP6 changes" in prompts["Dabrafenib/DUSP6/C32"]


def test_a_drug_without_description(tmp_path):
    write_table(
        tmp_path / "vcworld" / "de.csv", [{k: v for k, v in r.items() if k != "drug_text"} for r in vcworld_rows()]
    )
    with pytest.raises(UserError, match="has no column 'drug_text'; it has drug, gene, cell, label, split"):
        read_items(tasks.get("vcworld-de"), "test", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("The gene's expression changes", 1),
        ("Some thought.\nthe gene's expression does not change.\n\n", 0),
        ("The gene's expression changes\nor does it?", None),
        ("Reasons\n**The evidence is insufficient.**", 2),
        ("Reasons\nAnswer: The gene's expression changes", 1),
        ("", None),
        ("***\n", None),
    ],
)
def test_the_last_line_answers(text, index):
    spec = tasks.get("vcworld-de")
    assert answer_of(spec, text, spec.options) == index


def test_the_report_and_its_variants(toy, folder, tmp_path, monkeypatch):
    import perturbation_report

    written = perturbation_report.write_variants(tmp_path / "variants")
    assert {path.stem for path in written} >= {"perturbqa-rpe1-dir-shuffled", "perturbqa-k562-de-no-labels"}
    assert tasks.get(str(written[0])).perturbation.neighbour_labels in ("shuffled", "none")
    monkeypatch.setattr(perturbation_report.tasks, "get", toy)
    told = perturbation_report.table("perturbqa-k562-de", {}, str(folder)).splitlines()
    assert told[0].startswith(
        "**perturbqa-k562-de**: 16 questions, 4 perturbations; 3 genes have both labels and count."
    )
    cells = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in told[4:]}
    assert list(cells)[:3] == ["chance", "gene prior", "perturbation prior"]
    assert cells["gene prior"][0] == "0.500"
    assert cells["retrieval only"][0] == "1.000"
    assert cells["gene prior"][4].startswith("-0.500 [")
