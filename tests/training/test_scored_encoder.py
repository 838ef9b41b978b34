"""Scores of labelled positions against plain torch, under every objective; and toy tasks that are learned with them."""

import pytest
import torch
import torch.nn.functional as F

from counterpoise import objectives
from counterpoise.data.labelled import collate_labels, encode_labels
from counterpoise.data.steps import StepCutter
from counterpoise.errors import UserError
from counterpoise.evaluation.label_floors import label_floors
from counterpoise.evaluation.label_prediction import label_nll, predict_labels
from counterpoise.evaluation.labels import measure_labels
from counterpoise.models.adapters import AdapterConfig
from counterpoise.models.encoder import load_encoder
from counterpoise.training.scored_encoder import ScoredEncoder, check_objective, label_logits
from tiny_encoders import toy_scores, toy_tagged, toy_texts, write_encoder

TOYS = {"tags": toy_tagged, "texts": toy_texts, "scores": toy_scores}
FULL, LORA = AdapterConfig(kind="full"), AdapterConfig(kind="lora", rank=8, alpha=16)


@pytest.fixture
def start(tmp_path):
    def start(toy, adapter=FULL, count=8, family="bert"):
        """A tiny encoder with a new head, and samples of a toy task."""
        examples, space = TOYS[toy](count)
        folder = write_encoder(family, tmp_path / family)
        torch.manual_seed(0)
        loaded = load_encoder(folder, space=space, adapter=adapter, dtype="float32")
        return loaded, space, examples, encode_labels(examples, loaded.tokenizer, space, 64).items

    return start


def body_and_samples(items):
    batch = collate_labels(items, 0)
    samples, count = batch.pop("samples"), int(batch.pop("num_samples"))
    return batch, samples[batch["targets"] != -100], count


@pytest.mark.parametrize("toy", ["tags", "texts"])
def test_log_probs_are_those_of_the_labels(start, toy):
    loaded, _, _, items = start(toy)
    batch, samples, count = body_and_samples(items)
    with torch.no_grad():
        found = ScoredEncoder(loaded.model)(**batch)["log_probs"]
        log_p = label_logits(loaded.model, batch).log_softmax(-1)
    expected = []
    for row, item in enumerate(items):  # one by one, in plain Python
        for position, label in enumerate(item.targets):
            if label != -100:
                expected.append((log_p[row, position] if toy == "tags" else log_p[row])[label])
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.stack(expected))
    assert len(samples) == len(found) == sum(item.num_targets for item in items)
    assert count == len(items)


@pytest.mark.parametrize("toy", ["tags", "texts"])
def test_sft_is_cross_entropy(start, toy):
    loaded, _, _, items = start(toy)
    batch, samples, count = body_and_samples(items)
    scored = ScoredEncoder(loaded.model)
    loss = objectives.get("sft").loss(scored(**batch)["log_probs"], samples, num_samples=count).loss
    logits = label_logits(loaded.model, batch)
    plain = F.cross_entropy(logits.reshape(-1, 3), batch["targets"].reshape(-1), ignore_index=-100)
    assert_same_gradients(loaded.model, loss, plain)


def test_regression_is_half_the_squared_error_in_standard_deviations(start):
    loaded, space, examples, items = start("scores")
    batch, samples, _ = body_and_samples(items)
    loss = objectives.get("sft").loss(ScoredEncoder(loaded.model)(**batch)["log_probs"], samples).loss
    z = torch.tensor([(example.value - space.mean) / space.scale for example in examples])
    assert_same_gradients(loaded.model, loss, F.mse_loss(label_logits(loaded.model, batch).squeeze(-1), z) / 2)


def assert_same_gradients(model, loss, plain):
    parameters = [p for p in model.parameters() if p.requires_grad]
    ours = torch.autograd.grad(loss, parameters, allow_unused=True)
    theirs = torch.autograd.grad(plain, parameters, allow_unused=True)
    torch.testing.assert_close(loss, plain)
    assert sum(gradient is not None for gradient in ours) > 10
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine is None) == (other is None)
        if mine is not None:
            torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("adapter", [FULL, LORA], ids=lambda adapter: adapter.kind)
