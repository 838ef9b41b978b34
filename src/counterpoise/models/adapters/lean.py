"""LoRA without copies of its input under autocast.

    lean_lora(model)        # apply_adapter does it

PEFT casts the input of each LoRA layer to the dtype of its float32 weights. Under bfloat16 autocast the matrix product
then casts that copy back, once for each layer, and the copy is what autograd keeps: q, k and v, which read one tensor,
keep three. Left alone, they share it. The outputs are the same bits, since bfloat16 to float32 and back loses nothing;
gradients meet in bfloat16 at the shared input, so they agree within its rounding.
"""

from typing import Any

import torch
from torch import nn


def lean_lora(model: nn.Module) -> nn.Module:
    """Make the plain LoRA layers of ``model`` read their input as it is while autocast is on; return the model.

    A hook asks at every forward pass, so that the passes which gradient checkpointing repeats are lean as well. Without
    autocast PEFT's cast stays, for there float32 weights cannot be applied to a 16-bit input. DoRA keeps its cast too:
    it takes the precision of its norms from the input.
    """
    from peft.tuners.lora import LoraLayer

    for module in model.modules():
        if isinstance(module, LoraLayer) and not module.lora_variant:
            module.register_forward_pre_hook(_cast_unless_autocast)
    return model


def _cast_unless_autocast(layer: Any, inputs: tuple[torch.Tensor, ...]) -> None:
    layer.cast_input_dtype_enabled = not torch.is_autocast_enabled(inputs[0].device.type)
