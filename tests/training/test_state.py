"""What a checkpoint holds: every trained parameter and its optimiser's tensors, by name; strangers are refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from counterpoise.errors import UserError
from counterpoise.training.state import load_optimiser, load_trained, optimiser_state, trained_state


def made(seed, fused=False):
    """A model with a frozen layer, and AdamW after two steps."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].weight.requires_grad_(False)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1, fused=fused)
    for _ in range(2):
        step(model, optimiser)
    return model, optimiser


def step(model, optimiser):
    optimiser.zero_grad()
    model(torch.ones(5, 3)).square().sum().backward()
    optimiser.step()


@pytest.mark.parametrize("fused", [True, False])
def test_another_model_goes_on_as_this_one_would(fused):
    model, optimiser = made(0, fused)
    other, its_optimiser = made(1, fused)
    other[0].weight.data.copy_(model[0].weight)  # frozen, so in no checkpoint
    load_trained(other, trained_state(model), Path("checkpoint-2"))
    load_optimiser(other, its_optimiser, optimiser_state(model, optimiser), Path("checkpoint-2"))
    for each in ((model, optimiser), (other, its_optimiser)):
        step(*each)
    for mine, its in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_names_and_copies():
    model, optimiser = made(0)
    state = trained_state(model)
    assert set(state) == {"0.bias", "1.weight", "1.bias"}
    assert set(optimiser_state(model, optimiser)) == {
        f"{n}/{k}" for n in state for k in ("step", "exp_avg", "exp_avg_sq")
    }
    assert state["1.bias"].data_ptr() != model[1].bias.data_ptr()
    assert trained_state(model, keep=False) == optimiser_state(model, optimiser, keep=False) == {}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state: state.pop("1.bias"), r"checkpoint-2: lacks 1.bias, which this run trains"),
        (lambda state: state.update({"9.bias": torch.ones(1)}), r"holds 9.bias, which this run does not train"),
        (lambda state: state.update({"1.bias": torch.ones(3)}), r"1.bias is \(3,\) there and \(2,\) in this run"),
    ],
)
def test_parameters_of_another_model(change, says):
    model, _ = made(0)
    state = trained_state(model)
    before = model[1].weight.clone()
    state["1.weight"] += 1
    change(state)
    with pytest.raises(UserError, match=says):
        load_trained(model, state, Path("checkpoint-2"))
    assert torch.equal(model[1].weight, before), "all is looked at before anything is put back"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("9.bias/exp_avg", "of 9.bias, which this run does not"),
        ("1.bias/exp_avg", r"exp_avg of 1.bias is \(7,\) there"),
    ],
)
def test_an_optimiser_s_state_of_another_model(name, says):
    model, optimiser = made(0)
    with pytest.raises(UserError, match=says):
        load_optimiser(model, optimiser, {name: torch.ones(7)}, Path("checkpoint-2"))
