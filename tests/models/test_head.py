"""final_hidden and find_head give the model's own logits, whatever the family; what they cannot give is refused."""

import pytest
import torch
import transformers as tf

from counterpoise.errors import UserError
from counterpoise.models import AdapterConfig, apply_adapter, final_hidden, find_head, verify_head
from counterpoise.scoring import score_tokens
from tiny_models import tiny_llama_config

SMALL = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
MODERN = SMALL | {"intermediate_size": 48, "num_key_value_heads": 2}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
OLD = {"vocab_size": 97, "bos_token_id": 1, "eos_token_id": 2}
GPT = OLD | {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
HYBRID = {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 8}

FAMILIES = {  # family: (config, scale, softcap, bias)
    "llama": (lambda: tf.LlamaConfig(**MODERN), 1, None, False),
    "llama-tied": (lambda: tf.LlamaConfig(**MODERN, tie_word_embeddings=True), 1, None, False),
    "mistral": (lambda: tf.MistralConfig(**MODERN), 1, None, False),
    "mixtral": (lambda: tf.MixtralConfig(**MODERN, **EXPERTS), 1, None, False),
    "qwen2": (lambda: tf.Qwen2Config(**MODERN), 1, None, False),
    "qwen3": (lambda: tf.Qwen3Config(**MODERN, head_dim=8), 1, None, False),
    "gemma": (lambda: tf.GemmaConfig(**MODERN, head_dim=8), 1, None, False),
    "gemma2": (lambda: tf.Gemma2Config(**MODERN, head_dim=8, final_logit_softcapping=30.0), 1, 30.0, False),
    "gemma3": (lambda: tf.Gemma3TextConfig(**MODERN, head_dim=8), 1, None, False),
    "gemma3-cap": (lambda: tf.Gemma3TextConfig(**MODERN, head_dim=8, final_logit_softcapping=20.0), 1, 20.0, False),
    "recurrent-gemma": (lambda: tf.RecurrentGemmaConfig(**MODERN | {"num_hidden_layers": 3}), 1, 30.0, False),
    "cohere": (lambda: tf.CohereConfig(**MODERN, logit_scale=0.0625), 0.0625, None, False),
    "cohere2": (lambda: tf.Cohere2Config(**MODERN, logit_scale=0.25), 0.25, None, False),
    "granite": (lambda: tf.GraniteConfig(**MODERN, logits_scaling=8.0), 0.125, None, False),
    "granite-moe": (lambda: tf.GraniteMoeConfig(**MODERN, **EXPERTS, logits_scaling=4.0), 0.25, None, False),
    "falcon-h1": (lambda: tf.FalconH1Config(**MODERN, **HYBRID, lm_head_multiplier=0.5), 0.5, None, False),
    "phi": (lambda: tf.PhiConfig(**MODERN), 1, None, True),
    "phi3": (lambda: tf.Phi3Config(**MODERN), 1, None, False),
    "olmo2": (lambda: tf.Olmo2Config(**MODERN), 1, None, False),
    "smollm3": (lambda: tf.SmolLM3Config(**MODERN), 1, None, False),
    "starcoder2": (lambda: tf.Starcoder2Config(**MODERN), 1, None, False),
    "gpt2": (lambda: tf.GPT2Config(**GPT), 1, None, False),
    "gptj": (lambda: tf.GPTJConfig(**GPT, rotary_dim=4), 1, None, True),
    "gpt-neox": (lambda: tf.GPTNeoXConfig(**SMALL, intermediate_size=48), 1, None, False),
    "opt": (lambda: tf.OPTConfig(**SMALL, ffn_dim=48, word_embed_proj_dim=16), 1, None, False),
    "falcon": (lambda: tf.FalconConfig(**SMALL), 1, None, False),
    "bloom": (lambda: tf.BloomConfig(**OLD, hidden_size=32, n_layer=2, n_head=4), 1, None, False),
    "mpt": (lambda: tf.MptConfig(**OLD, d_model=32, n_layers=2, n_heads=4, max_seq_len=64), 1, None, False),
    "mamba": (lambda: tf.MambaConfig(**OLD, hidden_size=32, num_hidden_layers=2, state_size=8), 1, None, False),
    "biogpt": (lambda: tf.BioGptConfig(**SMALL, intermediate_size=48), 1, None, False),
}
WITHOUT_LORA = {"falcon-h1", "mamba"}  # PEFT refuses to adapt their out_proj


def build(family: str):
    torch.manual_seed(0)
    model = tf.AutoModelForCausalLM.from_config(FAMILIES[family][0]())
    with torch.no_grad():  # random biases and larger logits, as a trained model has them
        head = model.get_output_embeddings()
        head.weight.mul_(20)
        if head.bias is not None:
            head.bias.normal_()
    return model.eval()


def mixed_batch():
    """[2, 6] ids, the second row padded on the left."""
    ids = torch.randint(3, 97, (2, 6), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[1, :2] = 0
    return ids, mask


@pytest.mark.parametrize("family", FAMILIES)
def test_head_and_hidden_states_give_the_models_own_logits(family):
    _, scale, softcap, bias = FAMILIES[family]
    model = build(family)
    head = verify_head(model, name=family)
    assert (head.scale, head.softcap, head.bias is not None) == (scale, softcap, bias)
    assert head.trainable

    ids, mask = mixed_batch()
    with torch.no_grad():
        own = model(input_ids=ids, attention_mask=mask).logits[:, :-1].log_softmax(-1)
        hidden = final_hidden(model, input_ids=ids, attention_mask=mask)
        found = score_tokens(hidden[:, :-1].flatten(0, 1), head, ids[:, 1:].flatten()).log_probs
    expected = own.gather(-1, ids[:, 1:, None]).flatten()
    rows = (mask[:, :-1] * mask[:, 1:]).flatten().bool()
    torch.testing.assert_close(found[rows], expected[rows], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_in_bfloat16(family):
    verify_head(build(family).to(torch.bfloat16), name=family)


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - WITHOUT_LORA))
def test_with_lora(family):
    model = build(family)
    ids, mask = mixed_batch()
    with torch.no_grad():
        before = final_hidden(model, input_ids=ids, attention_mask=mask)
        model = apply_adapter(model, AdapterConfig(rank=4)).eval()
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
        after = final_hidden(model, input_ids=ids, attention_mask=mask)
    assert not torch.allclose(before, after, rtol=1e-2, atol=1e-2)  # the adapter is active in the body
    head = verify_head(model, name=family)
    assert not head.trainable
    final_hidden(model, input_ids=ids, attention_mask=mask).sum().backward()
    assert any(p.grad is not None for n, p in model.named_parameters() if "lora_A" in n)


def test_the_head_is_the_models_own_weight(llama):
    assert find_head(llama).weight is llama.lm_head.weight


def test_verifying_leaves_no_trace(llama):
    llama.train()
    state = torch.get_rng_state()
    before = final_hidden(llama, input_ids=torch.arange(5)[None])
    verify_head(llama)
    assert llama.training
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(final_hidden(llama, input_ids=torch.arange(5)[None]), before)
    assert all(p.grad is None for p in llama.parameters())


class Changed(tf.LlamaForCausalLM):
    """A family that this package does not know: something happens to the logits."""

    @staticmethod
    def change(logits: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)
        output.logits = self.change(output.logits)
        return output


CHANGES = {
    "scale": lambda logits: logits * 1.05,
    "softcap": lambda logits: 50 * torch.tanh(logits / 50),
    "bias": lambda logits: logits + torch.linspace(-20, 20, logits.shape[-1]),
    "padding": lambda logits: logits[..., :-3],
    "nan": lambda logits: logits * torch.nan,
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("change", CHANGES)
def test_an_unknown_step_after_the_head_is_refused_by_name(change, dtype, monkeypatch):
    monkeypatch.setattr(Changed, "change", staticmethod(CHANGES[change]))
    torch.manual_seed(0)
    model = Changed(tiny_llama_config()).to(dtype)  # its logits are tiny: a softcap would not show unamplified
    with pytest.raises(UserError, match=r"somebody/model: .*Changed has a cap, a scale or a layer"):
        verify_head(model, name="somebody/model")


def test_a_family_of_the_library_that_is_not_understood_is_refused():
    torch.manual_seed(0)
    model = tf.xLSTMForCausalLM(tf.xLSTMConfig(vocab_size=97, hidden_size=64, num_blocks=2, num_heads=4))
    with pytest.raises(UserError, match="xLSTMForCausalLM has a cap"):
        verify_head(model)


@pytest.mark.parametrize(
    ("family", "setting", "value"),
    [("granite", "logits_scaling", 4.0), ("gemma2", "final_logit_softcapping", 25.0), ("cohere", "logit_scale", 1.0)],
)
def test_a_misread_config_is_refused(family, setting, value, monkeypatch):
    from counterpoise.models import head

    model = build(family)
    monkeypatch.setattr(head, "_softcap" if "softcap" in setting else "_scale", lambda _: value)
    with pytest.raises(UserError, match="logits are not its LM head"):
        verify_head(model, name=family)


def test_an_encoder_with_a_plain_head_is_refused(llama, monkeypatch):
    from transformers.models.llama import modeling_llama

    monkeypatch.setattr(modeling_llama, "create_causal_mask", lambda **_: None)
    for layer in llama.model.layers:
        layer.self_attn.is_causal = False
    with pytest.raises(UserError, match="depend on later tokens"):
        verify_head(llama)


def test_a_model_without_a_head_is_refused():
    with pytest.raises(UserError, match="LlamaModel has no LM head"):
        find_head(tf.LlamaModel(tiny_llama_config()))


@pytest.mark.parametrize("option", ["target_modules", "modules_to_save"])
def test_an_adapter_on_the_head_is_refused(llama, option):
    from peft import LoraConfig, get_peft_model

    options = {"target_modules": ["q_proj"]} | {option: ["lm_head"]}
    model = get_peft_model(llama, LoraConfig(**options))
    with pytest.raises(UserError, match="adapter sits on the LM head"):
        find_head(model)
