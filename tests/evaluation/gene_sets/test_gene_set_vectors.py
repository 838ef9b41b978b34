"""Names become the vectors that their encoder's custom says, are read once, and come back from the disk unchanged."""

import csv

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from counterpoise.evaluation.gene_sets.vectors import RECIPES, Recipe, kept_vectors, load_name_encoder
from counterpoise.evaluation.similarity import sentence_cosine
from counterpoise.models import ALIASES
from counterpoise.models.cache import cached
from tiny_encoders import write_encoder

NAMES = ["the gene rises in mouse tissue", "cell", "  ", "gfap binds", "cell ", "the protein kinase acts in the cell"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_encoder("bert", tmp_path_factory.mktemp("encoder") / "bert")


@pytest.fixture(scope="module")
def mean(folder):
    return load_name_encoder(folder, device="cpu")


def first_token(monkeypatch, folder, max_length=None):
    monkeypatch.setitem(RECIPES, "own", Recipe(str(folder), "first token", max_length))
    return load_name_encoder("own", device="cpu")


def test_means_are_those_of_sentence_cosine(mean):
    found = mean.vectors(NAMES)
    assert found.dtype == np.float32
    expected = sentence_cosine(mean.encoder, NAMES[:-1], NAMES[1:])
    assert (found[:-1] * found[1:]).sum(1) == pytest.approx(expected, abs=1e-6)
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1, 0, 1, 1, 1], abs=1e-6)


def test_the_first_token(monkeypatch, folder):
    encoder = first_token(monkeypatch, folder)
    for name, vector in zip(NAMES, encoder.vectors(NAMES), strict=True):
        if not name.strip():
            continue
        with torch.no_grad():
            hidden = encoder.encoder.model(**encoder.encoder.tokenizer(name, return_tensors="pt")).last_hidden_state
        assert vector == pytest.approx((hidden[0, 0] / hidden[0, 0].norm()).numpy(), abs=1e-5)


def test_a_recipe_cuts_where_it_says(monkeypatch, folder):
    short = first_token(monkeypatch, folder, 4)  # with [CLS] and [SEP]
    one, other = short.vectors(["the gene rises in mouse", "the gene binds"])
    assert one == pytest.approx(other, abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_batches_do_not_matter(mean, batch_size):
    assert mean.vectors(NAMES, batch_size=batch_size) == pytest.approx(mean.vectors(NAMES), abs=1e-5)


def test_each_different_name_is_read_once(mean, monkeypatch):
    from counterpoise.evaluation import text_vectors

    read = []
    real = text_vectors.token_vectors
    monkeypatch.setattr(text_vectors, "token_vectors", lambda e, g, **o: read.extend(g) or real(e, g, **o))
    mean.vectors(["cell", "gene", "cell", " cell"])
    assert read == [("cell",), ("gene",)]


def test_kept_on_disk(mean, tmp_path, monkeypatch):
    first = kept_vectors(mean, NAMES, tmp_path)
    (path,) = tmp_path.glob("*.npy")
    monkeypatch.setattr(type(mean), "vectors", lambda *_: pytest.fail("read again"))
    assert np.array_equal(kept_vectors(mean, NAMES, tmp_path), first)
    monkeypatch.undo()
    kept_vectors(mean, NAMES[:3], tmp_path)
    assert len(list(tmp_path.iterdir())) == 2, "other names have a file of their own"
    path.write_bytes(path.read_bytes()[:200])  # cut short
    assert kept_vectors(mean, NAMES, tmp_path) == pytest.approx(first)


def test_a_cache_that_cannot_be_written_costs_time_only(mean, tmp_path):
    (tmp_path / "file").write_text("")
    assert len(kept_vectors(mean, NAMES, tmp_path / "file" / "vectors")) == len(NAMES)


def test_the_custom_is_a_part_of_the_fingerprint(mean, monkeypatch, folder, tmp_path):
    other = write_encoder("bert", tmp_path / "other", hidden_size=48)
    found = {
        mean.fingerprint,
        first_token(monkeypatch, folder).fingerprint,
        first_token(monkeypatch, folder, 8).fingerprint,
        load_name_encoder(other, device="cpu").fingerprint,
    }
    assert len(found) == 4
    monkeypatch.undo()
    assert load_name_encoder(folder, device="cpu").fingerprint == mean.fingerprint


def test_known_encoders_go_by_their_short_name():
    assert RECIPES["medcpt"] == Recipe("ncbi/MedCPT-Query-Encoder", "first token", 64)
    assert RECIPES["sapbert"].pooling == RECIPES["minilm"].pooling == "mean"


@pytest.mark.shared
@pytest.mark.skipif(cached(ALIASES["minilm"].folder_name) is None, reason="minilm is not in the cache")
def test_minilm_sees_what_sapbert_saw(shared_data):
    """GPT-4's names, near the true term by the published similarities of another encoder or far from it."""
    with (shared_data / "hu2025" / "gpt4_names.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:200]
    encoder = load_name_encoder("minilm", device="cpu", offline=True)
    assert encoder.name == "minilm"
    said, truth = (encoder.vectors([row[column] for row in rows]) for column in ("gpt4_name", "term"))
    cosines = (said * truth).sum(1)
    assert spearmanr(cosines, [float(row["sapbert_sim"]) for row in rows]).statistic > 0.5
    assert cosines.mean() > 2 * (said @ truth.T).mean()
