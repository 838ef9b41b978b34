"""All scoring paths equal the plain reference: values and every gradient in float64, bounded error in bfloat16."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise import scoring
from counterpoise.scoring import Head, recompute, reference, tiles

SHAPES = [
    {"bias": False, "softcap": None, "scale": 1.0},
    {"bias": True, "softcap": None, "scale": 0.25},
    {"bias": True, "softcap": 5.0, "scale": 1.5},
]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Tiles far smaller than the problem, so that every sum runs over several, with ragged ends."""
    monkeypatch.setattr(tiles, "CPU_TILE", (3, 7))
    monkeypatch.setitem(recompute.BACKWARD_TILE, "cpu", (4, 6))


def make(n, width, vocabulary, *, bias, dtype=torch.float64, seed=0, grad=()):
    g = torch.Generator().manual_seed(seed)
    made = {
        "hidden": torch.randn(n, width, generator=g, dtype=torch.float64) * 2,
        "weight": torch.randn(vocabulary, width, generator=g, dtype=torch.float64),
        "bias": torch.randn(vocabulary, generator=g, dtype=torch.float64) if bias else None,
    }
    made = {k: v if v is None else v.to(dtype).requires_grad_(k in grad) for k, v in made.items()}
    return made, torch.randint(vocabulary, (n,), generator=g), torch.randn(n, generator=g, dtype=torch.float64)


TRAINED = [(), ("weight",), ("weight", "bias"), ("bias",)]


