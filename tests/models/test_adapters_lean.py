"""LoRA under autocast keeps the same numbers and fewer bytes."""

import torch
from torch.utils.checkpoint import checkpoint

from counterpoise.models.adapters import AdapterConfig, apply_adapter
from counterpoise.models.adapters.apply import _low_rank
from tiny_families import tiny_family

IDS = torch.arange(3, 67)[None]


def adapted(lean):
    base = tiny_family("llama").to(torch.bfloat16)
    torch.manual_seed(0)
    config = AdapterConfig(rank=4)
    model = apply_adapter(base, config) if lean else _low_rank(base, config, "CAUSAL_LM")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    return model.train()


def saved_bytes(model, autocast):
    """Output, gradients, and the bytes of distinct storages that autograd keeps, weights aside."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = tensor, storage.nbytes()
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t),
        torch.autocast("cpu", torch.bfloat16, enabled=autocast),
    ):
        out = model(input_ids=IDS).logits
    out.float().logsumexp(-1).sum().backward()
    return out, [p.grad for p in model.parameters() if p.requires_grad], sum(size for _, size in kept.values())


def test_same_numbers_fewer_bytes():
    out, gradients, plain = saved_bytes(adapted(lean=False), autocast=True)
    lean_out, lean_gradients, lean = saved_bytes(adapted(lean=True), autocast=True)
    assert torch.equal(lean_out, out)
    for ours, theirs in zip(lean_gradients, gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2 * theirs.abs().max().item())
    print(f"kept for the backward pass: {plain:,} -> {lean:,} bytes")
    assert lean < 0.9 * plain


def test_without_autocast_nothing_changes():
    out, gradients, _ = saved_bytes(adapted(lean=False), autocast=False)
    lean_out, lean_gradients, _ = saved_bytes(adapted(lean=True), autocast=False)
    assert torch.equal(lean_out, out)
    assert all(torch.equal(a, b) for a, b in zip(lean_gradients, gradients, strict=True))


def test_repeated_passes_of_checkpointing_are_lean():
    layer = adapted(lean=True).get_submodule("base_model.model.model.layers.0.mlp.up_proj")
    seen = []
    layer.lora_A["default"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    x = torch.randn(4, 32, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = checkpoint(layer, x, use_reentrant=False)
    out.sum().backward()
    assert seen == [torch.bfloat16] * 2
    with torch.no_grad():
        layer(x)
    assert seen[2:] == [torch.float32]
