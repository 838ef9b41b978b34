"""The local backend answers what the model says of each option alone, whatever is shared and however it is cut."""

import numpy as np
import pytest
import torch

from counterpoise.data.example import Message
from counterpoise.errors import UserError
from counterpoise.evaluation.backend import Query
from counterpoise.evaluation.local import LocalBackend
from counterpoise.evaluation.option_scoring import OptionScorer
from counterpoise.evaluation.prompt_format import prompt_format
from counterpoise.evaluation.token_tree import TokenItem, TokenTree
from counterpoise.models.adapters import AdapterConfig
from counterpoise.models.load import load_model
from tiny_families import ENCODER_DECODER, write_family

MODELS = [
    ("llama", ""),
    ("qwen3", ""),
    ("gemma2", ""),
    ("gpt2", ""),
    ("t5", ""),
    ("llama", "lora"),
    ("llama", "p-tuning"),
    ("t5", "p-tuning"),
]
SHOTS = (
    Message("user", "Is GFAP a filament?"),
    Message("assistant", "yes"),
    Message("user", "Is TP53?"),
    Message("assistant", "no"),
)


def load(family, tmp_path, adapter="", **changes):
    config = AdapterConfig(kind=adapter) if adapter else None
    loaded = load_model(
        write_family(family, tmp_path / "model", **changes), dtype="float32", device="cpu", adapter=config
    )
    with torch.no_grad():
        for name, parameter in loaded.model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn_like(parameter) * 0.2)
    return loaded


def queries():
    """Shared examples, shared questions, single letters, long options, one question alone, one that is asked twice."""
    asked = [
        Query("letters", (*SHOTS, Message("user", "Which? A B C D")), ("A", "B", "C", "D")),
        Query(
            "long", (*SHOTS, Message("user", "Why?")), ("because", "because it is so", "no reason that anyone knows")
        ),
        Query("mixed", (*SHOTS, Message("user", "Why")), ("yes", "no", "maybe")),
        Query("alone", (Message("user", "Which process needs KRT5?"),), ("apoptosis", "a")),
        Query("one", (Message("user", "Say it"),), ("it",)),
    ]
    return [*asked, Query("again", asked[1].messages, asked[1].options)]


def plain_log_likelihood(loaded, context, option, encoder):
    """The definition: context and option alone in a row, full logits, log-softmax in float64."""
    ids = torch.tensor([context + option])
    with torch.no_grad():
        if encoder is None:
            logits = loaded.model(input_ids=ids).logits[0, -ids.shape[1] :]  # virtual tokens have logits too
        else:
            logits = loaded.model(input_ids=torch.tensor([encoder]), decoder_input_ids=ids).logits[0]
    log_probs = logits.double().log_softmax(-1)[len(context) - 1 : -1]
    return log_probs.gather(1, torch.tensor(option)[:, None]).sum().item()


def check(loaded, form, backend, asked):
    replies = {reply.id: reply for reply in backend.replies(asked)}
    assert sorted(replies) == sorted(query.id for query in asked)
    for query in asked:
        context, encoder = form.context_ids(query.messages), form.encoder_ids(query.messages)
        options = [form.option_ids(query.messages, option) for option in query.options]
        expected = [plain_log_likelihood(loaded, context, option, encoder) for option in options]
        np.testing.assert_allclose(replies[query.id].log_likelihoods, expected, rtol=0, atol=1e-4)
        assert replies[query.id].tokens == tuple(map(len, options))
    return backend


@pytest.mark.parametrize(
    ("family", "adapter", "kind"),
    [
        (*model, kind)
        for model in MODELS
        for kind in ("chat", "plain", "completion")
        if (model[0], kind) != ("t5", "chat")
    ],
)
def test_equal_to_each_option_alone_with_full_logits(family, adapter, kind, tmp_path):
    loaded = load(family, tmp_path, adapter)
    form = prompt_format(loaded, kind)
    check(loaded, form, LocalBackend(loaded, form), queries())


@pytest.mark.parametrize("layout", ["tree", "dense", "alone"])
@pytest.mark.parametrize("batch_tokens", [1, 40, 100, 4096])
def test_layouts_and_batches_change_nothing(layout, batch_tokens, tmp_path):
    loaded = load("llama", tmp_path)
    form = prompt_format(loaded, "chat")
    backend = LocalBackend(loaded, form, batch_tokens=batch_tokens)
    backend._scorer = OptionScorer(
        loaded.model, loaded.tokenizer.pad_token_id, batch_tokens=batch_tokens, layout=layout
    )
    check(loaded, form, backend, queries())


