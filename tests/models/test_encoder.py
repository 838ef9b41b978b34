"""Encoders with a new head, with a trained one, with an adapter; and what is refused."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from counterpoise.data.labelled import collate_labels, encode_labels
from counterpoise.data.labelled_reading import LabelledExample, LabelSpace
from counterpoise.errors import UserError
from counterpoise.models.adapters import AdapterConfig
from counterpoise.models.encoder import labels_of, load_encoder, longest_input, save_encoder
from counterpoise.training.scored_encoder import label_logits
from tiny_encoders import (
    ENCODERS,
    encoder_config,
    toy_scores,
    toy_tagged,
    toy_texts,
    wordpiece_tokenizer,
    write_encoder,
)
from tiny_models import tiny_llama_config


def toy_several(count):
    """Texts with both labels, with one, with none."""
    labels = [("fast", "high"), ("high",), ()]
    return [LabelledExample("gene high", labels=labels[i % 3]) for i in range(count)], SEVERAL


TAGS = LabelSpace("token-classification", ("O", "B-Gene", "I-Gene"))
TEXTS = LabelSpace("sequence-classification", ("down", "none", "up"))
SCORES = LabelSpace("regression", (), 140.0, 28.0)
FULL, LORA = AdapterConfig(kind="full"), AdapterConfig(kind="lora", rank=4, alpha=8)
SEVERAL = LabelSpace("multi-label", ("fast", "high"))
TOYS = {TAGS: toy_tagged, TEXTS: toy_texts, SCORES: toy_scores, SEVERAL: toy_several}


@pytest.fixture
def bert(tmp_path):
    return write_encoder("bert", tmp_path / "bert")


def refusal(name, **options):
    with pytest.raises(UserError) as caught:
        load_encoder(name, dtype="float32", **options)
    return str(caught.value)


def batch_of(space, tokenizer):
    examples, _ = TOYS[space](4)
    batch = collate_labels(encode_labels(examples, tokenizer, space, 64).items, tokenizer.pad_token_id)
    return {name: batch[name] for name in ("input_ids", "attention_mask", "token_type_ids")}


def logits(loaded, batch):
    with torch.no_grad():
        return label_logits(loaded.model.eval(), batch)


def shake(model):
    """Stands in for training: change every trained weight."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))


@pytest.mark.parametrize("space", [TAGS, TEXTS, SCORES, SEVERAL], ids=lambda space: space.task)
@pytest.mark.parametrize("adapter", [FULL, LORA], ids=lambda adapter: adapter.kind)
@pytest.mark.parametrize("family", ENCODERS)
def test_train_save_reload(family, adapter, space, tmp_path, caplog):
    folder = write_encoder(family, tmp_path / family)
    caplog.clear()
    loaded = load_encoder(folder, space=space, adapter=adapter, dtype="float32")
    assert loaded.architecture == "encoder"
    assert loaded.head is None
    trained = [p for p in loaded.model.parameters() if p.requires_grad]
    assert trained
    assert all(p.dtype == torch.float32 for p in trained)
    shake(loaded.model)
    batch = batch_of(space, loaded.tokenizer)
    before = logits(loaded, batch)
    rows, length = batch["input_ids"].shape
    assert before.shape == {TAGS: (rows, length, 3), TEXTS: (rows, 3), SCORES: (rows, 1), SEVERAL: (rows, 2)}[space]
    again = load_encoder(save_encoder(loaded, tmp_path / "saved"), dtype="float32")
    assert labels_of(again.model) == labels_of(loaded.model) == space
    assert not any(p.requires_grad for p in again.model.parameters())
    torch.testing.assert_close(logits(again, batch), before)
    assert not [record for record in caplog.records if record.name.startswith("transformers")]


