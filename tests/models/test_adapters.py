"""Which weights train, in which precision, and how to get back to the model before training."""

import pytest
import torch
import transformers as tf
from pydantic import ValidationError

from counterpoise.errors import UserError
from counterpoise.models import (
    AdapterConfig,
    apply_adapter,
    final_hidden,
    parameter_counts,
    reference_mode,
    verify_head,
)
from counterpoise.models.adapters import KINDS
from counterpoise.models.adapters.config import OPTIONS
from tiny_models import tiny_llama_config

IDS = torch.arange(3, 11)[None]


def trained(model) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


class TestConfig:
    def test_every_kind_has_its_function(self):
        kinds = AdapterConfig.model_json_schema()["properties"]["kind"]["enum"]
        assert set(kinds) == set(KINDS) == set(OPTIONS)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"rnak": 8}, "rnak"),
            ({"kind": "dorra"}, "'dora'"),
            (
                {"kind": "ia3", "layers": 2},
                "layers has no effect with kind: ia3; .* kind: full or lora or dora or qlora",
            ),
            ({"virtual_tokens": 8}, "virtual_tokens has no effect with kind: lora; .* kind: p-tuning or prompt-tuning"),
            ({"kind": "prompt-tuning", "encoder_hidden": 8}, "encoder_hidden has no effect .* kind: p-tuning"),
            ({"rank": 0}, "greater than or equal to 1"),
            ({"layers": 0}, "greater than or equal to 1"),
            ({"dropout": 1.0}, "less than 1"),
            ({"kind": "full", "rank": 8}, "rank has no effect with kind: full"),
            ({"targets": []}, "empty"),
            ({"targets": "q_proj"}, "all-linear"),
        ],
    )
    def test_a_wrong_option_is_refused(self, options, words):
        with pytest.raises(ValidationError, match=words):
            AdapterConfig(**options)

    @pytest.mark.parametrize("kind", list(KINDS))
    def test_a_written_config_can_be_read_again(self, kind):
        config = AdapterConfig(kind=kind, **({"layers": 2} if "layers" in OPTIONS[kind] else {}))
        assert AdapterConfig(**config.model_dump()) == config


class TestFull:
    def test_everything(self, llama):
        model = apply_adapter(llama.to(torch.bfloat16), AdapterConfig(kind="full"))
        counts = parameter_counts(model)
        assert counts.total == counts.trainable == sum(p.numel() for p in model.parameters())
        assert {p.dtype for p in model.parameters()} == {torch.float32}

    def test_tied_weights_count_once(self):
        tied = tf.LlamaForCausalLM(tiny_llama_config(tie_word_embeddings=True))
        untied = tf.LlamaForCausalLM(tiny_llama_config())
        assert parameter_counts(untied).total - parameter_counts(tied).total == 272 * 32
        model = apply_adapter(tied.to(torch.bfloat16), AdapterConfig(kind="full"))
        assert model.lm_head.weight is model.model.embed_tokens.weight

    def test_the_top_layers_and_the_final_norm(self, llama):
        model = apply_adapter(llama.to(torch.bfloat16), AdapterConfig(kind="full", layers=2))
        expected = {n for n, _ in model.named_parameters() if n.startswith(("model.layers.2.", "model.layers.3."))}
        assert trained(model) == expected | {"model.norm.weight"}
        for parameter in model.parameters():
            assert parameter.dtype == (torch.float32 if parameter.requires_grad else torch.bfloat16)

    def test_two_precisions_work_together(self, llama):
        model = apply_adapter(llama.to(torch.bfloat16), AdapterConfig(kind="full", layers=2))
        head = verify_head(model)
        assert not head.trainable
        (final_hidden(model, input_ids=IDS).float() @ head.weight.float().T).logsumexp(-1).sum().backward()
        assert all(p.grad.dtype == torch.float32 for p in model.parameters() if p.requires_grad)
        assert model.model.layers[2].mlp.up_proj.weight.grad.abs().sum() > 0

    @pytest.mark.parametrize(
        ("config", "norm"),
        [
            (tf.GPT2Config(vocab_size=97, n_embd=32, n_layer=3, n_head=4), "transformer.ln_f"),
            (
                tf.OPTConfig(vocab_size=97, hidden_size=32, ffn_dim=48, num_hidden_layers=3, num_attention_heads=4),
                "final",
            ),
            (tf.BloomConfig(vocab_size=97, hidden_size=32, n_layer=3, n_head=4), "transformer.ln_f"),
            (
                tf.GPTNeoXConfig(
                    vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4
                ),
                "gpt_neox.final_layer_norm",
            ),
        ],
        ids=["gpt2", "opt", "bloom", "gpt-neox"],
    )
    def test_in_other_families(self, config, norm):
        model = apply_adapter(tf.AutoModelForCausalLM.from_config(config), AdapterConfig(kind="full", layers=1))
        names = trained(model)
        outside = {name for name in names if ".2." not in name}
        assert len(names) > len(outside) > 0
        assert all(norm in name for name in outside), outside
        assert not any("emb" in name or "wte" in name or "head" in name for name in names)

    def test_too_many_layers(self, llama):
        with pytest.raises(UserError, match=r"adapter\.layers is 5, but .* has 4 decoder layers"):
            apply_adapter(llama, AdapterConfig(kind="full", layers=5))


