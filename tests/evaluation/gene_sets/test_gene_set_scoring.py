"""The tasks through the ordinary runner, naming runs of any mode in the same rows, masks, and what is told."""

import json

import pytest
from naming_runs import Subject, record, rule
from scripted import Scripted

from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.evaluation.evaluate import Identity, evaluate, rescore, summary
from counterpoise.evaluation.extras import Extras
from counterpoise.evaluation.gene_sets.benchmark import background_names, benchmark_sets, masked_sources
from counterpoise.evaluation.gene_sets.names import answers_from_texts
from counterpoise.evaluation.gene_sets.scoring import add_kept_similarity, add_similarity, score_records
from counterpoise.evaluation.kept import Kept
from counterpoise.evaluation.runner import Ask, run
from counterpoise.evaluation.runner import rescore as rescore_task
from counterpoise.evaluation.tasks.items import read_items
from counterpoise.evaluation.tasks.spec import TaskSpec


def test_a_prompt_names_the_genes_and_not_the_answer(data):
    (item, *_) = read_items(tasks.get("gene-sets-go"), data_dir=data).items
    assert item.words == ("HK1", "GPI", "PFKM", "ALDOA", "TPI1")
    assert "HK1, GPI, PFKM, ALDOA, TPI1" in item.prompt
    assert "glycolytic" not in item.prompt
    assert (item.target, item.text) == ("glycolytic process", "HK1 GPI PFKM ALDOA TPI1")


def test_asked_and_scored_by_the_runner(data):
    result = run(tasks.get("gene-sets-go"), Scripted(rule), Ask(data))
    values = {metric: found.value for metric, found in result.scored.measurements.items()}
    assert values["ROUGE-1"] == pytest.approx(1 / 4), "glycolysis and glycolytic have different stems"
    shares = {name: values[f"confidence {name}"] for name in ("high", "medium", "low", "none", "not given")}
    assert shares == {"high": 0.25, "medium": 0.25, "low": 0, "none": 0.25, "not given": 0.25}
    assert values["mean confidence"] == pytest.approx((0.95 + 0.85 + 0) / 3)
    assert values["no name"] == values["incomplete"] == 0.25
    assert result.scored.unparsed == 1
    assert result.scored.units["mean confidence"] == ["GO:1", "GO:2", "GO:4"]
    floors = result.floors_of("ROUGE-L")
    assert floors["constant"] == pytest.approx((2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2)) * 2 / 4)
    assert floors["own names, permuted"] == 0
    assert floors["enrichment: top-1"] > floors["permuted names"]


def test_a_model_that_fails_is_left_out(data):
    result = run(tasks.get("gene-sets-go"), Scripted(lambda q: None if "TPX2" in str(q) else rule(q)), Ask(data))
    assert result.scored.unanswered == {"generated": 1}
    assert result.scored.measurements["ROUGE-L"].estimate().n == 3


def test_evaluated_with_similarity_and_scored_again(data, tmp_path, letters, monkeypatch):
    monkeypatch.setattr("counterpoise.evaluation.gene_sets.vectors.load_name_encoder", lambda _: letters)
    out = tmp_path / "results.json"
    found = evaluate(["gene-sets-go"], Subject(), Ask(data), out=out)
    rows = {row["metric"]: row for row in found["rows"]}
    assert rows["similarity (letters)"]["floors"]["constant"] > 0
    assert set(rows["percentile >= .95 (letters)"]["floors"]) >= {"permuted names", "own names, permuted"}
    assert rows["rank 1 (letters)"]["value"] >= 0.25
    assert found["quote"] == {"gene-sets-go": "percentile >= .95 (letters)"}
    assert "among 6 names, 1 true names added" in found["left_out"]["gene-sets-go"]["notes"][-1]
    monkeypatch.setattr("counterpoise.evaluation.gene_sets.vectors.load_name_encoder", lambda _: pytest.fail("loaded"))
    again = rescore(out)
    assert {key: again[key] for key in ("rows", "quote", "spread")} == {
        key: found[key] for key in ("rows", "quote", "spread")
    }


