"""From what was read to tokens: which are supervised, and which samples have none.

    encoded = encode_records(read, loaded, max_length=1024)
    encoded.lengths, encoded.left_out                   # [S] supervised tokens; {"no-supervised": 3}

Of a conversation the answers are supervised, as in training; of running text every token but the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.data.encoded import Encoded, EncodingReport
from counterpoise.errors import UserError
from counterpoise.evaluation.nll import plain_text_items
from counterpoise.inspection.reading import Record, Records
from counterpoise.models.load import LoadedModel
from counterpoise.models.renderer import renderer_of


@dataclass(frozen=True)
class EncodedRecords:
    """The records that have supervised tokens, [S] each, and their tokens."""

    records: list[Record]
    items: list[Encoded]
    lengths: NDArray[np.int64]
    """[S] supervised tokens of each, as they are predicted."""
    token_ids: NDArray[np.int32]
    """[N] the supervised tokens, sample after sample."""
    left_out: dict[str, int]
    warnings: list[str]

    @property
    def ends(self) -> NDArray[np.int64]:
        """[S] one past the last token of each sample."""
        return self.lengths.cumsum()


def encode_records(read: Records, loaded: LoadedModel, *, max_length: int, template: str = "chat") -> EncodedRecords:
    """Tokenise; what has no supervised token is left out and counted.

    Raises:
        UserError: nothing is left, or running text for an encoder-decoder.
    """
    left_out: Counter[str] = Counter({"unreadable": len(read.dropped)} if read.dropped else {})
    warnings, kept, items = [], [], []
    if read.is_text and loaded.architecture == "encoder-decoder":
        raise UserError(f"{read.name}: running text is for decoder-only models; give conversations to this one")
    if read.is_text:
        texts = _cut(plain_text_items(loaded.tokenizer, [record.completion for record in read.records]), max_length)
        encoded: Sequence[Encoded | UserError] = texts
    else:
        chosen = "plain" if template == "plain" else None
        renderer = renderer_of(loaded, max_length=max_length, chat_template=chosen)
        encoded = [_encoded(renderer, record) for record in read.records]
    for record, item in zip(read.records, encoded, strict=True):
        if isinstance(item, UserError):
            reason = "no-supervised" if "no token is supervised" in str(item) else "cannot be rendered"
            if reason not in left_out:
                warnings.append(f"Left out, {reason}: first {item}")
            left_out[reason] += 1
        elif item.num_targets == 0:
            left_out["no-supervised"] += 1
        else:
            kept.append(record)
            items.append(item)
    if not items:
        raise UserError(
            f"{read.name}: none of its {len(read.records):,} samples has a supervised token, so there is nothing to "
            "inspect; expected answers of an assistant, or text"
        )
    report = EncodingReport.of(items)
    warnings += [sentence for sentence in report.warnings() if not (read.is_text and "supervised" in sentence)]
    ids = [t for item in items for t, s in zip(item.input_ids[1:], item.supervised[1:], strict=True) if s]
    lengths = np.array([item.num_targets for item in items], dtype=np.int64)
    return EncodedRecords(kept, items, lengths, np.array(ids, dtype=np.int32), dict(left_out), warnings)


def _encoded(renderer: Any, record: Record) -> Encoded | UserError:
    assert record.example is not None
    try:
        encoded: Encoded = renderer.encode(record.example)
    except UserError as error:
        return error
    return encoded


def _cut(items: Sequence[Encoded], limit: int) -> list[Encoded]:
    """Texts as they are, or their first ``limit`` tokens."""
    return [
        item
        if len(item.input_ids) <= limit
        else Encoded(item.input_ids[:limit], item.supervised[:limit], item.source, item.id, "answer")
        for item in items
    ]
