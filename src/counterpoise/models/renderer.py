"""The renderer that belongs to a model: its tokenizer, and one side or two.

renderer = renderer_of(loaded, max_length=1024)              # of a loaded model
renderer = load_renderer("smollm2-135m", max_length=1024)    # of a model that need not be loaded: no weights are read
"""

from typing import Any

from transformers import AutoConfig

from counterpoise.data.rendering import Renderer
from counterpoise.models.architecture import text_architecture
from counterpoise.models.fetch import resolve
from counterpoise.models.load import LoadedModel, base_name, load_tokenizer


def renderer_of(loaded: LoadedModel, **options: Any) -> Renderer:
    """Return the renderer for a language model; ``options`` are those of `Renderer`."""
    return _renderer(loaded.tokenizer, loaded.architecture, loaded.model.config, options)


def load_renderer(name: str, **options: Any) -> Renderer:
    """Return the renderer for a language model by alias, hub id or folder.

    Raises UserError for a model that does not write text.
    """
    resolved = resolve(name)
    base = resolve(base_name(resolved)) if resolved.is_adapter else resolved
    config = AutoConfig.from_pretrained(base.path)
    return _renderer(load_tokenizer(resolved), text_architecture(base.name, config), config, options)


def _renderer(tokenizer: Any, architecture: str, config: Any, options: dict[str, Any]) -> Renderer:
    if architecture != "encoder-decoder":
        return Renderer(tokenizer, **options)
    return Renderer(
        tokenizer,
        architecture="encoder-decoder",
        decoder_start_token_id=config.decoder_start_token_id,
        **options,
    )
