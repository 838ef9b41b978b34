"""Encoder similarity equals a loop over tokens after the paper, whatever the batch; unrelated texts have about 0."""

import math

import numpy as np
import pytest
import torch

from counterpoise.errors import UserError
from counterpoise.evaluation.similarity import (
    encoder_similarity,
    idf_weights,
    load_text_encoder,
    match_tokens,
    measure_similarity,
    sentence_cosine,
)
from counterpoise.models import ALIASES
from counterpoise.models.cache import cached
from tiny_encoders import write_encoder
from tiny_models import write_model

PREDICTIONS = ["the gene rises in mouse tissue", "cell", "", "the patient was high and low and high", "gfap binds"]
REFERENCES = ["a gene falls in the tissue", "the protein acts", "is low", "the patient was high", "TP53 binds the cell"]


@pytest.fixture(scope="module", params=["bert", "roberta", "modernbert"])
def encoder(request, tmp_path_factory):
    changes = {"type_vocab_size": 2} if request.param == "roberta" else {}
    folder = write_encoder(request.param, tmp_path_factory.mktemp("encoder") / request.param, **changes)
    if request.param == "modernbert":
        config = folder / "tokenizer_config.json"
        config.write_text(config.read_text().replace('"token_type_ids",', ""))
    return load_text_encoder(folder, device="cpu")


def vectors(encoder, text, layer=-1):
    """Token ids and unit vectors of the text's own tokens, one text at a time."""
    ids = encoder.tokenizer(text, return_tensors="pt", truncation=True, max_length=encoder.max_length)
    with torch.no_grad():
        hidden = encoder.model(**ids, output_hidden_states=True).hidden_states[layer][0]
    row = ids["input_ids"][0].tolist()
    own = [
        i
        for i, token in enumerate(row)
        if token not in (encoder.tokenizer.cls_token_id, encoder.tokenizer.sep_token_id)
    ]
    return [row[i] for i in own], [(hidden[i] / hidden[i].norm()).double() for i in own]


def by_loop(encoder, prediction, reference, idf=None, layer=-1):
    (ids, ours), (other_ids, theirs) = vectors(encoder, prediction, layer), vectors(encoder, reference, layer)
    if not ours or not theirs:
        return 0.0, 0.0, 0.0

    def side(ids, tokens, others):
        weights = [1.0 if idf is None else idf.get(token, idf[-1]) for token in ids]
        if sum(weights) == 0:
            weights = [1.0] * len(ids)
        best = [max(float(token @ other) for other in others) for token in tokens]
        return sum(w * b for w, b in zip(weights, best, strict=True)) / sum(weights)

    precision, recall = side(ids, ours, theirs), side(other_ids, theirs, ours)
    f1 = 2 * precision * recall / (precision + recall) if precision > 0 and recall > 0 else 0.0
    return precision, recall, f1


@pytest.mark.parametrize("with_idf", [False, True])
@pytest.mark.parametrize("layer", [-1, 0, 1])
def test_equal_to_a_loop(encoder, with_idf, layer):
    idf = idf_weights(encoder, REFERENCES) if with_idf else None
    found = match_tokens(encoder, PREDICTIONS, REFERENCES, layer=layer, idf=idf, batch_size=3)
    expected = np.array([by_loop(encoder, *pair, idf, layer) for pair in zip(PREDICTIONS, REFERENCES, strict=True)]).T
    assert np.stack([found.precision, found.recall, found.f1]) == pytest.approx(expected, abs=1e-5)
    assert found.empty.tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_batches_do_not_matter(encoder, batch_size):
    expected = encoder_similarity(encoder, PREDICTIONS, REFERENCES, idf=True)
    found = encoder_similarity(encoder, PREDICTIONS, REFERENCES, idf=True, batch_size=batch_size)
    assert found.f1 == pytest.approx(expected.f1, abs=1e-4)  # rescaled: rounding grows with 1 / (1 - baseline)
    again = encoder_similarity(encoder, PREDICTIONS, REFERENCES, idf=True)
    assert np.array_equal(again.f1, expected.f1)


def test_rescaling(encoder):
    found = encoder_similarity(encoder, PREDICTIONS, REFERENCES)
    raw = match_tokens(encoder, PREDICTIONS, REFERENCES)
    pairs = [(a, b) for a in REFERENCES for b in REFERENCES if a != b]  # few references: all pairs, both ways
    baseline = np.mean([by_loop(encoder, *pair) for pair in pairs], axis=0)
    assert found.baseline == pytest.approx(baseline, abs=1e-5)
    expected = (raw.f1 - baseline[2]) / (1 - baseline[2])
    expected[2] = 0.0  # the empty prediction
    assert found.f1 == pytest.approx(expected, abs=1e-4)


