"""Which weights are trained: all of them, the top layers, or a low-rank adapter.

    config = AdapterConfig(kind="lora", rank=16, alpha=32)         # the default: LoRA on every linear layer
    config = AdapterConfig(kind="full", layers=12)                 # the top 12 decoder layers and the final norm
    model = apply_adapter(model, config)
    print(parameter_counts(model))                                 # 134,515,008 parameters, 4,884,480 trainable
    with reference_mode(model): ...                                # the base model, adapter off

Trained weights are float32 whatever the frozen ones are: a bfloat16 weight does not feel a small step. A new kind of
adapter is one function in ``KINDS``.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn

from counterpoise.errors import UserError, nearest
from counterpoise.models.head import base_of, body_of, model_name


class AdapterConfig(BaseModel):
    """What to train. Unknown keys are refused, and so are LoRA's options where there is no LoRA."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["full", "lora"] = Field("lora", description="full: the weights themselves; lora: low-rank updates")
    rank: int = Field(16, ge=1, description="rank of the update of each matrix")
    alpha: float = Field(32, gt=0, description="the update is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout in front of the update")
    targets: Literal["all-linear"] | list[str] = Field("all-linear", description="linear layers, by their last name")
    layers: int | None = Field(None, ge=1, description="only the top so many decoder layers; empty: all")

    @model_validator(mode="after")
    def _no_idle_option(self) -> "AdapterConfig":
        if self.kind == "full":
            for name in ("rank", "alpha", "dropout", "targets"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} has no effect with kind: full; remove it or choose kind: lora")
        if self.targets == []:
            raise ValueError("targets is an empty list; expected all-linear or names of linear layers")
        return self


@dataclass(frozen=True)
class ParameterCounts:
    """How many numbers a model has, and how many of them training changes; tied weights count once."""

    total: int
    trainable: int

    def __str__(self) -> str:
        share = self.trainable / max(self.total, 1)
        return f"{self.total:,} parameters, {self.trainable:,} trainable ({share:.2%})"


def apply_adapter(model: nn.Module, config: AdapterConfig) -> nn.Module:
    """Freeze what is not trained, make the rest float32, and return the model (PEFT-wrapped for LoRA).

    Works in place on the weights. Raises UserError for too many layers and for targets that the model does not have.
    """
    if hasattr(model, "peft_config"):
        raise UserError(f"{model_name(model)}: this model already carries an adapter; merge it first.")
    adapted = KINDS[config.kind](model, config)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.promote_types(parameter.dtype, torch.float32))
    return adapted


def _full(model: nn.Module, config: AdapterConfig) -> nn.Module:
    if config.layers is None:
        model.requires_grad_(True)
        return model
    _, layers = _decoder_layers(model)
    model.requires_grad_(False)
    for layer in _top(layers, config.layers, model):
        layer.requires_grad_(True)
    for name, child in body_of(model).named_children():
        if "norm" in type(child).__name__.lower() and "emb" not in name:
            child.requires_grad_(True)
    return model


def _lora(model: nn.Module, config: AdapterConfig) -> nn.Module:
    from peft import LoraConfig, get_peft_model
    from transformers.pytorch_utils import Conv1D

    targets = config.targets
    if isinstance(targets, list):
        _require_targets(model, targets)
    options: dict[str, Any] = {}
    if config.layers is not None:  # PEFT wants names, not "all-linear", together with layers
        pattern, layers = _decoder_layers(model)
        chosen = _top(layers, config.layers, model)
        if targets == "all-linear":
            targets = sorted({name.rpartition(".")[2] for layer in chosen for name in _linear_names(layer)})
        options["layers_to_transform"] = list(range(len(layers) - len(chosen), len(layers)))
        options["layers_pattern"] = pattern
    settings = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=targets,
        bias="none",
        task_type="CAUSAL_LM",
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),  # GPT-2 stores W transposed
        **options,
    )
    try:
        with quiet_peft():
            return get_peft_model(model, settings)
    except ValueError as error:  # layers that PEFT knows it cannot adapt, such as those of Mamba
        raise UserError(f"adapter.targets: PEFT cannot adapt {model_name(model)} so ({error}).") from error


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Hide a deprecation that is between PEFT and transformers; the user cannot change it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
        yield


KINDS: dict[str, Callable[[nn.Module, AdapterConfig], nn.Module]] = {"full": _full, "lora": _lora}


def parameter_counts(model: nn.Module) -> ParameterCounts:
    """Count the parameters of a model."""
    parameters = list(model.parameters())
    return ParameterCounts(
        total=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
    )


@contextmanager
def reference_mode(model: Any) -> Iterator[nn.Module]:
    """The model as it was before training: the adapter is off inside this context. Gradients are the caller's matter.

    Raises UserError for full fine-tuning, where the first weights are gone and a second copy must be loaded.
    """
    if not hasattr(model, "disable_adapter"):
        raise UserError(
            f"{model_name(model)}: the reference model is this one without its adapter, but it carries none; train "
            "with adapter.kind: lora, or choose an objective that needs no reference."
        )
    with model.disable_adapter():
        yield model


def _decoder_layers(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """The name and the list of the decoder layers, bottom first."""
    count = base_of(model).config.get_text_config().num_hidden_layers
    for name, module in body_of(model).named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return name.rpartition(".")[2], module
    raise UserError(f"{model_name(model)}: its decoder layers were not found, so adapter.layers must stay empty.")


def _top(layers: nn.ModuleList, count: int, model: nn.Module) -> list[nn.Module]:
    if count > len(layers):
        raise UserError(f"adapter.layers is {count}, but {model_name(model)} has {len(layers)} decoder layers.")
    return list(layers)[len(layers) - count :]


def _linear_names(module: nn.Module) -> list[str]:
    from transformers.pytorch_utils import Conv1D

    return [name for name, child in module.named_modules() if isinstance(child, nn.Linear | Conv1D)]


def _require_targets(model: nn.Module, targets: list[str]) -> None:
    """PEFT only objects when no target at all is found, and puts adapters on the LM head without a word."""
    head = base_of(model).get_output_embeddings()
    head_name = next((name for name, module in model.named_modules() if module is head), "")
    names = [name for name in _linear_names(model) if name != head_name]
    known = sorted({name.rpartition(".")[2] for name in names})
    for target in targets:
        if head_name and (head_name == target or head_name.endswith("." + target)):
            raise UserError(f"adapter.targets: {target} is the LM head, which an adapter cannot change here.")
        if not any(name == target or name.endswith("." + target) for name in names):
            raise UserError(
                f"adapter.targets: {model_name(model)} has no linear layer '{target}'{nearest(target, known)}; "
                f"expected all-linear or some of {', '.join(known)}."
            )
