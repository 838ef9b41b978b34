"""Which weights are trained: all of them, the top layers, or an adapter.

    config = AdapterConfig(kind="lora", rank=16, alpha=32)         # the default: LoRA on every linear layer
    config = AdapterConfig(kind="full", layers=12)                 # the top 12 decoder layers and the final norm
    config = AdapterConfig(kind="p-tuning", virtual_tokens=20)     # 20 trained vectors in front of the input
    model = apply_adapter(model, config)
    print(parameter_counts(model))                                 # 139,399,488 parameters, 4,884,480 trainable
    with reference_mode(model): ...                                # the base model, adapter off

Trained weights are float32 whatever the frozen ones are: a bfloat16 weight does not feel a small step. A new kind of
adapter is one function in ``apply.KINDS`` and one line in ``config.OPTIONS``.
"""

from counterpoise.models.adapters.apply import KINDS, TaskType, apply_adapter, quiet_peft, reference_mode
from counterpoise.models.adapters.config import AdapterConfig
from counterpoise.models.adapters.lean import lean_lora
from counterpoise.models.adapters.memory import MemoryEstimate, ParameterCounts, memory_bytes, parameter_counts

__all__ = [
    "KINDS",
    "AdapterConfig",
    "MemoryEstimate",
    "ParameterCounts",
    "TaskType",
    "apply_adapter",
    "lean_lora",
    "memory_bytes",
    "parameter_counts",
    "quiet_peft",
    "reference_mode",
]
