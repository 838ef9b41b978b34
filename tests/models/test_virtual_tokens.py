"""P-tuning and prompt tuning: final_hidden equals PEFT's own forward pass, and packing and padding change nothing."""

import pytest
import torch
from peft import PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig, get_peft_model

from counterpoise.errors import UserError
from counterpoise.models.cpu_attention import enable_cpu_attention
from counterpoise.models.head import compute_context, final_hidden, find_head, verify_head
from counterpoise.models.packing import verify_packing
from tiny_families import CAUSAL, ENCODER_DECODER, tiny_family

V = 3
KINDS = {
    "p-tuning": lambda task: PromptEncoderConfig(
        task_type=task, num_virtual_tokens=V, encoder_hidden_size=16, num_transformer_submodules=1
    ),
    "prompt-tuning": lambda task: PromptTuningConfig(
        task_type=task, num_virtual_tokens=V, num_transformer_submodules=1
    ),
}
IDS = torch.tensor([[5, 9, 12, 7, 30, 2], [8, 4, 2, 0, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
READ = torch.tensor([[40, 41, 42, 2], [50, 2, 0, 0]])
READ_MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


def prompted(family, kind="p-tuning"):
    task = "SEQ_2_SEQ_LM" if family in ENCODER_DECODER else "CAUSAL_LM"
    torch.manual_seed(1)
    model = get_peft_model(tiny_family(family).double(), KINDS[kind](task)).double().eval()
    for parameter in model.prompt_encoder.parameters():
        torch.nn.init.normal_(parameter)
    return model


def logits(model, hidden):
    head = find_head(model)
    values = (hidden @ head.weight.T) * head.scale
    return values if head.softcap is None else torch.tanh(values / head.softcap) * head.softcap


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", CAUSAL)
def test_the_logits_are_pefts_own(family, kind):
    model = prompted(family, kind)
    with torch.no_grad():
        own = model(input_ids=IDS, attention_mask=MASK).logits
        found = logits(model, final_hidden(model, input_ids=IDS, attention_mask=MASK))
    assert own.shape[1] == IDS.shape[1] + V
    torch.testing.assert_close(found[MASK.bool()], own[:, V:][MASK.bool()], rtol=1e-9, atol=1e-9)
    verify_head(model)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", ENCODER_DECODER)
def test_the_logits_are_pefts_own_with_an_encoder(family, kind):
    model = prompted(family, kind)
    with torch.no_grad():
        own = model(input_ids=READ, attention_mask=READ_MASK, decoder_input_ids=IDS, decoder_attention_mask=MASK).logits
        hidden = final_hidden(
            model,
            input_ids=IDS,
            attention_mask=MASK,
            encoder_input_ids=READ,
            encoder_attention_mask=READ_MASK,
        )
    torch.testing.assert_close(logits(model, hidden)[MASK.bool()], own[MASK.bool()], rtol=1e-9, atol=1e-9)
    verify_head(model)


@pytest.mark.parametrize("family", CAUSAL)
def test_packed_rows_give_every_sample_its_own(family):
    model = prompted(family)
    alone = [final_hidden(model, input_ids=IDS[:1]), final_hidden(model, input_ids=IDS[1:, :3])]
    packed = torch.cat([IDS[:1], IDS[1:, :3]], dim=1)
    positions = torch.tensor([[0, 1, 2, 3, 4, 5, 0, 1, 2]])
    # A second row with one sample only: the rows grow by different numbers of virtual tokens.
    ids, positions = torch.cat([packed, packed.flip(1)]), torch.cat([positions, torch.arange(9)[None]])
    for _ in range(2):
        found = final_hidden(model, input_ids=ids, position_ids=positions)
        torch.testing.assert_close(found[:1], torch.cat(alone, dim=1), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found[1:], final_hidden(model, input_ids=ids[1:]), rtol=1e-9, atol=1e-9)
        enable_cpu_attention(model)
    verify_packing(model)


@pytest.mark.parametrize("family", ENCODER_DECODER)
def test_packed_rows_with_an_encoder(family):
    model = prompted(family)
    alone = [
        final_hidden(model, input_ids=IDS[:1], encoder_input_ids=READ[:1]),
        final_hidden(model, input_ids=IDS[1:, :3], encoder_input_ids=READ[1:, :2]),
    ]
    found = final_hidden(
        model,
        input_ids=torch.cat([IDS[:1], IDS[1:]], dim=1),
        segments=torch.tensor([[1] * 6 + [2] * 3 + [0] * 3]),
        encoder_input_ids=torch.cat([READ[:1], READ[1:]], dim=1),
        encoder_segments=torch.tensor([[1] * 4 + [2] * 2 + [0] * 2]),
    )
    torch.testing.assert_close(found[:, :9], torch.cat(alone, dim=1), rtol=1e-9, atol=1e-9)
    verify_packing(model)


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma2"])  # GPT-2 counts positions from the start of the row
def test_the_side_of_the_padding_does_not_matter(family):
    model = prompted(family).float()  # rotary angles are float32 anyhow
    right = final_hidden(model, input_ids=IDS[1:], attention_mask=MASK[1:])
    left = final_hidden(model, input_ids=IDS[1:].roll(3, 1), attention_mask=MASK[1:].roll(3, 1))
    torch.testing.assert_close(left[:, 3:], right[:, :3], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_a_disabled_adapter_is_the_base_model(family):
    model = prompted(family)
    inputs = {"input_ids": IDS} | ({"encoder_input_ids": READ} if family == "t5" else {})
    expected = final_hidden(model.get_base_model(), **inputs)
    with model.disable_adapter():
        assert torch.equal(final_hidden(model, **inputs), expected)
    assert not torch.allclose(final_hidden(model, **inputs), expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_gradients_reach_the_prompt_encoder(family):
    model = prompted(family).train()
    inputs = {"input_ids": IDS} | ({"encoder_input_ids": READ} if family == "t5" else {})
    final_hidden(model, **inputs).square().sum().backward()
    trained = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert all(grad is not None and grad.abs().sum() > 0 for grad in trained.values())


def test_a_float32_prompt_encoder_does_not_switch_autocast_on():
    model = get_peft_model(tiny_family("llama").bfloat16(), KINDS["p-tuning"]("CAUSAL_LM")).float()
    model.get_base_model().bfloat16()
    with compute_context(model):
        assert not torch.is_autocast_enabled("cpu")
    assert final_hidden(model, input_ids=IDS, attention_mask=MASK).dtype == torch.bfloat16


def test_prefix_tuning_is_refused():
    model = get_peft_model(tiny_family("llama"), PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=V))
    with pytest.raises(UserError, match="PREFIX_TUNING adapter; expected LoRA"):
        final_hidden(model, input_ids=IDS)
