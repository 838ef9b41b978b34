"""Texts with none, one or several labels: scores are binary cross-entropy, metrics those of sklearn, a BERT learns."""

import json
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from counterpoise import objectives
from counterpoise.data.labelled import collate_labels, encode_labels
from counterpoise.data.labelled_reading import LabelledExample, LabelSpace, read_labelled
from counterpoise.data.steps import StepCutter
from counterpoise.errors import UserError
from counterpoise.evaluation.label_floors import label_floors
from counterpoise.evaluation.label_prediction import label_nll, predict_labels
from counterpoise.evaluation.labels import measure_labels
from counterpoise.models.adapters import AdapterConfig
from counterpoise.models.encoder import labels_of, load_encoder
from counterpoise.studies.run import train
from counterpoise.training.config import RunConfig
from counterpoise.training.scored_encoder import ScoredEncoder, check_objective, label_logits
from tiny_encoders import WORDS, write_encoder

LABELS = ("binding", "level", "rising")
SPACE = LabelSpace("multi-label", LABELS)
MARKS = {"binding": "binds", "level": "high", "rising": "rises"}
FULL, LORA = AdapterConfig(kind="full"), AdapterConfig(kind="lora", rank=4, alpha=8)


def toy_several(count, seed=0):
    """Each label has a word of its own, and comes with it whatever the other labels do."""
    draw = random.Random(seed)
    examples = []
    for number in range(count):
        words = draw.choices([word for word in WORDS if word not in MARKS.values()], k=draw.randint(3, 7))
        labels = tuple(label for label in LABELS if draw.random() < 0.4)
        for label in labels:
            words.insert(draw.randrange(len(words)), MARKS[label])
        examples.append(LabelledExample(" ".join(words), labels=labels, source=f"toy:{number + 1}"))
    return examples


def texts(rows):
    return [LabelledExample("t", labels=tuple(sorted(row))) for row in rows]


label_sets = st.sets(st.sampled_from(["a", "b", "c", "d"]))


# -- metrics --------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(label_sets, label_sets), min_size=1, max_size=8))
def test_metrics_equal_sklearn_on_the_matrix(rows):
    gold, predicted = zip(*rows, strict=True)
    space = LabelSpace("multi-label", ("a", "b", "c", "d"))
    metrics = measure_labels("t", space, texts(gold), [tuple(row) for row in predicted])
    assert set(metrics) == {"micro F1", "macro F1"}
    occurs = sorted(set().union(*gold, *predicted))
    if not occurs:
        assert metrics["micro F1"].value == metrics["macro F1"].value == 0.0
        return
    sides = [np.array([[label in row for label in occurs] for row in side], dtype=int) for side in (gold, predicted)]
    micro = f1_score(sides[0].ravel(), sides[1].ravel(), zero_division=0)  # one yes or no a cell
    assert metrics["micro F1"].value == pytest.approx(micro)
    columns = [f1_score(sides[0][:, i], sides[1][:, i], zero_division=0) for i in range(len(occurs))]
    assert metrics["macro F1"].value == pytest.approx(np.mean(columns))
    if len(occurs) > 1:  # sklearn takes a single column for two classes
        assert metrics["micro F1"].value == pytest.approx(f1_score(*sides, average="micro", zero_division=0))
        assert metrics["macro F1"].value == pytest.approx(f1_score(*sides, average="macro", zero_division=0))


def test_a_negative_label_has_no_meaning_here():
    with pytest.raises(UserError, match="is for sequence-classification, not for multi-label"):
        measure_labels("t", SPACE, texts([["binding"]]), [("binding",)], negative="level")


def test_difference_and_interval_are_over_documents():
    draw = np.random.default_rng(0)
    gold = [{label for label in LABELS if draw.random() < 0.4} for _ in range(150)]

    def guess(share):
        rows = [tuple(label for label in LABELS if (label in row) == (draw.random() < share)) for row in gold]
        return measure_labels("t", SPACE, texts(gold), rows)

    better, worse = guess(0.9), guess(0.7)
    for metric in ("micro F1", "macro F1"):
        found = better[metric].difference(worse[metric], resamples=1_000)
        assert found.value == pytest.approx(better[metric].value - worse[metric].value)
        assert 0 < found.low < found.value < found.high
        assert found.p_value < 0.01
        assert found.n == 150
    counts, measured = better["micro F1"].sums, better["micro F1"].estimate()
    assert counts.shape == (150, 3)
    sums = np.array([counts[draw.integers(150, size=150)].sum(0) for _ in range(4_000)])
    slow = np.quantile(2 * sums[:, 0] / (2 * sums[:, 0] + sums[:, 1] + sums[:, 2]), [0.025, 0.975])
    assert [measured.low, measured.high] == pytest.approx(slow.tolist(), abs=0.01)


