"""However a batch is cut into micro-batches: the same loss and the same gradients, for every objective.

Eleven samples of different lengths at batch size 8: a full optimiser step and a short last one of three.
"""

import json

import pytest
import torch
from tiny_runs import Gradients, encode, load_tiny

from counterpoise import objectives
from counterpoise.training.config import TrainingConfig
from counterpoise.training.fit import fit

CUTS = (8, 4, 2, 1)
"""Samples a micro-batch; accumulation steps are 8 over it."""
VARIANTS = [("bft", {"variant": v, "window": 4}) for v in ("v1", "v1-geometric", "v3")]
OPTIONS = [("dft", {"floor": 0.2}), ("bft", {"sft_share": {"start": 1.0, "end": 0.0, "over": 1.0}})]
CASES = [(name, {}) for name in objectives.names() if name != "bft"] + VARIANTS + OPTIONS


def run(folder, tmp_path, name, options, micro_batch_size):
    loaded = load_tiny(folder)
    # A small rate: the short second step starts where the first one led, and Adam magnifies its rounding.
    config = TrainingConfig(
        batch_size=8, micro_batch_size=micro_batch_size, learning_rate=1e-4, schedule="constant", warmup_share=0,
        max_grad_norm=0, precision="float32", checkpoint_every=None,
    )  # fmt: skip
    kept = Gradients()
    out = tmp_path / f"{micro_batch_size}"
    items = encode(loaded, 11)
    fit(loaded, items, objectives.get(name, **options), config, out, callbacks=[kept], show_progress=False)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return rows, kept.steps


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_same_loss_and_gradients(llama_folder, tmp_path, name, options):
    whole_rows, whole_steps = run(llama_folder, tmp_path, name, options, 8)
    assert [row["samples"] for row in whole_rows] == [8, 3]
    differs = False
    for micro in CUTS[1:]:
        rows, steps = run(llama_folder, tmp_path, name, options, micro)
        assert len(steps) == len(whole_steps) == 2
        for step, (a, b) in enumerate(zip(steps, whole_steps, strict=True)):
            norm = torch.cat([g.flatten() for g in b.values()]).norm()
            gap = torch.cat([(a[n] - g).flatten() for n, g in b.items()]).norm()
            differs |= bool(gap > 1e-5 * norm)
            differs |= rows[step]["loss"] != pytest.approx(whole_rows[step]["loss"], rel=1e-5)
        for row, whole in zip(rows, whole_rows, strict=True):
            assert (row["samples"], row["tokens"]) == (whole["samples"], whole["tokens"])
    assert differs is objectives.OBJECTIVES[name].batch_statistics, "talr alone depends on the micro-batch, and says so"
