"""The Triton kernels equal the torch operators: a tile at a time, and through score_tokens with all gradients.

On a CUDA device they run as they are, elsewhere in Triton's interpreter on CPU tensors. The interpreter has to be asked
for before anything imports Triton: tests/conftest.py does.
"""

import os
import subprocess
import sys

import pytest
import torch

from counterpoise import scoring
from counterpoise.scoring import Head, kernels, recompute, reference, statistics, tiles
from counterpoise.scoring.tiles import RunningSoftmax

CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA else "cpu"
needs_triton = pytest.mark.skipif(
    not CUDA and type(kernels._fold_tile).__name__ != "InterpretedFunction",
    reason="needs triton: interpreter or CUDA",
)

HEADS = [
    {"bias": False, "softcap": None, "scale": 1.0},
    {"bias": True, "softcap": None, "scale": 0.25},
    {"bias": True, "softcap": 5.0, "scale": 1.5},
]
#: Rows by columns of a tile: a single entry, a power of two, its neighbours, many rows.
SIZES = [(1, 1), (7, 64), (3, 65), (2, 1023), (130, 33)]
DTYPES = [torch.float32, torch.bfloat16]


def make_tile(rows, columns, dtype, shape, seed=0):
    """A tile in the middle of a vocabulary; targets lie before, inside and after it."""
    g = torch.Generator().manual_seed(seed)
    start, vocabulary = 50, columns + 90
    product = (torch.randn(rows, columns, generator=g) * 6).to(DEVICE, dtype)
    bias = torch.randn(vocabulary, generator=g).to(DEVICE) if shape["bias"] else None
    targets = torch.randint(vocabulary, (rows,), generator=g)
    targets[rows // 2] = start + columns - 1  # inside, at the very edge
    head = Head(torch.empty(vocabulary, 0, device=DEVICE), bias, shape["softcap"], shape["scale"])
    return product, head, start, targets.to(DEVICE), g


def statistics_before(rows, g):
    """Statistics of earlier tiles; those of the first row are empty."""
    softmax = RunningSoftmax(rows, torch.empty(0, device=DEVICE))
    softmax.peak[1:] = (torch.randn(rows - 1, 1, generator=g) * 10).to(DEVICE)
    softmax.total[1:] = (torch.rand(rows - 1, 1, generator=g) + 1).to(DEVICE)
    return softmax, torch.randn(rows, generator=g).to(DEVICE), torch.rand(rows, 1, generator=g).to(DEVICE)


def rounding(dtype):
    """What one rounding to this dtype may change (the interpreter cuts off); in float32, what order and tanh may."""
    if dtype == torch.bfloat16:
        return {"rtol": 2**-8 if CUDA else 2**-7, "atol": 1e-6}
    return {"rtol": 2e-5, "atol": 2e-6}


@needs_triton
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", HEADS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_fold_tile(size, shape, dtype):
    product, head, start, targets, g = make_tile(*size, dtype, shape)
    stop = start + size[1]
    softmax, target_logits, squares = statistics_before(size[0], g)
    want, want_target = RunningSoftmax(size[0], softmax.peak), target_logits.clone()
    want.peak, want.total = softmax.peak.clone(), softmax.total.clone()
    logits = head.activate(product.to(torch.float32, copy=True), start, stop)
    tiles.gather_in_tile(logits, targets, start, stop, into=want_target)
    exp, want_shrink = want.add(logits)
    want_squares = squares * want_shrink.square() + exp.square().sum(-1, keepdim=True)

    shrink = kernels.fold_tile(product, head, start, targets, softmax, target_logits, squares, keep=True)
    found = (target_logits, softmax.peak, softmax.total, shrink, squares)
    for a, b in zip(found, (want_target, want.peak, want.total, want_shrink, want_squares), strict=True):
        torch.testing.assert_close(a, b, rtol=2e-5, atol=2e-5)
    torch.testing.assert_close(product.float(), exp * head.slope(logits), **rounding(dtype))


@needs_triton
def test_fold_tile_leaves_the_product_alone_where_it_is_not_kept():
    product, head, start, targets, g = make_tile(5, 30, torch.float32, HEADS[0])
    softmax, target_logits, _ = statistics_before(5, g)
    before = product.clone()
    kernels.fold_tile(product, head, start, targets, softmax, target_logits, None, keep=False)
    assert torch.equal(product, before)


@needs_triton
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", HEADS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_logit_gradient(size, shape, dtype):
    rows, columns = size
    product, head, start, targets, g = make_tile(*size, dtype, shape)
    grad = torch.randn(rows, generator=g).to(DEVICE)
    logits = head.activate(product.to(torch.float32, copy=True), start, start + columns)
    normaliser = logits.logsumexp(-1) + 0.3
    onehot = torch.arange(start, start + columns, device=DEVICE) == targets[:, None]
    want = grad[:, None] * (onehot.float() - (logits - normaliser[:, None]).exp()) * head.slope(logits)
    kernels.logit_gradient(product, head, start, targets, normaliser, grad)
    torch.testing.assert_close(product.float(), want, **rounding(dtype))


@needs_triton
def test_expanded_gradients_and_strided_targets():
    """What ``sum().backward()`` sends, and a column of a table of targets, are not contiguous."""
    product, head, start, targets, _ = make_tile(6, 20, torch.float32, HEADS[0])
    other = product.clone()
    normaliser = torch.full((6,), 9.0, device=DEVICE)
    kernels.logit_gradient(product, head, start, targets, normaliser, torch.ones(6, device=DEVICE))
    strided = torch.stack([targets, targets * 0], dim=1)[:, 0]
    kernels.logit_gradient(other, head, start, strided, normaliser, torch.ones(1, device=DEVICE).expand(6))
    assert torch.equal(product, other)


COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from counterpoise.scoring import kernels

TYPES = {"columns": "i32", "start": "i32", "targets_ptr": "*i64", "product_ptr": "*bf16"}
for capability in (80, 90):
    for kernel in (kernels._fold_tile, kernels._logit_gradient):
        for given in ({"SOFTCAP": 30.0}, {"SOFTCAP": None, "bias_ptr": None, "squares_ptr": None}):
            names = kernel.arg_names
            constants = {"KEEP": True, "SCALE": 0.5, "BLOCK": 8192, **given}
            constants = {name: value for name, value in constants.items() if name in names}
            signature = {name: "constexpr" if name in constants else TYPES.get(name, "*fp32") for name in names}
            source = ASTSource(kernel, signature, {(names.index(name),): value for name, value in constants.items()})
            made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 16})
            print(kernel.__name__, capability, len(made.asm["cubin"]))