def test_floors():
    training = texts([["level"], ["level", "rising"], ["binding", "level"], []])
    asked = texts([["level"], ["rising"], []])
    floors = label_floors("t", SPACE, training, asked)
    assert set(floors) == {"most frequent label", "all labels"}
    assert floors["most frequent label"]["micro F1"].value == pytest.approx(2 * 1 / (2 + 2 + 1))
    assert floors["all labels"]["micro F1"].value == pytest.approx(2 * 2 / (4 + 7))
    nothing = label_floors("t", SPACE, texts([[]]), asked)
    assert nothing["most frequent label"]["micro F1"].value == 0.0


# -- scores ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def start(tmp_path):
    def start(adapter=FULL, count=8):
        folder = write_encoder("bert", tmp_path / "bert")
        torch.manual_seed(0)
        loaded = load_encoder(folder, space=SPACE, adapter=adapter, dtype="float32")
        return loaded, encode_labels(toy_several(count), loaded.tokenizer, SPACE, 64).items

    return start


def body_and_samples(items):
    batch = collate_labels(items, 0)
    samples, count = batch.pop("samples"), int(batch.pop("num_samples"))
    return batch, samples[batch["targets"] != -100], count


def test_sft_is_binary_cross_entropy(start):
    loaded, items = start()
    batch, samples, count = body_and_samples(items)
    assert samples.tolist() == [row for row in range(8) for _ in LABELS]
    scores = ScoredEncoder(loaded.model)(**batch)
    loss = objectives.get("sft").loss(scores["log_probs"], samples, num_samples=count).loss
    plain = F.binary_cross_entropy_with_logits(label_logits(loaded.model, batch), batch["targets"].float())
    torch.testing.assert_close(loss, plain)
    theirs = loaded.model(
        **{k: v for k, v in batch.items() if k != "targets"}, labels=batch["targets"].float()
    ).loss  # transformers' own, by its problem_type
    torch.testing.assert_close(loss, theirs)
    parameters = [p for p in loaded.model.parameters() if p.requires_grad]
    for mine, other in zip(torch.autograd.grad(loss, parameters), torch.autograd.grad(plain, parameters), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-4)


def test_a_certain_label_keeps_its_digits(start):
    """Far from 0.5 a log-probability is tiny, not rounded away: -exp(-|logit|)."""
    loaded, items = start()
    loaded.model.classifier.weight.data.zero_()
    loaded.model.classifier.bias.data.fill_(30.0)
    batch, _, _ = body_and_samples(items[:1])
    found = ScoredEncoder(loaded.model)(**batch)["log_probs"]
    expected = [-np.exp(-30.0) if target else -30.0 for target in items[0].targets]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("adapter", [FULL, LORA], ids=lambda adapter: adapter.kind)
@pytest.mark.parametrize("name", objectives.names())
def test_every_objective_weighs_labels(start, name, adapter):
    loaded, items = start(adapter)
    batch, samples, count = body_and_samples(items)
    objective = objectives.get(name)
    check_objective("multi-label", objective)
    scores = ScoredEncoder(loaded.model, objective.needs)(**batch)
    assert set(scores) == {"log_probs", *objective.needs}
    assert all(score.shape == (8 * len(LABELS),) for score in scores.values())
    out = objective.loss(scores.pop("log_probs"), samples, num_samples=count, **scores)
    out.loss.backward()
    gradients = [p.grad for p in loaded.model.parameters() if p.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_dft_weighs_each_label_by_its_own_probability(start):
    loaded, items = start()
    batch, samples, count = body_and_samples(items)
    out = objectives.get("dft").loss(ScoredEncoder(loaded.model)(**batch)["log_probs"], samples, num_samples=count)
    probability = label_logits(loaded.model, batch).sigmoid()
    expected = torch.where(batch["targets"] == 1, probability, 1 - probability).reshape(-1)
    torch.testing.assert_close(out.token_weights, expected.detach())


def test_extras_are_those_of_bernoullis(start):
    for adapter in (FULL, LORA):
        loaded, items = start(adapter)
        batch, _, _ = body_and_samples(items)
        scored = ScoredEncoder(loaded.model, {"entropy", "collision", "reference_log_probs", "reference_kl"})
        with torch.no_grad():
            q = label_logits(loaded.model, batch).sigmoid().reshape(-1)
            for parameter in loaded.model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.05)
            p = label_logits(loaded.model, batch).sigmoid().reshape(-1)
            scores = scored(**batch)
        assert (p - q).abs().max() > 1e-3
        yes = batch["targets"].reshape(-1) == 1
        expected = {
            "log_probs": torch.where(yes, p, 1 - p).log(),
            "entropy": -p * p.log() - (1 - p) * (1 - p).log(),
            "collision": p**2 + (1 - p) ** 2,
            "reference_log_probs": torch.where(yes, q, 1 - q).log(),
            "reference_kl": q * (q / p).log() + (1 - q) * ((1 - q) / (1 - p)).log(),
        }
        for name, value in expected.items():
            torch.testing.assert_close(scores[name], value, msg=f"{name} under {adapter.kind}", atol=1e-5, rtol=1e-4)


