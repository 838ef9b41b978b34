"""Several samples in a row: best-fit packing, and rows without any padding.

    rows = best_fit([len(item.input_ids) for item in items], capacity=1024)     # lists of indices into items
    batch = collate_rows([[items[i] for i in row] for row in rows], pad_token_id=tokenizer.pad_token_id)

A packed row keeps its samples apart by positions that restart (decoder-only models) or by segment numbers
(encoder-decoders); `models.head.final_hidden` knows what to do with either. Targets never cross from one sample into
the next, and ``samples`` tells objectives where each one ends: windows and sample weights are those of unpacked
training.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence

import torch
from torch import Tensor

from counterpoise.data.encoded import Encoded


def best_fit(lengths: Sequence[int], capacity: int, other_lengths: Sequence[int] | None = None) -> list[list[int]]:
    """Return rows of indices whose lengths add up to at most ``capacity``.

    Best-fit decreasing: longest first, each into the fullest row that it fits; at most 11/9 of the fewest rows
    possible, plus one (Johnson 1974). A sample longer than ``capacity`` gets a row of its own. ``other_lengths`` must
    fit too (the encoder's side of an encoder-decoder). The result depends on the lengths alone; equal lengths keep
    their order.
    """
    if other_lengths is None:
        other_lengths = [0] * len(lengths)
    order = sorted(range(len(lengths)), key=lambda i: -max(lengths[i], other_lengths[i]))
    rows: list[list[int]] = []
    room: list[tuple[int, int, int]] = []  # (room left, row, room left on the other side), sorted
    for i in order:
        need, other = lengths[i], other_lengths[i]
        at = bisect_left(room, (need, -1, 0))
        while at < len(room) and room[at][2] < other:
            at += 1
        if at < len(room):
            left, row, other_left = room.pop(at)
        else:
            left, row, other_left = max(capacity, need), len(rows), max(capacity, other)
            rows.append([])
        rows[row].append(i)
        insort(room, (left - need, row, other_left - other))
    return rows


def collate_rows(rows: Sequence[Sequence[Encoded]], pad_token_id: int) -> dict[str, Tensor]:
    """Lay samples side by side, R rows of T tokens, the tail of each row padded.

    Returns:
        input_ids: [R, T] int64.
        position_ids: [R, T] int64, from 0 in each sample and again in the padding. No attention mask: with one, models
            would stop looking at the positions and let samples see each other.
        targets: [R, T] int64 as `batching.collate` makes them; the last token of a sample predicts nothing.
        samples: [R, T] int64, the number of the sample where there is a target, -1 elsewhere; counted row by row.
        num_samples: int64 scalar, over all rows.

        For encoder-decoders, instead of position_ids: segments [R, T], encoder_input_ids [R, S] and encoder_segments
        [R, S], which number the samples of each row from 1; 0 is padding.

    Raises:
        ValueError: no rows, or an empty one.
    """
    if not rows or not all(rows):
        raise ValueError("collate_rows got no rows, or an empty one; expected samples")
    ids = _laid_out([[item.input_ids for item in row] for row in rows], pad_token_id)
    batch = {"input_ids": ids, "targets": torch.full_like(ids, -100), "samples": torch.full_like(ids, -1)}
    number = 0
    for r, row in enumerate(rows):
        start = 0
        for item in row:
            end = start + len(item.input_ids)
            supervised = torch.tensor(item.supervised[1:], dtype=torch.bool)
            batch["targets"][r, start : end - 1] = ids[r, start + 1 : end].where(supervised, -100)
            batch["samples"][r, start : end - 1] = torch.where(supervised, number, -1)
            start, number = end, number + 1
    batch["num_samples"] = torch.tensor(number)
    lengths = [[len(item.input_ids) for item in row] for row in rows]
    if not rows[0][0].encoder_ids:
        batch["position_ids"] = _positions(lengths, ids.shape[1])
        return batch
    encoder = _laid_out([[item.encoder_ids for item in row] for row in rows], pad_token_id)
    batch["segments"] = _segments(lengths, ids.shape[1])
    batch["encoder_input_ids"] = encoder
    batch["encoder_segments"] = _segments([[len(item.encoder_ids) for item in row] for row in rows], encoder.shape[1])
    return batch


def _laid_out(rows: Sequence[Sequence[Sequence[int]]], padding: int) -> Tensor:
    """[R, T] int64: the sequences of each row one after another."""
    joined = [[token for sequence in row for token in sequence] for row in rows]
    width = max(len(row) for row in joined)
    return torch.tensor([row + [padding] * (width - len(row)) for row in joined], dtype=torch.int64)


def _positions(rows: Sequence[Sequence[int]], width: int) -> Tensor:
    """[R, T] int64: 0, 1, 2 ... in each sample, and in the padding at the end."""
    return torch.stack([torch.cat([torch.arange(n) for n in [*row, width - sum(row)]]) for row in rows])


def _segments(rows: Sequence[Sequence[int]], width: int) -> Tensor:
    """[R, T] int64: 1 in the first sample of a row, 2 in the second ...; 0 in the padding."""
    numbered = [[n for n, length in enumerate(row, start=1) for _ in range(length)] for row in rows]
    return torch.tensor([row + [0] * (width - len(row)) for row in numbered], dtype=torch.int64)
