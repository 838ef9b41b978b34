"""Drawn answers: the right distribution, each by its own chance, equal to one token at a time."""

import math
import random
from collections import Counter
from dataclasses import replace

import pytest
import torch

from counterpoise.data.example import Message
from counterpoise.errors import UserError
from counterpoise.evaluation.backend import Query
from counterpoise.evaluation.drawing import Sampling
from counterpoise.evaluation.generation import _read, generate
from counterpoise.evaluation.local import LocalBackend
from counterpoise.evaluation.prompt_format import prompt_format
from counterpoise.models.adapters import AdapterConfig
from counterpoise.models.load import load_model
from tiny_families import write_family


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    torch.manual_seed(0)
    return load_model(write_family("llama", tmp_path_factory.mktemp("model")), dtype="float32", device="cpu")


def queries(count, new=6, prefill="Cat:"):
    texts = [f"Write {'very ' * (i % 3)}well, {i}." for i in range(count)]
    return [Query(f"call {i}", (Message("user", text),), (), new, (), prefill) for i, text in enumerate(texts)]


def sampler(loaded, rows=4, **changes):
    return LocalBackend(loaded, prompt_format(loaded), rows=rows, sampling=Sampling(**({"seed": 3} | changes)))


def answers(backend, asked):
    return {reply.id: (reply.text, reply.finish) for reply in backend.replies(asked)}


def one_by_one(loaded, form, query, sampling):
    """The definition: no cache, no batch, a token at a time at the cumulative probability that a number falls on."""
    context, encoder = form.context_ids(query.messages) + form.prefill_ids(query), form.encoder_ids(query.messages)
    stream, ids, total = random.Random(f"sample/{sampling.seed}/{query.id}"), [], 0.0
    while len(ids) < query.max_new_tokens:
        row = torch.tensor([context + ids])
        with torch.no_grad():
            if encoder is None:
                logits = loaded.model(input_ids=row, use_cache=False).logits[0, -1].double()
            else:
                inputs = {"input_ids": torch.tensor([encoder]), "decoder_input_ids": row}
                logits = loaded.model(**inputs).logits[0, -1].double()
        shares = (logits / sampling.temperature).softmax(0)
        if sampling.top_p < 1:
            order, before = shares.argsort(descending=True), 0.0
            for token in order.tolist():
                before += float(shares[token])
                if before - float(shares[token]) >= sampling.top_p:
                    shares[token] = 0.0
            shares /= shares.sum()
        token, left = -1, stream.random()
        for token, share in enumerate(shares.tolist()):  # noqa: B007
            left -= share
            if left < 0:
                break
        ids.append(token)
        total += float(logits.log_softmax(0)[token])
        if token in form.stop_token_ids:
            break
    return loaded.tokenizer.decode(ids, skip_special_tokens=True).strip(), total


@pytest.mark.parametrize(
    ("family", "adapter"),
    [("llama", ""), ("gemma2", ""), ("gpt2", ""), ("t5", ""), ("llama", "lora"), ("llama", "p-tuning")],
)
@pytest.mark.parametrize("sampling", [Sampling(0.7, seed=5), Sampling(1.3, 0.8)])
def test_equal_to_one_token_at_a_time(family, adapter, sampling, tmp_path):
    """Two samples of each prompt, in one batch with others, some behind a long beginning that all share."""
    config = AdapterConfig(kind=adapter) if adapter else None
    loaded = load_model(write_family(family, tmp_path / "model"), dtype="float32", device="cpu", adapter=config)
    form = prompt_format(loaded)
    texts = ("Why?", "Which process needs KRT5, and which one GFAP?", "Why not?")
    for before in ((), (Message("user", "An example that stands before all"), Message("assistant", "so"))):
        asked = [
            Query(f"{text}/{number}", (*before, Message("user", text)), max_new_tokens=8)
            for text in texts
            for number in range(2)
        ]
        found = {reply.id: reply for reply in generate(loaded, form, asked, sampling=sampling)}
        for query in asked:
            text, log_prob = one_by_one(loaded, form, query, sampling)
            assert found[query.id].text == text
            assert found[query.id].log_prob == pytest.approx(log_prob, abs=1e-3)