def test_micro_batches_and_empty_ones_add_up_to_the_step(start):
    loaded, items = start(count=5)
    objective, scored = objectives.get("sft"), ScoredEncoder(loaded.model)

    def gradient(steps):
        loaded.model.zero_grad()
        for step in steps:
            for batch in step["micro_batches"]:
                samples = batch.pop("samples").reshape(-1)[batch["rows"]]
                count = int(batch.pop("num_samples"))
                objective.loss(scored(**batch)["log_probs"], samples, step["tokens"], num_samples=count).loss.backward()
        return torch.cat([p.grad.reshape(-1) for p in loaded.model.parameters() if p.grad is not None])

    def cutter(**options):
        return StepCutter(0, collate=lambda chosen: collate_labels(chosen, 0), **options)

    whole = gradient([cutter()(items)])
    cut = gradient([cutter(micro_batch_size=2, rank=rank, world_size=2)(items) for rank in range(2)])
    torch.testing.assert_close(cut, whole, atol=1e-6, rtol=1e-4)


def test_predictions_are_the_labels_above_one_half(start):
    loaded, items = start(count=20)
    with torch.no_grad():  # so that texts differ in their labels
        loaded.model.classifier.bias -= label_logits(loaded.model, body_and_samples(items)[0]).mean(0)
    together = predict_labels(loaded.model, items, 0, batch_size=8)
    with torch.no_grad():
        for item, found in zip(items, together, strict=True):
            batch, _, _ = body_and_samples([item])
            probability = label_logits(loaded.model, batch).sigmoid()[0].tolist()
            assert found == tuple(label for label, p in zip(LABELS, probability, strict=True) if p > 0.5)
    assert len(set(together)) > 1
    nll = label_nll(loaded.model, items, 0)["NLL"]
    assert nll.counts.tolist() == [3.0] * 20
    batch, _, _ = body_and_samples(items)
    expected = F.binary_cross_entropy_with_logits(
        label_logits(loaded.model, batch), batch["targets"].float(), reduction="none"
    )
    assert nll.totals.tolist() == pytest.approx(expected.sum(1).tolist(), rel=1e-3)


# -- a run ----------------------------------------------------------------------------------------------------------


def run_config(tmp_path, **training):
    paths = []
    for name, count, seed in (("train", 400, 0), ("test", 60, 1)):
        paths.append(tmp_path / f"{name}.jsonl")
        rows = [{"text": e.text, "labels": list(e.labels)} for e in toy_several(count, seed)]
        paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return RunConfig(
        model={"name": str(write_encoder("bert", tmp_path / "tiny-bert")), "task": "multi-label"},
        data={"source": str(paths[0]), "test": str(paths[1]), "max_length": 64},
        objective="sft",
        adapter="full",
        training={"epochs": 8, "batch_size": 16, "learning_rate": 2e-3, "precision": "float32"} | training,
        output=str(tmp_path / "run"),
    )


def test_a_tiny_bert_learns(tmp_path):
    """Through the run config: above the floors, and the saved model predicts what was measured."""
    config = run_config(tmp_path, checkpoint_every=None)
    outcome = train(config, show_progress=False)
    rows = {(row["metric"], row["objective"]): row for row in outcome["rows"]}
    for metric in ("micro F1", "macro F1"):
        after = rows[metric, "sft"]
        assert after["value"] > rows[metric, "none"]["value"]
        assert set(after["floors"]) == {"most frequent label", "all labels"}
        assert after["low"] > max(after["floors"].values())
        assert after["n"] == 60
    assert rows["NLL", "sft"]["value"] < 0.5 * rows["NLL", "none"]["value"]

    again = load_encoder(tmp_path / "run" / "model")
    assert labels_of(again.model) == SPACE
    test = read_labelled(config.data.test, task="multi-label", labels=LABELS)
    items = encode_labels(test.examples, again.tokenizer, SPACE, 64).items
    predicted = predict_labels(again.model, items, again.tokenizer.pad_token_id)
    reached = measure_labels("t", SPACE, test.examples, predicted)["micro F1"].value
    assert reached == pytest.approx(rows["micro F1", "sft"]["value"])


def test_a_negative_label_is_refused_before_training(tmp_path):
    config = run_config(tmp_path)
    config = config.model_copy(update={"data": config.data.model_copy(update={"negative": "level"})})
    with pytest.raises(UserError, match=r"data.negative is for sequence-classification, not for multi-label"):
        train(config, show_progress=False)
