"""Verdicts on criteria: found in a judge's answer, kept in a file, and compared with other verdicts.

verdict_in('{"explanation": "All doses agree.", "met": true}')          # (True, 'All doses agree.')
people = read_verdicts("people.jsonl")                                   # {(item, criterion): met}
agreement(result.verdicts, people)                                       # Cohen's kappa with its interval
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.disk import writing
from counterpoise.errors import UserError
from counterpoise.evaluation.intervals import RESAMPLES, Estimate

Verdicts = Mapping[tuple[str, str], bool]
"""(item, criterion) -> whether the criterion is met."""


@dataclass(frozen=True)
class Agreement(Estimate):
    """Cohen's kappa with its 95 % interval; ``n`` verdicts. nan where both sides give one and the same verdict only."""

    observed: float = float("nan")
    """The share of verdicts that are the same."""


def verdict_in(text: str) -> tuple[bool, str] | None:
    """Find (met, explanation) in a judge's answer; None if there is no verdict, or several that differ.

    Prose and code fences around the JSON object are passed over, and so is reasoning up to ``</think>``; ``met`` must
    be true or false itself.

    >>> verdict_in('Sure! ```json\\n{"explanation": "Nothing is wrong.", "met": true}\\n```')
    (True, 'Nothing is wrong.')
    >>> verdict_in('{"met": "mostly"}') is None
    True
    """
    text = text.rpartition("</think>")[2]
    decoder = json.JSONDecoder(strict=False, object_pairs_hook=_without_repeats)
    found: list[tuple[bool, str]] = []
    at = text.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(value.get("met"), bool):
                found.append((value["met"], str(value.get("explanation", ""))))
        at = text.find("{", end)
    return found[-1] if len({met for met, _ in found}) == 1 else None


def read_verdicts(path: str | Path, model: str | None = None) -> dict[tuple[str, str], bool]:
    """Read the verdicts of a file of lines ``{"item": ..., "criterion": ..., "met": true}``, the last of each pair.

    Args:
        path: a judge's ``verdicts.jsonl``, or such lines written by people.
        model: only those of this judge; None takes all.

    Raises:
        UserError: the file holds none.
    """
    found = {}
    for line in verdict_lines(Path(path)):
        theirs = model is None or line.get("model") == model
        if theirs and isinstance(line.get("met"), bool) and "item" in line and "criterion" in line:
            found[str(line["item"]), str(line["criterion"])] = bool(line["met"])
    if not found:
        raise UserError(f'{path}: no verdicts; expected lines such as {{"item": "q1", "criterion": "a", "met": true}}')
    return found


def agreement(
    verdicts_a: Verdicts | Sequence[bool], verdicts_b: Verdicts | Sequence[bool], *, resamples: int = RESAMPLES
) -> Agreement:
    """Return Cohen's kappa of two judges (Cohen 1960): agreement beyond what their shares of yes give by chance.

    Args:
        verdicts_a, verdicts_b: by (item, criterion), of which the pairs that both hold are compared and the interval
            is over items; or one verdict after the other, each then a unit of its own.
        resamples: draws of the bootstrap; draws in which kappa is undefined are left out.

    Raises:
        UserError: no pair that both judged.
        ValueError: sequences of different lengths.
    """
    if isinstance(verdicts_a, Mapping) and isinstance(verdicts_b, Mapping):
        pairs = sorted(set(verdicts_a) & set(verdicts_b))
        units = [item for item, _ in pairs]
        a, b = [verdicts_a[pair] for pair in pairs], [verdicts_b[pair] for pair in pairs]
    elif isinstance(verdicts_a, Mapping) or isinstance(verdicts_b, Mapping):
        raise ValueError("expected two mappings or two sequences of verdicts")
    else:
        a, b = list(verdicts_a), list(verdicts_b)
        units = [str(i) for i in range(len(a))]
    if len(a) != len(b):
        raise ValueError(f"expected as many verdicts on either side; got {len(a)} and {len(b)}")
    if not a:
        raise UserError("the two judges have no item and criterion in common; expected the same names in both")
    yes_a, yes_b = np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
    each = np.stack([np.ones(len(a)), yes_a == yes_b, yes_a, yes_b], 1)
    names, unit = np.unique(units, return_inverse=True)
    sums = np.zeros((len(names), 4))
    np.add.at(sums, unit, each)
    rng = np.random.default_rng(0)
    draws = []
    for first in range(0, resamples, 500):
        size = min(500, resamples - first)
        draws.append(_kappa(rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size) @ sums))
    defined = np.concatenate(draws)
    defined = defined[np.isfinite(defined)]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
    value = float(_kappa(sums.sum(0, keepdims=True))[0])
    return Agreement(value, float(low), float(high), len(a), observed=float(each[:, 1].mean()))


def verdict_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a verdict file that can be read: one that a stop cut short is passed over."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict):
                yield line


def append_verdict(path: Path, line: Mapping[str, Any]) -> None:
    """Append a line, on a line of its own even if the last one was cut short.

    Raises:
        UserError: the disk is full, or the file cannot be written.
    """
    text = json.dumps(line, ensure_ascii=False) + "\n"
    with writing(path, "verdicts so far are kept; judge again to go on"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            if file.tell():
                file.seek(-1, 2)
                text = text if file.read(1) == b"\n" else "\n" + text
            file.write(text.encode("utf-8", "replace"))


def _kappa(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """[draws, (verdicts, same, yes of a, yes of b)] -> [draws]; nan where chance alone agrees fully."""
    n, same, a, b = sums.T
    chance = (a * b + (n - a) * (n - b)) / n**2
    defined = chance < 1 - 1e-12
    return np.where(defined, same / n - chance, np.nan) / np.where(defined, 1 - chance, 1.0)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a key repeats")
    return dict(pairs)