@pytest.mark.parametrize(
    ("family", "shares"), [("llama", True), ("qwen3", True), ("gpt2", True), ("gemma2", False), ("t5", False)]
)
def test_a_prompt_of_several_queries_is_read_once(family, shares, tmp_path, monkeypatch):
    import counterpoise.evaluation.generation as module

    loaded = load_model(write_family(family, tmp_path / "model"), dtype="float32", device="cpu")
    form, read = prompt_format(loaded), []

    def watched(*arguments):
        cache = _read(*arguments)
        read.append(cache.get_seq_length() if cache is not None else 0)
        return cache

    monkeypatch.setattr(module, "_read", watched)
    query = Query("a", (Message("user", "Why?"),), max_new_tokens=3)
    twice = [query, replace(query, id="b"), replace(query, id="c", messages=(Message("user", "Because?"),))]
    list(generate(loaded, form, twice, sampling=Sampling()))
    width = max(len(form.generation_ids(query)) for query in twice)
    assert read == [width - 1 if shares else 0]
    list(generate(loaded, form, twice[1:], sampling=Sampling()))
    assert read[1:] == [0], "of prompts that differ nothing is gained"


def test_an_answer_does_not_depend_on_its_neighbours(loaded):
    asked = queries(9)
    together = answers(sampler(loaded), asked)
    assert len(together) == 9
    alone = {}
    for query in reversed(asked):
        alone |= answers(sampler(loaded, rows=1), [query])
    assert together == alone
    assert len({text for text, _ in together.values()}) > 5
    assert all(text.startswith("Cat:") for text, _ in together.values())
    assert answers(sampler(loaded, seed=4), asked) != together


def test_queries_that_ask_the_same_each_have_their_own_chance(loaded):
    same = [replace(queries(1)[0], id=f"sample {number}") for number in range(8)]
    assert len(set(answers(sampler(loaded), same).values())) > 3
    assert len(set(answers(LocalBackend(loaded, prompt_format(loaded)), same).values())) == 1


def test_an_answer_ends_before_a_stop_text(loaded):
    asked = queries(6, new=24)
    whole = answers(sampler(loaded), asked)
    letters = {key: [x for x in text[6:] if x.isascii() and x.isalnum()] for key, (text, _) in whole.items()}
    stopped = [replace(query, stop=(letters[query.id][0],)) for query in asked if letters[query.id]]
    assert len(stopped) > 3
    cut = answers(sampler(loaded), stopped)
    for query in stopped:
        expected = whole[query.id][0].removeprefix("Cat:").split(query.stop[0])[0]
        assert cut[query.id] == (f"Cat:{expected}".strip(), "stop")


def test_with_almost_no_temperature_it_is_the_likeliest_answer(loaded):
    asked = queries(5)
    greedy = answers(LocalBackend(loaded, prompt_format(loaded)), asked)
    assert answers(sampler(loaded, temperature=1e-5), asked) == greedy
    assert answers(sampler(loaded, top_p=1e-6), asked) == greedy


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (1.0, 0.75)])
def test_tokens_are_drawn_with_their_probabilities(temperature, top_p):
    logits = torch.log(torch.tensor([0.1, 0.4, 0.05, 0.3, 0.15]))
    powered = torch.softmax(logits / temperature, -1)
    order = powered.argsort(descending=True)
    before = powered[order].cumsum(0) - powered[order]
    expected = torch.zeros(5)
    expected[order[before < top_p]] = powered[order[before < top_p]]
    expected /= expected.sum()
    total = 4000
    draw = random.Random(0)
    uniforms = torch.tensor([draw.random() for _ in range(total)], dtype=torch.float64)
    counts = Counter(Sampling(temperature, top_p).draw(logits.repeat(total, 1), uniforms).tolist())
    for token, share in enumerate(expected.tolist()):
        error = 4 * math.sqrt(share * (1 - share) / total)
        assert abs(counts[token] / total - share) <= error, (token, counts[token] / total, share)


@pytest.mark.parametrize(("top_p", "last"), [(1.0, 2), (0.6, 2), (0.4, 1)])
def test_a_number_next_to_one_falls_on_a_token_that_has_a_share(top_p, last):
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.4, 0.0]]))
    almost = torch.tensor([1 - 2**-53], dtype=torch.float64)
    assert Sampling(top_p=top_p).draw(logits, almost).item() == last


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_what_cannot_be_drawn(wrong):
    with pytest.raises(UserError, match="expected a temperature above 0 and a top_p above 0, at most 1"):
        Sampling(**wrong)
