"""Packed rows: the hidden states and gradients of each sample alone, or a refusal."""

import pytest
import torch
import transformers as tf

from counterpoise.errors import UserError
from counterpoise.models import cpu_attention
from counterpoise.models.cpu_attention import CPU_ATTENTION, enable_cpu_attention
from counterpoise.models.head import final_hidden
from counterpoise.models.packing import verify_packing
from tiny_families import CAUSAL, ENCODER_DECODER, tiny_family

LENGTHS = (12, 1, 20, 7)  # the third is longer than Gemma 2's window of 8, one sample is a single token
READ_LENGTHS = (3, 9, 5, 1)
KERNELS = ("sdpa", "eager")


SMALL = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4}
LEAKING = {
    "mamba": lambda: tf.MambaConfig(**SMALL, state_size=8),
    "rwkv": lambda: tf.RwkvConfig(**SMALL, attention_hidden_size=32),
    "lfm2": lambda: tf.Lfm2Config(
        **SMALL,
        **HEADS,
        num_key_value_heads=2,
        intermediate_size=48,
        layer_types=["conv", "full_attention"],
    ),
    "bloom": lambda: tf.BloomConfig(vocab_size=97, hidden_size=32, n_layer=2, n_head=4),
    "opt": lambda: tf.OPTConfig(**SMALL, **HEADS, ffn_dim=48),
    "falcon": lambda: tf.FalconConfig(**SMALL, **HEADS),
}


def rows(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, 272, (1, n), generator=generator) for n in lengths]


def packed_inputs(family):
    """Four samples in one row and a tail of padding, and the same samples one by one."""
    parts, read = rows(LENGTHS), rows(READ_LENGTHS, seed=1)
    tail = torch.zeros(1, 3, dtype=torch.int64)
    if family in ENCODER_DECODER:
        packed = {
            "input_ids": torch.cat([*parts, tail], dim=1),
            "segments": numbered([*LENGTHS, 3]),
            "encoder_input_ids": torch.cat([*read, tail[:, :2]], dim=1),
            "encoder_segments": numbered([*READ_LENGTHS, 2]),
        }
        return packed, [{"input_ids": a, "encoder_input_ids": b} for a, b in zip(parts, read, strict=True)]
    positions = torch.cat([torch.arange(n) for n in (*LENGTHS, 3)])[None]
    return {"input_ids": torch.cat([*parts, tail], dim=1), "position_ids": positions}, [
        {"input_ids": part} for part in parts
    ]


def numbered(lengths):
    """[1, T]: 1 .. n for the samples, 0 for the padding at the end."""
    numbers = [*range(1, len(lengths)), 0]
    return torch.cat([torch.full((n,), i) for i, n in zip(numbers, lengths, strict=True)])[None]


def gradients(model):
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("family", [*CAUSAL, *ENCODER_DECODER])
def test_packed_is_alone(family, kernel):
    if (family, kernel) == ("gemma2", "sdpa"):
        pytest.skip("sdpa cannot cap attention scores; load_model refuses it")
    model = tiny_family(family).double()
    model.set_attn_implementation(kernel)
    packed, alone = packed_inputs(family)
    weights = torch.randn(sum(LENGTHS), 32, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    expected = torch.cat([final_hidden(model, **inputs) for inputs in alone], dim=1)[0]
    (expected * weights).sum().backward()
    expected_gradients = gradients(model)
    found = final_hidden(model, **packed)[0, : sum(LENGTHS)]
    (found * weights).sum().backward()

    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)  # rotary angles and softmax are float32
    torch.testing.assert_close(gradients(model), expected_gradients, rtol=1e-4, atol=1e-4)
    verify_packing(model)


@pytest.mark.parametrize("family", ["t5", "mt5", "llama"])
def test_packed_in_bfloat16(family):
    verify_packing(tiny_family(family).bfloat16())


def test_t5_relative_positions_matter_within_a_sample():
    model = tiny_family("t5")
    ids = rows((20,))[0]
    other = final_hidden(model, input_ids=ids, encoder_input_ids=ids.roll(5, 1))
    assert not torch.allclose(final_hidden(model, input_ids=ids, encoder_input_ids=ids), other, atol=1e-2)