"""


@pytest.mark.skipif(not kernels.FOUND, reason="needs triton: interpreter or CUDA")
def test_compiles_for_gpus_that_are_not_here(tmp_path):
    """The interpreter lets pass what the compiler refuses. In a process of its own, where Triton does not interpret."""
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run([sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 8


def make(n, width, vocabulary, shape, dtype, trained, seed=0):
    g = torch.Generator().manual_seed(seed)
    hidden = (torch.randn(n, width, generator=g) * 2).to(DEVICE, dtype).requires_grad_()
    weight = torch.randn(vocabulary, width, generator=g).to(DEVICE, dtype).requires_grad_(trained)
    bias = torch.randn(vocabulary, generator=g).to(DEVICE, dtype).requires_grad_(trained) if shape["bias"] else None
    targets = torch.randint(vocabulary, (n,), generator=g).to(DEVICE)
    return Head(weight, bias, shape["softcap"], shape["scale"]), hidden, targets, torch.randn(n, generator=g).to(DEVICE)


@pytest.fixture
def switch(monkeypatch):
    """``switch(True)`` sends every tile through the kernels, ``switch(False)`` none; tiles are small and ragged."""
    monkeypatch.setattr(tiles, "CPU_TILE", (13, 48))
    monkeypatch.setattr(tiles, "DEVICE_TILE", (13, 48))
    monkeypatch.setitem(recompute.BACKWARD_TILE, DEVICE, (17, 40))

    def turn(on):
        for module in (statistics, recompute):
            monkeypatch.setattr(module, "use_kernels", lambda tensor: on)

    return turn


def scores_and_gradients(head, hidden, targets, pull, **extras):
    scores = scoring.score_tokens(hidden, head, targets, **extras)
    leaves = [x for x in (hidden, head.weight, head.bias) if x is not None and x.requires_grad]
    total = (scores.log_probs * pull).sum()
    if scores.reference_kl is not None:
        total = total + (scores.reference_kl * pull).sum()
    return scores, torch.autograd.grad(total, leaves)


@needs_triton
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("trained", [False, True], ids=["frozen", "trained"])
@pytest.mark.parametrize("shape", HEADS, ids=str)
def test_score_tokens(switch, shape, trained, dtype):
    """Kernels against torch operators on the same tiles, and both against full logits in float64."""
    head, hidden, targets, pull = make(30, 16, 131, shape, dtype, trained)
    needs = {"needs": ["entropy", "collision"]}
    switch(False)
    want, want_gradients = scores_and_gradients(head, hidden, targets, pull, **needs)
    switch(True)
    got, gradients = scores_and_gradients(head, hidden, targets, pull, **needs)
    for name in ("log_probs", "entropy", "collision"):
        torch.testing.assert_close(getattr(got, name), getattr(want, name), rtol=5e-5, atol=5e-5)
    wide = [x if x is None else x.double() for x in (head.weight, head.bias)]
    truth = reference.reference_token_log_probs(hidden.double(), wide[0], targets, wide[1], head.softcap, head.scale)
    leaves = [x for x in (hidden, head.weight, head.bias) if x is not None and x.requires_grad]
    truth_gradients = torch.autograd.grad((truth * pull).sum(), leaves)

    def error(a, b):
        return ((a.double() - b.double()).norm() / b.double().norm()).item()

    bound = 1e-5 if dtype == torch.float32 else 0.02
    assert error(got.log_probs, truth) < bound
    for a, b, c in zip(gradients, want_gradients, truth_gradients, strict=True):
        assert a.dtype == b.dtype
        assert error(a, b) < bound
        assert error(a, c) < max(bound, 1.2 * error(b, c))


@needs_triton
@pytest.mark.parametrize("trained", [False, True], ids=["frozen", "trained"])
def test_the_kernels_are_used_unless_the_kl_is_asked_for(switch, monkeypatch, trained):
    """The KL to a reference stays with torch operators, forward and backward: same values with the switch on."""
    head, hidden, targets, pull = make(9, 4, 50, HEADS[2], torch.float32, trained)
    calls = []
    launch = kernels._launch
    monkeypatch.setattr(kernels, "_launch", lambda kernel, *rest: (calls.append(kernel), launch(kernel, *rest)))
    switch(True)
    scores_and_gradients(head, hidden, targets, pull)
    assert set(calls) == ({kernels._fold_tile, kernels._logit_gradient} if trained else {kernels._fold_tile})
    calls.clear()
    kl = {"needs": ["reference_kl"], "reference_hidden": hidden.detach().flip(0)}
    got = scores_and_gradients(head, hidden, targets, pull, **kl)
    assert not calls
    switch(False)
    want = scores_and_gradients(head, hidden, targets, pull, **kl)
    assert torch.equal(got[0].reference_kl, want[0].reference_kl)
    assert all(torch.equal(a, b) for a, b in zip(got[1], want[1], strict=True))


@needs_triton
def test_no_rows(switch):
    switch(True)
    head, hidden, targets, pull = make(0, 4, 50, HEADS[1], torch.float32, True)
    scores, gradients = scores_and_gradients(head, hidden, targets, pull)
    assert scores.log_probs.shape == (0,)
    assert all(not g.any() for g in gradients)


@needs_triton
def test_a_nan_is_not_hidden(switch):
    """A NaN in the logits must reach the log-probability, where the trainer's guard looks for it."""
    switch(True)
    head, hidden, targets, _ = make(3, 4, 200, HEADS[0], torch.float32, False)
    with torch.no_grad():
        hidden[1, 2] = torch.nan
        log_probs = scoring.score_tokens(hidden, head, targets).log_probs
    assert log_probs.isnan().tolist() == [False, True, False]
