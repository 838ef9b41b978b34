"""The attention of a CPU run: in blocks, and sample by sample in packed rows.

    enable_cpu_attention(model)     # True: packed rows now cost the sum of squares of the samples' lengths

transformers keeps packed samples apart by a dense mask over the row: exact, but T x T for a row of T tokens. Here each
sample of a packed row attends on its own, by `blocked_attention` where a plain causal attention is wanted; whatever
else a model asks for (a mask, a sliding window, dropout) is sdpa as before. On CUDA, flash_attention_2 does the same
with position_ids and needs none of this.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from counterpoise.errors import UserError
from counterpoise.models.blocked_attention import causal_attention
from counterpoise.models.hidden import base_of
from counterpoise.models.packing import verify_packing

CPU_ATTENTION = "counterpoise_cpu"


def enable_cpu_attention(model: nn.Module) -> bool:
    """Let a decoder-only model on sdpa attend in blocks, and sample by sample in packed rows; True if it now does.

    Nothing changes, and the answer is False, for other devices and attention kernels, encoder-decoders, and families
    where :func:`verify_packing` finds that it would not be exact.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    base = base_of(model)
    on_cpu = next(base.parameters()).device.type == "cpu"
    if not on_cpu or base.config.is_encoder_decoder or base.config._attn_implementation != "sdpa":
        return False
    AttentionInterface.register(CPU_ATTENTION, _cpu_attention)
    AttentionMaskInterface.register(CPU_ATTENTION, _cpu_mask)
    base.set_attn_implementation(CPU_ATTENTION)
    try:
        verify_packing(model)
    except UserError:
        base.set_attn_implementation("sdpa")
        return False
    return True


def _cpu_mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    mask_function: Any,
    attention_mask: Tensor | None = None,
    local_size: int | None = None,
    allow_is_causal_skip: bool = True,
    use_vmap: bool = False,
    device: Any = "cpu",
    **others: Any,
) -> Tensor | None:
    """What sdpa's mask is; but for packed rows [R, T] bool, which tokens begin a sample.

    A packed row is one where a token does not see its left neighbour. Dense masks remain where attention is more than
    causal within a sample: a sliding window shorter than the row, or a pattern of the family's own.
    """
    from transformers.masking_utils import sdpa_mask

    windowed = local_size is not None and local_size < kv_length
    if attention_mask is None and q_length == kv_length and not (allow_is_causal_skip or windowed or use_vmap):
        rows = torch.arange(batch_size, device=device)[:, None]
        column = torch.arange(q_length, device=device)[None]
        left = (column - 1).clamp(min=0)
        starts = ~mask_function(rows, 0, column, left).expand(batch_size, -1)
        starts[:, 0] = True
        return starts
    return sdpa_mask(
        batch_size=batch_size,
        q_length=q_length,
        kv_length=kv_length,
        mask_function=mask_function,
        attention_mask=attention_mask,
        local_size=local_size,
        allow_is_causal_skip=allow_is_causal_skip,
        use_vmap=use_vmap,
        device=device,
        **others,
    )


def _cpu_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """query [R, heads, T, D], key and value [R, key heads, T, D] -> [R, T, heads, D]; causal within each sample."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    packed = attention_mask is not None and attention_mask.dim() == 2
    plain = attention_mask is None and causal and query.shape[2] == key.shape[2]
    if not packed and not plain:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=is_causal, **others
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if attention_mask is None:
        return _attend(query, key, value, scale, dropout).transpose(1, 2), None
    rows = []
    for row, starts in enumerate(attention_mask):
        lengths = torch.cat([starts.nonzero().flatten(), starts.new_tensor([len(starts)], dtype=torch.int64)]).diff()
        parts = (tensor[row : row + 1].split(lengths.tolist(), dim=2) for tensor in (query, key, value))
        rows.append(torch.cat([_attend(q, k, v, scale, dropout) for q, k, v in zip(*parts, strict=True)], dim=2))
    return torch.cat(rows).transpose(1, 2).contiguous(), None


def _attend(query: Tensor, key: Tensor, value: Tensor, scale: float, dropout: float) -> Tensor:
    """[R, heads, T, D], causal; query heads that share a key head lie side by side."""
    number, heads, length, width = query.shape
    groups = heads // key.shape[1]
    if dropout or value.shape[-1] != width:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scale, is_causal=True)
    if torch.is_autocast_enabled("cpu"):  # as sdpa does; norms may have left queries in float32 and values not
        dtype = torch.get_autocast_dtype("cpu")
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    pairs = number * key.shape[1]
    together = query.reshape(pairs, groups, length, width).transpose(1, 2).reshape(pairs, length * groups, width)
    with torch.autocast("cpu", enabled=False):
        out = causal_attention(together, key.reshape(pairs, length, width), value.reshape(pairs, length, width), scale)
    return out.view(pairs, length, groups, width).transpose(1, 2).reshape(query.shape)
