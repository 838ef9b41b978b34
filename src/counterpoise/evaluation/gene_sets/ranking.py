"""Where the true name stands among all terms that a predicted name could have meant.

    ranker = Ranker(encoder, background_names, references)
    found = ranker.rank(predictions)                 # found.similarity, found.rank, found.percentile, each [sets]
    ranker.expected(predictions)                     # the same for every other set's name: what the style is worth

Rank = 1 + the number of background names that are *more* alike to the prediction than the true name is; percentile =
1 - rank / N (Hu et al. 2025; GeneAgent the same with its own background). A prediction that is the true name has rank
1; with N = 11,943 its percentile is .99992.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counterpoise.evaluation.gene_sets.vectors import NameEncoder, Vectors, kept_vectors

Array = NDArray[np.float64]
THRESHOLDS = (0.90, 0.95, 0.98, 0.99)
TOP = 5
BLOCK = 256
"""Predictions whose similarities with the whole background are held at once."""
ROUNDING = np.float32(1e-6)
"""A cosine is above another by more than this: equal vectors give products that differ in their last bits."""


@dataclass(frozen=True)
class Ranked:
    """Of each prediction: cosine with the true name, the true name's rank, and N, the size of the background."""

    similarity: Array
    rank: Array
    size: int

    @property
    def percentile(self) -> Array:
        """``1 - rank / N`` [sets]."""
        return percentile(self.rank, self.size)

    def values(self) -> dict[str, Array]:
        """Return every metric of a set [sets]: similarity, percentile, 0 or 1 for each threshold, rank 1 and top 5."""
        return ranking_values(self.similarity, self.rank, self.size)


def percentile(rank: Array, size: int) -> Array:
    """Return ``1 - rank / size``.

    >>> float(percentile(np.array([40.0]), 11943)[0])
    0.9966507577660554
    """
    return np.asarray(1.0 - np.asarray(rank, dtype=np.float64) / size)


def hit(percentiles: Array, threshold: float) -> Array:
    """Return 1 where a percentile reaches the threshold, else 0; a rounding error below it counts as reached."""
    return (np.asarray(percentiles) >= threshold - 1e-12).astype(np.float64)


def hit_name(threshold: float) -> str:
    """Return the metric's name, such as ``percentile >= .95``."""
    return f"percentile >= {threshold:.2f}".replace("0.", ".")


def ranking_values(similarity: Array, rank: Array, size: int) -> dict[str, Array]:
    """Return similarity, percentile, hits at `THRESHOLDS`, rank 1 and top 5, by metric, in the shape of ``rank``."""
    place = percentile(rank, size)
    return {
        "similarity": similarity,
        "percentile": place,
        **{hit_name(threshold): hit(place, threshold) for threshold in THRESHOLDS},
        "rank 1": (rank <= 1).astype(np.float64),
        f"top {TOP}": (rank <= TOP).astype(np.float64),
    }


class Ranker:
    """Ranks predictions for fixed sets.

    Args:
        encoder: of the names.
        background: names to rank against; those that are equal count once. True names that are not among them are
            added, so that a rank always is one among N.
        references: the true name of each set.
        folder: where the background's vectors are kept (see `vectors.kept_vectors`).
    """

    def __init__(
        self,
        encoder: NameEncoder,
        background: Sequence[str],
        references: Sequence[str],
        folder: Path | None = None,
    ) -> None:
        self.encoder, self.folder = encoder, folder
        names = list(dict.fromkeys(name.strip() for name in background))
        known = set(names)
        added = [name for name in dict.fromkeys(text.strip() for text in references) if name not in known]
        self.added = len(added)
        self.names = [*names, *added]
        parts = [kept_vectors(encoder, names, folder), encoder.vectors(added)]
        self.vectors: Vectors = np.concatenate([part for part in parts if len(part)])
        place = {name: i for i, name in enumerate(self.names)}
        self.truth = np.array([place[text.strip()] for text in references])
        self._known = dict(zip(self.names, self.vectors, strict=True))

    def remember(self, names: Sequence[str]) -> None:
        """Read names that are to be ranked, by way of the disk: those of floors are the same for every model."""
        if unread := self._unread(names):
            self._known |= dict(zip(unread, kept_vectors(self.encoder, unread, self.folder), strict=True))

    def rank(self, predictions: Sequence[str]) -> Ranked:
        """Rank one prediction for each set; an empty one has similarity 0 and the last rank."""
        return self.rank_some(predictions, np.arange(len(self.truth)))

    def rank_some(self, predictions: Sequence[str], sets: Sequence[int] | NDArray[np.int64]) -> Ranked:
        """Rank predictions for these sets (their places among the references), each set as often as it stands there."""
        sets = np.asarray(sets)
        if len(predictions) != len(sets):
            raise ValueError(f"{len(predictions)} predictions for {len(sets)} sets; expected one each")
        texts = [text.strip() for text in predictions]
        different = list(dict.fromkeys(texts))
        of = {text: i for i, text in enumerate(different)}
        which = np.array([of[text] for text in texts], dtype=np.int64)
        similarity, rank = np.zeros(len(texts)), np.full(len(texts), float(len(self.names)))
        for start, block in self._blocks(different):
            mine = np.flatnonzero((which >= start) & (which < start + len(block)))
            rows = block[which[mine] - start]
            true = rows[np.arange(len(mine)), self.truth[sets[mine]]]
            similarity[mine] = true
            rank[mine] = 1.0 + (rows > true[:, None] + ROUNDING).sum(1)
        empty = np.array([not text for text in texts], dtype=bool)
        return Ranked(np.where(empty, 0.0, similarity), np.where(empty, float(len(self.names)), rank), len(self.names))

    def expected(self, predictions: Sequence[str]) -> dict[str, float]:
        """Return each metric's mean over all pairs of a set's prediction and *another* set's true name.

        That is the exact expected value of predictions permuted among the sets (by a permutation that leaves none in
        its place). Empty where there is one set.
        """
        count = len(self.truth)
        if count < 2:
            return {}
        texts = [text.strip() for text in predictions]
        sums: dict[str, float] = {}
        for start, block in self._blocks(texts):
            ordered = np.sort(block, axis=1)
            true = block[:, self.truth]  # [b, sets]
            pairs = zip(ordered, true + ROUNDING, strict=True)
            rank = 1.0 + len(self.names) - np.stack([np.searchsorted(row, t, side="right") for row, t in pairs])
            empty = np.array([not text for text in texts[start : start + len(block)]])[:, None]
            similarity = np.where(empty, 0.0, true.astype(np.float64))
            rank = np.where(empty, float(len(self.names)), rank)
            own = np.zeros(rank.shape, dtype=bool)
            own[np.arange(len(block)), start + np.arange(len(block))] = True
            for metric, values in ranking_values(similarity, rank, len(self.names)).items():
                sums[metric] = sums.get(metric, 0.0) + float(values[~own].sum())
        return {metric: total / (count * (count - 1)) for metric, total in sums.items()}

    def _blocks(self, texts: Sequence[str]) -> Iterator[tuple[int, Vectors]]:
        """Yield (first, similarities [b, N]) of blocks of texts."""
        if unread := self._unread(texts):
            self._known |= dict(zip(unread, self.encoder.vectors(unread), strict=True))
        found = np.stack([self._known[text] for text in texts])
        for start in range(0, len(texts), BLOCK):
            yield start, found[start : start + BLOCK] @ self.vectors.T

    def _unread(self, names: Sequence[str]) -> list[str]:
        return [name for name in dict.fromkeys(text.strip() for text in names) if name not in self._known]