@pytest.mark.parametrize("family", ENCODERS)
def test_the_encoder_comes_from_the_files_and_the_head_from_the_seed(family, tmp_path):
    folder = write_encoder(family, tmp_path / family)
    stored = load_file(folder / "model.safetensors")
    state = torch.random.get_rng_state()
    loaded, same, other = (load_encoder(folder, space=TEXTS, seed=seed, dtype="float32").model for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    body = loaded.base_model.state_dict()
    prefix = "" if family == "bert" else loaded.base_model_prefix + "."
    assert all(torch.equal(weight, stored[prefix + name]) for name, weight in body.items())
    first, again, second = (model.state_dict() for model in (loaded, same, other))
    assert all(torch.equal(first[name], again[name]) for name in first)
    changed = {name for name in first if not torch.equal(first[name], second[name])}
    assert any(name.startswith("classifier") for name in changed)
    assert not any(name.startswith(loaded.base_model_prefix + ".") for name in changed)


def test_full_fine_tuning_reads_float32_whatever_the_dtype(bert):
    model = load_encoder(bert, space=TAGS, adapter=FULL, dtype="bfloat16").model
    stored = load_file(bert / "model.safetensors")
    assert torch.equal(model.bert.embeddings.word_embeddings.weight, stored["embeddings.word_embeddings.weight"])


def test_frozen_weights_keep_the_asked_dtype(bert):
    loaded = load_encoder(bert, space=TAGS, adapter=LORA, dtype="bfloat16")
    dtypes = {p.requires_grad: p.dtype for p in loaded.model.parameters()}
    assert dtypes == {True: torch.float32, False: torch.bfloat16}
    assert logits(loaded, batch_of(TAGS, loaded.tokenizer)).isfinite().all()


def test_a_fine_tuned_model_goes_on_with_its_own_head(bert, tmp_path):
    loaded = load_encoder(bert, space=TEXTS, adapter=FULL, dtype="float32")
    shake(loaded.model)
    folder = save_encoder(loaded, tmp_path / "saved")
    again = load_encoder(folder, space=TEXTS, adapter=FULL, dtype="float32", seed=9)
    assert torch.equal(again.model.classifier.weight, loaded.model.classifier.weight)
    message = refusal(folder, space=LabelSpace("sequence-classification", ("a", "b", "c")))
    assert message.endswith(
        "its head was trained for sequence-classification into down, none, up, not for sequence-classification into "
        "a, b, c; expected a model without a head, or data with the same labels."
    )
    assert "not for token-classification into O, B-Gene, I-Gene" in refusal(folder, space=TAGS)


def test_regression_keeps_the_values_it_was_scaled_by(bert, tmp_path):
    folder = save_encoder(load_encoder(bert, space=SCORES, adapter=FULL), tmp_path / "saved")
    assert json.loads((folder / "config.json").read_text())["value_mean"] == 140.0
    other = LabelSpace("regression", (), 1.0, 2.0)
    assert labels_of(load_encoder(folder, space=other, adapter=FULL).model) == SCORES


def test_an_encoder_without_a_head_cannot_predict(bert):
    assert "this encoder has no trained head, so it cannot predict; fine-tune it first" in refusal(bert)


def test_language_models_are_refused(tmp_path, bert):
    from transformers import LlamaForCausalLM, T5Config, T5ForConditionalGeneration

    shape = {"d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2, "vocab_size": 40}
    for name, model in (
        ("no encoder", LlamaForCausalLM(tiny_llama_config())),
        ("an encoder-decoder model", T5ForConditionalGeneration(T5Config(**shape))),
    ):
        model.save_pretrained(tmp_path / "writer")
        wordpiece_tokenizer().save_pretrained(tmp_path / "writer")
        message = refusal(tmp_path / "writer", space=TAGS)
        assert f"is {name}; expected an encoder that fills in masked words, such as BERT." in message
    config = encoder_config("bert", is_decoder=True)
    config.save_pretrained(bert)
    assert "is no encoder" in refusal(bert, space=TAGS)


def test_missing_weights_of_the_encoder_are_refused(bert):
    weights = load_file(bert / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, bert / "model.safetensors", metadata={"format": "pt"})
    message = refusal(bert, space=TAGS)
    assert "its files lack 1 weights that BertForTokenClassification needs" in message
    assert "bert.encoder.layer.1.output.dense.weight" in message


def test_a_fine_tuned_model_must_have_its_head_in_the_files(bert, tmp_path):
    folder = save_encoder(load_encoder(bert, space=TEXTS, adapter=FULL), tmp_path / "saved")
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "(first: classifier.weight), so it would predict at random" in refusal(folder)


def test_a_random_pooler_is_never_frozen(bert):
    weights = {k: v for k, v in load_file(bert / "model.safetensors").items() if "pooler" not in k}
    save_file(weights, bert / "model.safetensors", metadata={"format": "pt"})
    assert load_encoder(bert, space=TEXTS, adapter=FULL).model.bert.pooler.dense.weight.requires_grad
    for adapter in (LORA, AdapterConfig(kind="full", layers=1)):
        message = refusal(bert, space=TEXTS, adapter=adapter)
        assert f"bert.pooler.dense.bias, which would stay random under adapter.kind: {adapter.kind}" in message
    load_encoder(bert, space=TAGS, adapter=LORA)  # tags need no pooler


def test_adapters(bert, tmp_path):
    folder = save_encoder(load_encoder(bert, space=TAGS, adapter=LORA), tmp_path / "saved")
    assert not (folder / "config.json").exists()
    assert "this is an adapter already" in refusal(folder, adapter=LORA)
    assert "its head was trained for token-classification" in refusal(folder, space=TEXTS)
    (folder / "labels.json").write_text("{}")
    assert "labels.json cannot be read" in refusal(folder)
    (folder / "labels.json").unlink()
    assert "there is no labels.json; expected an adapter of an encoder." in refusal(folder)
    message = refusal(bert, space=TAGS, adapter=AdapterConfig(kind="p-tuning"))
    assert "p-tuning" in message


def test_several_labels_are_written_as_transformers_reads_them(bert, tmp_path):
    folder = save_encoder(load_encoder(bert, space=SEVERAL, adapter=FULL), tmp_path / "saved")
    config = json.loads((folder / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    assert config["id2label"] == {"0": "fast", "1": "high"}
    message = refusal(folder, space=LabelSpace("sequence-classification", ("fast", "high")))
    assert "its head was trained for multi-label into fast, high, not for sequence-classification into" in message


def test_one_label_of_yes_and_no_is_no_regression(bert, tmp_path):
    space = LabelSpace("multi-label", ("high",))
    folder = save_encoder(load_encoder(bert, space=space, adapter=FULL), tmp_path / "saved")
    assert labels_of(load_encoder(folder).model) == space


@pytest.mark.parametrize(
    ("family", "longest"),
    [("bert", 66), ("roberta", 65), ("distilbert", 66), ("deberta-v2", None), ("modernbert", None)],
)
def test_longest_input(family, longest, tmp_path):
    """The model runs at that length, and where positions are learned not at one more."""
    loaded = load_encoder(write_encoder(family, tmp_path / family), space=TAGS, dtype="float32")
    assert longest_input(loaded.model) == longest
    assert loaded.model(input_ids=torch.full((1, longest or 100), 7)).logits.shape[1] == (longest or 100)
    if longest:
        with pytest.raises((IndexError, RuntimeError)):
            loaded.model(input_ids=torch.full((1, longest + 1), 7))
