"""The transformer layers of a model: what is compiled one by one, and what FSDP shards one by one."""

from typing import Any

from torch import nn

from counterpoise.models.head import base_of, model_name


def layers_of(model: Any) -> list[nn.Module]:
    """Return the layers that the model itself names as indivisible, in order, encoder before decoder.

    Raises:
        ValueError: it names none.
    """
    base = base_of(model)
    names = set(getattr(base, "_no_split_modules", None) or ())
    layers = [module for module in base.modules() if type(module).__name__ in names]
    if not layers:
        raise ValueError(f"{model_name(model)}: {type(base).__name__} does not say which of its modules are layers")
    return layers
