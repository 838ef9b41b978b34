"""Data: records in files, catalog sets or the hub -> `Example` -> token ids with exact masks -> batches.

    from counterpoise.data import Renderer, collate, encode_all, read_examples

    read = read_examples("facts.jsonl")
    items = encode_all(read.examples, Renderer(tokenizer, max_length=1024)).items
    batch = collate(items[:16], pad_token_id=tokenizer.pad_token_id)

`data.catalog` names known data sets, `data.facts` is the one that the package holds. Importing this loads neither
torch, transformers nor datasets: each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterpoise.data.batching import collate, length_grouped_order
    from counterpoise.data.encoded import Encoded, EncodedSet, EncodingReport
    from counterpoise.data.example import Example, Message
    from counterpoise.data.formats import FORMATS, RecordError, detect, to_example
    from counterpoise.data.reading import ReadResult, iter_examples, read_examples
    from counterpoise.data.records import Problem
    from counterpoise.data.rendering import Renderer, encode_all

_HOMES = {
    "batching": ("collate", "length_grouped_order"),
    "encoded": ("Encoded", "EncodedSet", "EncodingReport"),
    "example": ("Example", "Message"),
    "formats": ("FORMATS", "RecordError", "detect", "to_example"),
    "reading": ("ReadResult", "iter_examples", "read_examples"),
    "records": ("Problem",),
    "rendering": ("Renderer", "encode_all"),
}

__all__ = [
    "FORMATS",
    "Encoded",
    "EncodedSet",
    "EncodingReport",
    "Example",
    "Message",
    "Problem",
    "ReadResult",
    "RecordError",
    "Renderer",
    "collate",
    "detect",
    "encode_all",
    "iter_examples",
    "length_grouped_order",
    "read_examples",
    "to_example",
]


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
