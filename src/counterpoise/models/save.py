"""Write a model or an adapter with its tokenizer, so that its folder can be given to `load_model`.

    save_model(loaded.model, loaded.tokenizer, Path("runs/first/model"))

An adapter is written alone, a few MB, and names its base model by hub id where there is one. If the base was quantised
while it was trained, ``quantization.json`` beside it says how, which PEFT's own config does not.
"""

import json
from pathlib import Path
from typing import Any

from counterpoise.disk import writing

QUANTIZATION_FILE = "quantization.json"
"""Holds ``{"base_quantization": "nf4"}``, in the folder of an adapter that was trained on a base in 4 bits."""


def save_model(model: Any, tokenizer: Any, folder: str | Path) -> Path:
    """Write safetensors, config, tokenizer and chat template into ``folder`` and return it.

    Never touches the network. Raises UserError when the disk is full.
    """
    from counterpoise.models.gguf import no_progress_bars

    folder = Path(folder)
    is_adapter = hasattr(model, "peft_config")
    # Left to itself, PEFT asks the hub whether the base model's vocabulary has changed.
    options = {"save_embedding_layers": False} if is_adapter else {}
    with writing(folder, "the model was not saved; free some space"):
        with no_progress_bars():
            model.save_pretrained(folder, **options)
            tokenizer.save_pretrained(folder)
        if is_adapter and (method := _base_quantization(model)):
            (folder / QUANTIZATION_FILE).write_text(json.dumps({"base_quantization": method}) + "\n", encoding="utf-8")
    return folder


def _base_quantization(model: Any) -> str | None:
    """``nf4`` or ``fp4`` for a base that bitsandbytes holds in 4 bits; None for a plain one."""
    base = model.get_base_model()
    if not getattr(base, "is_loaded_in_4bit", False):
        return None
    return str(base.config.quantization_config.bnb_4bit_quant_type)