class TestRefusals:
    def test_absolute_positions_with_an_encoder(self):
        shape = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48}
        heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
        model = tf.BartForConditionalGeneration(tf.BartConfig(vocab_size=272, **shape, **heads))
        with pytest.raises(UserError, match=r"^[^:]*: BartForConditionalGeneration counts positions from the start"):
            verify_packing(model)

    def test_local_attention_with_an_encoder(self):
        shape = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 1, "num_heads": 4, "local_radius": 3}
        model = tf.LongT5ForConditionalGeneration(tf.LongT5Config(vocab_size=272, **shape))
        with pytest.raises(
            UserError, match="somebody/model: LongT5ForConditionalGeneration cannot be run on packed rows"
        ):
            verify_packing(model, name="somebody/model")

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
    @pytest.mark.parametrize("family", LEAKING)
    def test_families_that_do_not_look_at_positions(self, family, dtype):
        torch.manual_seed(0)
        model = tf.AutoModelForCausalLM.from_config(LEAKING[family]())
        with torch.no_grad():
            for parameter in model.parameters():  # freshly initialised models hardly look at their context
                if parameter.dim() > 1:
                    parameter.normal_(std=0.2)
        with pytest.raises(UserError, match=rf"^somebody/model: samples packed .* in {type(model).__name__} with"):
            verify_packing(model.to(dtype), name="somebody/model")

    def test_a_family_that_takes_no_positions(self, monkeypatch):
        forward = tf.LlamaModel.forward

        def without(self, input_ids, use_cache=False):
            return forward(self, input_ids, use_cache=use_cache)

        monkeypatch.setattr(tf.LlamaModel, "forward", without)
        with pytest.raises(UserError, match="LlamaForCausalLM cannot be run on packed rows"):
            verify_packing(tiny_family("llama"))

    def test_a_leaking_kernel(self, monkeypatch):
        from transformers.models.llama import modeling_llama

        monkeypatch.setattr(modeling_llama, "create_causal_mask", lambda **_: None)  # causal over the whole row
        with pytest.raises(UserError, match="see each other in LlamaForCausalLM with its attention sdpa"):
            verify_packing(tiny_family("llama"))

    def test_positions_of_the_whole_row(self, monkeypatch):
        from transformers.models.llama import modeling_llama

        rotary = modeling_llama.LlamaRotaryEmbedding.forward
        monkeypatch.setattr(
            modeling_llama.LlamaRotaryEmbedding,
            "forward",
            lambda self, x, position_ids: rotary(self, x, position_ids * (1 + (position_ids.diff(dim=1) < 0).sum())),
        )
        with pytest.raises(UserError, match="are not computed as each is alone in LlamaForCausalLM"):
            verify_packing(tiny_family("llama"))

    def test_verifying_leaves_no_trace(self):
        model = tiny_family("llama").train()
        state = torch.get_rng_state()
        verify_packing(model)
        assert model.training
        assert torch.equal(torch.get_rng_state(), state)
        assert all(p.grad is None for p in model.parameters())


def tiny_mistral(window):
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(0)
    config = tf.MistralConfig(vocab_size=272, **shape, num_key_value_heads=2, sliding_window=window)
    model = tf.MistralForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.2)
    return model


class TestPackedAttention:
    @pytest.mark.parametrize(
        "build",
        [
            lambda: tiny_family("llama"),  # 4 heads share 2 keys
            lambda: tiny_family("qwen3"),
            lambda: tiny_family("gpt2"),
            lambda: tiny_mistral(8),
            lambda: tiny_mistral(4096),
        ],
        ids=["llama", "qwen3", "gpt2", "mistral-8", "mistral-4096"],
    )
    def test_equals_sdpa(self, build, monkeypatch):
        model = build()
        packed, _ = packed_inputs("llama")
        generator = torch.Generator().manual_seed(3)
        ids = torch.cat([packed["input_ids"], torch.randint(3, 272, (1, 43), generator=generator)])
        positions = torch.cat([packed["position_ids"], torch.arange(43)[None]])  # rows of four samples and of one
        mask = torch.ones(2, 43, dtype=torch.int64)
        mask[1, 30:] = 0
        batches = [
            {"input_ids": ids, "position_ids": positions},
            {"input_ids": ids, "attention_mask": mask},
            {"input_ids": ids},
        ]
        results = []
        for enable in (False, True):
            assert not enable or enable_cpu_attention(model)
            for batch in batches:
                hidden = final_hidden(model, **batch)
                hidden.square().sum().backward()
                results.append((hidden.detach(), gradients(model)))
        assert model.config._attn_implementation == CPU_ATTENTION
        for found, expected in zip(results[3:], results[:3], strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)

    def test_never_makes_a_mask_of_the_whole_row(self, monkeypatch):
        model = tiny_family("llama")
        enable_cpu_attention(model)
        packed, _ = packed_inputs("llama")
        kernel, seen = cpu_attention.causal_attention, []

        def spy(query, key, value, scale):
            seen.append(key.shape[1])
            return kernel(query, key, value, scale)

        monkeypatch.setattr(cpu_attention, "causal_attention", spy)
        monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", None)
        final_hidden(model, **packed)
        assert seen == [*LENGTHS, 3] * 2

    def test_generates_and_is_saved_as_before(self, tmp_path):
        model, changed = tiny_family("llama"), tiny_family("llama")
        assert enable_cpu_attention(changed)
        prompt = {"input_ids": rows((6,))[0].expand(2, -1), "attention_mask": torch.tensor([[1] * 6, [0, 0] + [1] * 4])}
        expected, found = (m.generate(**prompt, max_new_tokens=8, do_sample=False) for m in (model, changed))
        assert torch.equal(found, expected)
        changed.save_pretrained(tmp_path)
        assert CPU_ATTENTION not in (tmp_path / "config.json").read_text()

    @pytest.mark.parametrize("family", ["gemma2", "t5"])
    def test_is_left_out_where_it_does_not_belong(self, family):
        model = tiny_family(family)
        before = model.config._attn_implementation
        assert not enable_cpu_attention(model)
        assert model.config._attn_implementation == before

    def test_is_taken_back_where_it_is_not_exact(self, monkeypatch):
        monkeypatch.setattr(cpu_attention, "_cpu_mask", lambda *_, **__: None)
        model = tiny_family("llama")
        assert not enable_cpu_attention(model)
        assert model.config._attn_implementation == "sdpa"
        verify_packing(model)
