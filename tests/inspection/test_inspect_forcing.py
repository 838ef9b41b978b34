"""Teacher forcing against plain logits, padded and sorted; scores on disk that an interruption leaves usable."""

import json

import numpy as np
import pytest
import torch
from tiny_runs import encode, examples

from counterpoise.data.encoded import Encoded
from counterpoise.disk import draft_of
from counterpoise.errors import UserError
from counterpoise.inspection.forcing import batches, teacher_force
from counterpoise.inspection.parts import BATCHES, Parts
from counterpoise.models.load import load_model
from counterpoise.models.renderer import renderer_of
from tiny_families import write_family


def by_item(found, count):
    values = [None] * count
    for scored in found:
        for i, own in zip(
            scored.indices, np.split(scored.values["log_probs"], scored.lengths.cumsum()[:-1]), strict=True
        ):
            values[i] = own
    return values


def plain(model, item):
    """One sample, one forward pass, log-softmax of full logits."""
    inputs = {"input_ids": torch.tensor([item.input_ids])}
    if item.encoder_ids:
        inputs = {"input_ids": torch.tensor([item.encoder_ids]), "decoder_input_ids": inputs["input_ids"]}
    logits = model(**inputs).logits[0, :-1].log_softmax(-1)
    taken = logits.gather(-1, torch.tensor(item.input_ids[1:])[:, None])[:, 0]
    return taken[torch.tensor(item.supervised[1:])].numpy()


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "t5"])
@torch.no_grad()
def test_scores_are_those_of_plain_logits(family, tmp_path):
    loaded = load_model(write_family(family, tmp_path / family), dtype="float32")
    renderer = renderer_of(loaded, max_length=120)
    items = [renderer.encode(example) for example in examples(9)]
    expected = [plain(loaded.model, item) for item in items]
    found = by_item(teacher_force(loaded, items, batch_tokens=400), len(items))
    assert len(batches(items, 400)) > 1
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4)


def test_batches_hold_what_they_may():
    items = [Encoded([1] * n, [True] * n) for n in [3, 100, 5, 5, 40, 900, 7]]
    found = batches(items, 64)
    assert sorted(i for batch in found for i in batch) == list(range(7))
    assert found[0] == [5], "longest first, alone where it is longer than a batch"
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(len(items[i].input_ids) for i in batch) <= 64
    assert max(map(len, found)) > 1


@pytest.fixture
def forced(llama_folder):
    loaded = load_model(llama_folder, dtype="float32")
    items = encode(loaded, 40)
    return loaded, items, np.array([item.num_targets for item in items])


def test_an_interruption_loses_one_file_at_most(forced, tmp_path):
    loaded, items, lengths = forced
    whole = Parts.open(tmp_path / "whole", {"model": "a"})
    whole.keep(teacher_force(loaded, items, batch_tokens=1))
    expected = whole.gather(lengths)["log_probs"]
    assert np.isfinite(expected).all()

    def stopped():
        for number, scored in enumerate(teacher_force(loaded, items, batch_tokens=1)):
            if number == BATCHES + 3:
                raise KeyboardInterrupt
            yield scored

    parts = Parts.open(tmp_path / "cut", {"model": "a"})
    with pytest.raises(KeyboardInterrupt):
        parts.keep(stopped())
    again = Parts.open(tmp_path / "cut", {"model": "a"})
    done = again.done()
    assert len(done) == BATCHES
    asked = []
    again.keep(asked.append(scored) or scored for scored in teacher_force(loaded, items, batch_tokens=500, skip=done))
    assert sum(len(scored.indices) for scored in asked) == len(items) - BATCHES, "nothing is scored twice"
    np.testing.assert_allclose(again.gather(lengths)["log_probs"], expected, rtol=1e-4, atol=1e-5)


def test_a_file_that_a_kill_left_half_written_is_no_part(forced, tmp_path):
    loaded, items, _ = forced
    parts = Parts.open(tmp_path / "p", {})
    draft_of(parts.folder / "part-000000.safetensors").write_bytes(b"half")
    assert parts.done() == []
    parts.keep(teacher_force(loaded, items))
    assert sorted(parts.done()) == list(range(len(items)))


def test_scores_of_other_settings_are_refused(tmp_path):
    Parts.open(tmp_path / "x" / "data", {"model": "a", "max_length": 8})
    Parts.open(tmp_path / "x" / "data", {"model": "a", "max_length": 8})
    with pytest.raises(UserError, match=r"max_length: was 8, is 9\); choose another --folder"):
        Parts.open(tmp_path / "x" / "data", {"model": "a", "max_length": 9})
    Parts.open(tmp_path / "x" / "data", {"model": "b"}, overwrite=True)
    assert json.loads((tmp_path / "x" / "data" / "settings.json").read_text()) == {"model": "b"}
