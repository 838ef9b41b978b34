"""A tile of logits on an NVIDIA GPU, in one reading and one writing: Triton kernels behind ``scoring``.

The products with the head stay cuBLAS's. What lies between them, bias, scale and softcap, running maximum,
exponentials and their sums, the target's logit, is some eight passes over a float32 copy of the tile when written in
torch operators. Here a program holds one row of the tile in registers, reads it once and writes over it once, in the
dtype of the products, so that the next product can take it as it is. Statistics are float32.

    kernels.fold_tile(product, head, 0, targets, softmax, target_logits, squares, keep=True)  # forward pass
    kernels.logit_gradient(product, head, 0, targets, log_normaliser, grad)                  # recompute backward

Whether they run is for :func:`counterpoise.scoring.tiles.use_kernels` to say. The same tile in torch operators, in
:mod:`counterpoise.scoring.statistics` and :mod:`counterpoise.scoring.recompute`, is what the tests compare with and
what runs wherever Triton does not, so a GPU without Triton keeps what the two paths save. TRL's fused head is no better
fallback: without Triton it makes the same passes in torch operators (on a CPU it took 3 to 5 times as long as full
logits, and 5 times our memory), and with a frozen head it makes every tile again in the backward pass.

Without a GPU the kernels run, slowly, in Triton's interpreter: ``TRITON_INTERPRET=1``, set before Triton is imported.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import torch
from torch import Tensor

from counterpoise.scoring.tiles import Head, RunningSoftmax

FOUND = importlib.util.find_spec("triton") is not None
if FOUND:
    import triton
    import triton.language as tl


def fold_tile(
    product: Tensor,
    head: Head,
    start: int,
    targets: Tensor,
    softmax: RunningSoftmax,
    target_logits: Tensor,
    squares: Tensor | None,
    keep: bool,
) -> Tensor:
    """Take a tile into the statistics of its rows, all of which change in place.

    Args:
        product: [R, W] hidden states times the head's rows ``start`` to ``start + W``, contiguous; float32 or 16 bits.
        head: its bias, scale and softcap are applied here.
        start: first vocabulary entry of the tile.
        targets: [R] int64.
        softmax: float32 statistics of the tiles before.
        target_logits: [R] float32, written where the target lies in this tile.
        squares: [R, 1] float32, sum of squared exponentials, or None.
        keep: overwrite ``product`` with ``exp(logits - peak)`` times the slope of the logits (:meth:`Head.slope`), the
            left factor of the product that the gradient of the hidden states is made of.

    Returns:
        [R, 1] factor that earlier sums over the vocabulary shrink by.
    """
    shrink = torch.empty_like(softmax.peak)
    sums = (softmax.peak, softmax.total, target_logits, squares, shrink)
    _launch(_fold_tile, product, head, start, targets.contiguous(), *sums, keep)
    return shrink


def logit_gradient(
    product: Tensor, head: Head, start: int, targets: Tensor, log_normaliser: Tensor, grad: Tensor
) -> None:
    """Overwrite a tile with ``grad (onehot - p)`` times the slope of the logits.

    Args:
        product: as in :func:`fold_tile`.
        head: its bias, scale and softcap are applied here.
        start: first vocabulary entry of the tile.
        targets: [R] int64.
        log_normaliser: [R] float32.
        grad: [R] float32, what arrives for each row's log-probability.
    """
    _launch(_logit_gradient, product, head, start, targets.contiguous(), log_normaliser, grad.contiguous())


def _launch(kernel: Any, product: Tensor, head: Head, start: int, *rest: Any) -> None:
    """Run one program a row. Scale and softcap are compiled in: a model has one of each."""
    rows, columns = product.shape
    if rows == 0:
        return
    assert product.is_contiguous()
    bias = None if head.bias is None else head.bias[start : start + columns].contiguous()
    block = 1 << (columns - 1).bit_length()
    warps = min(16, max(1, block // 512))  # 16 numbers a thread: all of a row's loads are under way at once
    with torch.cuda.device(product.get_device()):  # Triton launches on the current device, wherever the tensors are
        kernel[(rows,)](product, bias, columns, start, *rest, float(head.scale), head.softcap, block, num_warps=warps)


def _jit(function: Any) -> Any:
    """``triton.jit``; without Triton the module can be imported, but nothing in it runs."""
    return triton.jit(function) if FOUND else function


@_jit
def _load_row(
    product_ptr: tl.tensor,
    bias_ptr: tl.tensor,
    columns: tl.tensor,
    SCALE: tl.constexpr,
    SOFTCAP: tl.constexpr,
    BLOCK: tl.constexpr,
) -> tl.tuple:
    """This program's row of the tile: its pointers, column numbers and mask, the logits and their slope."""
    column = tl.arange(0, BLOCK)
    inside = column < columns
    pointers = product_ptr + tl.program_id(0).to(tl.int64) * columns + column
    logits = tl.load(pointers, mask=inside, other=0.0).to(tl.float32)
    if bias_ptr is not None:
        logits += tl.load(bias_ptr + column, mask=inside, other=0.0).to(tl.float32)
    logits *= SCALE
    slope = tl.full((BLOCK,), SCALE, tl.float32)
    if SOFTCAP is not None:
        tanh = 1.0 - 2.0 / (tl.exp(2.0 / SOFTCAP * logits) + 1.0)  # right at both ends, where exp is 0 or infinite
        logits = SOFTCAP * tanh
        slope *= 1.0 - tanh * tanh
    return pointers, column, inside, logits, slope


