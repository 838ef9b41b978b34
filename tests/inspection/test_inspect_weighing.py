"""Weights of an inspection: those that the trainer's own loss computes, and windows that explain p_conf."""

import numpy as np
import pytest
import torch
from tiny_runs import encode, load_tiny

from counterpoise import objectives
from counterpoise.data.steps import StepOrder
from counterpoise.inspection.forcing import teacher_force
from counterpoise.inspection.weighing import effective_share, weakest_windows, weigh
from counterpoise.objectives import Objective
from counterpoise.training.config import TrainingConfig
from counterpoise.training.fit import fit

NAMES = ["sft", "dft", "bft", "focal", "power", "eaft", "asft", "talr", "deft", "profit", "prift", "iw-sft"]


def forced(loaded, items, needs):
    """name -> [N] in the order of the items, and their lengths."""
    lengths = np.array([item.num_targets for item in items])
    found = [None] * len(items)
    for scored in teacher_force(loaded, items, needs=needs, batch_tokens=300):
        parts = {name: np.split(v, scored.lengths.cumsum()[:-1]) for name, v in scored.values.items()}
        for number, i in enumerate(scored.indices):
            found[i] = {name: part[number] for name, part in parts.items()}
    return {name: np.concatenate([own[name] for own in found]) for name in found[0]}, lengths


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_those_of_the_trainers_first_step(name, llama_folder, monkeypatch, tmp_path):
    """Recorded inside a real training run: 12 samples, one step, the trainer's own batches, scores and loss."""
    loaded = load_tiny(llama_folder)
    items = encode(loaded, 12)
    objective = objectives.get(name)
    recorded = []
    original = Objective.loss

    def loss(self, log_probs, samples, *arguments, **options):
        out = original(self, log_probs, samples, *arguments, **options)
        recorded.append((samples, out))
        return out

    monkeypatch.setattr(Objective, "loss", loss)
    config = TrainingConfig(batch_size=12, max_steps=1, precision="float32", checkpoint_every=None)
    fit(loaded, items, objective, config, tmp_path / "run", show_progress=False)
    monkeypatch.undo()
    (samples, out), *rest = recorded
    assert not rest
    assert out.sample_weights.numel() == 12

    fresh = load_tiny(llama_folder)
    scores, lengths = forced(fresh, items, objective.needs)
    found = weigh(objective, scores, lengths)
    [order] = StepOrder([len(item.input_ids) for item in items], 12, config.seed, config.group_by_length)
    ends = np.concatenate([[0], lengths.cumsum()])
    places = np.concatenate([np.arange(ends[i], ends[i + 1]) for i in order])
    assert samples.tolist() == np.repeat(np.arange(12), lengths[order]).tolist()
    np.testing.assert_allclose(found.token_weights[places], out.token_weights.numpy(), rtol=2e-4, atol=2e-6)
    np.testing.assert_allclose(found.sample_weights[order], out.sample_weights.numpy(), rtol=2e-4, atol=2e-6)
    if not objective.batch_statistics:
        assert effective_share(found.pull) == pytest.approx(out.metrics["effective_share"], rel=1e-3)
    if found.p_conf is not None:
        assert found.p_conf.mean() == pytest.approx(out.metrics["p_conf"], rel=1e-3)


def made_up(seed=0, sizes=(1, 3, 40, 7, 90)):
    random = np.random.default_rng(seed)
    lengths = np.array(sizes)
    return {"log_probs": -random.exponential(2.0, lengths.sum()).astype(np.float32)}, lengths


@pytest.mark.parametrize("variant", ["v1", "v1-geometric", "v3"])
@pytest.mark.parametrize("window", [1, 2, 7, 8, 256, 0.25])
def test_the_weakest_window_is_where_p_conf_comes_from(variant, window):
    objective = objectives.get("bft", variant=variant, window=window)
    scores, lengths = made_up()
    p_conf = weigh(objective, scores, lengths).p_conf
    starts, widths = weakest_windows(objective, scores["log_probs"], lengths)
    for own, start, width, expected in zip(
        np.split(scores["log_probs"], lengths.cumsum()[:-1]), starts, widths, p_conf, strict=True
    ):
        part = own[start : start + width]
        assert len(part) == width >= 1
        mean = np.exp(part.mean()) if variant == "v1-geometric" else np.exp(part).mean()
        assert mean == pytest.approx(expected, rel=1e-4)


def test_chunks_change_nothing(monkeypatch):
    scores, lengths = made_up()
    objective = objectives.get("bft", window=4)
    whole = weigh(objective, scores, lengths)
    monkeypatch.setattr("counterpoise.inspection.weighing.CHUNK", 2)
    parted = weigh(objective, scores, lengths)
    for name in ("token_weights", "sample_weights", "pull", "p_conf"):
        np.testing.assert_allclose(getattr(whole, name), getattr(parted, name), rtol=1e-6)


def test_an_objective_that_looks_at_its_batch_gets_sixteen_samples():
    scores, lengths = made_up(sizes=(5,) * 20)
    talr = objectives.get("talr")
    found = weigh(talr, scores, lengths).token_weights
    first = talr.loss(torch.from_numpy(scores["log_probs"][:80]), torch.arange(16).repeat_interleave(5)).token_weights
    last = talr.loss(torch.from_numpy(scores["log_probs"][80:]), torch.arange(4).repeat_interleave(5)).token_weights
    np.testing.assert_allclose(found, torch.cat([first, last]).numpy(), rtol=1e-6)


def test_a_schedule_is_taken_at_its_end():
    scores, lengths = made_up()
    moving = weigh(objectives.get("dft", sft_share={"start": 1.0, "end": 0.0, "over": 0.5}), scores, lengths)
    np.testing.assert_allclose(moving.token_weights, np.exp(scores["log_probs"]), rtol=1e-6)


@pytest.mark.parametrize("name", ["sft", "bft"])
def test_pull_is_the_factor_on_the_gradient(name):
    """Up to a common factor, against autograd: SFT's gradient is -1 for each token's log-probability."""
    scores, lengths = made_up(sizes=(4, 9))
    log_probs = torch.from_numpy(scores["log_probs"]).requires_grad_()
    objectives.get(name).loss(log_probs, torch.repeat_interleave(torch.arange(2), torch.tensor([4, 9]))).loss.backward()
    pull = weigh(objectives.get(name), scores, lengths).pull
    found = pull / pull.sum()
    np.testing.assert_allclose(found, (log_probs.grad / log_probs.grad.sum()).numpy(), rtol=1e-4)
