"""Samples: drawn from the model's own distribution, and the same whoever else is asked, at once or one by one."""

import random
from collections import Counter

import pytest
import torch

from counterpoise.data.example import Message
from counterpoise.errors import UserError
from counterpoise.evaluation.backend import Query
from counterpoise.evaluation.drawing import Sampling
from counterpoise.evaluation.prompt_format import prompt_format
from counterpoise.evaluation.subjects import EndpointModel, LocalModel
from counterpoise.models.load import load_model
from counterpoise.reinforcement.prompts import Prompt
from counterpoise.reinforcement.sampling import sample
from fake_endpoint import FakeEndpoint, Refusal
from tiny_families import write_family

TEXTS = ("Why?", "Which process needs KRT5, and which one GFAP?", "Say it", "Why not?")


def asked(texts=TEXTS):
    return [Prompt(text, ({"role": "user", "content": text},), "", "t") for text in texts]


def local(folder, **options):
    return LocalModel(str(folder), precision="float32", **options)


def drawn(subject, prompts, **options):
    return {prompt.id: texts for prompt, texts in sample(subject, prompts, **({"max_new_tokens": 10} | options))}


def one_by_one(folder, text, number, *, seed=0, temperature=1.0, steps=10):
    """The definition: no cache, no batch, a token at a time at the cumulative probability that a number falls on."""
    loaded = load_model(str(folder), dtype="float32", device="cpu")
    form = prompt_format(loaded)
    context = form.generation_ids(Query(text, (Message("user", text),), max_new_tokens=steps))
    draw, written = random.Random(f"sample/{seed}/{text}/{number}"), []
    while len(written) < steps:
        with torch.no_grad():
            logits = loaded.model(input_ids=torch.tensor([context + written]), use_cache=False).logits[0, -1].double()
        token, left = -1, draw.random()
        for token, share in enumerate((logits / temperature).softmax(0).tolist()):  # noqa: B007
            left -= share
            if left < 0:
                break
        if token in form.stop_token_ids:
            break
        written.append(token)
    return loaded.tokenizer.decode(written, skip_special_tokens=True).strip()


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2"])
def test_equal_to_one_token_at_a_time(family, tmp_path):
    folder = write_family(family, tmp_path / "model")
    found = drawn(local(folder), asked(), samples=3, seed=5, temperature=0.7)
    assert sorted(found) == sorted(TEXTS)
    for text in TEXTS:
        assert found[text] == [one_by_one(folder, text, n, seed=5, temperature=0.7) for n in range(3)]


def test_whoever_else_is_asked(llama_folder):
    whole = drawn(local(llama_folder, rows=64), asked(), samples=4)
    assert drawn(local(llama_folder, rows=1), asked(), samples=4) == whole
    assert drawn(local(llama_folder, batch_tokens=50), asked(TEXTS[::-1]), samples=4) == whole
    assert drawn(local(llama_folder), asked(TEXTS[2:3]), samples=4) == {TEXTS[2]: whole[TEXTS[2]]}
    fewer = drawn(local(llama_folder), asked(), samples=2)
    assert all(fewer[text] == whole[text][:2] for text in TEXTS)
    assert drawn(local(llama_folder), asked(), samples=4, seed=1) != whole
    assert len({text for texts in whole.values() for text in texts}) == 16


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_distribution_is_the_model_s(llama_folder, temperature):
    count = 3000
    found = drawn(local(llama_folder), asked(TEXTS[:1]), samples=count, max_new_tokens=1, temperature=temperature)
    loaded = load_model(str(llama_folder), dtype="float32", device="cpu")
    form = prompt_format(loaded)
    context = form.generation_ids(Query("x", (Message("user", TEXTS[0]),)))
    with torch.no_grad():
        logits = loaded.model(input_ids=torch.tensor([context])).logits[0, -1].double()
    expected = Counter()
    for token, share in enumerate((logits / temperature).softmax(0).tolist()):
        text = "" if token in form.stop_token_ids else loaded.tokenizer.decode([token], skip_special_tokens=True)
        expected[text.strip()] += share
    seen = Counter(found[TEXTS[0]])
    assert set(seen) <= set(expected)
    for text, share in expected.items():
        assert abs(seen[text] / count - share) < 4.5 * (share * (1 - share) / count) ** 0.5 + 1 / count