def test_similarities_of_other_answers_are_not_taken(data, tmp_path, letters):
    spec = tasks.get("gene-sets-go")
    kept = Kept.open(tmp_path / "kept", {})
    result = run(spec, Scripted(rule), Ask(data), kept=kept)
    add_similarity(result, answers_from_texts(result.texts), letters, data, kept.folder)
    assert "similarity (letters)" in rescore_task(kept, spec.name).scored.measurements
    other = run(spec, Scripted(rule), Ask(data))
    other.texts["GO:1"] = "Process: Another (0.5)"
    add_kept_similarity(other, kept.folder)
    assert "similarity (letters)" not in other.scored.measurements


def test_an_encoder_that_is_not_to_be_had_is_told_unless_it_was_asked_for(data, monkeypatch):
    def missing(name):
        raise UserError(f"{name} cannot be had")

    monkeypatch.setattr("counterpoise.evaluation.gene_sets.vectors.load_name_encoder", missing)
    found = evaluate(["gene-sets-go"], Subject(), Ask(data))
    assert found["left_out"]["gene-sets-go"]["notes"][-1].endswith("are left out: minilm cannot be had")
    assert found["quote"] == {"gene-sets-go": "ROUGE-1"}
    with pytest.raises(UserError, match="medcpt cannot be had"):
        evaluate(["gene-sets-go"], Subject(), Ask(data), extras=Extras(similarity="medcpt"))


def test_records_stand_in_the_same_rows(data, letters):
    """Direct answers, as records, give the runner's rows; the floors are on the same sets."""
    result = run(tasks.get("gene-sets-go"), Scripted(rule), Ask(data))
    direct = {row["metric"]: row for row in summary([result], Identity("m, direct"), {})["rows"]}
    said = [("GO:1", "Glycolysis", 0.95), ("GO:2", "DNA repair", 0.85), ("GO:3", "", None)]
    said.append(("GO:4", "System of unrelated proteins", 0.0))
    records = [record(*row[:2], confidence=row[2], complete=bool(row[1]), mode="direct") for row in said]
    found = score_records(records, "gene-sets-go", data_dir=data, encoder=None)
    assert {row["metric"]: row for row in found["rows"]} == direct
    assert found["left_out"]["gene-sets-go"]["unparsed"] == 1


def test_an_agent_run_of_some_sets(data, letters):
    claims = [{"decision": "supported"}, {"decision": "not checked"}]
    records = [
        record("GO:2", "DNA repair", first_name="translation", claims=claims),
        record("GO:1", "glycolytic process", first_name="Glycolytic Process"),
    ]
    found = score_records(records, "gene-sets-go", data_dir=data, encoder=letters)
    rows = {row["metric"]: row for row in found["rows"]}
    assert rows["ROUGE-L"]["value"] == 1
    assert rows["ROUGE-L"]["n"] == 2
    assert rows["claims supported"]["value"] == 0.5
    assert rows["name changed"]["value"] == 0.5
    assert rows["similarity gained by verification (letters)"]["value"] > 0
    assert rows["ROUGE-L"]["model"] == "m, agent"
    assert "2 of 4 sets have a record" in found["left_out"]["gene-sets-go"]["notes"][-2]


def test_sets_at_which_the_model_was_not_reached_are_left_out(data):
    records = [record("GO:1", "glycolytic process"), record("GO:2", "", complete=False, ask_again=True)]
    found = score_records(records, "gene-sets-go", data_dir=data, encoder=None)
    rows = {row["metric"]: row for row in found["rows"]}
    assert (rows["ROUGE-L"]["value"], rows["ROUGE-L"]["n"]) == (1, 1)
    assert "at 1 sets the model could not be reached" in found["left_out"]["gene-sets-go"]["notes"][1]


def test_a_run_without_a_model_goes_by_its_mode(data):
    found = score_records(
        [record("GO:1", "x", mode="enrichment", model="")], "gene-sets-go", data_dir=data, encoder=None
    )
    assert {row["model"] for row in found["rows"]} == {"enrichment"}


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([], "there is no record"),
        ([record("GO:1", "a"), record("GO:1", "b")], "GO:1 has two records"),
        ([record("GO:1", "a"), record("GO:2", "b", model="n")], "several runs \\(agent with m; agent with n\\)"),
        ([record("GO:7", "a")], "test has no set GO:7; expected records of its 4 sets"),
    ],
)
def test_records_that_cannot_be_scored(data, records, says):
    with pytest.raises(UserError, match=says):
        score_records(records, "gene-sets-go", data_dir=data, encoder=None)


