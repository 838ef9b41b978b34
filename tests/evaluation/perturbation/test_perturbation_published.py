"""PerturbQA as published: counts, the gene prior's anchors, and evidence that never shows a tested row."""

import numpy as np
import pytest

from counterpoise.evaluation import tasks
from counterpoise.evaluation.perturbation.scoring import measure
from counterpoise.evaluation.perturbation.study import load_study
from counterpoise.evaluation.tasks.items import read_items

ANCHORS = {
    "perturbqa-k562-de": (134_467, 23_212, 665, 0.954),
    "perturbqa-k562-dir": (16_861, 3_119, 150, 0.842),
    "perturbqa-rpe1-de": (149_147, 37_942, 684, 0.975),
    "perturbqa-rpe1-dir": (21_287, 5_365, 193, 0.933),
}


@pytest.mark.shared
@pytest.mark.parametrize("name", ANCHORS)
def test_counts_and_the_gene_prior(shared, name):
    train, test, genes, pooled = ANCHORS[name]
    study = load_study(tasks.get(name), "test", shared)
    assert (len(study.known), len(study.asked)) == (train, test)
    assert not study.questions.problems
    assert not study.questions.notes
    prior = np.concatenate([r.gene_prior(study.asked) for r in study.retrieval.values()])
    found = measure(name, study.asked, prior)
    assert found["per-gene AUROC"].value == 0.5
    assert found["per-gene AUROC"].n == genes
    assert found["pooled AUROC"].value == pytest.approx(pooled, abs=0.0005)


@pytest.mark.shared
def test_evidence_is_of_training_and_carries_its_own_labels(shared):
    spec = tasks.get("perturbqa-k562-dir")
    study = load_study(spec, "test", shared)
    tested = {(row.perturbation, row.gene) for row in study.asked}
    known = {(row.perturbation, row.gene): row.label for row in study.known}
    shown = 0
    for question in study.asked:
        for one in study.neighbours(question):
            pair = (one.row.perturbation, one.row.gene)
            assert pair not in tested
            assert one.row.perturbation != question.perturbation
            assert known[pair] == one.label
            shown += 1
    assert shown > 5.5 * len(study.asked)
    assert len(study.strangers()) < 5


@pytest.mark.shared
def test_retrieval_alone_beats_both_priors(shared):
    spec = tasks.get("perturbqa-k562-dir")
    study = load_study(spec, "test", shared)
    scores = study.baselines(study.asked)
    found = {name: measure(spec.name, study.asked, score)["per-gene AUROC"] for name, score in scores.items()}
    assert found["retrieval only"].value == pytest.approx(0.74, abs=0.03)
    assert found["retrieval only"].difference(found["gene prior"], resamples=500).low > 0.05
    assert found["retrieval only"].estimate(resamples=500).low > found["perturbation prior"].value


@pytest.mark.shared
def test_prompts_are_short_and_samples_keep_the_metric(shared):
    found = read_items(tasks.get("perturbqa-k562-dir"), "test", data_dir=shared, limit=600, seed=1)
    assert max(len(item.prompt) for item in found.items) < 1_400, "about four characters a token"
    labels = {}
    for item in found.items:
        labels.setdefault(item.group, set()).add(item.answer)
    assert all(both == {0, 1} for both in labels.values())
    assert len(labels) >= 50
