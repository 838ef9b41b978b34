"""Is this folder a model that may be loaded?

    from counterpoise.models.folder import require_model
    require_model(Path("runs/first/model"))       # UserError: what is missing

Weights must be safetensors. Pickle files (``.bin``, ``.pt``) can run code when they are opened and are refused.
"""

import json
from pathlib import Path

from counterpoise.errors import UserError

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


def is_adapter(folder: Path) -> bool:
    """Whether the folder holds a PEFT adapter and no model of its own."""
    return (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file()


def require_model(folder: Path, name: str | None = None) -> None:
    """Raise UserError unless the folder holds a model, or a PEFT adapter, in safetensors."""
    label = name or str(folder)
    if is_adapter(folder):
        if not (folder / "adapter_model.safetensors").is_file():
            raise UserError(f"{label}: this adapter folder has no adapter_model.safetensors.")
        return
    if not (folder / "config.json").is_file():
        raise UserError(f"{label}: this folder holds no model; expected config.json and *.safetensors in it.")
    if problem := weights_problem(folder):
        raise UserError(f"{label}: {problem}.")


def weights_problem(folder: Path) -> str | None:
    """Say in a phrase what is wrong with the folder's weights; None if nothing is."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError):
            return f"{index.name} cannot be read"
        missing = sorted(shard for shard in shards if not (folder / shard).is_file())
        return f"the weights are incomplete ({missing[0]} is missing)" if missing else None
    if any(folder.glob("*.safetensors")):
        return None
    if any(next(folder.glob(pattern), None) for pattern in _PICKLES):
        return (
            "the weights are pickle files, which can run code when opened; expected *.safetensors "
            "(convert them once with save_pretrained)"
        )
    return "there are no weights; expected *.safetensors"