def test_a_number_falls_on_a_token():
    """Shares 0, 1/2, 0, 1/4, 1/4: a token without a share is never taken, be the number 0 or all but 1."""
    shares = torch.tensor([[0, 0.5, 0, 0.25, 0.25]], dtype=torch.float64).repeat(7, 1)
    numbers = [0.0, 0.25, 0.5 - 1e-9, 0.5 + 1e-9, 0.75 - 1e-9, 0.75 + 1e-9, 1 - 2**-53]
    found = Sampling().draw(shares.log(), torch.tensor(numbers, dtype=torch.float64))
    assert found.tolist() == [1, 1, 1, 3, 3, 4, 4]
    squared = torch.tensor([2 / 3 - 0.01, 2 / 3 + 0.01], dtype=torch.float64)
    assert Sampling(temperature=0.5).draw(shares[:2].log(), squared).tolist() == [1, 3]


def test_an_adapter_takes_part(llama_folder, tmp_path):
    from counterpoise.models.adapters import AdapterConfig

    loaded = load_model(str(llama_folder), dtype="float32", device="cpu", adapter=AdapterConfig(kind="lora"))
    with torch.no_grad():
        for name, parameter in loaded.model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn_like(parameter))
    loaded.model.save_pretrained(tmp_path / "adapter")
    loaded.tokenizer.save_pretrained(tmp_path / "adapter")
    adapted = drawn(LocalModel(f"{llama_folder}+{tmp_path / 'adapter'}", precision="float32"), asked(), samples=2)
    assert adapted != drawn(local(llama_folder), asked(), samples=2)


def test_an_encoder_cannot_be_sampled(llama_folder, monkeypatch):
    from counterpoise.evaluation.encoder_backend import EncoderBackend

    subject = local(llama_folder)
    monkeypatch.setattr(subject, "backend", lambda: EncoderBackend.__new__(EncoderBackend))
    with pytest.raises(UserError, match="is an encoder, which writes no text; name a language model"):
        drawn(subject, asked(), samples=2)


def test_an_encoder_decoder_is_sampled(tmp_path):
    folder = write_family("t5", tmp_path / "model")
    found = drawn(local(folder), asked(), samples=3)
    assert {text: len(samples) for text, samples in found.items()} == dict.fromkeys(TEXTS, 3)
    assert drawn(local(folder, rows=1), asked(TEXTS[:2]), samples=3) == {text: found[text] for text in TEXTS[:2]}


def test_a_prompt_that_is_too_long_is_named(llama_folder):
    with pytest.raises(UserError, match=r"long prompt/0: prompt and answer are .* tokens long, and max_length is 128"):
        drawn(local(llama_folder), [Prompt("long prompt", ({"role": "user", "content": "a" * 200},), "", "t")])


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"samples": 0}])
def test_what_cannot_be_drawn(llama_folder, options):
    with pytest.raises(UserError, match="expected one or more, above 0"):
        drawn(local(llama_folder), asked(), **options)


def test_nothing_is_asked(llama_folder):
    assert list(sample(local(llama_folder), [], samples=2)) == []


def test_an_endpoint_is_told_temperature_length_and_a_seed_a_sample():
    with FakeEndpoint() as server:
        server.chat = lambda messages: (f"{messages[-1]['content']}!", "stop")
        found = drawn(EndpointModel(server.url, retries=0), asked(), samples=3, temperature=0.8, seed=2)
        assert found == {text: [f"{text}!"] * 3 for text in TEXTS}
        assert {post["temperature"] for post in server.posts} == {0.8}
        assert Counter(post["seed"] for post in server.posts) == {6: 4, 7: 4, 8: 4}
        assert {post.get("max_tokens", post.get("max_completion_tokens")) for post in server.posts} == {10}


def test_an_endpoint_that_fails_now_and_then():
    with FakeEndpoint() as server:
        server.always = lambda post: Refusal(400, said="no") if post["messages"][-1]["content"] == "Say it" else None
        found = drawn(EndpointModel(server.url, retries=0), asked(), samples=2)
        assert [len(found[text]) for text in TEXTS] == [2, 2, 0, 2]
        server.always = Refusal(400, said="no")
        with pytest.raises(UserError, match=r"answered none of the first 8 requests: .*no"):
            drawn(EndpointModel(server.url, retries=0), asked(), samples=2)
