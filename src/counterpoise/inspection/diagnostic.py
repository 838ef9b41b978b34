"""The diagnostic: does low confidence come in dense runs (group B), or scattered (group A)?

    thresholds = Thresholds(low=0.1, window=256, stride=64, share=0.35, run=6)
    found = diagnose({"data": (confidence, lengths), "general text": (other, other_lengths)}, thresholds)

Per window of supervised tokens: the share of tokens of confidence below ``low``, and the longest run of them.
*Dense-low* (B): share and run both reach their thresholds. *Sparse-low* (A): some token is low, and neither does. The
rest is neither. A text with more low tokens has longer runs by chance alone, so each text's mean run stands beside that
of its own tokens shuffled within each sample; their ratio, *clustering*, is 1 where low tokens lie at random.

The paper's thresholds (arXiv 2511.21075) are not public. These are ours, chosen so that both
groups have windows in MedQuAD's answers read by SmolLM2-135M; `sensitivity` shows what others would give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.errors import UserError
from counterpoise.inspection.bootstrap import estimate, resampled
from counterpoise.inspection.windows import LEAST, Windows, slide

LOWS, SHARES, RUNS = (0.05, 0.1, 0.2), (0.15, 0.25, 0.35), (4, 6, 8)
"""Thresholds that the sensitivity table crosses."""
BINS = 20
LONGEST = 64
"""Longest run with a bin of its own; the last bin holds longer ones."""
SHUFFLES = 5
UNLIKE = 1.5
"""Mean lengths of windows that differ by more are made alike before two texts are compared."""

Text = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Confidence [N] and supervised tokens of each sample [S]."""


@dataclass(frozen=True)
class Thresholds:
    """What counts as low, the window, and what counts as dense."""

    low: float = 0.1
    window: int = 256
    stride: int = 64
    share: float = 0.35
    run: int = 6

    def __post_init__(self) -> None:
        for name, low, high in (("low", 0.0, 1.0), ("share", 0.0, 1.0)):
            value = getattr(self, name)
            if not low < value <= high:
                raise UserError(f"diagnostic: {name} is {value}; expected a number above {low:g}, at most {high:g}")
        if self.window < LEAST:
            raise UserError(f"diagnostic: window is {self.window}; expected at least {LEAST} tokens")
        if not 1 <= self.stride <= self.window:
            raise UserError(f"diagnostic: stride is {self.stride}; expected 1 to the window, {self.window}")
        if not 1 <= self.run <= self.window:
            raise UserError(f"diagnostic: run is {self.run}; expected 1 to the window, {self.window}")


def slide_text(text: Text, thresholds: Thresholds) -> Windows:
    """The windows of a text under these thresholds."""
    return slide(*text, low=thresholds.low, window=thresholds.window, stride=thresholds.stride)


def groups(windows: Windows, share: float, run: int) -> NDArray[np.str_]:
    """[W]: "A", "B" or "" for each window."""
    dense, long = windows.share >= share, windows.run >= run
    some = windows.share > 0
    return np.where(dense & long, "B", np.where(some & ~dense & ~long, "A", ""))


def sample_groups(windows: Windows, found: NDArray[np.str_], samples: int) -> NDArray[np.str_]:
    """[S]: "B" for a sample with a window of group B, else "A" for one with a window of group A, else ""."""
    result = np.full(samples, "", dtype="<U1")
    result[windows.sample[found == "A"]] = "A"
    result[windows.sample[found == "B"]] = "B"
    return result


