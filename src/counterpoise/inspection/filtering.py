"""A filtered data set from an inspection: without what is suspect, or the hardest part alone.

    told = write_filtered("runs/inspect", "clean.jsonl", drop=["duplicate", "mojibake"], keep_hardest="20%")
    told.kept, told.left_out                                # 812, {"duplicate": 12, "not among the hardest 20%": 3240}

The file holds the original conversations (`messages`, which training reads), or ``text`` for running text. Hard is what
the objective says it is: the sample weight of the first objective that has sample weights; mean NLL where these are
equal or there are none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from counterpoise.disk import replacing, writing
from counterpoise.errors import UserError, nearest
from counterpoise.inspection.suspects import REASONS
from counterpoise.inspection.table import ROWS, storable

ALL = "suspects"


@dataclass(frozen=True)
class Filtered:
    """What was written and what was not."""

    path: Path
    kept: int
    left_out: dict[str, int]
    """Reason -> samples; a sample counts under its first reason."""

    def __str__(self) -> str:
        told = ", ".join(f"{count:,} {reason}" for reason, count in self.left_out.items()) or "none"
        return f"{self.path}: {self.kept:,} samples kept; left out: {told}"


def check_filter(
    drop: Sequence[str] = (), keep_hardest: str | None = None, keep_easiest: str | None = None
) -> tuple[tuple[str, ...], tuple[str, float | int] | None]:
    """Return the reasons to drop, and which end is kept with how much (share or count); UserError for bad values."""
    choices = (*REASONS, ALL)
    if wrong := [reason for reason in drop if reason not in choices]:
        raise UserError(f"drop is {wrong[0]!r}{nearest(wrong[0], choices)}; expected {', '.join(choices)}")
    reasons = REASONS if ALL in drop else tuple(reason for reason in REASONS if reason in drop)
    if keep_hardest is not None and keep_easiest is not None:
        raise UserError("keep-hardest and keep-easiest exclude each other; give one of them")
    for end, text in (("hardest", keep_hardest), ("easiest", keep_easiest)):
        if text is not None:
            return reasons, (end, _amount(text, f"keep-{end}"))
    return reasons, None


def write_filtered(
    folder: str | Path,
    path: str | Path,
    *,
    drop: Sequence[str] = (),
    keep_hardest: str | None = None,
    keep_easiest: str | None = None,
) -> Filtered:
    """Write the samples of an inspection that are kept, in the order of the data.

    Args:
        folder: of the inspection.
        path: the .jsonl file to write.
        drop: reasons of `suspects.REASONS`, or "suspects" for all of them.
        keep_hardest, keep_easiest: of what is left then, a share ("20%") or a number of samples.

    Raises:
        UserError: a bad value, no inspection in ``folder``, nothing left, or a file that cannot be written.
    """
    reasons, end = check_filter(drop, keep_hardest, keep_easiest)
    table, path = Path(folder) / "inspection.parquet", Path(path)
    if not table.is_file():
        raise UserError(f"{folder}: there is no inspection.parquet; expected the folder of an inspection")
    if path.suffix.lower() not in (".jsonl", ".ndjson"):
        raise UserError(f"{path}: a filtered data set is written as JSON lines; name it .jsonl")
    keep, left_out = _choose(table, reasons, end)
    if not keep.any():
        raise UserError(f"{path}: nothing would be left of {len(keep):,} samples; drop fewer reasons")
    with writing(path, "choose another file, or free some space"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft, draft.open("w", encoding="utf-8") as file:
            for batch in pq.ParquetFile(table).iter_batches(ROWS, columns=["index", "id", "messages", "completion"]):
                for row in batch.to_pylist():
                    if keep[row["index"]]:
                        file.write(storable(json.dumps(_record(row), ensure_ascii=False)) + "\n")
    return Filtered(path, int(keep.sum()), left_out)


def hardness(nll: NDArray[np.float64], sample_weights: Sequence[NDArray[np.float32]]) -> NDArray[np.int64]:
    """[S] places from hardest to easiest; of ``sample_weights`` the first that is not the same for all decides."""
    weights = next((w for w in sample_weights if len(w) and w.min() < w.max()), np.zeros(len(nll), dtype=np.float32))
    return np.lexsort((-nll, -weights))


def _choose(
    table: Path, reasons: Sequence[str], end: tuple[str, float | int] | None
) -> tuple[NDArray[np.bool_], dict[str, int]]:
    file = pq.ParquetFile(table)
    weighed = [name for name in file.schema_arrow.names if name.startswith("sample_weight:")]
    read = file.read(columns=["nll", "flags", *weighed])
    flags = read["flags"].to_pylist()
    keep = np.ones(len(flags), dtype=bool)
    left_out: dict[str, int] = {}
    for i, own in enumerate(flags):
        if reason := next((reason for reason in reasons if reason in own), None):
            keep[i] = False
            left_out[reason] = left_out.get(reason, 0) + 1
    if end is not None:
        which, amount = end
        order = hardness(read["nll"].to_numpy(), [read[name].to_numpy() for name in weighed])
        order = order[keep[order]]
        order = order if which == "hardest" else order[::-1]
        count = max(1, round(amount * len(order))) if isinstance(amount, float) else amount
        keep[order[count:]] = False
        if beyond := len(order[count:]):
            told = f"{amount:.4g}" if isinstance(amount, int) else f"{100 * amount:.4g}%"
            left_out[f"not among the {which} {told}"] = beyond
    return keep, left_out


def _amount(text: str, option: str) -> float | int:
    """A share ("20%") as a float, or a number of samples as an int."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", text)
    value = float(found[1]) if found else 0.0
    if found and found[2] and 0 < value <= 100:
        return value / 100
    if found and not found[2] and "." not in found[1] and value >= 1:
        return int(value)
    raise UserError(f"{option} is {text!r}; expected a share such as 20%, or a number of samples such as 500")


def _record(row: dict[str, Any]) -> dict[str, Any]:
    if not row["messages"]:
        return {"id": row["id"], "text": row["completion"]}
    return {"id": row["id"], "messages": json.loads(row["messages"])}
