"""Write a model or an adapter with its tokenizer, so that its folder can be given to `load_model`.

    save_model(loaded.model, loaded.tokenizer, Path("runs/first/model"))

A LoRA model is written as its adapter alone, a few MB, which names its base model by hub id where there is one.
"""

import errno
from pathlib import Path
from typing import Any

from counterpoise.errors import UserError


def save_model(model: Any, tokenizer: Any, folder: str | Path) -> Path:
    """Write safetensors, config, tokenizer and chat template into ``folder`` and return it.

    Never touches the network. Raises UserError when the disk is full.
    """
    from counterpoise.models.gguf import no_progress_bars

    folder = Path(folder)
    # Left to itself, PEFT asks the hub whether the base model's vocabulary has changed.
    options = {"save_embedding_layers": False} if hasattr(model, "peft_config") else {}
    try:
        with no_progress_bars():
            model.save_pretrained(folder, **options)
            tokenizer.save_pretrained(folder)
    except Exception as error:
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in str(error):
            raise UserError(f"{folder}: the disk is full, so the model was not saved; free some space.") from error
        raise
    return folder