@_jit
def _fold_tile(
    product_ptr: tl.tensor,
    bias_ptr: tl.tensor,
    columns: tl.tensor,
    start: tl.tensor,
    targets_ptr: tl.tensor,
    peak_ptr: tl.tensor,
    total_ptr: tl.tensor,
    target_logits_ptr: tl.tensor,
    squares_ptr: tl.tensor,
    shrink_ptr: tl.tensor,
    KEEP: tl.constexpr,
    SCALE: tl.constexpr,
    SOFTCAP: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    row = tl.program_id(0)
    pointers, column, inside, logits, slope = _load_row(product_ptr, bias_ptr, columns, SCALE, SOFTCAP, BLOCK)

    target = tl.load(targets_ptr + row) - start
    target_logit = tl.sum(tl.where(column == target, logits, 0.0), axis=0)
    tl.store(target_logits_ptr + row, target_logit, mask=(target >= 0) & (target < columns))

    before = tl.load(peak_ptr + row)
    peak = tl.maximum(before, tl.max(tl.where(inside, logits, -float("inf")), axis=0))
    shrink = tl.exp(before - peak)
    exp = tl.where(inside, tl.exp(logits - peak), 0.0)
    tl.store(peak_ptr + row, peak)
    tl.store(shrink_ptr + row, shrink)
    tl.store(total_ptr + row, tl.load(total_ptr + row) * shrink + tl.sum(exp, axis=0))
    if squares_ptr is not None:
        tl.store(squares_ptr + row, tl.load(squares_ptr + row) * shrink * shrink + tl.sum(exp * exp, axis=0))
    if KEEP:
        tl.store(pointers, (exp * slope).to(product_ptr.dtype.element_ty), mask=inside)


@_jit
def _logit_gradient(
    product_ptr: tl.tensor,
    bias_ptr: tl.tensor,
    columns: tl.tensor,
    start: tl.tensor,
    targets_ptr: tl.tensor,
    log_normaliser_ptr: tl.tensor,
    grad_ptr: tl.tensor,
    SCALE: tl.constexpr,
    SOFTCAP: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    row = tl.program_id(0)
    pointers, column, inside, logits, slope = _load_row(product_ptr, bias_ptr, columns, SCALE, SOFTCAP, BLOCK)
    onehot = (column == tl.load(targets_ptr + row) - start).to(tl.float32)
    p = tl.exp(logits - tl.load(log_normaliser_ptr + row))
    change = tl.load(grad_ptr + row) * (onehot - p) * slope
    tl.store(pointers, change.to(product_ptr.dtype.element_ty), mask=inside)
