"""``inspection.parquet``: a row a sample, in the order of the data, written a group of rows at a time.

index, id, source, prompt, completion, messages (JSON; empty for running text)
tokens, token_ids [list], confidence [list]            the supervised tokens
nll, mean_confidence, low_share, longest_low_run, group ("A", "B" or "")
window_start, window_length                            the weakest window; null without BFT
weight:<label> [list], sample_weight:<label>, p_conf:<label>    for each objective; p_conf null where it has none
flags [list]                                           why the sample is suspect
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from counterpoise.disk import replacing, writing
from counterpoise.inspection.encoding import EncodedRecords
from counterpoise.inspection.weighing import Weighing

ROWS = 2048
"""Rows written at once."""
EXCERPT = 160
"""Characters of a text in the outcome's table of samples."""


@dataclass(frozen=True)
class SampleColumns:
    """What is known of each sample, [S] each."""

    nll: NDArray[np.float64]
    confidence: NDArray[np.float64]
    low_share: NDArray[np.float64]
    longest_run: NDArray[np.int64]
    group: NDArray[np.str_]
    window: tuple[NDArray[np.int64], NDArray[np.int64]] | None
    flags: list[list[str]]


def write_table(
    path: Path,
    encoded: EncodedRecords,
    confidence: NDArray[np.float32],
    columns: SampleColumns,
    weighings: Mapping[str, Weighing],
) -> None:
    """Write the table, whole or not at all; UserError where the disk does not take it."""
    ends = np.concatenate([[0], encoded.ends])
    advice = "choose another folder, or free some space; the same command then goes on"
    with writing(path, advice), replacing(path) as draft:
        writer = None
        try:
            for first in range(0, len(encoded.records), ROWS):
                stop = min(first + ROWS, len(encoded.records))
                rows = _rows(slice(first, stop), ends, encoded, confidence, columns, weighings)
                writer = writer or pq.ParquetWriter(draft, rows.schema, compression="zstd")
                writer.write_table(rows)
        finally:
            if writer is not None:
                writer.close()


def _rows(
    part: slice,
    ends: NDArray[np.int64],
    encoded: EncodedRecords,
    confidence: NDArray[np.float32],
    columns: SampleColumns,
    weighings: Mapping[str, Weighing],
) -> pa.Table:
    records, items = encoded.records[part], encoded.items[part]
    tokens = slice(ends[part.start], ends[part.stop])
    offsets = pa.array((ends[part.start : part.stop + 1] - ends[part.start]).astype(np.int32))

    def lists(values: NDArray[Any]) -> pa.Array:
        return pa.ListArray.from_arrays(offsets, pa.array(values[tokens]))

    nothing = pa.nulls(len(records), pa.int64())
    window = columns.window
    table = {
        "index": pa.array(np.arange(part.start, part.stop)),
        "id": pa.array([storable(record.id) for record in records], pa.string()),
        "source": pa.array([storable(record.source) for record in records], pa.string()),
        "prompt": pa.array([storable(record.prompt) for record in records], pa.string()),
        "completion": pa.array([storable(record.completion) for record in records], pa.string()),
        "messages": pa.array([json.dumps(record.messages) if record.messages else "" for record in records]),
        "truncated": pa.array([item.truncated for item in items]),
        "tokens": pa.array(encoded.lengths[part]),
        "token_ids": lists(encoded.token_ids),
        "confidence": lists(confidence),
        "nll": pa.array(columns.nll[part]),
        "mean_confidence": pa.array(columns.confidence[part]),
        "low_share": pa.array(columns.low_share[part]),
        "longest_low_run": pa.array(columns.longest_run[part]),
        "group": pa.array(columns.group[part].tolist(), pa.string()),
        "window_start": nothing if window is None else pa.array(window[0][part]),
        "window_length": nothing if window is None else pa.array(window[1][part]),
    }
    for label, weighing in weighings.items():
        table[f"weight:{label}"] = lists(weighing.token_weights)
        table[f"sample_weight:{label}"] = pa.array(weighing.sample_weights[part])
        p_conf = weighing.p_conf
        table[f"p_conf:{label}"] = pa.nulls(len(records), pa.float32()) if p_conf is None else pa.array(p_conf[part])
    table["flags"] = pa.array(columns.flags[part], pa.list_(pa.string()))
    return pa.table(table)


def read_samples(path: Path) -> dict[str, Any]:
    """Return the samples as columns of plain lists, without their tokens: what the page's table shows."""
    file = pq.ParquetFile(path)
    names = file.schema_arrow.names
    labels = [name.removeprefix("sample_weight:") for name in names if name.startswith("sample_weight:")]
    plain = ["index", "id", "source", "tokens", "nll", "low_share", "group"]
    renamed = {"mean_confidence": "confidence", "longest_low_run": "longest_run"}
    per_objective = [f"{kind}:{label}" for kind in ("p_conf", "sample_weight") for label in labels]
    found: dict[str, list[Any]] = {name: [] for name in [*plain, *renamed.values(), *per_objective, "flags", "text"]}
    for batch in file.iter_batches(ROWS, columns=[*plain, *renamed, *per_objective, "flags", "prompt", "completion"]):
        for name in [*plain, *renamed, *per_objective]:
            found[renamed.get(name, name)] += batch.column(name).to_pylist()
        found["flags"] += ["; ".join(reasons) for reasons in batch.column("flags").to_pylist()]
        pairs = zip(batch.column("prompt").to_pylist(), batch.column("completion").to_pylist(), strict=True)
        found["text"] += [excerpt(prompt or completion) for prompt, completion in pairs]
    samples: dict[str, Any] = {name: found[name] for name in [*plain, *renamed.values(), "flags", "text"]}
    for kind in ("p_conf", "sample_weight"):
        samples[kind] = {label: found[f"{kind}:{label}"] for label in labels}
    return samples


def excerpt(text: str, length: int = EXCERPT) -> str:
    """The beginning of a text, white space made single blanks."""
    short = " ".join(text[: 4 * length].split())
    return short if len(short) <= length else short[: length - 1].rstrip() + "…"


def storable(text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate, which JSON allows, becomes the replacement character."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