def test_the_fast_layout_is_taken_where_it_is_exact(tmp_path):
    found = {}
    for family, adapter in MODELS:
        loaded = load(family, tmp_path / family / adapter, adapter)
        found[family, adapter] = OptionScorer(loaded.model, 0).layout
    for family, adapter in MODELS:
        slow = family in ENCODER_DECODER or adapter == "p-tuning"
        assert found[family, adapter] == ("alone" if slow else "dense" if family == "gemma2" else "tree")


def test_a_window_shorter_than_the_question_is_kept(tmp_path):
    """A mistral whose window of 8 shows only in longer texts than the trial's would, were it not in the config."""
    from transformers import MistralConfig, MistralForCausalLM

    from tiny_models import write_model

    torch.manual_seed(0)
    shape = {"vocab_size": 272, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512}
    model = MistralForCausalLM(MistralConfig(**shape, **heads, sliding_window=50))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn_like(parameter) * 0.2)
    loaded = load_model(write_model(model, tmp_path / "mistral"), dtype="float32", device="cpu")
    form = prompt_format(loaded, "chat")
    backend = check(loaded, form, LocalBackend(loaded, form, batch_tokens=200), queries())
    assert backend._scorer.layout == "tree"  # and dense for these queries, which are longer than the window


def test_a_model_that_the_trial_does_not_recognise_is_read_alone(tmp_path, monkeypatch):
    loaded = load("llama", tmp_path)
    real = OptionScorer._forward
    monkeypatch.setattr(OptionScorer, "_forward", lambda *given: real(*given) * 1.01)
    assert OptionScorer(loaded.model, 0).layout == "alone"


def test_the_attention_is_as_before_afterwards(tmp_path):
    loaded = load("llama", tmp_path)
    form = prompt_format(loaded, "completion")
    list(LocalBackend(loaded, form).replies(queries()))
    assert loaded.model.config._attn_implementation == "sdpa"


def test_shared_tokens_are_read_once_and_batches_keep_to_their_limit():
    shared = list(range(50))
    items = [TokenItem(shared + [100 + i] * 5, [[1], [2, 3], [2, 4]]) for i in range(20)]
    tree = TokenTree(items)
    assert sum(len(batch.ids) for batch in tree.batches(10_000)) == 50 + 20 * 5 + 20  # and [2] once a question
    for limit in (60, 75, 130):
        batches = list(tree.batches(limit))
        assert sum(len(batch.ids) for batch in batches) == 170  # nothing is read again in a later batch
        assert max(batch.cached + len(batch.ids) for batch in batches) <= limit
        assert len(batches) > 1


def test_one_token_options_and_repeated_questions_cost_no_pass_of_their_own(tmp_path):
    loaded = load("llama", tmp_path)
    form = prompt_format(loaded, "completion")
    asked = [Query(str(i), (Message("user", "Which? A B C D"),), tuple("ABCD")) for i in range(5)]
    read = []
    backend = LocalBackend(loaded, form)
    list(backend.replies(asked[:1]))  # the trial
    handle = loaded.model.model.embed_tokens.register_forward_hook(lambda _m, given, _o: read.append(given[0].numel()))
    replies = list(backend.replies(asked))
    handle.remove()
    assert len(replies) == 5
    assert len({reply.log_likelihoods for reply in replies}) == 1
    assert sum(read) == len(form.context_ids(asked[0].messages)) + 1  # the blank, here a token: ' A' has two


def test_options_and_free_answers_in_one_call(tmp_path):
    loaded = load("llama", tmp_path)
    form = prompt_format(loaded)
    free = [
        Query("free", (Message("user", "Why?"),), max_new_tokens=5),
        Query("free 2", (Message("user", "Why?"),), max_new_tokens=5),
    ]
    replies = {reply.id: reply for reply in LocalBackend(loaded, form).replies([*queries(), *free])}
    assert len(replies) == 8
    assert replies["free"].finish in ("stop", "length")
    assert replies["free"].text == replies["free 2"].text
    assert replies["letters"].finish == ""
    assert list(LocalBackend(loaded, form).replies([])) == []


def test_a_query_that_is_too_long_is_named(tmp_path):
    loaded = load("llama", tmp_path)
    with pytest.raises(UserError, match=r"long one: prompt and answer are .* max_length is 256"):
        list(
            LocalBackend(loaded, prompt_format(loaded)).replies(
                [Query("long one", (Message("user", "x" * 300),), ("y",))]
            )
        )
