"""Models: found by name, loaded, adapted, and checked before anything is computed with them.

    from counterpoise import models
    loaded = models.load_model("smollm2-135m", adapter=models.AdapterConfig(kind="lora", rank=16))
    hidden = models.final_hidden(loaded.model, input_ids=ids)      # [R, T, H], no logits
    loaded.head.weight, loaded.head.scale, loaded.head.softcap     # what scoring needs

Importing this package is quick: torch and transformers come in with the first name that needs them.
"""

import importlib
import logging
import os
from typing import TYPE_CHECKING, Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # before the hub library is first imported
# PEFT imports bitsandbytes wherever it is installed, which then asks for a kernel from the hub that nobody chose.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

if TYPE_CHECKING:
    from counterpoise.models.adapters import (
        AdapterConfig as AdapterConfig,
    )
    from counterpoise.models.adapters import (
        MemoryEstimate as MemoryEstimate,
    )
    from counterpoise.models.adapters import (
        ParameterCounts as ParameterCounts,
    )
    from counterpoise.models.adapters import (
        apply_adapter as apply_adapter,
    )
    from counterpoise.models.adapters import (
        memory_bytes as memory_bytes,
    )
    from counterpoise.models.adapters import (
        parameter_counts as parameter_counts,
    )
    from counterpoise.models.adapters import (
        reference_mode as reference_mode,
    )
    from counterpoise.models.aliases import ALIASES as ALIASES
    from counterpoise.models.aliases import Alias as Alias
    from counterpoise.models.aliases import find_alias as find_alias
    from counterpoise.models.cpu_attention import enable_cpu_attention as enable_cpu_attention
    from counterpoise.models.fetch import ResolvedModel as ResolvedModel
    from counterpoise.models.fetch import resolve as resolve
    from counterpoise.models.head import LMHead as LMHead
    from counterpoise.models.head import find_head as find_head
    from counterpoise.models.head import verify_head as verify_head
    from counterpoise.models.hidden import compute_context as compute_context
    from counterpoise.models.hidden import final_hidden as final_hidden
    from counterpoise.models.load import LoadedModel as LoadedModel
    from counterpoise.models.load import load_model as load_model
    from counterpoise.models.load import load_tokenizer as load_tokenizer
    from counterpoise.models.packing import verify_packing as verify_packing
    from counterpoise.models.save import save_model as save_model

_HOME = {
    "ALIASES": "aliases",
    "AdapterConfig": "adapters",
    "Alias": "aliases",
    "LMHead": "head",
    "LoadedModel": "load",
    "MemoryEstimate": "adapters",
    "ParameterCounts": "adapters",
    "ResolvedModel": "fetch",
    "apply_adapter": "adapters",
    "compute_context": "hidden",
    "enable_cpu_attention": "cpu_attention",
    "final_hidden": "hidden",
    "find_alias": "aliases",
    "find_head": "head",
    "load_model": "load",
    "load_tokenizer": "load",
    "memory_bytes": "adapters",
    "parameter_counts": "adapters",
    "reference_mode": "adapters",
    "resolve": "fetch",
    "save_model": "save",
    "verify_head": "head",
    "verify_packing": "packing",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
