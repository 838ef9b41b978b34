"""Encoder-decoders: loaded, their head read and checked, their hidden states those of the model's own forward pass."""

import pytest
import torch
import transformers as tf
from peft import LoraConfig, get_peft_model

from counterpoise.errors import UserError
from counterpoise.models import load_model
from counterpoise.models.head import final_hidden, find_head, verify_head
from counterpoise.scoring import score_tokens
from tiny_families import ENCODER_DECODER, EOS, PAD, tiny_family, write_family
from tiny_models import write_model

ENDS = {"vocab_size": 272, "eos_token_id": EOS, "pad_token_id": PAD, "bos_token_id": 1, "decoder_start_token_id": PAD}
T5 = ENDS | {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
BART = ENDS | {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 64,
}
SIDE = {
    "vocab_size": 272,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}


def t5gemma():
    config = tf.T5GemmaConfig(encoder=SIDE, decoder=SIDE, vocab_size=272, attn_implementation="eager")
    return tf.T5GemmaForConditionalGeneration(config)


FAMILIES = {  # family: (model, scale, softcap, bias)
    "t5": (lambda: tiny_family("t5"), 32**-0.5, None, False),
    "t5-1.1": (lambda: tiny_family("t5", tie_word_embeddings=False), 1, None, False),  # FLAN-T5, UL2
    "mt5": (lambda: tiny_family("mt5"), 1, None, False),
    "umt5": (lambda: tf.UMT5ForConditionalGeneration(tf.UMT5Config(**T5)), 32**-0.5, None, False),
    "switch": (
        lambda: tf.SwitchTransformersForConditionalGeneration(
            tf.SwitchTransformersConfig(**T5, num_experts=2, num_sparse_encoder_layers=1, num_sparse_decoder_layers=1)
        ),
        32**-0.5,
        None,
        False,
    ),
    "t5gemma": (t5gemma, 1, 30.0, False),
    "bart": (lambda: tf.BartForConditionalGeneration(tf.BartConfig(**BART)), 1, None, True),
    "marian": (lambda: tf.MarianMTModel(tf.MarianConfig(**BART)), 1, None, True),
}

IDS = torch.tensor([[PAD, 9, 12, 7, 30, EOS], [PAD, 4, EOS, PAD, PAD, PAD]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
READ = torch.tensor([[40, 41, 42, EOS], [50, EOS, PAD, PAD]])
READ_MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
INPUTS = {
    "input_ids": IDS,
    "attention_mask": MASK,
    "encoder_input_ids": READ,
    "encoder_attention_mask": READ_MASK,
}


def build(family):
    torch.manual_seed(0)
    model = FAMILIES[family][0]()
    if FAMILIES[family][3]:
        model.final_logits_bias.normal_()
    return model.eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_head_and_hidden_states_give_the_models_own_log_probs(family):
    _, scale, softcap, bias = FAMILIES[family]
    model = build(family)
    head = verify_head(model, name=family)
    assert (head.scale, head.softcap, head.bias is not None) == (pytest.approx(scale), softcap, bias)
    with torch.no_grad():
        own = model(
            input_ids=READ, attention_mask=READ_MASK, decoder_input_ids=IDS, decoder_attention_mask=MASK
        ).logits.log_softmax(-1)[:, :-1]
        hidden = final_hidden(model, **INPUTS)
        found = score_tokens(hidden[:, :-1].flatten(0, 1), head, IDS[:, 1:].flatten()).log_probs
    kept = MASK[:, 1:].flatten().bool()
    expected = own.gather(-1, IDS[:, 1:, None]).flatten()
    torch.testing.assert_close(found[kept], expected[kept], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_in_bfloat16(family):
    verify_head(build(family).to(torch.bfloat16), name=family)


@pytest.mark.parametrize("family", ["t5", "mt5", "bart"])
def test_with_lora(family):
    model = build(family)
    with torch.no_grad():
        before = final_hidden(model, **INPUTS)
    targets = ["q_proj", "v_proj"] if family == "bart" else ["q", "v"]
    model = get_peft_model(model, LoraConfig(task_type="SEQ_2_SEQ_LM", r=4, target_modules=targets)).eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    after = final_hidden(model, **INPUTS)
    assert not torch.allclose(before, after, rtol=1e-2, atol=1e-2)
    assert not verify_head(model).trainable
    after.sum().backward()
    assert all(p.grad is not None for n, p in model.named_parameters() if "lora_" in n)  # encoder and decoder
    with model.disable_adapter(), torch.no_grad():
        assert torch.equal(final_hidden(model, **INPUTS), before)


def test_a_misread_scale_is_refused(monkeypatch):
    from counterpoise.models import head

    monkeypatch.setattr(head, "_scale", lambda _: 1.0)
    with pytest.raises(UserError, match=r"somebody/t5: its logits are not its LM head"):
        verify_head(build("t5"), name="somebody/t5")


def test_a_decoder_that_sees_later_tokens_is_refused(monkeypatch):
    from transformers.models.t5 import modeling_t5

    model = build("t5")
    for block in model.decoder.block:
        block.layer[0].SelfAttention.is_causal = False
    monkeypatch.setattr(modeling_t5, "create_causal_mask", lambda **_: None)
    with pytest.raises(UserError, match="depend on later tokens"):
        verify_head(model)


@pytest.mark.parametrize(("family", "extra"), [("t5", {}), ("llama", {"encoder_input_ids": READ})])
def test_inputs_of_the_other_architecture_are_refused(family, extra):
    with pytest.raises(ValueError, match=r"takes (encoder_input_ids|no encoder inputs)"):
        final_hidden(tiny_family(family), input_ids=IDS, **extra)


class TestLoading:
    @pytest.mark.parametrize("family", ENCODER_DECODER)
    def test_a_folder(self, family, tmp_path):
        loaded = load_model(write_family(family, tmp_path), dtype="float32", device="cpu")
        assert loaded.architecture == "encoder-decoder"
        assert loaded.model.config.decoder_start_token_id == PAD
        assert not any(p.requires_grad for p in loaded.model.parameters())
        expected = final_hidden(tiny_family(family), **INPUTS)
        torch.testing.assert_close(final_hidden(loaded.model, **INPUTS), expected)

    def test_the_scale_survives_a_folder(self, tmp_path):
        folder = write_family("t5", tmp_path, tie_word_embeddings=False)
        assert load_model(folder, dtype="float32", device="cpu").head.scale == 1
        folder = write_family("t5", tmp_path / "tied")
        assert load_model(folder, dtype="float32", device="cpu").head.scale == pytest.approx(32**-0.5)

    def test_an_unknown_start_of_the_decoder(self, tmp_path):
        folder = write_family("t5", tmp_path, decoder_start_token_id=None)
        with pytest.raises(UserError, match=r"config\.json has no decoder_start_token_id"):
            load_model(folder, device="cpu")

    @pytest.mark.parametrize("body", [tf.T5EncoderModel, tf.T5Model])
    def test_a_body_without_a_head(self, body, tmp_path):
        with pytest.raises(UserError, match=f"{body.__name__} has no language-model head"):
            load_model(write_model(body(tf.T5Config(**T5)), tmp_path), device="cpu")


def test_the_bias_of_the_model_is_no_copy():
    model = build("bart")
    assert find_head(model).bias.data_ptr() == model.final_logits_bias.data_ptr()
