"""A merged model answers as the adapter did, whatever the family, and needs neither PEFT nor the base model."""

import json

import pytest
import torch
from safetensors.torch import load_file

from counterpoise.errors import UserError
from counterpoise.models.adapters import AdapterConfig
from counterpoise.models.load import load_model
from counterpoise.models.merge import merge
from counterpoise.models.save import save_model
from tiny_families import FAMILIES, write_family


def logits(model):
    ids = torch.arange(3, 15)[None]
    inputs = {"decoder_input_ids": ids[:, :5]} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), **inputs).logits


def assert_same(found, expected):
    """Equal to 1e-5 of the largest logit, which is float32's rounding after a few layers."""
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * max(1.0, expected.abs().max().item()))


def write_adapter(base, folder, **config):
    """An adapter whose weights have moved; returns its folder and its logits."""
    torch.manual_seed(1)
    loaded = load_model(base, dtype="float32", adapter=AdapterConfig(**config))
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    return save_model(loaded.model, loaded.tokenizer, folder), logits(loaded.model.eval())


@pytest.mark.parametrize("kind", ["lora", "dora", "ia3"])
@pytest.mark.parametrize("family", FAMILIES)
def test_it_answers_as_the_adapter_did(family, kind, tmp_path):
    base = write_family(family, tmp_path / "base")
    adapter, expected = write_adapter(base, tmp_path / "adapter", kind=kind)
    outcome = merge(adapter, tmp_path / "merged")
    assert (outcome.folder, outcome.dtype, outcome.note) == (tmp_path / "merged", "float32", "")
    base.rename(tmp_path / "gone")
    loaded = load_model(outcome.folder, dtype="float32")
    assert not hasattr(loaded.model, "peft_config")
    assert not (outcome.folder / "adapter_config.json").exists()
    assert_same(logits(loaded.model), expected)
    base_logits = logits(load_model(tmp_path / "gone", dtype="float32").model)
    assert (base_logits - expected).abs().max() > 1e-2
    assert loaded.tokenizer("BRCA1").input_ids == load_model(tmp_path / "gone").tokenizer("BRCA1").input_ids


@pytest.mark.parametrize(
    ("dtype", "expected"), [("auto", "bfloat16"), ("bfloat16", "bfloat16"), ("float32", "float32")]
)
def test_dtype(dtype, expected, tmp_path):
    base = write_family("llama", tmp_path / "base")
    load_model(base, dtype="bfloat16").model.save_pretrained(base)
    adapter, _ = write_adapter(base, tmp_path / "adapter")
    outcome = merge(adapter, tmp_path / "merged", dtype=dtype)
    assert outcome.dtype == expected
    assert {t.dtype for t in load_file(outcome.folder / "model.safetensors").values()} == {getattr(torch, expected)}
    assert json.loads((outcome.folder / "config.json").read_text())["dtype"] == expected


@pytest.mark.parametrize("kind", ["p-tuning", "prompt-tuning"])
@pytest.mark.parametrize("family", ["llama", "t5"])
def test_prompts_cannot_be_merged_but_load_as_they_are(family, kind, tmp_path):
    base = write_family(family, tmp_path / "base")
    adapter, expected = write_adapter(base, tmp_path / "adapter", kind=kind)
    with pytest.raises(UserError, match=f"{kind} puts vectors .* use the adapter folder as it is"):
        merge(adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
    torch.testing.assert_close(logits(load_model(adapter, dtype="float32").model), expected)


def test_a_whole_model_has_nothing_to_merge(tmp_path):
    base = write_family("llama", tmp_path / "base")
    with pytest.raises(UserError, match="whole model, not an adapter, so there is nothing to merge"):
        merge(base, tmp_path / "merged")


def test_a_folder_in_use(tmp_path):
    base = write_family("llama", tmp_path / "base")
    adapter, _ = write_adapter(base, tmp_path / "adapter")
    with pytest.raises(UserError, match="give a new or an empty folder"):
        merge(adapter, base)
    with pytest.raises(UserError, match="dtype is 'int8'"):
        merge(adapter, tmp_path / "merged", dtype="int8")


@pytest.mark.parametrize(
    ("change", "words"), [({"peft_type": "OFT"}, "type OFT cannot be merged"), ({}, "does not say what kind")]
)
def test_an_adapter_of_another_kind(tmp_path, change, words):
    base = write_family("llama", tmp_path / "base")
    adapter, _ = write_adapter(base, tmp_path / "adapter")
    config = json.loads((adapter / "adapter_config.json").read_text())
    del config["peft_type"]
    (adapter / "adapter_config.json").write_text(json.dumps(config | change))
    with pytest.raises(UserError, match=words):
        merge(adapter, tmp_path / "merged")


def test_qlora_is_merged_with_the_unquantised_base(tmp_path):
    pytest.importorskip("bitsandbytes")
    base = write_family("llama", tmp_path / "base", hidden_size=64, intermediate_size=128, head_dim=16)
    adapter, trained = write_adapter(base, tmp_path / "adapter", kind="qlora")
    outcome = merge(adapter, tmp_path / "merged")
    assert "trained on a base in nf4" in outcome.note
    merged = logits(load_model(outcome.folder, dtype="float32").model)
    unquantised = logits(load_model(adapter, dtype="float32").model)
    assert_same(merged, unquantised)
    assert (merged - trained).abs().max() > 1e-4
