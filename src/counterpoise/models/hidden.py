"""The hidden states that the LM head reads, whatever the architecture, the adapter and the layout of the batch.

    hidden = final_hidden(model, input_ids=ids, attention_mask=mask)                    # padded rows
    hidden = final_hidden(model, input_ids=ids, position_ids=positions)                 # packed rows, positions restart
    hidden = final_hidden(model, input_ids=ids, encoder_input_ids=prompts, ...)         # encoder-decoder

Packed rows of a decoder-only model carry no mask: its attention keeps samples apart by positions that restart.
Those of an encoder-decoder carry segment numbers, from which block-diagonal masks are made here. Virtual tokens of
P-tuning and prompt tuning are put in front of every sample and taken out again, so that no label is ever shifted.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from counterpoise.errors import UserError
from counterpoise.models.virtual import VirtualTokens, virtual_tokens

_ADAPTER_PARTS = (".lora_", "prompt_encoder.")  # float32 beside 16-bit weights, and cast where they meet


def base_of(model: Any) -> Any:
    """Return the transformers model inside a PEFT wrapper (whose LoRA layers stay active), or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def body_of(model: nn.Module) -> Any:
    """Return the decoder body: everything before the LM head, but for the encoder of an encoder-decoder."""
    base = base_of(model)
    body = base.get_decoder() if hasattr(base, "get_decoder") else None
    return base.base_model if body is None or body is base else body


def model_name(model: nn.Module) -> str:
    """Return what to call this model in a message."""
    base = base_of(model)
    return getattr(base.config, "_name_or_path", "") or type(base).__name__


def final_hidden(
    model: nn.Module,
    *,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    position_ids: Tensor | None = None,
    segments: Tensor | None = None,
    encoder_input_ids: Tensor | None = None,
    encoder_attention_mask: Tensor | None = None,
    encoder_segments: Tensor | None = None,
) -> Tensor:
    """Return [R, T, H]: the hidden states that the LM head reads, final norm included; no logits are made.

    The result is aligned with ``input_ids``, adapters are active (unless inside ``model.disable_adapter()``) and
    gradients flow. Runs in :func:`compute_context`.

    Args:
        model: a language model, PEFT-wrapped or not.
        input_ids: [R, T] int64; those of the decoder if there is an encoder.
        attention_mask: [R, T], 1 on tokens and 0 on padding; None for packed rows.
        position_ids: [R, T] int64. Without a mask they mark packed rows: a sample begins where they do not go on by 1.
        segments: [R, T] int64, packed rows of an encoder-decoder: 0 on padding, else the sample's number in its row.
        encoder_input_ids: [R, S] int64, what the encoder reads.
        encoder_attention_mask: [R, S], as ``attention_mask``.
        encoder_segments: [R, S] int64, numbered as ``segments``.

    Raises:
        ValueError: inputs that do not belong to this architecture.
        UserError: packed rows where the model's positions do not allow them; an adapter that is neither made of
            weights nor of virtual tokens (prefix tuning).
    """
    base = base_of(model)
    has_encoder = bool(base.config.is_encoder_decoder)
    if has_encoder != (encoder_input_ids is not None) or (segments is None) != (encoder_segments is None):
        expected = "encoder_input_ids, and segments of both sides or neither" if has_encoder else "no encoder inputs"
        raise ValueError(f"{type(base).__name__} takes {expected}")
    with compute_context(model):
        virtual = virtual_tokens(model)
        if encoder_input_ids is None:
            return _decoder_only(base, virtual, input_ids, attention_mask, position_ids)
        memory, encoder_attention_mask, encoder_segments = _encode(
            base, virtual, encoder_input_ids, encoder_attention_mask, encoder_segments
        )
        own: dict[str, Any] = {"attention_mask": attention_mask, "position_ids": position_ids}
        cross = encoder_attention_mask
        if segments is not None and encoder_segments is not None:
            own["attention_mask"] = _blocks(base, memory, segments, segments, causal=True)
            cross = _blocks(base, memory, segments, encoder_segments)
        return body_of(model)(
            input_ids=input_ids,
            encoder_hidden_states=memory,
            encoder_attention_mask=cross,
            use_cache=False,
            **_given(own),
        )[0]


