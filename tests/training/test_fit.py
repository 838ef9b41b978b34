"""Training: the same loss as transformers for SFT, extras and references provided, progress, divergence, the folder."""

import json

import pytest
import torch
from tiny_runs import Gradients, encode, load_tiny
from transformers import TrainerCallback

from counterpoise import objectives
from counterpoise.data.batching import collate
from counterpoise.errors import UserError
from counterpoise.training.checkpoints import newest_complete
from counterpoise.training.config import TrainingConfig
from counterpoise.training.fit import fit
from counterpoise.training.scored_model import ScoredModel


def config(**changes):
    settings = {"batch_size": 4, "learning_rate": 1e-3, "precision": "float32", "checkpoint_every": None}
    return TrainingConfig(**(settings | changes))


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_sft_is_the_loss_that_transformers_computes(llama_folder, tmp_path):
    loaded = load_tiny(llama_folder)
    items = encode(loaded, 4)
    batch = collate(items, loaded.tokenizer.pad_token_id)
    labels = torch.full_like(batch["input_ids"], -100)
    for row, item in enumerate(items):
        keep = torch.tensor(item.supervised)
        labels[row, : len(keep)][keep] = torch.tensor(item.input_ids)[keep]
    theirs = loaded.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss
    theirs.backward()
    expected = {n: p.grad.clone() for n, p in loaded.model.named_parameters()}
    loaded.model.zero_grad()
    kept = Gradients()
    fit(loaded, items, objectives.get("sft"), config(max_steps=1, max_grad_norm=0), tmp_path / "run", callbacks=[kept])
    assert rows(tmp_path / "run")[0]["loss"] == pytest.approx(theirs.item(), rel=1e-5)
    for name, gradient in expected.items():
        torch.testing.assert_close(kept.steps[0]["model." + name], gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["lora", "full"])
@pytest.mark.parametrize("name", ["asft", "prift", "iw-sft"])
def test_the_reference_is_the_model_before_training(llama_folder, name, kind):
    """Adapter off for LoRA, a frozen copy for full fine-tuning: the same reference either way, whatever was trained."""
    loaded = load_tiny(llama_folder, kind=kind)
    before = load_tiny(llama_folder)
    items = encode(loaded, 3)
    batch = collate(items, loaded.tokenizer.pad_token_id)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "targets")}
    scored = ScoredModel(loaded.model, objectives.get(name).needs)
    plain = ScoredModel(before.model)(**inputs)["log_probs"]
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn_like(parameter))
    found = scored(**inputs)
    assert not torch.allclose(found["log_probs"], plain, atol=1e-3)
    if name == "asft":
        assert (found["reference_kl"] > 0).all()
        assert found["reference_kl"].requires_grad
    else:
        torch.testing.assert_close(found["reference_log_probs"], plain, rtol=1e-5, atol=1e-5)
        assert not found["reference_log_probs"].requires_grad


def test_only_the_top_layers_move(llama_folder, tmp_path):
    loaded = load_tiny(llama_folder, layers=2)
    before = {n: p.clone() for n, p in loaded.model.named_parameters()}
    fit(loaded, encode(loaded, 8), objectives.get("bft", window=4), config(), tmp_path / "run", show_progress=False)
    moved = {n for n, p in loaded.model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {n for n in before if "layers.2." in n or "layers.3." in n or n.endswith("model.norm.weight")}


def test_training_learns(llama_folder, tmp_path):
    loaded = load_tiny(llama_folder)
    result = fit(
        loaded, encode(loaded, 16), objectives.get("sft"), config(epochs=6, learning_rate=3e-3), tmp_path / "run"
    )
    found = rows(tmp_path / "run")
    assert (result.steps, result.samples) == (24, 96)
    assert found[-1]["nll"] < 0.8 * found[0]["nll"]
    assert {"step", "epoch", "loss", "nll", "confidence", "effective_share", "grad_norm", "learning_rate"} <= set(
        found[0]
    )


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_precision_and_gradient_checkpointing_leave_the_loss_close(llama_folder, tmp_path, precision):
    exact = load_tiny(llama_folder)
    items = encode(exact, 8)
    fit(exact, items, objectives.get("bft", window=4), config(), tmp_path / "exact", show_progress=False)
    loaded = load_tiny(llama_folder)
    changed = config(precision=precision, gradient_checkpointing=True)
    fit(loaded, items, objectives.get("bft", window=4), changed, tmp_path / "run", show_progress=False)
    tolerance = 2e-2 if precision == "bfloat16" else 1e-5
    for a, b in zip(rows(tmp_path / "run"), rows(tmp_path / "exact"), strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=tolerance)
    assert all(p.dtype == torch.float32 for p in loaded.model.parameters() if p.requires_grad)


def test_every_objective_sees_the_same_samples_in_the_same_order(llama_folder, tmp_path):
    seen = []
    for name in ("sft", "bft"):
        loaded = load_tiny(llama_folder)
        fit(loaded, encode(loaded, 11), objectives.get(name), config(epochs=2), tmp_path / name, show_progress=False)
        seen.append([(r["tokens"], r["input_tokens"], r["samples"]) for r in rows(tmp_path / name)])
    assert seen[0] == seen[1]


class Wreck(TrainerCallback):
    """Makes the rate absurd for one step."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, optimizer=None, **kwargs):
        if state.global_step == self.step:
            for group in optimizer.param_groups:
                group["lr"] = 1e30


def test_a_rate_that_is_too_high_stops_the_run_and_keeps_the_last_good_checkpoint(llama_folder, tmp_path):
    """Step 4 wrecks the weights: step 5 cannot be taken, checkpoint 4 holds the wreck and goes, 3 is named."""
    loaded = load_tiny(llama_folder)
    every = config(epochs=5, checkpoint_every=1, max_grad_norm=0)
    says = (
        r"stopped before step 5 was taken: .*learning_rate 0.001 is.*checkpoint is .*checkpoint-3; samples .*: row \d"
    )
    with pytest.raises(UserError, match=says):
        fit(loaded, encode(loaded, 8), objectives.get("sft"), every, tmp_path / "run", callbacks=[Wreck(3)])
    assert newest_complete(tmp_path / "run").name == "checkpoint-3"


def test_nothing_to_train(llama_folder, tmp_path):
    loaded = load_tiny(llama_folder)
    with pytest.raises(UserError, match="no examples to train on"):
        fit(loaded, [], objectives.get("sft"), config(), tmp_path / "a")
    items = encode(loaded, 2)
    loaded.model.requires_grad_(False)
    with pytest.raises(UserError, match="no trained parameters"):
        fit(loaded, items, objectives.get("sft"), config(), tmp_path / "b")


def test_progress_goes_to_standard_error_only(llama_folder, tmp_path, capsys, monkeypatch):
    from counterpoise.training import callbacks

    monkeypatch.setattr(callbacks, "LINE_EVERY", 0.0)
    loaded = load_tiny(llama_folder)
    fit(loaded, encode(loaded, 8), objectives.get("bft"), config(), tmp_path / "run", label="bft, tiny")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "bft, tiny: step 2/2" in shown.err
    for word in ("loss", "NLL", "confidence", "tokens/s", "left"):
        assert word in shown.err
