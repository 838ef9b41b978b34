"""The step benchmark measures what it says: arms that share an objective agree, and the limit counts every product."""

import json
import sys
from pathlib import Path

import pytest
import torch

import peers
import train_step

CASE = train_step.Case(model="tiny", rows=2, length=300, supervised=280)  # longer than the window of 256
EAGER = [name for name, arm in peers.ARMS.items() if not arm.compiled]


def stepped(name, case=CASE):
    model = train_step.build_model(case)
    arm = peers.ARMS[name](model, train_step.build_samples(case))
    loss = arm.step()
    return loss, torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])


@pytest.fixture(scope="module")
def steps():
    return {name: stepped(name) for name in EAGER}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("counterpoise SFT", "transformers SFT"),
        ("counterpoise DFT", "TRL DFT"),
        ("TRL DFT, checkpointing", "TRL DFT"),
        ("counterpoise BFT v1-geometric", "published BFT"),
        ("counterpoise BFT, checkpointing", "counterpoise BFT"),
    ],
)
def test_arms_of_one_objective_make_one_step(steps, one, other):
    loss, gradient = steps[one]
    expected_loss, expected = steps[other]
    assert loss == pytest.approx(expected_loss, rel=2e-3)  # bfloat16 logits on one side
    assert (gradient - expected).norm() < 0.02 * expected.norm()


@pytest.mark.parametrize("name", EAGER)
def test_an_arm_checkpoints_if_its_name_says_so(name):
    model = train_step.build_model(CASE)
    peers.ARMS[name](model, train_step.build_samples(CASE))
    checkpoints = any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    assert checkpoints == name.endswith("checkpointing")


def test_arms_of_different_objectives_differ(steps):
    losses = [steps[name][0] for name in ("counterpoise SFT", "counterpoise DFT", "counterpoise BFT")]
    assert len({round(loss, 3) for loss in losses}) == 3


def test_losses_are_those_of_the_formulas(steps):
    """SFT, DFT and published BFT from the model's float32 logits, sample by sample."""
    model = train_step.build_model(CASE).eval()
    sft, dft, bft = [], [], []
    for sample in train_step.build_samples(CASE):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=torch.tensor([sample.input_ids])).logits[0].float()
        log_c = logits.log_softmax(-1)[range(len(sample.input_ids) - 1), sample.input_ids[1:]][-CASE.supervised :]
        weakest = min(log_c[i : i + 256].mean().exp() for i in range(CASE.supervised - 255))
        sft += (-log_c).tolist()
        dft += (-log_c * log_c.exp()).tolist()
        bft.append(float((1 - weakest) * (-log_c * log_c.exp()).mean()))
    for arm, expected in (("transformers SFT", sft), ("TRL DFT", dft), ("published BFT", bft)):
        assert steps[arm][0] == pytest.approx(sum(expected) / len(expected), rel=1e-3)


@pytest.mark.slow
def test_compiled_layers_make_the_same_step():
    loss, gradient = stepped("counterpoise BFT, compiled")
    expected_loss, expected = stepped("counterpoise BFT")
    assert loss == pytest.approx(expected_loss, rel=2e-3)
    assert (gradient - expected).norm() < 0.05 * expected.norm()


def test_the_limit_counts_every_product():
    case = train_step.Case(model="tiny", rows=2, length=24, supervised=16)
    limit = train_step.MatrixProducts(train_step.build_model(case), case)
    layer = 32 * (32 + 16 + 16 + 32) + 3 * 32 * 64  # q, k, v, o; gate, up, down
    adapter = 16 * (64 + 48 + 48 + 64 + 3 * 96)
    frozen, head = 4 * 48 * 2 * layer, 4 * 32 * 320 * 32
    attention = 6 * 2 * 2 * 24 * 24 * 32  # six products; layers, rows, half of 2 FLOP x T x T x width
    assert limit.flops == frozen + head + 6 * 48 * 2 * adapter + attention
    assert limit.seconds() > 0


def test_ratios_are_taken_within_a_round():
    rows = [
        {"arm": "a", "seconds_by_round": [1.0, 10.0, 3.0], "extra_mib": 5.0},
        {"arm": "b", "seconds_by_round": [2.0, 20.0, 3.0], "extra_mib": 10.0},
    ]
    assert train_step.ratio(rows, "a", "b", "seconds") == (0.5, 0.5, 1.0)
    assert train_step.ratio(rows, "a", "b", "extra_mib") == (0.5, 0.5, 0.5)
    assert train_step.ratio(rows, "a", "c", "seconds") is None


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux only")
def test_a_run_is_measured_printed_and_saved(tmp_path, capsys, monkeypatch):
    saved = tmp_path / "rows.json"
    size = ["--model", "tiny", "--rows", "1", "--length", "24", "--supervised", "16", "--rounds", "2"]
    arms = ["--table", "arms", "--arm", "counterpoise BFT", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["train_step.py", *size, *arms, "--save", str(saved)])
    train_step.main()
    table = json.loads(saved.read_text())["tables"]["arms"]
    assert [row["arm"] for row in table] == ["counterpoise BFT", train_step.LIMIT]
    assert len(table[0]["seconds_by_round"]) == 2
    assert table[0]["extra_mib"] > 0
    assert "counterpoise BFT / matrix products" in capsys.readouterr().out


def test_layouts_of_mixed_lengths_make_one_step():
    case = train_step.Case(model="tiny", rows=20, length=96, mixed=True)
    lengths = {len(sample.input_ids) for sample in train_step.build_samples(case)}
    assert len(lengths) > 5
    found = []
    for name in peers.LAYOUTS:
        model = train_step.build_model(case)
        loss = peers.LAYOUTS[name](model, train_step.build_samples(case)).step()
        found.append((loss, torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])))
    for loss, gradient in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=2e-2)  # bfloat16
        assert (gradient - found[0][1]).norm() < 0.05 * found[0][1].norm()
