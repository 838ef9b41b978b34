"""Every objective equals its equation, in value and in gradient, over lengths, windows, empty and one-token samples."""

import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from references import reference

from counterpoise import objectives

VARIANTS = [("bft", {"variant": v}) for v in ("v1", "v1-geometric", "v3")]
ALL = [(name, {}) for name in objectives.names() if name != "bft"] + VARIANTS
TUNED = [
    ("focal", {"gamma": 0.5}),
    ("power", {"alpha": 1.0}),
    ("power", {"alpha": 0.1}),
    ("eaft", {"alpha": 2.0}),
    ("asft", {"kl_weight": 0.7}),
    ("talr", {"least": 0.2}),
    ("profit", {"threshold": 0.5}),
    ("iw-sft", {"temperature": 3.0}),
    ("bft", {"variant": "v1", "gamma": 2.0}),
    ("bft", {"variant": "v3", "gamma": 0.5}),
]


def draw_batch(lengths, seed):
    """Random confidences and extras for samples of these lengths."""
    rng = random.Random(seed)
    samples = [[math.exp(-rng.expovariate(0.5)) for _ in range(n)] for n in lengths]
    extras = [
        [
            {
                "entropy": rng.uniform(0, math.log(20)),
                "collision": rng.uniform(0.05, 1.0),
                "reference_log_probs": -rng.expovariate(0.5),
                "reference_kl": rng.expovariate(1.0),
            }
            for _ in c
        ]
        for c in samples
    ]
    return samples, extras


def run(name, samples, extras, dtype=torch.float64, **options):
    log_probs = torch.tensor([math.log(x) for c in samples for x in c], dtype=dtype, requires_grad=True)
    ids = torch.tensor([b for b, c in enumerate(samples) for _ in c], dtype=torch.long)
    flat = {key: torch.tensor([e[key] for extra in extras for e in extra], dtype=dtype) for key in objectives.EXTRAS}
    out = objectives.get(name, **options).loss(log_probs, ids, num_samples=len(samples), **flat)
    out.loss.backward()
    return out, log_probs.grad


def flatten(rows):
    return [x for row in rows for x in row]


@pytest.mark.parametrize(("name", "options"), ALL + TUNED, ids=lambda v: str(v) if v else "")
@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    window=st.integers(1, 16),
    seed=st.integers(0, 2**32),
)
def test_equation(name, options, lengths, window, seed):
    samples, extras = draw_batch(lengths, seed)
    options = {**options, "window": window} if name == "bft" else options
    if name == "talr" and not any(lengths):
        return
    out, grad = run(name, samples, extras, **options)
    w, s, loss = reference(name, samples, extras, **options)
    assert out.token_weights.tolist() == pytest.approx(flatten(w), rel=1e-9, abs=1e-12)
    assert out.sample_weights.tolist() == pytest.approx(s, rel=1e-9, abs=1e-12)
    assert out.loss.item() == pytest.approx(loss, rel=1e-9, abs=1e-12)
    # The gradient on log c_t is minus the weights over the denominator, and nothing else: weights are detached.
    total = sum(lengths)
    scale = [1 / ((n + 1e-8) * len(lengths)) if name == "bft" else 1 / total for n in lengths for _ in range(n)]
    weights = zip(flatten(w), flatten([[x] * n for x, n in zip(s, lengths, strict=True)]), scale, strict=True)
    assert grad.tolist() == pytest.approx([-a * b * c for a, b, c in weights], rel=1e-9, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4), seed=st.integers(0, 2**32))
@pytest.mark.parametrize("share", [0.25, "25%", 0.8, "100%"])
@pytest.mark.parametrize("variant", ["v1", "v1-geometric", "v3"])
def test_window_as_a_share_of_the_response(variant, share, lengths, seed):
    samples, extras = draw_batch(lengths, seed)
    out, _ = run("bft", samples, extras, variant=variant, window=share)
    part = float(share.strip("%")) / 100 if isinstance(share, str) else share
    for b, (c, extra) in enumerate(zip(samples, extras, strict=True)):
        g = max(1, torch.tensor(len(c) * part).round().long().item())
        _, s, _ = reference("bft", [c], [extra], variant=variant, window=g)
        assert out.sample_weights[b].item() == pytest.approx(s[0], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("name", "options"), ALL, ids=lambda v: str(v) if v else "")
@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    floor=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_floor_and_sft_share(name, options, lengths, floor, share, seed):
    """``w = a + (1 - a) max(w, floor)`` and ``s = a + (1 - a) s``; the gradient follows; a = 1 is SFT."""
    samples, extras = draw_batch(lengths, seed)
    plain, _ = run(name, samples, extras, **options)
    out, grad = run(name, samples, extras, **options, floor=floor, sft_share=share)
    filled = torch.tensor([n > 0 for n in lengths])
    torch.testing.assert_close(out.token_weights, share + (1 - share) * plain.token_weights.clamp(min=floor))
    expected = torch.where(filled, share + (1 - share) * plain.sample_weights, 0.0)
    torch.testing.assert_close(out.sample_weights, expected)
    if share == 1.0:
        assert torch.allclose(out.token_weights, torch.ones_like(out.token_weights))
    ids = torch.tensor([b for b, c in enumerate(samples) for _ in c], dtype=torch.long)
    counts = torch.tensor(lengths, dtype=torch.float64).clamp(min=1)
    per_token = (expected / counts / len(lengths)) if name == "bft" else expected / max(sum(lengths), 1)
    torch.testing.assert_close(grad, -out.token_weights * per_token[ids])


@pytest.mark.parametrize("floor", [0.05, 0.5])
def test_power_loss_with_floor_is_continuous(floor):
    """Below the bend the loss goes on as a straight line; no jump where the floor takes over."""
    bend = math.log(floor) / 0.5
    points = torch.tensor([bend - 1e-6, bend + 1e-6], dtype=torch.float64)
    objective = objectives.get("power", alpha=0.5, floor=floor)
    low, high = (objective.loss(p[None], torch.tensor([0])).loss.item() for p in points)
    assert low == pytest.approx(high, abs=1e-5)


def test_power_tends_to_sft_and_to_minus_c():
    samples, extras = draw_batch([5, 3], 1)
    sft, sft_grad = run("sft", samples, extras)
    nearly, nearly_grad = run("power", samples, extras, alpha=0.0)
    assert nearly.loss.item() == pytest.approx(sft.loss.item(), rel=1e-6)
    torch.testing.assert_close(nearly_grad, sft_grad)
    one, _ = run("power", samples, extras, alpha=1.0)
    c = torch.tensor(flatten(samples), dtype=torch.float64)
    assert one.loss.item() == pytest.approx((1 - c).mean().item())


def test_schedule_moves_the_share():
    samples, _ = draw_batch([4, 4], 3)
    log_probs = torch.tensor([math.log(x) for x in flatten(samples)])
    ids = torch.tensor([0] * 4 + [1] * 4)
    bft = objectives.get("bft", sft_share={"start": 1.0, "end": 0.0, "over": 0.5})
    at = {p: bft.loss(log_probs, ids, progress=p).token_weights for p in (0.0, 0.25, 0.5, 0.9)}
    plain = objectives.get("bft").loss(log_probs, ids).token_weights
    assert torch.equal(at[0.0], torch.ones(8))
    torch.testing.assert_close(at[0.25], 0.5 + 0.5 * plain)
    assert torch.equal(at[0.5], plain)
    assert torch.equal(at[0.9], plain)
