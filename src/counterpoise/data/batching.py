"""From encoded samples to tensors, and the order in which they are drawn.

order = length_grouped_order([len(item.input_ids) for item in items], batch_size=16, seed=0, epoch=0)
batch = collate([items[i] for i in order[:16]], pad_token_id=tokenizer.pad_token_id)
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from counterpoise.data.encoded import Encoded

MEGA_BATCH = 50
"""Batches that are sorted by length together: large enough to save padding, small enough to leave the order random."""


def collate(items: Sequence[Encoded], pad_token_id: int, padding_side: str = "right") -> dict[str, Tensor]:
    """Pad R samples to the longest, T tokens, and shift the targets for a causal model.

    Returns:
        input_ids: [R, T] int64.
        attention_mask: [R, T] int64, 1 on tokens and 0 on padding.
        targets: [R, T] int64; targets[r, t] is input_ids[r, t + 1] if that token is supervised, else -100. They are
            shifted already: the model's output at t is scored against targets[:, t]. The first token of a sample has
            nothing to be predicted from and is never a target.
        samples: [R, T] int64, the row r where there is a target, -1 elsewhere.
        num_samples: int64 scalar, R.

        For encoder-decoders all of that is the decoder's, and encoder_input_ids and encoder_attention_mask [R, S] are
        what the encoder reads.

    Raises:
        ValueError: no items, or padding_side neither "right" nor "left".
    """
    if not items:
        raise ValueError("collate got no items; expected at least one")
    if padding_side not in ("right", "left"):
        raise ValueError(f"padding_side is {padding_side!r}; expected 'right' or 'left'")
    shape = len(items), max(len(item.input_ids) for item in items)
    input_ids = torch.full(shape, pad_token_id, dtype=torch.int64)
    attention_mask = torch.zeros(shape, dtype=torch.int64)
    targets = torch.full(shape, -100, dtype=torch.int64)
    for row, item in enumerate(items):
        ids = torch.tensor(item.input_ids, dtype=torch.int64)
        start = shape[1] - len(ids) if padding_side == "left" else 0
        end = start + len(ids)
        input_ids[row, start:end] = ids
        attention_mask[row, start:end] = 1
        supervised = torch.tensor(item.supervised[1:], dtype=torch.bool)
        targets[row, start : end - 1] = ids[1:].where(supervised, -100)
    rows = torch.arange(shape[0])[:, None]
    batch = {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "targets": targets,
        "samples": rows.where(targets != -100, -1),
        "num_samples": torch.tensor(shape[0]),
    }
    if items[0].encoder_ids:
        width = max(len(item.encoder_ids) for item in items)
        fill = [[*item.encoder_ids, *[pad_token_id] * (width - len(item.encoder_ids))] for item in items]
        batch["encoder_input_ids"] = torch.tensor(fill, dtype=torch.int64)
        lengths = torch.tensor([len(item.encoder_ids) for item in items])
        batch["encoder_attention_mask"] = (torch.arange(width) < lengths[:, None]).long()
    return batch


def length_grouped_order(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[int]:
    """Return a permutation of range(len(lengths)) whose consecutive batches hold samples of similar length.

    Shuffle; cut into groups of 50 batches; sort each group by length; cut it into batches; shuffle the batches. A short
    last batch (a random one, drawn before sorting) stays last. The order depends on the arguments alone: numpy's PCG64
    seeded with [seed, epoch], the same on every machine.

    Raises:
        ValueError: batch_size below 1, or a negative seed or epoch.
    """
    if batch_size < 1 or seed < 0 or epoch < 0:
        raise ValueError(
            f"batch_size {batch_size}, seed {seed}, epoch {epoch}: expected at least 1 for the first, 0 for the others"
        )
    random = np.random.default_rng([seed, epoch])
    shuffled: list[int] = random.permutation(len(lengths)).tolist()
    full = len(lengths) - len(lengths) % batch_size
    batches = []
    for start in range(0, full, MEGA_BATCH * batch_size):
        group = sorted(shuffled[start : min(full, start + MEGA_BATCH * batch_size)], key=lambda i: -lengths[i])
        batches += [group[i : i + batch_size] for i in range(0, len(group), batch_size)]
    order = [i for batch in random.permutation(len(batches)) for i in batches[batch]]
    return order + shuffled[full:]