class TestLora:
    def test_every_linear_layer_but_the_head(self, llama):
        model = apply_adapter(llama.to(torch.bfloat16), AdapterConfig(rank=4, alpha=8))
        names = trained(model)
        assert len(names) == 4 * 7 * 2
        assert not any("lm_head" in name for name in names)
        for name, parameter in model.named_parameters():
            assert parameter.dtype == (torch.float32 if "lora_" in name else torch.bfloat16)
        assert model.peft_config["default"].lora_alpha == 8

    def test_rank_decides_the_count(self, llama):
        attention = AdapterConfig(rank=3, targets=["q_proj"])
        assert parameter_counts(apply_adapter(llama, attention)).trainable == 4 * 3 * (32 + 32)

    @pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "down_proj"]])
    def test_the_top_layers(self, llama, targets):
        names = trained(apply_adapter(llama, AdapterConfig(layers=1, targets=targets)))
        assert len(names) == 2 * (7 if targets == "all-linear" else 2)
        assert all(".layers.3." in name for name in names)

    @pytest.mark.parametrize(
        ("targets", "words"),
        [
            (["q_porj"], "no linear layer 'q_porj' .did you mean 'q_proj'"),
            (["q_proj", "wq"], "no linear layer 'wq'"),
            (["lm_head"], "lm_head is the LM head.* choose adapter.kind: full"),
            (["embed_tokens"], "no linear layer 'embed_tokens'"),
        ],
    )
    def test_a_wrong_target(self, llama, targets, words):
        with pytest.raises(UserError, match=words):
            apply_adapter(llama, AdapterConfig(targets=targets))

    def test_too_many_layers(self, llama):
        with pytest.raises(UserError, match="4 decoder layers"):
            apply_adapter(llama, AdapterConfig(layers=9))

    def test_layers_that_cannot_be_adapted(self):
        model = tf.MambaForCausalLM(tf.MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=8))
        with pytest.raises(UserError, match=r"adapter\.targets: .*out_proj"):
            apply_adapter(model, AdapterConfig())

    def test_a_second_adapter(self, llama):
        model = apply_adapter(llama, AdapterConfig())
        with pytest.raises(UserError, match="already carries an adapter"):
            apply_adapter(model, AdapterConfig())


class TestReference:
    def test_it_is_the_base_model_and_ends(self, llama):
        llama.eval()
        with torch.no_grad():
            base = final_hidden(llama, input_ids=IDS)
            model = apply_adapter(llama, AdapterConfig()).eval()
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_()
            adapted = final_hidden(model, input_ids=IDS)
            before = trained(model)
            with reference_mode(model) as reference:
                assert torch.equal(final_hidden(reference, input_ids=IDS), base)
            assert torch.equal(final_hidden(model, input_ids=IDS), adapted)
        assert not torch.allclose(adapted, base, atol=1e-3)
        assert trained(model) == before

    def test_full_fine_tuning_has_none(self, llama):
        model = apply_adapter(llama, AdapterConfig(kind="full"))
        with pytest.raises(UserError, match="carries none"), reference_mode(model):
            pass
