"""Every kind of adapter on every family: what trains, where it sits, how it starts, and that it can be switched off."""

import pytest
import torch
import transformers as tf

from counterpoise.errors import UserError
from counterpoise.models.adapters import AdapterConfig, apply_adapter, memory_bytes, parameter_counts, reference_mode
from tiny_families import ENCODER_DECODER, FAMILIES, tiny_family

LOW_RANK = ("lora", "dora")
PROMPTS = ("p-tuning", "prompt-tuning")
KINDS = (*LOW_RANK, "ia3", *PROMPTS)


def logits(model):
    ids = torch.arange(3, 11)[None]
    inputs = {"decoder_input_ids": ids[:, :4]} if model.config.is_encoder_decoder else {}
    return model(input_ids=ids, attention_mask=torch.ones_like(ids), **inputs).logits


def trained(model):
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def disturb(model):
    """Move the trained weights as training would."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in trained(model).values():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_it_trains_in_float32_and_goes_off(family, kind):
    base = tiny_family(family)
    with torch.no_grad():
        expected = logits(base)
    model = apply_adapter(base, AdapterConfig(kind=kind)).eval()
    names = trained(model)
    assert names
    assert {p.dtype for p in names.values()} == {torch.float32}
    assert all("lora_" in n or "ia3_l" in n or "prompt_encoder" in n for n in names), names
    assert not any("lm_head" in name for name in names)
    logits(model).logsumexp(-1).sum().backward()
    if kind not in LOW_RANK:
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in names.values())
    if kind not in PROMPTS:
        with torch.no_grad():  # updates of zero, factors of one, magnitudes as they were
            torch.testing.assert_close(logits(model), expected)
    disturb(model)
    with torch.no_grad():
        positions = slice(-expected.shape[1], None)
        assert not torch.allclose(logits(model)[:, positions], expected, atol=1e-2)
        with reference_mode(model) as reference:
            torch.testing.assert_close(logits(reference), expected)


@pytest.mark.parametrize("kind", LOW_RANK)
@pytest.mark.parametrize("family", FAMILIES)
def test_all_linear_is_all_but_the_head(family, kind):
    base = tiny_family(family)
    linear = [n for n, m in base.named_modules() if isinstance(m, torch.nn.Linear | tf.pytorch_utils.Conv1D)]
    model = apply_adapter(base, AdapterConfig(kind=kind, rank=2))
    adapted = {
        name.partition(".lora_A")[0].removeprefix("base_model.model.") for name in trained(model) if "lora_A" in name
    }
    assert adapted == set(linear) - {"lm_head"}
    if family in ENCODER_DECODER:
        assert any(n.startswith("encoder.") for n in adapted)
        assert any("EncDecAttention" in n for n in adapted)


class TestLayersOfAnEncoderDecoder:
    def test_the_top_of_both_stacks(self):
        model = apply_adapter(
            tiny_family("t5", num_layers=3, num_decoder_layers=2), AdapterConfig(layers=1, targets=["q"])
        )
        assert {name.partition(".lora")[0].removeprefix("base_model.model.") for name in trained(model)} == {
            "encoder.block.2.layer.0.SelfAttention.q",
            "decoder.block.1.layer.0.SelfAttention.q",
            "decoder.block.1.layer.1.EncDecAttention.q",
        }

    def test_full(self):
        names = trained(apply_adapter(tiny_family("t5"), AdapterConfig(kind="full", layers=1)))
        assert {n for n in names if ".block." not in n} == {
            "encoder.final_layer_norm.weight",
            "decoder.final_layer_norm.weight",
        }
        assert {n.partition(".layer.")[0] for n in names if ".block." in n} == {"encoder.block.1", "decoder.block.1"}

    def test_too_many(self):
        model = tiny_family("t5", num_layers=3, num_decoder_layers=2)
        with pytest.raises(UserError, match=r"layers is 3, but .* has 2 decoder layers"):
            apply_adapter(model, AdapterConfig(layers=3))


class TestDora:
    def test_training_starts_at_the_base_model_in_bfloat16(self):
        base = tiny_family("llama").to(torch.bfloat16)
        with torch.no_grad():
            expected = logits(base)
        model = apply_adapter(base, AdapterConfig(kind="dora"))
        for module in model.modules():
            for dora in getattr(module, "lora_magnitude_vector", {}).values():
                assert dora.weight.dtype == torch.float32
                torch.testing.assert_close(dora.weight, module.get_base_layer().weight.float().norm(dim=1))
        with torch.no_grad():
            assert torch.equal(logits(model), expected)


class TestPrompts:
    def test_prompt_tuning_starts_at_embeddings(self):
        def prompt(seed):
            torch.manual_seed(seed)
            model = apply_adapter(tiny_family("llama"), AdapterConfig(kind="prompt-tuning", virtual_tokens=5))
            (weight,) = trained(model).values()
            return weight, model.get_input_embeddings().weight

        weight, embeddings = prompt(0)
        assert weight.shape == (5, 32)
        assert (weight[:, None] == embeddings[None]).all(-1).any(-1).all()
        assert torch.equal(prompt(0)[0], weight)
        assert not torch.equal(prompt(1)[0], weight)

    def test_p_tuning_width(self):
        model = apply_adapter(tiny_family("llama"), AdapterConfig(kind="p-tuning", virtual_tokens=5, encoder_hidden=16))
        expected = 5 * 32 + (32 * 16 + 16) + (16 * 16 + 16) + (16 * 32 + 32)
        assert parameter_counts(model).trainable == expected

    @pytest.mark.parametrize("kind", PROMPTS)
    def test_an_encoder_decoder_has_one_prompt(self, kind):
        model = apply_adapter(tiny_family("t5"), AdapterConfig(kind=kind, virtual_tokens=6))
        assert model.prompt_encoder["default"].embedding.weight.shape[0] == 6
        assert logits(model).shape[1] == 4  # the decoder's sequence is not longer


class TestIA3:
    def test_an_unknown_family_is_derived(self):
        config = tf.Olmo2Config(
            vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4
        )
        model = apply_adapter(tf.Olmo2ForCausalLM(config), AdapterConfig(kind="ia3"))
        assert {name.split(".")[-3] for name in trained(model)} == {"k_proj", "v_proj", "down_proj"}
        layer = model.get_submodule("base_model.model.model.layers.0.mlp.down_proj")
        assert layer.is_feedforward
        assert not model.get_submodule("base_model.model.model.layers.0.self_attn.k_proj").is_feedforward

    def test_a_strange_family_is_refused(self):
        model = tf.MambaForCausalLM(tf.MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=8))
        with pytest.raises(UserError, match=r"none are recognised among .*in_proj.*; choose lora"):
            apply_adapter(model, AdapterConfig(kind="ia3"))


class TestEncoders:
    @pytest.fixture
    def tagger(self):
        config = tf.BertConfig(
            vocab_size=97,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_labels=3,
        )
        return tf.BertForTokenClassification(config)

    @pytest.mark.parametrize("kind", ["lora", "dora", "ia3"])
    def test_the_classifier_stays_trained(self, tagger, kind):
        model = apply_adapter(tagger.to(torch.bfloat16), AdapterConfig(kind=kind), task_type="TOKEN_CLS")
        names = trained(model)
        heads = {n for n in names if ".classifier." in n}
        assert {n.rpartition(".")[2] for n in heads} == {"weight", "bias"}
        assert not any("lora" in n or "ia3" in n for n in heads)
        assert len(names) > 2
        assert {p.dtype for p in names.values()} == {torch.float32}

    def test_full_with_layers(self, tagger):
        names = trained(apply_adapter(tagger, AdapterConfig(kind="full", layers=1), task_type="TOKEN_CLS"))
        assert {n for n in names if ".layer.1." not in n} == {"classifier.weight", "classifier.bias"}
        assert len(names) > 2

    def test_too_many_layers(self, tagger):
        with pytest.raises(UserError, match="has 2 encoder layers"):
            apply_adapter(tagger, AdapterConfig(layers=3), task_type="TOKEN_CLS")

    @pytest.mark.parametrize("kind", PROMPTS)
    def test_no_prompts(self, tagger, kind):
        with pytest.raises(UserError, match="encoder with a classifier; choose full or lora"):
            apply_adapter(tagger, AdapterConfig(kind=kind), task_type="TOKEN_CLS")


class TestMemory:
    def test_lora(self):
        model = tiny_family("llama").to(torch.bfloat16)
        frozen = sum(p.numel() for p in model.parameters())
        model = apply_adapter(model, AdapterConfig(rank=4))
        trainable = parameter_counts(model).trainable
        memory = memory_bytes(model)
        assert memory.weights == 2 * frozen + 4 * trainable
        assert (memory.trained, memory.gradients, memory.optimizer) == (4 * trainable, 4 * trainable, 8 * trainable)
        optimizer = torch.optim.AdamW(trained(model).values())
        logits(model).sum().backward()
        optimizer.step()
        moments = [t for state in optimizer.state.values() for t in state.values() if t.dim()]
        assert sum(t.numel() * t.element_size() for t in moments) == memory.optimizer
        assert memory.total == memory.weights + 12 * trainable
        assert str(memory).endswith(f"{memory.total / 1e6:.2f} MB + activations")

    def test_tied_weights_count_once(self):
        tied = memory_bytes(tiny_family("llama", tie_word_embeddings=True)).weights
        assert memory_bytes(tiny_family("llama")).weights - tied == 4 * 272 * 32


def test_qlora_needs_a_quantised_model():
    with pytest.raises(UserError, match="is not loaded in 4 bits; load it in nf4, or choose lora"):
        apply_adapter(tiny_family("llama"), AdapterConfig(kind="qlora"))
