"""What is written as GGUF is read back by transformers as the same model and the same tokenizer."""

import pytest
import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer

from counterpoise.errors import UserError
from counterpoise.models.adapters import AdapterConfig
from counterpoise.models.export import export_gguf
from counterpoise.models.gguf_tokenizer import SPLITS, _split_name
from counterpoise.models.load import load_model
from counterpoise.models.save import save_model
from tiny_bpe import MERGES, merging_tokenizer
from tiny_families import tiny_family, write_family

TEXTS = ("BRCA1 encoding  p53 123 \n 45", "<|im_start|>user\nhéllo<|im_end|>\n", "")


def write(family, folder, dtype=torch.float32, **changes):
    """A tiny model; biases and norms are random too, or an exchange of two of them would not show."""
    model = tiny_family(family, **changes)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    model.to(dtype).save_pretrained(folder)
    merging_tokenizer().save_pretrained(folder)
    return folder


def write_qwen2(folder):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=272, bos_token_id=1, eos_token_id=2, **shape, **heads))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    merging_tokenizer().save_pretrained(folder)
    return folder


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(3, 27)[None]).logits


def read_back(path):
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)


FAMILIES = {
    "llama": lambda folder: write("llama", folder),
    "llama-tied": lambda folder: write("llama", folder, tie_word_embeddings=True),
    "llama-wide-heads": lambda folder: write("llama", folder, head_dim=12, num_key_value_heads=4),
    "qwen2": write_qwen2,
    # transformers reads no head_dim from a Qwen 3 GGUF and takes the family's own, 128
    "qwen3": lambda folder: write("qwen3", folder, head_dim=128, tie_word_embeddings=True),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_logits_and_tokens(family, tmp_path):
    folder = FAMILIES[family](tmp_path / "model")
    expected, original = logits(load_model(folder, dtype="float32").model), AutoTokenizer.from_pretrained(folder)
    written = export_gguf(folder, tmp_path / "model.gguf", quantization="f32")
    model, tokenizer = read_back(written.path)
    torch.testing.assert_close(logits(model), expected, rtol=1e-5, atol=1e-5)
    for text in TEXTS:
        assert tokenizer(text).input_ids == original(text).input_ids
    assert tokenizer.chat_template == original.chat_template
    assert tokenizer.eos_token == original.eos_token == "<|im_end|>"
    tied = family in ("llama-tied", "qwen3")
    assert tied != ("output.weight" in {tensor.name for tensor in GGUFReader(written.path).tensors})


class TestTypes:
    def test_bfloat16_is_kept_bit_by_bit(self, tmp_path):
        folder = write("llama", tmp_path / "model", dtype=torch.bfloat16)
        expected = load_model(folder, dtype="float32").model.state_dict()
        found = read_back(export_gguf(folder, tmp_path / "model.gguf").path)[0].state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)

    @pytest.mark.parametrize(("kind", "tolerance"), [("f16", 1e-3), ("bf16", 1e-2), ("q8_0", 1e-2)])
    def test_rounding(self, kind, tolerance, tmp_path):
        folder = write("llama", tmp_path / "model", intermediate_size=64)
        written = export_gguf(folder, tmp_path / "model.gguf", quantization=kind)
        assert written.wider == ()
        expected = load_model(folder, dtype="float32").model.state_dict()
        found = read_back(written.path)[0].state_dict()
        for name, weight in expected.items():
            error = (found[name] - weight).abs().max() / weight.abs().max()
            assert error <= tolerance, name
            assert error == 0 if weight.dim() == 1 else error > 0
        assert {t.tensor_type.name for t in GGUFReader(written.path).tensors} == {"F32", kind.upper()}
        assert written.size == written.path.stat().st_size

    def test_rows_that_do_not_fill_a_block(self, tmp_path):
        folder = write("llama", tmp_path / "model", intermediate_size=48)
        written = export_gguf(folder, tmp_path / "model.gguf", quantization="q8_0")
        assert set(written.wider) == {"blk.0.ffn_down.weight", "blk.1.ffn_down.weight"}
        read_back(written.path)


def test_tokens_without_text_are_marked(tmp_path):
    path = export_gguf(write("llama", tmp_path / "model"), tmp_path / "model.gguf").path
    reader = GGUFReader(path)
    tokens = reader.get_field("tokenizer.ggml.tokens").contents()
    types = reader.get_field("tokenizer.ggml.token_type").contents()
    assert tokens[263:] == [f"[PAD{index}]" for index in range(263, 272)]
    assert types == [3] * 3 + [1] * 260 + [5] * 9
    assert reader.get_field("tokenizer.ggml.merges").contents() == [" ".join(pair) for pair in MERGES]
    assert reader.get_field("tokenizer.ggml.pre").contents() == "gpt-2"


