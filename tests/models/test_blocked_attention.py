"""Attention in blocks is scaled_dot_product_attention: values and gradients, any length, shared key heads, 16 bits."""

import pytest
import torch
import torch.nn.functional as F

from counterpoise.models.blocked_attention import BLOCK, BUDGET, causal_attention
from counterpoise.models.cpu_attention import _attend


def inputs(number, heads, key_heads, length, width, dtype):
    g = torch.Generator().manual_seed(length)
    shapes = [(number, heads, length, width), *[(number, key_heads, length, width)] * 2]
    return [torch.randn(shape, generator=g, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes]


def results(attend, tensors):
    out = attend(*tensors)
    pull = torch.linspace(-1, 1, out.numel(), dtype=torch.float64).to(out.dtype).view(out.shape)
    return out, *torch.autograd.grad((out * pull).sum(), tensors)


def plain(query, key, value):
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    return F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=0.3)


@pytest.mark.parametrize("length", [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
@pytest.mark.parametrize(("heads", "key_heads"), [(4, 4), (6, 2), (3, 1)])
def test_equals_sdpa(length, heads, key_heads):
    tensors = inputs(2, heads, key_heads, length, 8, torch.float64)
    ours = results(lambda q, k, v: _attend(q, k, v, 0.3, 0.0), tensors)
    for found, expected in zip(ours, results(plain, tensors), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_many_rows_are_cut_to_the_budget():
    length, number = 2 * BLOCK, 2 * BUDGET // (BLOCK * 2 * BLOCK) + 3
    tensors = inputs(number, 1, 1, length, 2, torch.float64)
    ours = results(lambda q, k, v: _attend(q, k, v, 0.3, 0.0), tensors)
    for found, expected in zip(ours, results(plain, tensors), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_rounds_no_worse_than_sdpa_in_16_bits():
    exact = inputs(2, 4, 2, 200, 16, torch.float64)
    expected = results(plain, exact)
    narrow = [t.detach().bfloat16().requires_grad_() for t in exact]
    errors = []
    for attend in (lambda q, k, v: _attend(q, k, v, 0.3, 0.0), plain):
        found = results(attend, narrow)
        errors.append([((a.double() - b).norm() / b.norm()).item() for a, b in zip(found, expected, strict=True)])
    for ours, theirs in zip(*errors, strict=True):
        assert ours < 2 * theirs


def test_under_autocast_mixed_inputs_are_16_bits_as_with_sdpa():
    query, key, value = inputs(1, 2, 2, 10, 8, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = _attend(query, key, value.bfloat16(), 0.3, 0.0)
        expected = plain(query, key, value.bfloat16())
    assert found.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected.float(), rtol=2e-2, atol=2e-2)


def test_operator_contract():
    q, k, v = (t.detach().squeeze(1).requires_grad_() for t in inputs(3, 1, 1, 9, 4, torch.float64))
    torch.library.opcheck(causal_attention, (q, k, v, 0.5))