@pytest.mark.parametrize(
    ("shape", "trained"), [(s, t) for s in SHAPES for t in TRAINED if s["bias"] or "bias" not in t], ids=str
)
def test_values_and_gradients(shape, trained):
    leaves = ("hidden", *trained)
    made, targets, pull = make(11, 5, 23, bias=shape["bias"], grad=leaves)
    rest = {"softcap": shape["softcap"], "scale": shape["scale"]}
    got = scoring.token_log_probs(made["hidden"], made["weight"], targets, made["bias"], **rest)
    want = reference.reference_token_log_probs(made["hidden"], made["weight"], targets, made["bias"], **rest)
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
    inputs = [made[name] for name in leaves]
    expected = torch.autograd.grad(want, inputs, pull)
    for name, a, b in zip(leaves, torch.autograd.grad(got, inputs, pull), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("trained", [(), ("weight", "bias")], ids=str)
@pytest.mark.parametrize("shape", SHAPES[1:], ids=str)
def test_extras_and_their_gradients(shape, trained):
    """Entropy, collision and KL to a reference with its own head; KL pulls together with the log-probability."""
    leaves = ("hidden", *trained)
    made, targets, pull = make(8, 5, 41, bias=True, grad=leaves)
    anchor, _, pull_kl = make(8, 5, 41, bias=True, seed=9)
    rest = {"softcap": shape["softcap"], "scale": shape["scale"]}
    head = Head(made["weight"], made["bias"], **rest)
    got = scoring.score_tokens(
        made["hidden"],
        head,
        targets,
        needs=["entropy", "collision", "reference_kl"],
        reference_hidden=anchor["hidden"],
        reference_head=Head(anchor["weight"], anchor["bias"], **rest),
    )
    logits = reference.reference_logits(made["hidden"], made["weight"], made["bias"], **rest)
    anchor_logits = reference.reference_logits(anchor["hidden"], anchor["weight"], anchor["bias"], **rest)
    want_kl = reference.reference_kl(logits, anchor_logits)
    torch.testing.assert_close(got.entropy, reference.reference_entropy(logits, 20))
    torch.testing.assert_close(got.collision, reference.reference_collision(logits))
    torch.testing.assert_close(got.reference_kl, want_kl)
    assert not got.entropy.requires_grad
    assert not got.collision.requires_grad
    inputs = [made[name] for name in leaves]
    want = logits.log_softmax(-1).gather(-1, targets[:, None]).squeeze(-1)
    expected = torch.autograd.grad((want * pull + want_kl * pull_kl).sum(), inputs)
    actual = torch.autograd.grad((got.log_probs * pull + got.reference_kl * pull_kl).sum(), inputs)
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(0, 9), width=st.integers(1, 6), vocabulary=st.integers(1, 30), spread=st.sampled_from([0.1, 1, 60])
)
@pytest.mark.parametrize("trained", [False, True])
def test_any_size(trained, n, width, vocabulary, spread):
    leaves = ("hidden", "weight") if trained else ("hidden",)
    made, targets, pull = make(n, width, vocabulary, bias=False, grad=leaves)
    hidden = made["hidden"] * spread
    got = scoring.token_log_probs(hidden, made["weight"], targets)
    want = reference.reference_token_log_probs(hidden, made["weight"], targets)
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)
    inputs = [made[name] for name in leaves]
    actual = torch.autograd.grad(got, inputs, pull, retain_graph=True)  # both graphs share ``hidden``
    for a, b in zip(actual, torch.autograd.grad(want, inputs, pull), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_without_gradients():
    made, targets, _ = make(6, 4, 19, bias=True)
    got, entropy = scoring.token_log_probs(made["hidden"], made["weight"], targets, made["bias"], entropy=True)
    want = reference.reference_token_log_probs(made["hidden"], made["weight"], targets, made["bias"])
    torch.testing.assert_close(got, want)
    assert entropy.shape == (6,)
    assert not got.requires_grad


@pytest.mark.parametrize("trained", [False, True])
def test_bfloat16_error_is_bounded(monkeypatch, trained):
    """With bfloat16 inputs and real tile sizes, NLL is within 1 % of float64 truth and gradients within 3 %; neither is
    further off than full bfloat16 logits with a float32 softmax."""
    monkeypatch.undo()
    leaves = ("hidden", "weight") if trained else ("hidden",)
    made, targets, pull = make(64, 128, 9000, bias=False, dtype=torch.bfloat16, grad=leaves)
    truth = {k: v.detach().double().requires_grad_() for k, v in made.items() if v is not None}
    want = reference.reference_token_log_probs(truth["hidden"], truth["weight"], targets)
    full = reference.reference_token_log_probs(made["hidden"], made["weight"], targets)
    got = scoring.token_log_probs(made["hidden"], made["weight"], targets)
    assert got.dtype == torch.float32

    def error(a, b):
        return ((a.double() - b).norm() / b.norm()).item()

    assert error(got, want) < 0.01
    assert error(got, want) < 1.1 * error(full, want) + 1e-4
    expected = torch.autograd.grad(want, [truth[k] for k in leaves], pull)
    plain = torch.autograd.grad(full, [made[k] for k in leaves], pull.float())
    ours = torch.autograd.grad(got, [made[k] for k in leaves], pull.float())
    for a, p, b in zip(ours, plain, expected, strict=True):
        assert error(a, b) < 0.03
        assert error(a, b) < 1.5 * error(p, b) + 1e-3


@pytest.mark.parametrize("trained", [False, True])
def test_float32_master_weight_under_autocast(trained):
    """Products run in bfloat16; gradients come back in the dtype of each input."""
    leaves = ("hidden", "weight") if trained else ("hidden",)
    made, targets, pull = make(8, 16, 50, bias=False, dtype=torch.float32, grad=leaves)
    with torch.autocast("cpu", torch.bfloat16):
        got = scoring.token_log_probs(made["hidden"], made["weight"], targets)
    want = scoring.token_log_probs(made["hidden"], made["weight"], targets)
    assert got.dtype == torch.float32
    assert 0 < (got - want).abs().max() < 0.2
    for grad in torch.autograd.grad(got, [made[k] for k in leaves], pull.float()):
        assert grad.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weight": torch.zeros(9, 3)}, "same H"),
        ({"targets": torch.zeros(3, dtype=torch.long)}, "targets must be"),
        ({"targets": torch.full((2,), -100)}, "supervised_rows"),
        ({"targets": torch.full((2,), 9)}, "expected 0 to 8"),
        ({"bias": torch.zeros(4)}, "bias must be"),
        ({"softcap": 0.0}, "softcap is 0"),
    ],
)
def test_wrong_inputs(change, says):
    arguments = {"hidden": torch.zeros(2, 4), "weight": torch.zeros(9, 4), "targets": torch.zeros(2, dtype=torch.long)}
    with pytest.raises(ValueError, match=says):
        scoring.token_log_probs(**{**arguments, **change})


def test_supervised_rows():
    hidden = torch.arange(12.0).reshape(2, 3, 2)
    targets = torch.tensor([[-100, 5, -100], [6, -100, 7]])
    rows, kept, samples = scoring.supervised_rows(hidden, targets, torch.tensor([[0, 0, 0], [1, 1, 2]]))
    assert rows.tolist() == [[2, 3], [6, 7], [10, 11]]
    assert kept.tolist() == [5, 6, 7]
    assert samples.tolist() == [0, 1, 2]
