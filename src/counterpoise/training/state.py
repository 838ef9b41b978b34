"""What a checkpoint holds of model and optimiser: whole tensors by parameter name, however many ranks shared them.

    save_file(trained_state(model), folder / TRAINABLE)              # all ranks call, one writes
    save_file(optimiser_state(model, optimiser), folder / OPTIMISER)
    load_trained(model, load_file(folder / TRAINABLE), folder)

Because nothing in it tells ranks or shards, what two ranks wrote goes on on one, and the reverse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from counterpoise.errors import UserError
from counterpoise.training import zero

TRAINABLE = "trainable.safetensors"
"""The trained parameters, by name."""
OPTIMISER = "optimiser.safetensors"
"""The optimiser's state: ``<parameter name>/<exp_avg, step ...>``."""


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that training changes, by their names without what wrappers add."""
    return {_bare(name): p for name, p in model.named_parameters() if p.requires_grad}


def trained_state(model: nn.Module, keep: bool = True) -> dict[str, Tensor]:
    """Return whole copies of the trained parameters, on the CPU. Under sharding, every rank must call it.

    A rank that will not use them passes ``keep=False``: it takes its part in gathering and returns nothing.
    """
    parameters = trained_parameters(model)
    if any(hasattr(p, "ds_id") or hasattr(p, "_hp_mapping") for p in parameters.values()):  # DeepSpeed's
        return _gathered(zero.whole_parameters(parameters), keep)
    return _gathered(((name, p.detach()) for name, p in parameters.items()), keep)


def optimiser_state(model: nn.Module, optimiser: Any, keep: bool = True) -> dict[str, Tensor]:
    """Return whole copies of the optimiser's tensors, on the CPU. Under sharding, every rank must call it.

    ``keep`` as in :func:`trained_state`.
    """
    return _gathered(
        (
            (f"{name}/{key}", value if isinstance(value, Tensor) else torch.tensor(value))
            for name, parameter in trained_parameters(model).items()
            for key, value in optimiser.state.get(parameter, {}).items()
        ),
        keep,
    )


@torch.no_grad()
def load_trained(model: nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Put trained parameters back.

    Raises:
        UserError: ``source`` holds other parameters, or other shapes, than this run trains; says which.
    """
    parameters = trained_parameters(model)
    for name, parameter in parameters.items():
        if name not in state:
            raise UserError(f"{source}: lacks {name}, which this run trains; it belongs to another model or adapter")
        if state[name].shape != parameter.shape:
            raise UserError(
                f"{source}: {name} is {tuple(state[name].shape)} there and {tuple(parameter.shape)} in this run; "
                "it belongs to another model or adapter"
            )
    if unknown := sorted(state.keys() - parameters.keys()):
        raise UserError(f"{source}: holds {unknown[0]}, which this run does not train; it belongs to another adapter")
    for name, parameter in parameters.items():
        parameter.copy_(_placed(state[name], parameter))


@torch.no_grad()
def load_optimiser(model: nn.Module, optimiser: Any, state: Mapping[str, Tensor], source: Path) -> None:
    """Put the optimiser's tensors back. Steps stay where the optimiser keeps them (fused ones: on the device).

    Raises:
        UserError: the state is of other parameters, or other shapes, than this run trains; says which.
    """
    parameters = trained_parameters(model)
    for place, value in state.items():
        name, _, key = place.rpartition("/")
        parameter = parameters.get(name)
        if parameter is None:
            raise UserError(f"{source}: the optimiser's state is of {name}, which this run does not train")
        if value.dim() and value.shape != parameter.shape:
            raise UserError(
                f"{source}: the optimiser's {key} of {name} is {tuple(value.shape)} there and "
                f"{tuple(parameter.shape)} in this run"
            )
        if value.shape == parameter.shape and value.dim():
            restored = _placed(value, parameter)
        else:  # the step count: fused and capturable optimisers want it on the device
            on_device = any(g.get("fused") or g.get("capturable") for g in optimiser.param_groups)
            restored = value.to(parameter.device) if on_device else value.clone()
        optimiser.state.setdefault(parameter, {})[key] = restored


def _bare(name: str) -> str:
    return name.removeprefix("module.").replace("_orig_mod.", "").replace("_checkpoint_wrapped_module.", "")


def _gathered(tensors: Iterable[tuple[str, Tensor]], keep: bool) -> dict[str, Tensor]:
    found = {}
    for name, tensor in tensors:
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if keep:
            found[name] = whole.detach().cpu().clone().contiguous()
    return found


def _placed(whole: Tensor, like: Tensor) -> Tensor:
    """A whole tensor as the parameter ``like`` is kept: its device, dtype and share of the ranks."""
    moved = whole.to(like.device, like.dtype)
    return distribute_tensor(moved, like.device_mesh, like.placements) if isinstance(like, DTensor) else moved.clone()
