"""Vectors of the tokens of texts, from an encoder without a head.

encoder = load_text_encoder("minilm")
for batch in token_vectors(encoder, [("one text", "its reference"), ...]):
    batch.vectors[0::2], batch.vectors[1::2]        # of the first and of the second texts
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterpoise.errors import UserError
from counterpoise.models.encoder import encoder_config, longest_input, no_warnings
from counterpoise.models.fetch import Progress, resolve
from counterpoise.models.gguf import no_progress_bars
from counterpoise.models.load import cannot_load, default_device, load_tokenizer


@dataclass(frozen=True)
class TextEncoder:
    """An encoder without a head, in float32 and evaluation mode; ``name`` is what results call it."""

    name: str
    model: Any
    tokenizer: Any
    max_length: int
    """Tokens of a text, special ones included; the rest is cut off."""


@dataclass(frozen=True)
class VectorBatch:
    """Some groups of texts, those of a group one after the other.

    Attributes:
        groups: their numbers [G].
        vectors: [G * group size, T, H].
        ids: of the tokens [G * group size, T].
        attended: [G * group size, T] false for padding.
        own: [G * group size, T] the tokens of the text itself: no padding, no special token.
        truncated: texts that were cut.
    """

    groups: list[int]
    vectors: Tensor
    ids: Tensor
    attended: Tensor
    own: Tensor
    truncated: int


def load_text_encoder(
    name: str | Path,
    *,
    device: str | torch.device | None = None,
    offline: bool = False,
    any_family: bool = False,
    on_progress: Progress | None = None,
) -> TextEncoder:
    """Load an encoder by alias, hub id or folder.

    Args:
        any_family: decoders, and the encoders of encoder-decoders, are taken too: for models whose files say that
            they were trained to give vectors.

    Raises:
        UserError: as `models.resolve`; a model that is no encoder, or weights that the files lack.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding

    resolved = resolve(name, offline=offline, on_progress=on_progress)
    tokenizer = load_tokenizer(resolved, offline=offline)
    try:
        config = AutoConfig.from_pretrained(resolved.path) if any_family else encoder_config(resolved, trust=False)
    except UserError:
        raise
    except Exception as error:  # unknown architecture, broken JSON, code of its own
        raise cannot_load(resolved, "its config.json", error) from error
    loader = AutoModelForTextEncoding if config.is_encoder_decoder else AutoModel
    try:
        with no_progress_bars(), no_warnings():
            model, report = loader.from_pretrained(
                resolved.path, config=config, dtype=torch.float32, use_safetensors=True, output_loading_info=True
            )
    except Exception as error:  # transformers raises ValueError, OSError, RuntimeError ...
        raise cannot_load(resolved, "the model", error) from error
    if missing := sorted(key for key in report["missing_keys"] if "pooler." not in key):  # a pooler is not used
        raise UserError(
            f"{resolved.name}: its files lack {len(missing)} weights of the encoder (first: {missing[0]}), so its "
            "vectors would be random; expected the whole encoder."
        )
    place = torch.device(device) if device is not None else default_device()
    longest = min(longest_input(model) or 512, tokenizer.model_max_length)
    model = model.to(place).eval().requires_grad_(False)
    return TextEncoder(Path(resolved.name).name, model, tokenizer, int(longest))


@torch.inference_mode()
def token_vectors(
    encoder: TextEncoder, groups: Sequence[Sequence[str]], layer: int = -1, batch_size: int = 32
) -> Iterator[VectorBatch]:
    """Yield batches of ``batch_size`` groups of texts, those with the longest text first.

    Args:
        encoder: see `load_text_encoder`.
        groups: each of the same number of texts.
        layer: whose hidden states are taken; 0 are the embeddings, -1 the last layer's.
        batch_size: groups at once.

    Raises:
        UserError: no such layer.
    """
    layers = encoder.model.config.num_hidden_layers
    if not -layers - 1 <= layer <= layers:
        raise UserError(f"{encoder.name}: layer is {layer}; expected {-layers - 1} to {layers}")
    order = sorted(range(len(groups)), key=lambda i: (-max(map(len, groups[i])), i))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        texts = [text for i in chosen for text in groups[i]]
        lengths = [len(row) for row in encoder.tokenizer(texts, verbose=False)["input_ids"]]
        encoded = encoder.tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=encoder.max_length,
            return_special_tokens_mask=True,
            return_tensors="pt",
        ).to(encoder.model.device)
        special = encoded.pop("special_tokens_mask").bool()
        attended = encoded["attention_mask"].bool()
        yield VectorBatch(
            groups=chosen,
            vectors=encoder.model(**encoded, output_hidden_states=True).hidden_states[layer],
            ids=encoded["input_ids"],
            attended=attended,
            own=attended & ~special,
            truncated=sum(length > encoder.max_length for length in lengths),
        )
