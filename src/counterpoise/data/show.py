"""Examples as a person can check them: the rendered text with what is supervised marked.

print(marked_text(renderer.encode(example), renderer.tokenizer))
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from counterpoise.data.encoded import Encoded


def marked_text(encoded: Encoded, tokenizer: Any, marks: tuple[str, str] = ("[[", "]]")) -> str:
    """Return the text of a sample, special tokens included, supervised stretches between ``marks``.

    Of an encoder-decoder's sample, what the encoder reads comes first, on a line of its own.
    """
    text = f"{tokenizer.decode(encoded.encoder_ids)}\n" if encoded.encoder_ids else ""
    for supervised, run in groupby(zip(encoded.input_ids, encoded.supervised, strict=True), key=lambda pair: pair[1]):
        part = tokenizer.decode([token for token, _ in run])
        text += f"{marks[0]}{part}{marks[1]}" if supervised else part
    return text
