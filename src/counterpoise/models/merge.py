"""Write an adapter into the weights of its base model, so that the result is a plain model like any other.

    from counterpoise.models.merge import merge
    merge("runs/first/model", "merged")                    # LoRA, DoRA, QLoRA or IA3; or on the command line:
    counterpoise merge runs/first/model --out merged

The merged folder needs neither PEFT nor the base model: generate, serve, export to GGUF or fine-tune it again.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.errors import UserError
from counterpoise.models.fetch import Progress, resolve
from counterpoise.models.load import DType, load_model
from counterpoise.models.save import QUANTIZATION_FILE, save_model

_MERGEABLE = {"LORA", "IA3"}  # PEFT counts DoRA among LoRA
_PROMPTS = {"P_TUNING": "p-tuning", "PROMPT_TUNING": "prompt-tuning", "PREFIX_TUNING": "prefix tuning"}


@dataclass(frozen=True)
class Merged:
    """Where the merged model lies, its dtype, and what to know about it (empty if nothing)."""

    folder: Path
    dtype: str
    note: str


def merge(
    name: str | Path,
    out_folder: str | Path,
    *,
    dtype: DType = "auto",
    offline: bool = False,
    on_progress: Progress | None = None,
) -> Merged:
    """Merge the adapter in a folder (or on the hub) with its base model and save both as one, with the tokenizer.

    The sum is taken in float32, whatever the adapter was trained in, and rounded once.

    Args:
        name: the adapter: a folder with adapter_config.json, such as ``<run>/model``, or a hub id.
        out_folder: where the model goes; must be new or empty.
        dtype: of the saved weights; "auto" is that of the base model's own files.

    Memory: four bytes a parameter. Raises UserError for what is no adapter, for a kind that has no place in the
    weights, for a folder that is in use, and as :func:`~counterpoise.models.load.load_model` does.
    """
    import torch

    out_folder = Path(out_folder)
    resolved = resolve(name, offline=offline, on_progress=on_progress)
    if not resolved.is_adapter:
        raise UserError(
            f"{name}: this is a whole model, not an adapter, so there is nothing to merge; use it as it is."
        )
    _require_mergeable(str(name), resolved.path)
    if dtype not in ("auto", "float32", "bfloat16"):
        raise UserError(f"dtype is {dtype!r}; expected auto, float32 or bfloat16.")
    if out_folder.exists() and (not out_folder.is_dir() or any(out_folder.iterdir())):
        raise UserError(f"{out_folder}: there is something already; give a new or an empty folder.")
    loaded = load_model(resolved, dtype="float32", device="cpu", offline=offline, on_progress=on_progress)
    model: Any = loaded.model.merge_and_unload(safe_merge=True)
    target = _own_dtype(model, offline) if dtype == "auto" else getattr(torch, dtype)
    model = model.to(target)
    model.config.dtype = target
    save_model(model, loaded.tokenizer, out_folder)
    return Merged(out_folder, str(target).removeprefix("torch."), _note(resolved.path))


def _require_mergeable(name: str, folder: Path) -> None:
    try:
        kind = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["peft_type"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{name}: adapter_config.json does not say what kind of adapter this is.") from error
    if kind in _PROMPTS:
        raise UserError(
            f"{name}: {_PROMPTS[kind]} puts vectors in front of the input and changes no weight, so it cannot be "
            "merged; use the adapter folder as it is."
        )
    if kind not in _MERGEABLE:
        raise UserError(f"{name}: an adapter of type {kind} cannot be merged here; expected LoRA, DoRA or IA3.")


def _own_dtype(model: Any, offline: bool) -> Any:
    """The dtype in the base model's config.json; float32 where it names none."""
    import torch
    from transformers import AutoConfig

    found = AutoConfig.from_pretrained(resolve(model.name_or_path, offline=offline).path).dtype
    return found if isinstance(found, torch.dtype) else torch.float32


def _note(folder: Path) -> str:
    path = folder / QUANTIZATION_FILE
    if not path.is_file():
        return ""
    method = json.loads(path.read_text(encoding="utf-8"))["base_quantization"]
    return (
        f"The adapter was trained on a base in {method}; it is merged with the unquantised base, so the merged model "
        "answers slightly differently from the one that was trained."
    )
