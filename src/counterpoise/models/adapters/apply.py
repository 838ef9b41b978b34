"""Put an adapter on a model: one function a kind. See :mod:`counterpoise.models.adapters`."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn

from counterpoise.errors import UserError
from counterpoise.models.adapters.config import AdapterConfig
from counterpoise.models.adapters.layers import choose_targets, classifier_names, linear_names, stacks, top_layers
from counterpoise.models.adapters.lean import lean_lora
from counterpoise.models.head import base_of, model_name

TaskType = Literal["CAUSAL_LM", "SEQ_2_SEQ_LM", "TOKEN_CLS", "SEQ_CLS"]


def apply_adapter(model: nn.Module, config: AdapterConfig, *, task_type: TaskType | None = None) -> nn.Module:
    """Freeze what is not trained, make the rest float32, and return the model (PEFT-wrapped unless kind is full).

    Works in place on the weights; an adapter's first weights come from torch's global random state. The norms and the
    head of a 4-bit model stay as they were loaded.

    Args:
        task_type: what the model does, in PEFT's words; None is a language model's, from its config. The classifier of
            an encoder (TOKEN_CLS, SEQ_CLS) is always trained.

    Raises UserError for too many layers, for targets that the model does not have, for a kind that the architecture
    cannot take, and where quantisation and kind do not fit.
    """
    if hasattr(model, "peft_config"):
        raise UserError(f"{model_name(model)}: this model already carries an adapter; merge it first.")
    if task_type is None:
        task_type = "SEQ_2_SEQ_LM" if base_of(model).config.is_encoder_decoder else "CAUSAL_LM"
    _require_precision(model, config.kind)
    adapted = KINDS[config.kind](model, config, task_type)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.promote_types(parameter.dtype, torch.float32))
    return adapted


def _require_precision(model: Any, kind: str) -> None:
    in_4_bit = getattr(model, "is_loaded_in_4bit", False)
    if kind == "qlora" and not in_4_bit:
        raise UserError(
            f"adapter.kind is qlora, but {model_name(model)} is not loaded in 4 bits; load it in nf4, or choose lora."
        )
    if in_4_bit and kind in ("full", "lora"):
        instead = "choose qlora" if kind == "lora" else "choose qlora, or load it unquantised"
        raise UserError(f"adapter.kind is {kind}, but {model_name(model)} is loaded in 4 bits; {instead}.")


def _full(model: nn.Module, config: AdapterConfig, task_type: TaskType) -> nn.Module:
    if config.layers is None:
        return model.requires_grad_(True)
    trained = top_layers(model, config.layers)
    for body, _ in stacks(model):
        trained += [m for name, m in body.named_children() if "norm" in type(m).__name__.lower() and "emb" not in name]
    trained += [model.get_submodule(name) for name in _heads(model, task_type)]
    model.requires_grad_(False)
    for module in trained:
        module.requires_grad_(True)
    return model


def _lora(model: nn.Module, config: AdapterConfig, task_type: TaskType) -> nn.Module:
    return lean_lora(_low_rank(model, config, task_type))


def _dora(model: nn.Module, config: AdapterConfig, task_type: TaskType) -> nn.Module:
    adapted = _low_rank(model, config, task_type, use_dora=True)
    _exact_magnitudes(adapted)
    return adapted


def _low_rank(model: nn.Module, config: AdapterConfig, task_type: TaskType, **options: Any) -> nn.Module:
    from peft import LoraConfig

    heads = _heads(model, task_type)
    settings = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=choose_targets(model, config.targets, config.layers, heads),
        bias="none",
        task_type=task_type,
        fan_in_fan_out=_is_transposed(model),
        modules_to_save=heads or None,
        **options,
    )
    return _wrap(model, settings, "adapter.targets")


@torch.no_grad()
def _exact_magnitudes(model: nn.Module) -> None:
    """Take DoRA's first magnitudes in float32, as its forward pass takes the norms that they are divided by.

    PEFT takes them in the weights' dtype: with bfloat16 weights, training would begin at a slightly different model.
    """
    from peft.tuners.lora import LoraLayer
    from peft.utils.integrations import dequantize_module_weight

    for module in model.modules():
        if isinstance(module, LoraLayer):
            for dora in module.lora_magnitude_vector.values():
                weight = dequantize_module_weight(module.get_base_layer()).float()
                dora.weight.data = torch.linalg.norm(weight, dim=0 if dora.fan_in_fan_out else 1)


_KEYS_AND_VALUES = (
    "k_proj",
    "v_proj",
    "key",
    "value",
    "k",
    "v",
    "key_proj",
    "value_proj",
    "query_key_value",
    "qkv_proj",
)
_DOWN = ("down_proj", "fc2", "dense_4h_to_h", "fc_out", "wo", "w2")


def _ia3(model: nn.Module, config: AdapterConfig, task_type: TaskType) -> nn.Module:
    from peft import IA3Config
    from peft.utils.constants import (
        TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING as FEEDFORWARD,
    )
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as TARGETS

    heads, family = _heads(model, task_type), base_of(model).config.model_type
    if family in TARGETS:
        targets, down = TARGETS[family], FEEDFORWARD[family]
    else:
        names = sorted({name.rpartition(".")[2] for name in linear_names(model, heads=heads)})
        attention, down = [n for n in names if n in _KEYS_AND_VALUES], [n for n in names if n in _DOWN]
        if not attention or not down:
            raise UserError(
                f"adapter.kind: {config.kind} scales keys, values and feed-forward features, but none are recognised "
                f"among the linear layers of {model_name(model)} ({', '.join(names)}); choose lora."
            )
        targets = attention + down
    settings = IA3Config(
        target_modules=list(targets),
        feedforward_modules=list(down),
        task_type=task_type,
        fan_in_fan_out=_is_transposed(model),
        modules_to_save=heads or None,
    )
    return _wrap(model, settings, "adapter.kind: ia3")


def _p_tuning(model: nn.Module, config: AdapterConfig, task_type: TaskType) -> nn.Module:
    from peft import PromptEncoderConfig

    return _wrap(
        model,
        PromptEncoderConfig(
            num_virtual_tokens=config.virtual_tokens,
            encoder_hidden_size=config.encoder_hidden,
            encoder_reparameterization_type="MLP",
            **_prompt_settings(model, config, task_type),
        ),
        "adapter.kind: p-tuning",
    )


def _prompt_tuning(model: nn.Module, config: AdapterConfig, task_type: TaskType) -> nn.Module:
    from peft import PromptTuningConfig

    return _wrap(
        model,
        PromptTuningConfig(  # from embeddings of random tokens: noise lies far from anything the model has seen
            num_virtual_tokens=config.virtual_tokens,
            prompt_tuning_init="SAMPLE_VOCAB",
            **_prompt_settings(model, config, task_type),
        ),
        "adapter.kind: prompt-tuning",
    )


def _prompt_settings(model: nn.Module, config: AdapterConfig, task_type: TaskType) -> dict[str, Any]:
    if task_type not in ("CAUSAL_LM", "SEQ_2_SEQ_LM"):
        raise UserError(
            f"adapter.kind: {config.kind} puts vectors in front of a language model's input, but {model_name(model)} "
            "is an encoder with a classifier; choose full or lora."
        )
    # One prompt: an encoder-decoder reads it in its encoder alone.
    return {"task_type": task_type, "num_transformer_submodules": 1}


def _heads(model: nn.Module, task_type: TaskType) -> list[str]:
    return classifier_names(model) if task_type in ("TOKEN_CLS", "SEQ_CLS") else []


def _is_transposed(model: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D  # GPT-2 stores W transposed

    return any(isinstance(module, Conv1D) for module in model.modules())


def _wrap(model: nn.Module, settings: Any, key: str) -> nn.Module:
    from peft import get_peft_model

    try:
        with quiet_peft():
            return get_peft_model(model, settings)
    except ValueError as error:  # layers that PEFT knows it cannot adapt, such as those of Mamba
        raise UserError(f"{key}: PEFT cannot adapt {model_name(model)} so ({error}).") from error


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Hide a deprecation that is between PEFT and transformers; the user cannot change it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
        yield


KINDS: dict[str, Callable[[nn.Module, AdapterConfig, TaskType], nn.Module]] = {
    "full": _full,
    "lora": _lora,
    "dora": _dora,
    "qlora": _lora,
    "ia3": _ia3,
    "p-tuning": _p_tuning,
    "prompt-tuning": _prompt_tuning,
}


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
