"""Samples to look at token by token: the hardest, the easiest and the typical ones, as plain data for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.inspection.encoding import EncodedRecords
from counterpoise.inspection.filtering import hardness
from counterpoise.inspection.table import SampleColumns, excerpt
from counterpoise.inspection.weighing import Weighing

SHOWN = 12
"""Samples of each kind."""
MOST_TOKENS = 1024
"""Tokens shown of one sample."""
LEAST_TOKENS = 4
"""Shorter samples have nothing to look at; they are shown only where no other is there."""
PROMPT = 2000
"""Characters shown of a prompt."""


def heat_samples(
    encoded: EncodedRecords,
    confidence: NDArray[np.float32],
    columns: SampleColumns,
    weighings: Mapping[str, Weighing],
    tokenizer: Any,
) -> dict[str, list[dict[str, Any]]]:
    """Return ``hardest``, ``easiest`` and ``typical``: up to 12 samples each, no sample twice."""
    order = hardness(columns.nll, [weighing.sample_weights for weighing in weighings.values()])
    long = order[encoded.lengths[order] >= LEAST_TOKENS]
    order = long if len(long) else order
    shown = min(SHOWN, -(-len(order) // 3))
    hardest, rest = order[:shown], order[shown:]
    easiest, rest = rest[::-1][:shown], rest[: max(len(rest) - shown, 0)]
    start = max((len(rest) - shown) // 2, 0)
    chosen = {"hardest": hardest, "easiest": easiest, "typical": rest[start : start + shown]}
    return {
        kind: [_sample(int(i), kind, encoded, confidence, columns, weighings, tokenizer) for i in places]
        for kind, places in chosen.items()
    }


def _sample(
    i: int,
    kind: str,
    encoded: EncodedRecords,
    confidence: NDArray[np.float32],
    columns: SampleColumns,
    weighings: Mapping[str, Weighing],
    tokenizer: Any,
) -> dict[str, Any]:
    record, length = encoded.records[i], int(encoded.lengths[i])
    start = int(encoded.ends[i]) - length
    part = slice(start, start + min(length, MOST_TOKENS))
    note = f"Among the {kind}: mean NLL {columns.nll[i]:.2f} nats, {columns.low_share[i]:.0%} of tokens are low."
    if length > MOST_TOKENS:
        note += f" The first {MOST_TOKENS:,} of {length:,} tokens are shown."
    if columns.flags[i]:
        note += f" Suspect: {', '.join(columns.flags[i])}."
    return {
        "title": excerpt(record.prompt or record.completion, 80),
        "id": record.id,
        "source": record.source,
        "note": note,
        "prompt": record.prompt if len(record.prompt) <= PROMPT else record.prompt[:PROMPT] + "…",
        "tokens": [tokenizer.decode([token]) for token in encoded.token_ids[part].tolist()],
        "confidence": confidence[part].tolist(),
        "weights": {label: weighing.token_weights[part].tolist() for label, weighing in weighings.items()},
        "sample_weight": {label: float(weighing.sample_weights[i]) for label, weighing in weighings.items()},
        "p_conf": {label: None if w.p_conf is None else float(w.p_conf[i]) for label, w in weighings.items()},
        "window": None if columns.window is None else _window(columns.window, i),
    }


def _window(window: tuple[NDArray[np.int64], NDArray[np.int64]], i: int) -> dict[str, int] | None:
    """The weakest window as far as it is shown; None where it lies beyond."""
    start, length = int(window[0][i]), int(window[1][i])
    shown = min(start + length, MOST_TOKENS) - start
    return {"start": start, "length": shown} if shown > 0 else None