def diagnose(texts: Mapping[str, Text], thresholds: Thresholds) -> dict[str, Any]:
    """Compare texts, the data first.

    Returns:
        ``thresholds``, ``texts`` (a row each; where windows of the second text are much shorter or longer than those of
        the first, one more row shows the longer text in windows as short), ``sensitivity`` and ``notes``.
    """
    rows, sensitivity, notes = [], [], []
    windows = {name: slide_text(text, thresholds) for name, text in texts.items()}
    for name, text in texts.items():
        rows.append(_row(name, text, windows[name], thresholds))
        sensitivity += _sensitivity(name, text, thresholds)
    if len(rows) == 2 and all(row["windows"] for row in rows):
        means = {name: float(found.length.mean()) for name, found in windows.items()}
        short, long = sorted(means, key=lambda name: means[name])
        if means[long] > UNLIKE * means[short]:
            size = max(LEAST, round(means[short]))
            alike = Thresholds(thresholds.low, size, max(1, size // 4), thresholds.share, min(thresholds.run, size))
            name = f"{long}, in windows of {size} tokens"
            rows.append(_row(name, texts[long], slide_text(texts[long], alike), alike))
            notes.append(
                f"Windows of {long} hold {means[long]:.0f} tokens on average, those of {short} {means[short]:.0f}; a "
                f"longer window holds longer runs, so compare {short} with the row '{name}'."
            )
    if any(row["left_out"] for row in rows):
        told = ", ".join(f"{row['left_out']:,} of {row['name']}" for row in rows if row["left_out"])
        notes.append(f"Samples of fewer than {LEAST} supervised tokens have no window: {told}.")
    return {"thresholds": asdict(thresholds), "texts": rows, "sensitivity": sensitivity, "notes": notes}


def _row(name: str, text: Text, windows: Windows, thresholds: Thresholds) -> dict[str, Any]:
    """What the page shows of one text; numbers are None where it has no window."""
    confidence, lengths = text
    found = groups(windows, thresholds.share, thresholds.run)
    scattered = _scattered_runs(text, thresholds)
    columns = np.stack(
        [np.ones(len(found)), windows.share, windows.run, found == "A", found == "B", scattered],
        axis=1,
        dtype=np.float64,
    )
    sums = np.zeros((len(lengths), columns.shape[1]))
    np.add.at(sums, windows.sample, columns)
    sums = sums[sums[:, 0] > 0]
    draws = resampled(sums) if len(sums) else sums
    low, run, group_a, group_b, by_chance = (
        estimate(_per_window(k), sums, draws) if len(sums) else None for k in range(1, 6)
    )
    clustering = (
        estimate(lambda totals: np.asarray(totals[..., 2] / totals[..., 5]), sums, draws) if len(sums) else None
    )
    return {
        "name": name,
        "samples": len(lengths),
        "windows": len(found),
        "tokens": int(lengths.sum()),
        "left_out": windows.left_out,
        "window_tokens": float(windows.length.mean()) if len(found) else 0.0,
        "all_low_share": float((confidence < thresholds.low).mean()),
        "low_share": low,
        "longest_run": run,
        "scattered_run": by_chance,
        "clustering": clustering,
        "group_a": group_a,
        "group_b": group_b,
        "low_share_histogram": np.histogram(windows.share, bins=BINS, range=(0.0, 1.0))[0].tolist(),
        "run_histogram": np.bincount(np.minimum(windows.run, LONGEST), minlength=LONGEST + 1).tolist(),
    }


def _scattered_runs(text: Text, thresholds: Thresholds) -> NDArray[np.float64]:
    """[W]: the longest run of each window, the mean over shuffles of every sample's own tokens."""
    confidence, lengths = text
    random = np.random.default_rng(0)
    sample = np.repeat(np.arange(len(lengths)), lengths)
    runs = [
        slide_text((confidence[np.lexsort((random.random(len(sample)), sample))], lengths), thresholds).run
        for _ in range(SHUFFLES)
    ]
    return np.asarray(np.mean(runs, axis=0))


def _per_window(column: int) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """The mean over windows of a column, from totals whose first column counts windows."""
    return lambda totals: np.asarray(totals[..., column] / totals[..., 0])


def _sensitivity(name: str, text: Text, thresholds: Thresholds) -> list[dict[str, Any]]:
    rows = []
    for low in LOWS:
        windows = slide(*text, low=low, window=thresholds.window, stride=thresholds.stride)
        for share in SHARES:
            for run in RUNS:
                found = groups(windows, share, run)
                count = max(len(found), 1)
                rows.append(
                    {
                        "low": low,
                        "share": share,
                        "run": run,
                        "text": name,
                        "group_a": int((found == "A").sum()) / count,
                        "group_b": int((found == "B").sum()) / count,
                    }
                )
    return rows
