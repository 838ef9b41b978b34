"""Is a confidence worth anything? Its bins, its rank correlation with similarity, and what happens on random genes.

    bin_of(0.85)                                             # 'medium'
    RankCorrelation(task, "...", confidence, similarity).estimate()
    contamination("gene-sets-hu", {"real": answers, "half random": ..., "all random": ...})

The bins are those of Hu et al. 2025, recovered from their published names, whose counts they give exactly (704 high,
258 medium, 11 low, 27 none). They were cut where GPT-4's confidences lie; of another model they say nothing before its
own hit rate in each bin is known, which is why that stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from counterpoise.evaluation.gene_sets.names import Answer
from counterpoise.evaluation.intervals import Difference, Estimate
from counterpoise.evaluation.measurement import Measurement

Array = NDArray[np.float64]
BINS = ("high", "medium", "low", "none", "not given")
RESAMPLES = 2000
"""Of a rank correlation, whose every draw must be ranked anew."""


def bin_of(confidence: float | None) -> str:
    """Return the bin of a confidence, one of `BINS` (`biology.naming.confidence` says where they begin)."""
    from counterpoise.biology.naming.confidence import confidence_bin

    return confidence_bin(confidence)


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation of two values of each set, ties at their mean rank; a measurement like any other."""

    task: str
    metric: str
    first: Array
    """[sets]"""
    second: Array
    """[sets]"""
    higher_is_better: bool = True

    @property
    def value(self) -> float:
        """The correlation; not a number where either side is constant."""
        return float(_spearman(self.first[None], self.second[None])[0])

    def part(self, places: Sequence[int]) -> RankCorrelation:
        """The same of some of the sets."""
        return replace(self, first=self.first[list(places)], second=self.second[list(places)])

    def estimate(self) -> Estimate:
        """The correlation with its 95 % bootstrap interval over sets; draws with a constant side are left out."""
        draws = np.concatenate([_spearman(self.first[c], self.second[c]) for c in _draws(len(self.first))])
        low, high = _interval(draws)
        return Estimate(self.value, low, high, len(self.first))

    def difference(self, other: RankCorrelation) -> Difference:
        """This minus ``other`` on the same sets: paired bootstrap interval, p-value of swapping both at random."""
        if self.first.shape != other.first.shape:
            raise ValueError(f"{self.task}: {self.metric} was not measured on the same sets")
        count, value = len(self.first), self.value - other.value
        draws, extreme = [], 0
        rng = np.random.default_rng(1)
        for chosen in _draws(count):
            ours = _spearman(self.first[chosen], self.second[chosen])
            draws.append(ours - _spearman(other.first[chosen], other.second[chosen]))
            swap = rng.integers(2, size=chosen.shape).astype(bool)
            pair = [
                _spearman(np.where(s, self.first, other.first), np.where(s, self.second, other.second))
                for s in (swap, ~swap)
            ]
            extreme += int(np.count_nonzero(np.abs(pair[0] - pair[1]) >= abs(value) - 1e-12))
        low, high = _interval(np.concatenate(draws))
        return Difference(value, low, high, count, (extreme + 1) / (RESAMPLES + 1))


def _draws(count: int) -> list[NDArray[np.int64]]:
    """Blocks [250, sets] of sets drawn with replacement."""
    rng = np.random.default_rng(0)
    return [rng.integers(count, size=(250, count)) for _ in range(RESAMPLES // 250)]


def _interval(draws: Array) -> tuple[float, float]:
    kept = draws[np.isfinite(draws)]
    if not len(kept):
        return float("nan"), float("nan")
    low, high = np.quantile(kept, [0.025, 0.975])
    return float(low), float(high)


def _spearman(first: Array, second: Array) -> Array:
    """[draws, sets] twice -> [draws]: Pearson's correlation of the mean ranks."""
    from scipy.stats import rankdata

    a, b = (rankdata(values, axis=1) for values in (first, second))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    scale = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(scale > 0, (a * b).sum(1) / scale, np.nan))


@dataclass(frozen=True)
class Contamination:
    """How confidence answers to random genes.

    ``measured``: condition -> metric -> measurement over the sets that every condition has. ``changes``: condition ->
    metric -> that condition minus the first one, paired.
    """

    sets: int
    measured: dict[str, dict[str, Measurement]]
    changes: dict[str, dict[str, Difference]]


def contamination(task: str, conditions: Mapping[str, Sequence[Answer]]) -> Contamination:
    """Compare the confidence in the same sets, as they are and with genes replaced by random ones.

    ``zero confidence``: the share of sets with confidence 0 (a confidence that is not given is none); ``confidence``:
    its mean over the sets for which it was given in every condition, and left out where there are none. A confidence
    that is worth something falls: the change of the first is above 0, of the second below 0.

    Args:
        task: its name in the measurements.
        conditions: answers by condition, the sets as they are first.

    Raises:
        ValueError: fewer than two conditions, or no set that all of them have.
    """
    by_id = {name: {answer.id: answer for answer in answers} for name, answers in conditions.items()}
    names = list(by_id)
    if len(names) < 2:
        raise ValueError(f"{task}: contamination is a comparison; got {len(names)} conditions")
    shared = [key for key in by_id[names[0]] if all(key in found for found in by_id.values())]
    if not shared:
        raise ValueError(f"{task}: no set was answered in all of {', '.join(names)}")
    told = [key for key in shared if all(found[key].confidence is not None for found in by_id.values())]
    measured: dict[str, dict[str, Measurement]] = {}
    for name, found in by_id.items():
        zero = np.array([float(found[key].confidence == 0) for key in shared])
        row = {"zero confidence": Measurement(task, "zero confidence", zero, np.ones(len(shared)))}
        if told:
            given = np.array([found[key].confidence for key in told], dtype=np.float64)
            row["confidence"] = Measurement(task, "confidence", given, np.ones(len(told)))
        measured[name] = row
    first = measured[names[0]]
    changes = {
        name: {metric: found.difference(first[metric]) for metric, found in measured[name].items()}
        for name in names[1:]
    }
    return Contamination(len(shared), measured, changes)
