"""Sums and counts of a loss: they add up over micro-batches, and means, histograms and quantiles come out of them."""

import numpy as np
import pytest
import torch

from counterpoise import objectives
from counterpoise.objectives.measures import BINS, HISTOGRAMS, QUANTILE_NAMES, SUMS, WIDTH, histograms_of, means_of


def made(seed, lengths):
    generator = torch.Generator().manual_seed(seed)
    samples = torch.tensor([b for b, length in enumerate(lengths) for _ in range(length)])
    return torch.rand(len(samples), generator=generator).clamp(min=1e-4).log(), samples


@pytest.mark.parametrize("name", objectives.names())
def test_sums_have_one_width_and_histograms_count_every_token(name):
    objective = objectives.get(name)
    log_probs, samples = made(0, [5, 9, 1])
    extras = {key: torch.rand(15) for key in objective.needs}
    out = objective.loss(log_probs, samples, num_samples=4, **extras)  # the last sample has no supervised token
    assert out.sums.shape == (WIDTH,)
    counts = histograms_of(out.sums.tolist())
    expected = np.histogram(log_probs.exp().numpy(), bins=BINS, range=(0, 1))[0]
    assert counts["confidence"] == expected.tolist()
    clipped = out.token_weights.clamp(max=1).double().numpy()
    assert counts["token_weight"] == np.histogram(clipped, bins=BINS, range=(0, 1))[0].tolist()
    weights = out.sample_weights[:3].clamp(max=1).double().numpy()
    assert counts["sample_weight"] == np.histogram(weights, bins=BINS, range=(0, 1))[0].tolist()


def test_sums_of_micro_batches_are_those_of_the_batch():
    objective = objectives.get("bft", window=4)
    lengths = [3, 8, 12, 5, 7, 30]
    log_probs, samples = made(1, lengths)
    whole = objective.loss(log_probs, samples)
    cut = sum(lengths[:3])
    parts = [
        objective.loss(log_probs[:cut], samples[:cut], num_samples=3, denominator=6.0),
        objective.loss(log_probs[cut:], samples[cut:] - 3, num_samples=3, denominator=6.0),
    ]
    total = (parts[0].sums + parts[1].sums).tolist()
    assert total == pytest.approx(whole.sums.tolist())
    assert means_of(total) == pytest.approx(whole.metrics)


def test_quantiles_of_p_conf_are_those_of_the_samples_to_a_bin():
    objective = objectives.get("bft", variant="v1", window=2)
    log_probs, samples = made(2, [6] * 400)
    out = objective.loss(log_probs, samples)
    p_conf = 1 - out.sample_weights.numpy()
    for name, share in zip(QUANTILE_NAMES, (0.05, 0.25, 0.5, 0.75, 0.95), strict=True):
        assert out.metrics[name] == pytest.approx(np.quantile(p_conf, share), abs=0.012), name
    assert QUANTILE_NAMES == ("p_conf_q05", "p_conf_q25", "p_conf_q50", "p_conf_q75", "p_conf_q95")


def test_an_objective_without_windows_has_no_quantiles_and_no_tokens_are_no_metrics():
    assert not {*QUANTILE_NAMES, "p_conf"} & set(objectives.get("dft").loss(*made(3, [4])).metrics)
    empty = objectives.get("bft").loss(torch.zeros(0), torch.zeros(0, dtype=torch.long), num_samples=2)
    assert empty.metrics == {"tokens": 0.0, "samples": 2.0}
    assert sum(sum(counts) for counts in histograms_of(empty.sums.tolist()).values()) == 0


def test_weights_above_one_count_in_the_last_bin():
    out = objectives.get("iw-sft").loss(*made(4, [3, 3]), reference_log_probs=torch.full((6,), -9.0))
    assert out.sample_weights.max() > 1
    assert sum(histograms_of(out.sums.tolist())["sample_weight"]) == 2
    assert histograms_of(out.sums.tolist())["sample_weight"][-1] == 2
    assert len(SUMS) + sum(HISTOGRAMS.values()) == WIDTH
