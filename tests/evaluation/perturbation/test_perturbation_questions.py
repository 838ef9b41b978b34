"""Rows of a screen become questions; what is wrong with a table is named; samples are of whole genes."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from toy_screen import READOUTS, RIBOSOME, TESTED, screen, write_table

from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.evaluation.perturbation.questions import Question, read_questions, sample_genes
from counterpoise.evaluation.tasks.items import read_items
from counterpoise.evaluation.tasks.spec import TaskSpec


def test_splits(toy, folder):
    found = read_questions(toy(), "test", folder)
    assert {row.perturbation for row in found.asked} == TESTED
    assert len(found.asked) == 16
    assert len(found.known) == 32
    assert found.asked[0] == Question("RPL5", "GATA1", "K562", 1, "screen.csv:10")
    assert not found.problems
    assert not found.notes
    itself = read_questions(toy(), "train", folder)
    assert itself.asked == itself.known
    assert len(itself.known) == 32


def test_a_split_cut_out_of_train_is_not_known(toy, folder):
    spec = toy()
    part = spec.data["train"].model_copy(update={"by": "pert", "share": (0.0, 0.5)})
    found = read_questions(spec.model_copy(update={"data": {**spec.data, "dev": part}}), "dev", folder)
    held_out = {row.perturbation for row in found.asked}
    assert 0 < len(held_out) < 8
    assert held_out.isdisjoint(row.perturbation for row in found.known)
    assert len(found.asked) + len(found.known) == 32


def test_bad_labels_are_left_out_and_named(toy, folder):
    rows = screen()
    rows[2]["label"], rows[3]["label"], rows[4]["gene"] = "2", "", " "
    write_table(folder / "screen.csv", rows)
    found = read_questions(toy(), "test", folder)
    assert [str(problem) for problem in found.problems] == [
        "screen.csv, line 4: column 'label' is '2'; expected 0 or 1",
        "screen.csv, line 5: column 'label' is ''; expected 0 or 1",
        "screen.csv, line 6: column 'gene' is empty",
    ]
    assert len(found.known) == 29


@pytest.mark.parametrize("column", ["pert", "gene", "label", "split"])
def test_a_column_that_is_missing(toy, folder, column):
    rows = [{key: value for key, value in row.items() if key != column} for row in screen()]
    write_table(folder / "screen.csv", rows)
    with pytest.raises(UserError, match=rf"^screen.csv, line \d+: has no column '{column}'; it has "):
        read_questions(toy(), "test", folder)


def test_leakage_is_refused_by_name(toy, folder):
    write_table(folder / "screen.csv", [*screen(), {"pert": "RPL5", "gene": "ACTB", "label": 1, "split": "train"}])
    with pytest.raises(
        UserError, match=r"1 perturbation is in test and in train \(RPL5\), so training rows would give"
    ):
        read_items(toy(), "test", data_dir=folder)


def test_other_failures_of_a_table(toy, folder):
    write_table(folder / "screen.csv", screen(tested=()))
    with pytest.raises(UserError, match=r"screen.csv: no rows \(split test\)"):
        read_questions(toy(), "test", folder)
    write_table(folder / "screen.csv", [{**row, "label": 7} for row in screen()])
    with pytest.raises(UserError, match=r"none of 16 rows can be used; the first: screen.csv, line 10: column 'label'"):
        read_questions(toy(), "test", folder)
    with pytest.raises(UserError, match=r"has no split 'tset' \(did you mean 'test'\?\)"):
        read_items(toy(), "tset", data_dir=folder)
    with pytest.raises(UserError, match=r"k562_de.csv.gz is not there; get it from https://github.com/Genentech"):
        read_items(tasks.get("perturbqa-k562-de"), data_dir=folder)


def test_another_count_is_told(toy, folder):
    spec = toy()
    test = spec.data["test"].model_copy(update={"count": 17})
    found = read_items(spec.model_copy(update={"data": {**spec.data, "test": test}}), data_dir=folder)
    assert "test has 16 rows where the published data has 17, so its scores are not comparable" in found.notes[0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": "labels"}, "perturbation questions are of kind choice"),
        ({"options": ["no"]}, "perturbation questions are of kind choice"),
        ({"options": "choices"}, "perturbation questions are of kind choice"),
        ({"data": {"test": {"file": "a.csv"}}}, "need a split train"),
        ({"shots": "train"}, "shots, subject and letters are not for perturbation questions"),
        ({"perturbation": {"cell_line": "K563x"}}, "'K563x' is no known cell line; expected K562, RPE1"),
        ({"perturbation": {}}, "say the cell line either as cell_line or as a column"),
        ({"perturbation": {"cell_line": "K562", "by": "drug"}}, "name their column in columns.about_perturbation"),
        ({"perturbation": {"cell_line": "K562", "neighbours": 1}}, "of_similar_genes is 3, more than the 1 neighbours"),
        ({"perturbation": {"cell_line": "K562", "colour": 1}}, "Extra inputs"),
        (
            {"perturbation": {"cell_line": "K562", "neighbour": "{pert}: {answer}"}},
            r"\{pert\} is unknown there; expected",
        ),
    ],
)
def test_a_wrong_task_file(tmp_path, changes, says):
    import yaml

    content = {**tasks.get("perturbqa-k562-de").model_dump(mode="json", exclude_unset=True), **changes}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=says):
        TaskSpec.read(path)


def made_up(seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for gene in range(60):
        share = rng.choice([0.0, 0.05, 0.3, 0.9, 1.0])
        rows += [Question(f"P{p}", f"G{gene}", "K562", int(rng.random() < share), "") for p in range(30)]
    return rows


def test_samples_are_of_whole_genes_with_both_labels():
    rows = made_up()
    every = defaultdict(Counter)
    for row in rows:
        every[row.gene][row.label] += 1
    chosen = sample_genes(rows, 200, 12, "a")
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= 200
    found = defaultdict(Counter)
    for place in chosen:
        found[rows[place].gene][rows[place].label] += 1
    assert len(found) >= 16
    for gene, counts in found.items():
        rare, common = min(every[gene].values()), max(every[gene].values())
        assert sorted(counts.values()) == sorted((min(rare, 6), min(common, 12 - min(rare, 6))))


def test_a_larger_sample_keeps_the_genes_of_a_smaller_one_and_another_seed_does_not():
    rows = made_up()
    small, large = (set(sample_genes(rows, limit, 12, "a")) for limit in (60, 240))
    assert small < large
    assert set(sample_genes(rows, 60, 12, "b")) != small
    assert sample_genes(rows, 60, 12, "a") == sorted(small)


def test_few_of_the_common_label_leave_room_for_the_rare_one():
    rows = [Question(f"P{p}", "G", "K562", int(p < 3), "") for p in range(7)]
    assert len(sample_genes(rows, 100, 12, "a")) == 7
    assert Counter(rows[i].label for i in sample_genes(rows, 5, 12, "a")) == {1: 2, 0: 3}
    assert Counter(rows[i].label for i in sample_genes(rows, 2, 12, "a")) == {1: 1, 0: 1}


def test_what_cannot_be_sampled():
    with pytest.raises(UserError, match="limit is 1; a gene needs a question of each label"):
        sample_genes(made_up(), 1, 12, "a")
    with pytest.raises(UserError, match="no gene has questions of both labels"):
        sample_genes([Question("P", gene, "K562", 1, "") for gene in READOUTS + RIBOSOME], 5, 12, "a")
