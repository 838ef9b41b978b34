"""Adapters on a base in 4 bits; needs the [quantize] extra."""

import pytest
import torch

from counterpoise.errors import UserError
from counterpoise.models.adapters import AdapterConfig, apply_adapter, memory_bytes, parameter_counts
from counterpoise.models.hidden import compute_context
from tiny_families import tiny_family

pytest.importorskip("bitsandbytes")

IDS = torch.arange(3, 11)[None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "llama"
    tiny_family("llama", hidden_size=64, intermediate_size=128, head_dim=16).save_pretrained(folder)
    return folder


@pytest.fixture
def quantised(folder):
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,
    )
    model = AutoModelForCausalLM.from_pretrained(folder, quantization_config=nf4, dtype=torch.bfloat16)
    return model.requires_grad_(False)


@pytest.mark.parametrize("kind", ["qlora", "dora", "ia3", "p-tuning", "prompt-tuning"])
@pytest.mark.parametrize("autocast", [False, True])
def test_it_trains(quantised, kind, autocast):
    model = apply_adapter(quantised, AdapterConfig(kind=kind))
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    with (
        compute_context(model),
        torch.autocast("cpu", torch.bfloat16, enabled=autocast or torch.is_autocast_enabled("cpu")),
    ):
        loss = model(input_ids=IDS).logits.float().logsumexp(-1).sum()
    loss.backward()
    for name, parameter in trained.items():
        assert parameter.grad is not None, name
        assert parameter.dtype == parameter.grad.dtype == torch.float32
        assert parameter.grad.abs().sum() > 0 or "lora_A" in name  # B is zero at first
    assert not any("lm_head" in name for name in trained)
    assert all(p.dtype == torch.bfloat16 for n, p in model.named_parameters() if "norm" in n)


def test_counts_and_bytes(quantised):
    plain = tiny_family("llama", hidden_size=64, intermediate_size=128, head_dim=16)
    assert parameter_counts(quantised).total == parameter_counts(plain).total
    linear = sum(p.numel() for n, p in plain.named_parameters() if "_proj" in n)
    rest = parameter_counts(plain).total - linear
    scales = memory_bytes(quantised).weights - 2 * rest - linear // 2
    assert 0 < scales < linear  # one byte a block of 64 and a small table a matrix
    model = apply_adapter(quantised, AdapterConfig(kind="qlora", rank=4))
    counts = parameter_counts(model)
    assert counts.total == parameter_counts(plain).total + counts.trainable
    assert memory_bytes(model).trained == 4 * counts.trainable


@pytest.mark.parametrize(("kind", "words"), [("lora", "choose qlora"), ("full", "load it unquantised")])
def test_other_kinds_say_what_to_do(quantised, kind, words):
    with pytest.raises(UserError, match=f"is loaded in 4 bits; .*{words}"):
        apply_adapter(quantised, AdapterConfig(kind=kind))