def _decoder_only(
    base: Any, virtual: VirtualTokens | None, ids: Tensor, mask: Tensor | None, positions: Tensor | None
) -> Tensor:
    body = body_of(base)
    if virtual is None:
        return body(input_ids=ids, use_cache=False, **_given({"attention_mask": mask, "position_ids": positions}))[0]
    place = virtual.in_front_of(_sample_starts(ids, mask, positions))
    inputs = {
        "attention_mask": None if mask is None else place.spread(mask),
        "position_ids": None if positions is None else place.positions(positions),
    }
    embedded = place.embed(base.get_input_embeddings()(ids))
    return place.take(body(inputs_embeds=embedded, use_cache=False, **_given(inputs))[0])


def _encode(
    base: Any, virtual: VirtualTokens | None, ids: Tensor, mask: Tensor | None, segments: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The encoder's output, virtual tokens included, and the mask and segments that go with it."""
    inputs: dict[str, Tensor] = {"input_ids": ids}
    if virtual is not None:
        starts = _sample_starts(ids, mask, None)
        if segments is not None:
            starts = (segments != 0) & (segments != segments.roll(1, dims=1))
            starts[:, 0] = segments[:, 0] != 0
        place = virtual.in_front_of(starts)
        mask = None if mask is None else place.spread(mask)
        segments = None if segments is None else place.spread(segments)
        inputs = {"inputs_embeds": place.embed(base.get_input_embeddings()(ids))}
    seen = mask if segments is None else _blocks(base, next(base.parameters()), segments, segments)
    return base.get_encoder()(**inputs, **_given({"attention_mask": seen}))[0], mask, segments


def _sample_starts(ids: Tensor, mask: Tensor | None, positions: Tensor | None) -> Tensor:
    """[R, T] bool: where a sample begins."""
    if mask is not None:  # one a row, behind padding if that is on the left
        return (mask != 0) & (mask.cumsum(1) == 1)
    starts = torch.zeros_like(ids, dtype=torch.bool)
    starts[:, 0] = True
    if positions is not None:
        starts[:, 1:] = positions.diff(dim=1) != 1
    return starts


def _blocks(base: Any, like: Tensor, queries: Tensor, keys: Tensor, *, causal: bool = False) -> Tensor:
    """[R, 1, Tq, Tk]: who sees whom in packed rows. A bool mask, or an additive one for the eager attention."""
    if getattr(base.config, "relative_attention_num_buckets", None) is None:
        raise UserError(
            f"{model_name(base)}: {type(base).__name__} counts positions from the start of a row, so samples cannot "
            "be packed into one; train it without packing."
        )
    allowed = queries[:, None, :, None] == keys[:, None, None, :]
    if causal:
        allowed = allowed & torch.ones(allowed.shape[-2:], dtype=torch.bool, device=allowed.device).tril()
    if base.config._attn_implementation != "eager":
        return allowed
    dtype = like.dtype if like.is_floating_point() else torch.float32
    return torch.zeros(allowed.shape, dtype=dtype, device=like.device).masked_fill(~allowed, torch.finfo(dtype).min)


def _given(inputs: dict[str, Tensor | None]) -> dict[str, Tensor]:
    """Those that are not None: not every family takes every input."""
    return {name: value for name, value in inputs.items() if value is not None}


def compute_context(model: nn.Module) -> AbstractContextManager[Any]:
    """Autocast for a model whose trained weights are float32 and whose frozen ones are 16-bit; else nothing.

    Call such a model inside this context (or the trainer's own autocast): its layers cannot be mixed otherwise.
    LoRA weights and prompt encoders do not count, since they are cast where they meet the model.
    """
    dtypes = {
        p.dtype
        for name, p in model.named_parameters()
        if p.is_floating_point() and not any(part in name for part in _ADAPTER_PARTS)
    }
    low = dtypes & {torch.bfloat16, torch.float16}
    device = next(model.parameters()).device.type
    if not low or len(dtypes) == 1 or torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, dtype=low.pop())


def relative_difference(found: Tensor, expected: Tensor) -> float:
    """Root mean square of the difference, relative to that of ``expected``; NaN if either holds one."""
    expected = expected.float()
    size = expected.square().mean().sqrt().clamp(min=1e-12)
    return float((found.float() - expected).square().mean().sqrt() / size)
