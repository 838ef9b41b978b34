"""Gradient checkpointing, activation offloading and compilation leave loss and gradients as they are."""

import json

import pytest
import torch
from tiny_runs import Gradients, encode, load_tiny

from counterpoise import objectives
from counterpoise.training.config import TrainingConfig
from counterpoise.training.fit import fit


def run(folder, out, kind, **switches):
    torch.manual_seed(1)  # the first weights of LoRA
    loaded = load_tiny(folder, kind=kind)
    config = TrainingConfig(
        batch_size=6, micro_batch_size=3, learning_rate=1e-5, schedule="constant", warmup_share=0, max_grad_norm=0,
        precision="float32", checkpoint_every=None, **switches,
    )  # fmt: skip
    kept = Gradients()
    fit(loaded, encode(loaded, 9), objectives.get("bft", window=4), config, out, callbacks=[kept], show_progress=False)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return rows, kept.steps


SWITCHES = [
    {"gradient_checkpointing": True},
    {"activation_offloading": True},
    {"gradient_checkpointing": True, "activation_offloading": True, "packing": "flat"},
    pytest.param({"compile": True}, marks=pytest.mark.slow),
    pytest.param({"compile": True, "gradient_checkpointing": True, "packing": "rows"}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize("switches", SWITCHES, ids=lambda s: "+".join(s))
def test_a_switch_changes_nothing(llama_folder, tmp_path, kind, switches):
    plain_rows, plain_steps = run(llama_folder, tmp_path / "plain", kind)
    rows, steps = run(llama_folder, tmp_path / "switched", kind, **switches)
    for mine, other in zip(plain_rows, rows, strict=True):
        for key in ("loss", "nll", "tokens", "samples", "sample_weight", "effective_share"):
            assert other[key] == pytest.approx(mine[key], rel=1e-5), key
    for mine, other in zip(plain_steps, steps, strict=True):
        assert mine.keys() == other.keys()
        a, b = [torch.cat([step[name].flatten() for name in sorted(step)]) for step in (mine, other)]
        assert (a - b).norm() <= 1e-5 * a.norm()


def test_offloading_moves_what_the_backward_pass_needs(llama_folder, tmp_path, monkeypatch):
    """The switch is on: every saved tensor passes through its hooks."""
    seen = []
    original = torch.autograd.graph.save_on_cpu

    def counted(**options):
        seen.append(options)
        return original(**options)

    monkeypatch.setattr(torch.autograd.graph, "save_on_cpu", counted)
    run(llama_folder, tmp_path / "run", "full", activation_offloading=True)
    assert len(seen) == 3  # micro-batches of both steps: 2 + 1
