"""training.scaling: published imitates what the published code does under accumulation; exact is as it was."""

import json

import pytest
import torch
import yaml
from tiny_runs import Gradients, encode, load_tiny

from counterpoise import objectives
from counterpoise.data.batching import collate
from counterpoise.data.steps import StepOrder
from counterpoise.errors import UserError
from counterpoise.studies.run import train
from counterpoise.training.config import TrainingConfig
from counterpoise.training.config_file import check_run_config
from counterpoise.training.fit import fit
from counterpoise.training.settings import settings_of


def step(llama_folder, folder, objective="bft", *, same=True, **training):
    """Take one optimiser step on 8 examples; return its gradients and its line in metrics.jsonl."""
    loaded, gradients = load_tiny(llama_folder), Gradients()
    items = encode(loaded, 8)
    if same:
        items = items[:1] * 8  # every micro-batch holds the same
    config = TrainingConfig(
        batch_size=8, max_steps=1, precision="float32", checkpoint_every=None, max_grad_norm=0.0, **training
    )
    fit(loaded, items, objectives.get(objective), config, folder, callbacks=[gradients], show_progress=False)
    (found,) = gradients.steps
    (line,) = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return found, line


def close(ours, theirs, factor=1.0):
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], factor * theirs[name], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("objective", ["bft", "dft"])
@pytest.mark.parametrize("packing", ["none", "flat"])
def test_the_gradient_grows_with_the_micro_batches(llama_folder, tmp_path, objective, packing):
    whole, line = step(llama_folder, tmp_path / "whole", objective, packing=packing)
    four = {"micro_batch_size": 2, "packing": packing}
    exact, exact_line = step(llama_folder, tmp_path / "exact", objective, **four)
    grown, grown_line = step(llama_folder, tmp_path / "grown", objective, scaling="published", **four)
    close(exact, whole)
    close(grown, whole, factor=4.0)
    assert exact_line["loss"] == pytest.approx(line["loss"], rel=1e-5)
    assert grown_line["loss"] == pytest.approx(4 * line["loss"], rel=1e-5)
    assert grown_line["grad_norm"] == pytest.approx(4 * line["grad_norm"], rel=1e-4)
    assert grown_line["nll"] == pytest.approx(line["nll"], rel=1e-5)


def test_it_is_the_sum_of_each_micro_batch_s_own_mean(llama_folder, tmp_path):
    """SFT on answers of many lengths: the mean over tokens of each micro-batch by itself, added up."""
    found, line = step(
        llama_folder,
        tmp_path / "one",
        "sft",
        same=False,
        micro_batch_size=4,
        scaling="published",
        group_by_length=False,
    )
    loaded = load_tiny(llama_folder)
    items = encode(loaded, 8)
    (order,) = StepOrder([len(item.input_ids) for item in items], 8, 0, group_by_length=False)
    total = 0.0
    for start in (0, 4):
        nll, count = 0.0, 0
        for i in order[start : start + 4]:
            batch = collate([items[i]], pad_token_id=0)
            kept = batch["targets"][0] != -100
            log_probs = loaded.model(batch["input_ids"]).logits[0].log_softmax(-1)
            nll = nll - log_probs[kept, batch["targets"][0][kept]].sum()
            count += int(kept.sum())
        total = total + nll / count
    total.backward()
    assert line["loss"] == pytest.approx(total.item(), rel=1e-5)
    reference = {name: p.grad for name, p in loaded.model.named_parameters() if p.grad is not None}
    ours = {name.split("model.", 1)[1] if name not in reference else name: grad for name, grad in found.items()}
    close(ours, reference)


def test_a_checkpoint_is_bound_to_how_steps_are_cut():
    bft = objectives.get("bft")
    exact = settings_of(TrainingConfig(micro_batch_size=2), bft, None, 3)
    assert not {"training.micro_batch_size", "training.scaling"} & set(exact), "as checkpoints before this key have it"
    published = settings_of(TrainingConfig(micro_batch_size=2, scaling="published"), bft, None, 3)
    assert published["training.micro_batch_size"] == 2
    assert published["training.scaling"] == "published"


def test_a_run_says_so_and_is_bound_to_it(llama_folder, tmp_path, capsys):
    data = tmp_path / "facts.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"gene {i}", "completion": "is high"}) + "\n" for i in range(4)))

    def config(**training):
        shared = {"batch_size": 4, "max_steps": 1, "precision": "float32", "checkpoint_every": None}
        return check_run_config({
            "model": str(llama_folder), "data": str(data), "adapter": "full", "training": shared | training,
            "output": str(tmp_path / "run"),
        })  # fmt: skip

    train(config(scaling="published", micro_batch_size=2))
    assert "warning: training.scaling is published, an imitation" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"training\.micro_batch_size: was 2, is 1"):
        train(config(scaling="published", micro_batch_size=1))
    with pytest.raises(UserError, match=r"training\.scaling: was published, is exact"):
        train(config(micro_batch_size=2))


def test_a_run_from_before_this_key_goes_on(llama_folder, tmp_path):
    data = tmp_path / "facts.jsonl"
    data.write_text('{"prompt": "a gene", "completion": "is high"}\n')
    plain = {
        "model": str(llama_folder), "data": str(data), "adapter": "full", "output": str(tmp_path / "run"),
        "training": {"max_steps": 1, "precision": "float32", "checkpoint_every": None},
    }  # fmt: skip
    outcome = train(check_run_config(plain), show_progress=False)
    written = tmp_path / "run" / "run.yaml"
    config = yaml.safe_load(written.read_text())
    assert config["training"].pop("scaling") == "exact"
    written.write_text(yaml.safe_dump(config))
    assert train(check_run_config(plain), show_progress=False) == outcome
