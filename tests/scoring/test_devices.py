"""Scoring on a device: when the kernels are chosen, nothing waits for a GPU, one graph under torch.compile."""

import importlib.util

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from counterpoise import scoring
from counterpoise.scoring import Head, reference, tiles


def test_use_kernels_only_on_cuda():
    assert not tiles.use_kernels(torch.zeros(1))
    assert importlib.util.find_spec("triton") is not None or not tiles.TRITON


@pytest.mark.parametrize("trained", [False, True], ids=["frozen", "trained"])
def test_nothing_waits_for_the_device(trained):
    """Under fake tensors, looking at a value (item, tolist, bool, nonzero) raises; only ``check`` looks."""
    with FakeTensorMode():
        hidden, weight = torch.randn(40, 16, requires_grad=True), torch.randn(9000, 16, requires_grad=trained)
        targets = torch.zeros(40, dtype=torch.long)
        arguments = {"needs": ["entropy", "collision", "reference_kl"], "reference_hidden": hidden.detach()}
        scores = scoring.score_tokens(hidden, Head(weight), targets, check=False, **arguments)
        (scores.log_probs.sum() + scores.reference_kl.sum()).backward()
        with pytest.raises(DataDependentOutputException):
            scoring.score_tokens(hidden, Head(weight), targets, check=True)


@pytest.mark.parametrize("trained", [False, True], ids=["frozen", "trained"])
def test_torch_compile_as_one_graph(trained):
    g = torch.Generator().manual_seed(0)
    hidden = torch.randn(7, 4, generator=g).requires_grad_()
    head = Head(torch.randn(5000, 4, generator=g).requires_grad_(trained))
    targets = torch.randint(5000, (7,), generator=g)

    def total(hidden):
        return scoring.score_tokens(hidden, head, targets, check=False).log_probs.sum()

    (want,) = torch.autograd.grad(total(hidden), [hidden])
    torch.compiler.reset()
    (got,) = torch.autograd.grad(torch.compile(total, backend="aot_eager", fullgraph=True)(hidden), [hidden])
    torch.testing.assert_close(got, want)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.gpu
@pytest.mark.parametrize("trained", [False, True], ids=["frozen", "trained"])
def test_on_a_gpu_at_real_size(trained):
    """Kernels chosen by themselves, bfloat16, real tiles: close to float64, and no wait for the device."""
    assert tiles.use_kernels(torch.zeros(1, device="cuda")) == tiles.TRITON
    g = torch.Generator("cuda").manual_seed(0)
    hidden = torch.randn(5000, 256, generator=g, device="cuda", dtype=torch.bfloat16).requires_grad_()
    weight = (torch.randn(33_001, 256, generator=g, device="cuda") * 0.2).bfloat16().requires_grad_(trained)
    targets = torch.randint(33_001, (5000,), generator=g, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        got = scoring.score_tokens(hidden, Head(weight), targets, check=False).log_probs
        leaves = [hidden, weight] if trained else [hidden]
        gradients = torch.autograd.grad(got.sum(), leaves)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    wide = [x.detach().double().requires_grad_() for x in (hidden, weight)]
    want = reference.reference_token_log_probs(*wide, targets)
    assert ((got - want).norm() / want.norm()).item() < 0.01
    for a, b in zip(gradients, torch.autograd.grad(want.sum(), wide[: len(leaves)]), strict=True):
        assert ((a - b).norm() / b.norm()).item() < 0.02
