"""The identities of the method: how the objectives turn into one another, and the numbers that tell the means apart."""

import pytest
import torch

from counterpoise import objectives


def make(lengths, seed=0, low=-4.0):
    generator = torch.Generator().manual_seed(seed)
    n = sum(lengths)
    log_probs = (torch.rand(n, generator=generator, dtype=torch.float64) * low).requires_grad_()
    ids = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    return log_probs, ids


def grad(objective, log_probs, ids, **kwargs):
    return torch.autograd.grad(objective.loss(log_probs, ids, **kwargs).loss, log_probs)[0]


@pytest.mark.parametrize(("variant", "weight"), [("v1", 0.545), ("v1-geometric", 0.905)])
def test_the_two_means_differ(variant, weight):
    """Half the tokens at 0.9, half at 0.01: 1 - 0.455 = 0.545 arithmetically, 1 - 0.0949 = 0.905 geometrically."""
    log_probs = torch.tensor([0.9, 0.01] * 10).log()
    out = objectives.get("bft", variant=variant).loss(log_probs, torch.zeros(20, dtype=torch.long))
    assert out.sample_weights.item() == pytest.approx(weight, abs=5e-4)


def test_v3_token_gradient_is_that_of_minus_c_over_the_larger_of_c_and_local_confidence():
    log_probs, ids = make([7, 4, 9], seed=3)
    bft = objectives.get("bft", window=4, use="token")
    c = log_probs.exp()
    weights = bft.loss(log_probs, ids).token_weights
    local = torch.where(weights < 1, c.detach() / weights, c.detach())  # w < 1: w = c / (C + eps)
    lengths = torch.tensor([7, 4, 9])[ids]
    expected = torch.autograd.grad((-c / torch.maximum(c.detach(), local) / lengths).sum() / 3, log_probs)[0]
    torch.testing.assert_close(grad(bft, log_probs, ids), expected)


def test_v3_with_a_window_of_one_and_no_sample_weight_is_sft_per_sample():
    log_probs, ids = make([5, 1, 8])
    got = grad(objectives.get("bft", window=1, use="token"), log_probs, ids)
    means = torch.stack([-log_probs[ids == b].mean() for b in range(3)])
    torch.testing.assert_close(got, torch.autograd.grad(means.mean(), log_probs)[0], rtol=1e-6, atol=1e-9)


def test_v1_without_sample_weight_is_dft_per_sample():
    log_probs, ids = make([5, 2, 8])
    got = grad(objectives.get("bft", variant="v1", use="token"), log_probs, ids)
    means = torch.stack([-log_probs.exp()[ids == b].mean() for b in range(3)])
    torch.testing.assert_close(got, torch.autograd.grad(means.mean(), log_probs)[0])


def test_dft_has_the_gradient_of_minus_c():
    log_probs, ids = make([6, 3])
    got = grad(objectives.get("dft"), log_probs, ids)
    torch.testing.assert_close(got, torch.autograd.grad(-log_probs.exp().mean(), log_probs)[0])


def test_a_span_that_is_hard_throughout_keeps_its_weight_in_v3_only():
    hard = torch.full((300,), 0.05).log()
    ids = torch.zeros(300, dtype=torch.long)
    assert objectives.get("bft").loss(hard, ids).token_weights.min() > 0.99
    assert objectives.get("dft").loss(hard, ids).token_weights.max() < 0.051
    isolated = torch.full((301,), 0.9).log()
    isolated[150] = torch.tensor(0.05).log()
    for variant in ("v1", "v3"):
        out = objectives.get("bft", variant=variant).loss(isolated, torch.zeros(301, dtype=torch.long))
        assert out.token_weights[150] < 0.06


@pytest.mark.parametrize("variant", ["v1", "v1-geometric", "v3"])
def test_windows_respect_samples(variant):
    """A sample weighs the same alone as among others: no window crosses a boundary."""
    lengths = [9, 1, 30, 4]
    log_probs, ids = make(lengths, seed=5)
    bft = objectives.get("bft", variant=variant, window=6)
    together = bft.loss(log_probs, ids)
    start = 0
    for b, n in enumerate(lengths):
        alone = bft.loss(log_probs[start : start + n], torch.zeros(n, dtype=torch.long))
        torch.testing.assert_close(together.sample_weights[b : b + 1], alone.sample_weights)
        torch.testing.assert_close(together.token_weights[start : start + n], alone.token_weights)
        start += n


@pytest.mark.parametrize("name", objectives.names())
def test_micro_batches_add_up(name):
    """Cut anywhere between samples, with the denominator of the whole step: same loss and gradient. talr says it is
    the exception, and is."""
    lengths = [3, 8, 1, 5, 2, 7]
    log_probs, ids = make(lengths, seed=7, low=-3.0)
    extras = {
        "entropy": torch.rand(26, dtype=torch.float64),
        "collision": torch.rand(26, dtype=torch.float64) + 0.1,
        "reference_log_probs": -torch.rand(26, dtype=torch.float64),
        "reference_kl": torch.rand(26, dtype=torch.float64),
    }
    objective = objectives.get(name)
    whole = objective.loss(log_probs, ids, **extras)
    denominator = 6 if objective.average == "sample" else 26
    parts, start = [], 0
    for first, last in ((0, 1), (1, 4), (4, 6)):
        n = sum(lengths[first:last])
        part = slice(start, start + n)
        cut = {key: value[part] for key, value in extras.items()}
        parts.append(objective.loss(log_probs[part], ids[part] - first, denominator, **cut).loss)
        start += n
    same = torch.allclose(sum(parts), whole.loss, rtol=1e-12)
    assert same is not objective.batch_statistics
    if same:
        got = torch.autograd.grad(sum(parts), log_probs)[0]
        torch.testing.assert_close(got, torch.autograd.grad(whole.loss, log_probs)[0])


def test_float32_windows_stay_accurate_over_many_tokens():
    """100,000 easy tokens before a hard window must not blur it."""
    c = torch.full((100_000,), 0.999)
    c[-8:] = 1e-4
    out = objectives.get("bft", variant="v1", window=8).loss(c.log(), torch.zeros(100_000, dtype=torch.long))
    assert out.metrics["p_conf"] == pytest.approx(1e-4, rel=1e-3)


def test_bfloat16_log_probs_are_weighed_in_float32():
    log_probs = torch.tensor([-0.1, -2.0, -3.0], dtype=torch.bfloat16, requires_grad=True)
    out = objectives.get("bft").loss(log_probs, torch.tensor([0, 0, 0]))
    assert out.loss.dtype == out.token_weights.dtype == torch.float32
    out.loss.backward()
    assert log_probs.grad.dtype == torch.bfloat16