class TestRefusals:
    @pytest.mark.parametrize("family", ["gemma2", "gpt2", "t5"])
    def test_another_architecture(self, family, tmp_path):
        folder = write_family(family, tmp_path / "model")
        with pytest.raises(UserError, match=f"a {family} model .* only llama, qwen2, qwen3; use llama.cpp's convert"):
            export_gguf(folder, tmp_path / "model.gguf")
        assert not (tmp_path / "model.gguf").exists()

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("rope_parameters", {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}),
            ("hidden_act", "gelu"),
            ("attention_bias", True),
            ("mlp_bias", True),
        ],
    )
    def test_a_setting_that_would_be_lost(self, setting, value, tmp_path):
        folder = write("llama", tmp_path / "model", **{setting: value})
        with pytest.raises(UserError, match="rope_type|" + setting):
            export_gguf(folder, tmp_path / "model.gguf")

    def test_sliding_layers(self, tmp_path):
        folder = write("qwen3", tmp_path / "model", use_sliding_window=True, sliding_window=4, max_window_layers=1)
        with pytest.raises(UserError, match="layer_types"):
            export_gguf(folder, tmp_path / "model.gguf")

    def test_an_adapter(self, tmp_path):
        loaded = load_model(write("llama", tmp_path / "model"), adapter=AdapterConfig())
        folder = save_model(loaded.model, loaded.tokenizer, tmp_path / "adapter")
        with pytest.raises(UserError, match=r"merge it first .counterpoise merge"):
            export_gguf(folder, tmp_path / "model.gguf")

    def test_a_file_in_use_and_an_unknown_type(self, tmp_path):
        (tmp_path / "model.gguf").write_text("mine")
        folder = write("llama", tmp_path / "model")
        with pytest.raises(UserError, match="this file exists"):
            export_gguf(folder, tmp_path / "model.gguf")
        with pytest.raises(UserError, match="'q4_k'; expected f32, f16"):
            export_gguf(folder, tmp_path / "other.gguf", quantization="q4_k")
        assert (tmp_path / "model.gguf").read_text() == "mine"

    def test_a_weight_beyond_f16(self, tmp_path):
        model = tiny_family("llama")
        with torch.no_grad():
            model.model.layers[0].mlp.up_proj.weight[0, 0] = 1e6
        model.save_pretrained(tmp_path / "model")
        merging_tokenizer().save_pretrained(tmp_path / "model")
        with pytest.raises(UserError, match=r"ffn_up.* beyond the range of F16; choose bf16 or f32"):
            export_gguf(tmp_path / "model", tmp_path / "model.gguf", quantization="f16")
        assert list(tmp_path.glob("*.gguf*")) == []

    def test_another_tokenizer(self, tmp_path):
        from tokenizers import pre_tokenizers

        folder = write("llama", tmp_path / "model")
        tokenizer = merging_tokenizer()
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.save_pretrained(folder)
        with pytest.raises(UserError, match="not one of the byte-level ones"):
            export_gguf(folder, tmp_path / "model.gguf")


class TestSplits:
    def test_names_that_transformers_reads_alike(self):
        ours = {name: steps[0] for steps, name in SPLITS.items() if len(steps) == 2 and name != "smollm"}
        mapping = pytest.importorskip("transformers.integrations.gguf.gguf_tokenizer_mapping")
        for name, regex in ours.items():
            assert mapping.GGUF_PRE_TOKENIZER_SPLITS[name] == regex

    @pytest.mark.parametrize("model", [{"type": "Unigram"}, {"byte_fallback": True}, {"merges": []}])
    def test_only_byte_level_bpe(self, model):
        step = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
        good = {"model": {"type": "BPE", "merges": MERGES}, "pre_tokenizer": step}
        assert _split_name(good) == _split_name(good | {"normalizer": {"type": "NFC"}}) == "gpt-2"
        assert _split_name(good | {"normalizer": {"type": "Lowercase"}}) is None
        assert _split_name(good | {"model": good["model"] | model}) is None


@pytest.mark.slow
def test_smollm2_comes_back_through_load_model(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    try:
        original = load_model("smollm2-135m", dtype="float32", offline=True)
    except UserError as error:
        pytest.skip(str(error))
    written = export_gguf("smollm2-135m", tmp_path / "smollm2.gguf", offline=True)
    monkeypatch.setenv("COUNTERPOISE_CACHE", str(tmp_path / "cache"))
    again = load_model(written.path, dtype="float32")
    assert torch.equal(logits(again.model), logits(original.model))
    assert again.tokenizer.get_vocab() == original.tokenizer.get_vocab()
    for text in TEXTS:
        assert again.tokenizer(text).input_ids == original.tokenizer(text).input_ids
    assert again.tokenizer.chat_template == original.tokenizer.chat_template
