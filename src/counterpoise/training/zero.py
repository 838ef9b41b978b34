"""DeepSpeed's ZeRO: the few places where it differs from every other way of sharing a model among ranks.

    accelerate launch --config_file examples/distributed/deepspeed_zero3.yaml -m counterpoise train run.yaml

DeepSpeed owns the optimiser's step, so checkpoints hold its own files, which go on only as they were written: under the
same stage, with the same number of processes. The trained parameters are beside them, whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from accelerate.utils import DeepSpeedPlugin
from torch import Tensor, nn

from counterpoise.errors import UserError
from counterpoise.training.ranks import under_deepspeed, world_size


def zero_stage() -> int:
    """Return the ZeRO stage that the launcher asked for; 0 without DeepSpeed."""
    return int(DeepSpeedPlugin().zero_stage) if under_deepspeed() else 0


def layout() -> str:
    """Say how the optimiser's state lies in checkpoints."""
    if not under_deepspeed():
        return "whole, without DeepSpeed"
    return f"that of DeepSpeed ZeRO stage {zero_stage()} and {world_size()} processes"


def autocast_in_bfloat16(plugin: Any) -> None:
    """Have DeepSpeed run products in bfloat16 and keep float32 weights, as every other launcher does.

    Its own ``bf16`` mode would round the trained weights that the forward pass reads, too. Naming no module that is
    safe in lower precision keeps gradients in float32 while ranks exchange them.
    """
    plugin.deepspeed_config["torch_autocast"] = {
        "enabled": True,
        "dtype": "bfloat16",
        "lower_precision_safe_modules": [],
    }


def whole_parameters(parameters: dict[str, nn.Parameter]) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, the float32 parameter, whole) of trained parameters. Every rank must go through all of them."""
    from deepspeed.utils import safe_get_full_fp32_param

    for name, parameter in parameters.items():
        yield name, safe_get_full_fp32_param(parameter)


def load(engine: Any, checkpoint: Path) -> None:
    """Put parameters and optimiser state back from DeepSpeed's own files.

    Frozen parameters are not in them: they come with the model.
    """
    found, _ = engine.load_checkpoint(str(checkpoint), load_module_strict=False)
    if found is None:
        raise UserError(f"{checkpoint}: holds none of DeepSpeed's files, so the checkpoint is damaged; delete it")


def forget() -> None:
    """Let models be loaded whole again: until then transformers hands each new one to ZeRO stage 3."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()
