"""Options that share their question's keys and values score as whole sequences do."""

import numpy as np
import pytest
import torch
from tiny_runs import load_tiny

from counterpoise.data.example import Example, Message
from counterpoise.data.rendering import Renderer
from counterpoise.errors import UserError
from counterpoise.evaluation.nll import general_sentences, plain_text_items, sequence_nll
from counterpoise.evaluation.option_scoring import score_options

QUESTIONS = [
    ("Which process?", ("angiogenesis", "autophagy", "a b c d e f g")),
    ("A much longer question about another gene, KRT5?", ("x", "epidermis development")),
    ("Why?", ("because it is", "no", "yes", "maybe")),
]


@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize("rows", [1, 2, 16])
def test_equal_to_scoring_each_option_in_full(llama_folder, rows, kind):
    loaded = load_tiny(llama_folder, kind=kind)
    renderer = Renderer(loaded.tokenizer)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    found = score_options(loaded.model, renderer, QUESTIONS, rows=rows)
    for (prompt, options), scores in zip(QUESTIONS, found, strict=True):
        items = [
            renderer.encode(Example((Message("user", prompt), Message("assistant", option)), source="x"))
            for option in options
        ]
        whole = sequence_nll(loaded.model, items, loaded.tokenizer.pad_token_id)
        np.testing.assert_allclose(scores.total, -whole.total, rtol=1e-5)
        np.testing.assert_array_equal(scores.tokens, whole.tokens)
        np.testing.assert_allclose(scores.mean, -whole.total / whole.tokens, rtol=1e-5)
        np.testing.assert_allclose(scores.confidence, whole.confidence, rtol=1e-4)


def test_a_prompt_that_max_length_cuts_is_refused(llama_folder):
    loaded = load_tiny(llama_folder)
    with pytest.raises(UserError, match="expected a larger max_length"):
        score_options(
            loaded.model, Renderer(loaded.tokenizer, max_length=40), [("why " * 9, ("no", "because it is so"))]
        )


def test_sequence_nll_is_that_of_transformers_and_keeps_the_mode(llama_folder):
    loaded = load_tiny(llama_folder)
    items = plain_text_items(loaded.tokenizer, ["A plain sentence.", "And another, somewhat longer one."])
    loaded.model.train()
    found = sequence_nll(loaded.model, items, loaded.tokenizer.pad_token_id, rows=1)
    assert loaded.model.training
    loaded.model.eval()
    for item, total, tokens, sure in zip(items, found.total, found.tokens, found.confidence, strict=True):
        ids = torch.tensor([item.input_ids])
        with torch.no_grad():
            given = loaded.model(input_ids=ids, labels=ids)
        assert total / tokens == pytest.approx(given.loss.item(), rel=1e-5)
        assert tokens == len(item.input_ids) - 1
        of_targets = given.logits[0, :-1].softmax(-1)[torch.arange(tokens), ids[0, 1:]]
        assert sure == pytest.approx(of_targets.sum().item(), rel=1e-4)


def test_the_general_sentences_are_plain_and_different():
    sentences = general_sentences()
    assert len(sentences) == len(set(sentences)) == 60
    assert all(12 <= len(s.split()) <= 32 and s.endswith(".") for s in sentences)
    forbidden = ("gene", "protein", "cell", "disease", "patient", "medic")
    assert not [s for s in sentences for word in s.lower().split() if word.startswith(forbidden)]