@pytest.mark.parametrize("name", objectives.names())
def test_every_objective_weighs_labels(start, name, adapter):
    loaded, _, _, items = start("tags", adapter)
    batch, samples, count = body_and_samples(items)
    objective = objectives.get(name)
    check_objective("token-classification", objective)
    scored = ScoredEncoder(loaded.model, objective.needs)
    scores = scored(**batch)
    assert set(scores) == {"log_probs", *objective.needs}
    out = objective.loss(scores.pop("log_probs"), samples, num_samples=count, **scores)
    out.loss.backward()
    gradients = [p.grad for p in loaded.model.parameters() if p.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", objectives.names())
def test_a_regression_takes_sft_alone(name):
    check_objective("sequence-classification", objectives.get(name))
    if name == "sft":
        check_objective("regression", objectives.get(name))
    else:
        with pytest.raises(UserError, match=f"objective.name is {name}, which weighs by the probability of a label"):
            check_objective("regression", objectives.get(name))


def test_extras_against_plain_probabilities(start):
    """Three labels; the reference is the model before training, whatever the training."""
    for adapter in (FULL, LORA):
        loaded, _, _, items = start("texts", adapter)
        batch, _, _ = body_and_samples(items)
        scored = ScoredEncoder(loaded.model, {"entropy", "collision", "reference_log_probs", "reference_kl"})
        with torch.no_grad():
            before = label_logits(loaded.model, batch).softmax(-1)
            for parameter in loaded.model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.05)
            now = label_logits(loaded.model, batch).softmax(-1)
            scores = scored(**batch)
        assert (before - now).abs().max() > 1e-3
        label = batch["targets"]
        expected = {
            "entropy": -(now * now.log()).sum(-1),
            "collision": (now**2).sum(-1),
            "reference_log_probs": before.log().gather(-1, label).squeeze(-1),
            "reference_kl": (before * (before / now).log()).sum(-1),
        }
        for name, value in expected.items():
            torch.testing.assert_close(scores[name], value, msg=f"{name} under {adapter.kind}", atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("toy", list(TOYS))
def test_micro_batches_and_empty_ones_add_up_to_the_step(start, toy):
    """Two ranks of the trainer's own cutter: their gradients add up to that of the whole batch."""
    loaded, _, _, items = start(toy, count=5)
    objective = objectives.get("sft")
    scored = ScoredEncoder(loaded.model)

    def gradient(steps):
        loaded.model.zero_grad()
        for step in steps:
            for batch in step["micro_batches"]:
                samples = batch.pop("samples").reshape(-1)[batch["rows"]]
                count = int(batch.pop("num_samples"))
                scores = scored(**batch)["log_probs"]
                objective.loss(scores, samples, step["tokens"], num_samples=count).loss.backward()
        return torch.cat([p.grad.reshape(-1) for p in loaded.model.parameters() if p.grad is not None])

    def cutter(**options):
        return StepCutter(0, collate=lambda chosen: collate_labels(chosen, 0), **options)

    whole = gradient([cutter()(items)])
    cut = gradient([cutter(micro_batch_size=2, rank=rank, world_size=2)(items) for rank in range(2)])
    torch.testing.assert_close(cut, whole, atol=1e-6, rtol=1e-4)


def test_padding_and_token_types_do_not_change_scores(start):
    loaded, _, _, items = start("texts")
    scored = ScoredEncoder(loaded.model)
    with torch.no_grad():
        together = scored(**body_and_samples(items)[0])["log_probs"]
        alone = torch.cat([scored(**body_and_samples([item])[0])["log_probs"] for item in items])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


# -- learning -------------------------------------------------------------------------------------------------------


def train(loaded, items, objective, steps, rate):
    """A plain torch loop whose rate falls to 0; returns the loss of each step."""
    scored = ScoredEncoder(loaded.model, objective.needs).train()
    optimiser = torch.optim.AdamW([p for p in scored.parameters() if p.requires_grad], lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, steps)
    losses = []
    for step in range(steps):
        chosen = [items[i % len(items)] for i in range(16 * step, 16 * step + 16)]
        batch, samples, count = body_and_samples(chosen)
        scores = scored(**batch)
        out = objective.loss(scores.pop("log_probs"), samples, num_samples=count, progress=step / steps, **scores)
        optimiser.zero_grad()
        out.loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(out.loss.item())
    return losses


@pytest.mark.parametrize(
    ("toy", "adapter", "objective", "metric", "least"),
    [
        ("tags", FULL, "sft", "entity F1", 0.95),
        ("tags", FULL, "bft", "entity F1", 0.8),  # hard labels count less, so it needs more steps
        ("tags", LORA, "sft", "entity F1", 0.95),
        ("texts", FULL, "sft", "macro F1", 0.95),
        ("texts", LORA, "bft", "macro F1", 0.95),
        ("scores", FULL, "sft", "Pearson", 0.95),
    ],
    ids=lambda value: value.kind if isinstance(value, AdapterConfig) else str(value),
)
def test_a_toy_task_is_learned(start, toy, adapter, objective, metric, least):
    loaded, space, examples, items = start(toy, adapter, count=1000)
    test, _ = TOYS[toy](100, seed=1)
    encoded = encode_labels(test, loaded.tokenizer, space, 64).items
    floors = label_floors("toy", space, examples, test)
    nll = label_nll(loaded.model, encoded, 0)["NLL"].estimate().value
    losses = train(loaded, items, objectives.get(objective), steps=600, rate=3e-3 if adapter is FULL else 6e-3)
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    assert label_nll(loaded.model, encoded, 0)["NLL"].estimate().value < 0.5 * nll
    reached = measure_labels("toy", space, test, predict_labels(loaded.model, encoded, 0))[metric].value
    assert reached >= least
    assert reached > max(found[metric].value for found in floors.values())