def test_a_naming_run_is_not_shown_the_names(data):
    sets = benchmark_sets("gene-sets-go", data_dir=data, limit=2)
    assert [each.id for each in sets] == [
        i.id for i in read_items(tasks.get("gene-sets-go"), data_dir=data, limit=2).items
    ]
    assert all(each.name == "" for each in sets)
    assert sets[0].genes


def test_contaminated_splits_are_the_same_sets(data):
    splits = {name: benchmark_sets("gene-sets-hu", name, data_dir=data)[0] for name in ("test", "half", "random")}
    assert {each.id for each in splits.values()} == {"GO:9"}
    assert splits["half"].genes == ("MLH1", "HK1")
    assert splits["random"].genes == ("HK1", "GPI")


def test_masks():
    assert masked_sources("gene-sets-go") == masked_sources("gene-sets-hu") == {"go-bp", "go-cc", "go-mf"}
    assert masked_sources("gene-sets-msigdb") == {"hallmark"}
    assert masked_sources("gene-sets-nest") == frozenset()
    with pytest.raises(UserError, match="gad is no task of naming gene sets; expected gene-sets-go"):
        masked_sources("gad")


def test_the_toolbox_of_a_benchmark_cannot_reach_the_answers():
    from counterpoise.biology.verification import make_toolbox

    for task in ("gene-sets-go", "gene-sets-msigdb", "gene-sets-nest", "gene-sets-hu"):
        masked = masked_sources(task)
        box = make_toolbox(masked_sources=masked)
        assert not any(tool.sources & masked for tool in box.tools)


def test_a_missing_background_is_named(data):
    (data / "hu2025" / "go_bp_background.tsv.gz").unlink()
    with pytest.raises(UserError, match=r"go_bp_background.tsv.gz is not there; without the names in it"):
        background_names(tasks.get("gene-sets-go"), data)


@pytest.mark.parametrize(
    ("genes", "says"),
    [([], "expected a list of genes"), ([1, 2], "expected a list of genes"), (None, "expected a list of genes")],
)
def test_a_set_without_genes_is_left_out_and_named(data, genes, says):
    with (data / "geneagent" / "go_1000.jsonl").open("a") as file:
        file.write(json.dumps({"id": "x", "name": "y", "genes": genes}) + "\n")
    found = read_items(tasks.get("gene-sets-go"), data_dir=data)
    assert len(found.items) == 4
    assert says in str(found.problems[0])


def test_a_task_file_of_another_kind_with_gene_sets(tmp_path):
    text = (tasks._files()["gene-sets-nest"]).read_text().replace("kind: gene-set-names", "kind: text\nprompt: x")
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match="gene_sets is for tasks of kind gene-set-names; this one is of kind text"):
        TaskSpec.read(path)


@pytest.mark.shared
def test_the_background_of_hu_is_the_published_one(shared_data):
    spec = tasks.get("gene-sets-hu")
    names = background_names(spec, shared_data)
    assert len(names) == len(set(names)) == 11_943
    assert {item.target for item in read_items(spec, data_dir=shared_data).items} <= set(names)


@pytest.mark.shared
@pytest.mark.parametrize("task", ["gene-sets-go", "gene-sets-nest", "gene-sets-msigdb", "gene-sets-hu"])
def test_every_published_set_is_read(shared_data, task):
    for split in tasks.get(task).data:
        found = read_items(tasks.get(task), split, data_dir=shared_data)
        assert found.problems == found.notes == []


@pytest.mark.shared
def test_a_limit_chooses_the_same_sets_of_every_split(shared_data):
    chosen = [
        [each.id for each in benchmark_sets("gene-sets-hu", split, data_dir=shared_data, limit=20)]
        for split in ("test", "half", "random")
    ]
    assert chosen[0] == chosen[1] == chosen[2]
