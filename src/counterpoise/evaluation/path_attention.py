"""Attention along the paths of a token tree: each token of an unpadded row sees the tokens it follows, and no others.

    with following_paths(model, batch):             # `evaluation.token_tree.Batch`
        body(input_ids=batch.ids[None], past_key_values=cache_of_PathLayers, ...)

For CPUs, where one mask over the row would cost its square: the row is cut into pieces that attend together, and a
piece into blocks of queries.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer

from counterpoise.evaluation.token_tree import Batch, Segment
from counterpoise.models.hidden import base_of

PATHS = "counterpoise_paths"
"""Name of the attention of the tree layout among those of transformers."""
BLOCK = 64
"""Queries that attend together, and the most that short branches add to the piece they hang on."""
SHORT = 16
"""Tokens of a branch that still attends together with the piece it hangs on."""


class PathLayer(DynamicLayer):
    """Keys and values of the tokens that a batch goes on from; keeps those that the next one goes on from."""

    def __init__(self, keep: Tensor, keys: Tensor | None, values: Tensor | None) -> None:
        super().__init__()
        self.keys, self.values, self._keep = keys, values, keep
        self.is_initialized = keys is not None
        self.kept: tuple[Tensor, Tensor]

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        if self.keys is not None and self.values is not None:
            key_states = torch.cat([self.keys, key_states], 2)
            value_states = torch.cat([self.values, value_states], 2)
        self.kept = key_states.index_select(2, self._keep), value_states.index_select(2, self._keep)
        return key_states, value_states


@dataclass
class _Piece:
    """Tokens of a row that attend together: a segment and short branches on it.

    Attributes:
        rows: their place in the row.
        before: spans of columns that all of them see.
        visible: [n, n] which of the piece's own tokens see which; None: each sees those up to itself.
    """

    rows: slice
    before: list[slice]
    visible: Tensor | None
    hidden: list[tuple[int, int, Tensor]]

    @classmethod
    def of(cls, segments: Sequence[Segment], cached: int) -> _Piece:
        base, last = segments[0], segments[-1]
        rows = slice(base.start, last.start + last.size)
        shared = base.columns[: base.depth]
        cuts = np.flatnonzero(np.diff(shared) != 1) + 1
        spans = [slice(int(s[0]), int(s[-1]) + 1) for s in np.split(shared, cuts) if len(s)]
        visible = None
        if len(segments) > 1:
            visible = torch.zeros(rows.stop - rows.start, rows.stop - rows.start, dtype=torch.bool)
            for segment in segments:
                inner = torch.from_numpy(segment.columns[base.depth :] - cached - base.start)
                above, own = inner[: segment.depth - base.depth], inner[segment.depth - base.depth :]
                visible[own[:, None], above] = True
                visible[own[:, None], own] = torch.ones(len(own), len(own), dtype=torch.bool).tril()
        return cls(rows, spans, visible, [])

    def blocks(self, groups: int) -> list[tuple[int, int, Tensor]]:
        """First and last query of each block, and which of the last keys up to it are hidden from them."""
        if not self.hidden:
            size = self.rows.stop - self.rows.start
            for start in range(0, size, BLOCK):
                stop = min(start + BLOCK, size)
                if self.visible is None:
                    mask = torch.ones(stop - start, stop - start, dtype=torch.bool).triu_(1)
                else:
                    mask = ~self.visible[start:stop, :stop]
                self.hidden.append((start, stop, mask.repeat_interleave(groups, 0)))
        return self.hidden


def _pieces(batch: Batch) -> list[_Piece]:
    groups: list[list[Segment]] = []
    for segment in batch.segments:
        last = groups[-1] if groups else []
        added = segment.start + segment.size - (last[0].start + last[0].size) if last else 0
        if last and segment.size <= SHORT and segment.depth > last[0].depth and added <= BLOCK:
            last.append(segment)
        else:
            groups.append([segment])
    return [_Piece.of(group, batch.cached) for group in groups]


_current: list[tuple[int, list[_Piece]]] = []
"""Cached tokens and pieces of the batch that is in the model; empty outside :func:`following_paths`."""


@contextlib.contextmanager
def following_paths(model: Any, batch: Batch) -> Iterator[None]:
    """Let the model's attention follow the paths of a batch."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(PATHS, _path_attention)
    AttentionMaskInterface.register(PATHS, lambda *_, **__: None)
    base = base_of(model)
    before = base.config._attn_implementation
    _current.append((batch.cached, _pieces(batch)))
    base.set_attn_implementation(PATHS)
    try:
        yield
    finally:
        base.set_attn_implementation(before)
        _current.pop()


def _path_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """query [1, heads, T, D], key and value [1, key heads, cached + T, D] -> [1, T, heads, D]."""
    del module, attention_mask
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if torch.is_autocast_enabled("cpu"):  # as sdpa does; norms may have left queries in float32 and values not
        dtype = torch.get_autocast_dtype("cpu")
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    cached, pieces = _current[-1]
    heads, width, groups = key.shape[1], query.shape[-1], query.shape[1] // key.shape[1]
    out = query.new_empty(query.shape[2], query.shape[1], value.shape[-1])
    with torch.autocast("cpu", enabled=False):
        for piece in pieces:
            own = slice(cached + piece.rows.start, cached + piece.rows.stop)
            spans = [*piece.before, own]
            if len(spans) > 1 and all(a.stop == b.start for a, b in itertools.pairwise(spans)):
                spans = [slice(spans[0].start, own.stop)]
            keys, values = (
                x[0, :, spans[0]] if len(spans) == 1 else torch.cat([x[0, :, span] for span in spans], 1)
                for x in (key, value)
            )
            number = own.stop - own.start
            above = keys.shape[1] - number
            asked = query[0, :, piece.rows].reshape(heads, groups, number, width)
            asked = asked.transpose(1, 2).reshape(heads, number * groups, width)
            answer = asked.new_empty(heads, number * groups, values.shape[-1])
            for start, stop, mask in piece.blocks(groups):
                seen, rows = above + stop, slice(start * groups, stop * groups)
                scores = torch.baddbmm(
                    asked.new_empty(()), asked[:, rows], keys[:, :seen].transpose(1, 2), beta=0, alpha=scale
                )
                scores[..., seen - mask.shape[1] :].masked_fill_(mask, float("-inf"))
                torch.bmm(torch.softmax(scores, -1), values[:, :seen], out=answer[:, rows])
            out[piece.rows] = answer.view(heads, number, -1).transpose(0, 1).reshape(number, heads * groups, -1)
    return out[None], None