def test_equal_texts_are_one_and_order_matters_to_the_encoder_alone(encoder):
    same = encoder_similarity(encoder, REFERENCES, REFERENCES)
    for values in (same.precision, same.recall, same.f1):
        assert values == pytest.approx(1.0, abs=1e-4)
    assert sentence_cosine(encoder, REFERENCES, REFERENCES) == pytest.approx(1.0)


def test_precision_is_of_the_prediction(encoder):
    short = match_tokens(encoder, ["gene"], ["gene rises and falls in the mouse"], layer=0)
    swapped = match_tokens(encoder, ["gene rises and falls in the mouse"], ["gene"], layer=0)
    assert short.precision[0] > short.recall[0]
    assert (short.precision[0], short.recall[0]) == pytest.approx((swapped.recall[0], swapped.precision[0]), abs=1e-6)


def test_sentence_cosine_is_of_mean_vectors(encoder):
    found = sentence_cosine(encoder, PREDICTIONS, REFERENCES, batch_size=2)

    def mean(text):
        with torch.no_grad():
            ids = encoder.tokenizer(text, return_tensors="pt")
            return encoder.model(**ids).last_hidden_state[0].double().mean(0)

    expected = [
        float(torch.nn.functional.cosine_similarity(mean(a), mean(b), dim=0)) if a else 0.0
        for a, b in zip(PREDICTIONS, REFERENCES, strict=True)
    ]
    assert found == pytest.approx(expected, abs=1e-5)


def test_idf_by_hand(encoder):
    weights = idf_weights(encoder, REFERENCES)
    the, tissue = (encoder.tokenizer.convert_tokens_to_ids(word) for word in ("the", "tissue"))
    assert weights[the] == pytest.approx(math.log(6 / 5))
    assert weights[tissue] == pytest.approx(math.log(6 / 2))
    assert weights[-1] == pytest.approx(math.log(6))


def test_long_texts_are_cut_and_counted(encoder):
    long = "gene " * 200
    found = match_tokens(encoder, [long, "gene"], ["gene", "cell"])
    assert found.truncated == 1
    assert np.isfinite(found.f1).all()


def test_measurements_are_not_called_bertscore(encoder):
    found = measure_similarity("meqsum", encoder, PREDICTIONS, REFERENCES)
    assert set(found) == {f"encoder similarity ({encoder.name})", f"sentence cosine ({encoder.name})"}
    assert all(m.task == "meqsum" and m.totals[2] == 0 and m.estimate().n == 5 for m in found.values())


@pytest.mark.parametrize(
    ("predictions", "references", "options", "message"),
    [
        (["cell"], ["cell", "gene"], {}, "got 1 predictions for 2 references"),
        (["cell"], [""], {}, "no empty reference"),
        (["cell", "gene"], ["cell", "cell"], {}, "all references are equal"),
        (["cell", "gene"], ["cell", "gene"], {"layer": 3}, "layer is 3; expected -3 to 2"),
    ],
)
def test_what_is_wrong_is_said(encoder, predictions, references, options, message):
    with pytest.raises(UserError, match=message):
        encoder_similarity(encoder, predictions, references, **options)


def test_a_language_model_is_no_text_encoder(llama, tmp_path):
    with pytest.raises(UserError, match="is no encoder"):
        load_text_encoder(write_model(llama, tmp_path / "llama"))


def test_weights_that_are_missing_are_said(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = write_encoder("bert", tmp_path / "bert")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lack 1 weights of the encoder \(first: encoder.layer.1.output.dense.weight"):
        load_text_encoder(folder)


@pytest.mark.skipif(cached(ALIASES["minilm"].folder_name) is None, reason="minilm is not in the cache")
def test_minilm_knows_a_paraphrase():
    encoder = load_text_encoder("minilm", offline=True, device="cpu")
    references = ["Who manufactures cetirizine?", "How is malaria spread?", "What causes gout?"]
    alike = ["Which company makes cetirizine?", "How do people get malaria?", "Why do people have gout?"]
    other = ["Bananas are yellow.", "The train leaves at noon.", "She plays the piano well."]
    near, far = (encoder_similarity(encoder, texts, references) for texts in (alike, other))
    assert near.f1.min() > 0.4
    assert abs(far.f1).max() < 0.35
    assert 0 < near.baseline[2] < 0.5
    cosines = sentence_cosine(encoder, alike, references), sentence_cosine(encoder, other, references)
    assert cosines[0].min() > 0.5 > 0.3 > cosines[1].max()
    assert by_loop(encoder, alike[0], references[0]) == pytest.approx(
        [getattr(match_tokens(encoder, alike, references), name)[0] for name in ("precision", "recall", "f1")], abs=1e-5
    )
