"""Prompts are written as each format says, tokenised so that nothing straddles, and cut only where that is allowed."""

import pytest

from counterpoise.data.example import Example, Message
from counterpoise.data.rendering import Renderer
from counterpoise.errors import UserError
from counterpoise.evaluation.backend import Query
from counterpoise.evaluation.prompt_format import prompt_format
from counterpoise.models.load import load_model
from tiny_families import family_tokenizer, write_family
from tiny_models import tiny_tokenizer

MESSAGES = (
    Message("system", "Be short."),
    Message("user", "Is GFAP a filament?"),
    Message("assistant", "yes"),
    Message("user", "Is TP53?"),
)


def untemplated(tokenizer):
    tokenizer.chat_template = None
    return tokenizer


def merging_tokenizer(pieces=(":", "Ġ", "y")):
    """A tokenizer with one merge, of the first piece with the second."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = sorted(pre_tokenizers.ByteLevel.alphabet())
    ids = {token: i for i, token in enumerate([*vocabulary, pieces[0] + pieces[1], "<eos>"])}
    backend = Tokenizer(models.BPE(ids, [(pieces[0], pieces[1])]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>")


def test_auto_is_chat_with_a_template_and_completion_without():
    assert prompt_format(tiny_tokenizer()).kind == "chat"
    assert prompt_format(untemplated(tiny_tokenizer())).kind == "completion"
    with pytest.raises(UserError, match="no chat template"):
        prompt_format(untemplated(tiny_tokenizer()), "chat")
    with pytest.raises(UserError, match="completion"):
        prompt_format(tiny_tokenizer(), "complete")


def test_the_texts_of_the_formats():
    chat, plain, completion = (prompt_format(tiny_tokenizer(), kind) for kind in ("chat", "plain", "completion"))
    assert completion.context_text(MESSAGES) == "Be short.\n\nIs GFAP a filament? yes\n\nIs TP53?"
    assert completion.option_text("no") == " no"
    assert plain.context_text(MESSAGES) == "Be short.\nIs GFAP a filament?\nyes<|im_end|>\nIs TP53?\n"
    assert plain.option_text("no") == "no<|im_end|>"
    assert chat.context_text(MESSAGES).endswith(
        "yes<|im_end|>\n<|im_start|>user\nIs TP53?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert chat.option_text("no") == "no<|im_end|>"


@pytest.mark.parametrize("kind", ["chat", "plain", "completion"])
def test_the_texts_have_the_ids_that_are_scored(kind):
    tokenizer = tiny_tokenizer()
    form = prompt_format(tokenizer, kind)
    for option in ("no", "yes, it is", "yes"):
        ids = form.context_ids(MESSAGES) + form.option_ids(MESSAGES, option)
        assert tokenizer(form.context_text(MESSAGES) + form.option_text(option))["input_ids"] == ids


@pytest.mark.parametrize("kind", ["chat", "plain"])
def test_an_answer_is_scored_as_it_is_trained(kind):
    tokenizer = tiny_tokenizer()
    form = prompt_format(tokenizer, kind)
    renderer = Renderer(tokenizer, chat_template="plain" if kind == "plain" else None)
    encoded = renderer.encode(Example((*MESSAGES[:1], MESSAGES[3], Message("assistant", "no")), source="x"))
    learned = [i for i, learned in zip(encoded.input_ids, encoded.supervised, strict=True) if learned]
    asked = (*MESSAGES[:1], MESSAGES[3])
    assert form.option_ids(asked, "no") == learned
    assert form.context_ids(asked) + learned == encoded.input_ids[: len(form.context_ids(asked)) + len(learned)]
    assert learned[-1] == tokenizer.eos_token_id
    assert form.stop_token_ids == [tokenizer.eos_token_id]


def test_completion_is_tokenised_as_the_harness_does():
    """Its rule for decoders: the tokens of the whole behind as many as the context has by itself."""
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    import torch
    from transformers import LlamaForCausalLM

    from tiny_models import tiny_llama_config

    torch.manual_seed(0)
    tokenizer = untemplated(tiny_tokenizer())
    tokenizer.pad_token = tokenizer.eos_token
    harness = huggingface.HFLM(pretrained=LlamaForCausalLM(tiny_llama_config()), tokenizer=tokenizer, device="cpu")
    form = prompt_format(tokenizer)
    for messages in (MESSAGES, (Message("user", "Answer: "),)):
        context, option = harness._encode_pair(form.context_text(messages), form.option_text("yes"))
        assert form.context_ids(messages) == context
        assert form.option_ids(messages, "yes") == option


def test_an_option_without_tokens_of_its_own_is_named():
    form = prompt_format(merging_tokenizer((":", "Ġ")), "completion")
    query = Query("pubmedqa/7", (Message("user", "Answer:"),), ("yes", "no"))
    with pytest.raises(UserError, match=r"pubmedqa/7: the tokenizer merges the option 'yes' with .*'Answer:'.*choose"):
        form.item(query)
    assert form.item(Query("x", (Message("user", "Answer"),), ("yes",))).options[0]


def test_a_template_that_asks_in_other_words_than_it_records_is_refused():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "assistant\n' }}{% endif %}", "assistant\n<think>' }}{% endif %}"
    )
    with pytest.raises(UserError, match=r"q1: .*template"):
        prompt_format(tokenizer).item(Query("q1", (Message("user", "Why?"),), ("so",)))


def test_an_encoder_reads_the_prompt_and_a_decoder_the_option(tmp_path):
    loaded = load_model(write_family("t5", tmp_path / "t5"), dtype="float32", device="cpu")
    for kind, end in (("plain", [2]), ("completion", [])):
        form = prompt_format(loaded, kind)
        item = form.item(Query("x", (Message("user", "Why?"),), ("so",)))
        assert item.context == [0]
        assert item.encoder == family_tokenizer("t5")("Why?")["input_ids"]
        text = form.option_text("so")
        assert item.options[0] == family_tokenizer("t5")(text, add_special_tokens=False)["input_ids"] + end


def test_an_empty_prompt_begins_with_a_token():
    tokenizer = untemplated(tiny_tokenizer())
    item = prompt_format(tokenizer).item(Query("x", (Message("user", ""),), ("so",)))
    assert item.context == [tokenizer.eos_token_id]
    assert tokenizer.decode(item.options[0]) == " so"


def test_long_prompts_are_refused_or_cut_in_order():
    tokenizer = tiny_tokenizer()
    query = Query("mmlu/3", (*MESSAGES[:3], *MESSAGES[1:3], Message("user", "abc" * 20 + " Is TP53?")), ("no",))
    whole = prompt_format(tokenizer, "completion")
    size = len(whole.context_ids(query.messages)) + len(whole.option_ids(query.messages, "no"))
    exact = prompt_format(tokenizer, "completion", size, truncate=True)
    assert exact.item(query) == whole.item(query)
    assert (exact.cut.examples, exact.cut.prompts) == (0, 0)
    with pytest.raises(
        UserError, match=f"mmlu/3: prompt and answer are {size} tokens long, and max_length is {size - 1}"
    ):
        prompt_format(tokenizer, "completion", size - 1).item(query)

    form = prompt_format(tokenizer, "completion", size - 1, truncate=True)
    assert form.context_text(form.fitted(query)).count("GFAP") == 1
    assert (form.cut.examples, form.cut.prompts) == (1, 0)

    form = prompt_format(tokenizer, "completion", 50, truncate=True)
    item = form.item(query)
    assert len(item.context) + len(item.options[0]) == 50
    text = tokenizer.decode(item.context)
    assert text.startswith("Be short.\n\n")
    assert text.endswith("abc Is TP53?")
    assert "GFAP" not in text
    assert (form.cut.examples, form.cut.prompts) == (2, 1)
    assert form.cut.tokens == len("abc" * 20 + " Is TP53?") - len(text) + len("Be short.\n\n")
    with pytest.raises(UserError, match="mmlu/3: no question fits"):
        prompt_format(tokenizer, "completion", 5, truncate=True).item(query)


def test_the_limit_is_that_of_the_positions_less_virtual_tokens(tmp_path):
    from counterpoise.models.adapters import AdapterConfig

    folder = write_family("llama", tmp_path / "llama")
    assert prompt_format(load_model(folder, device="cpu")).max_length == 256
    assert prompt_format(load_model(folder, device="cpu"), max_length=100).max_length == 100
    adapted = load_model(folder, device="cpu", adapter=AdapterConfig(kind="p-tuning"))
    number = adapted.model.active_peft_config.num_virtual_tokens
    assert prompt_format(adapted).max_length == 256 - number
