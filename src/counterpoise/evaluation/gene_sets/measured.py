"""From answers to measurements, each with the sets that it was measured on.

parts = name_parts("gene-sets-go", answers, references)
parts += similarity_parts("gene-sets-go", answers, ranker.rank([a.name for a in answers]), "minilm")
{part.measurement.metric: part.measurement.estimate() for part in parts}
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from counterpoise.evaluation.gene_sets.confidence import BINS, RankCorrelation, bin_of
from counterpoise.evaluation.gene_sets.names import Answer, rouge_of_names
from counterpoise.evaluation.gene_sets.ranking import Ranked, hit_name
from counterpoise.evaluation.measurement import AnyMeasurement, Measurement

CALIBRATED = 0.95
"""The threshold at which hits are told for each bin, as Hu et al. 2025 do."""


@dataclass(frozen=True)
class Part:
    """A measurement, and the places of the sets behind it."""

    measurement: AnyMeasurement
    places: list[int]


def part_of(
    task: str,
    metric: str,
    values: ArrayLike,
    places: Sequence[int],
    counts: ArrayLike | None = None,
    *,
    higher_is_better: bool = True,
) -> Part:
    """Make a part of a value (and a count, by default 1) for each of the sets at ``places``."""
    totals = np.asarray(values, dtype=np.float64)
    weights = np.ones(len(totals)) if counts is None else np.asarray(counts, dtype=np.float64)
    return Part(Measurement(task, metric, totals, weights, higher_is_better), list(places))


def name_parts(task: str, answers: Sequence[Answer], references: Sequence[str]) -> list[Part]:
    """Measure names and confidences without an encoder.

    ROUGE-1, ROUGE-2 and ROUGE-L of cleaned names; the shares of sets without a name, of incomplete answers, and of each
    bin of confidence; and the mean confidence where it was given.
    """
    everything = range(len(answers))
    parts = [
        part_of(task, metric, values, everything)
        for metric, values in rouge_of_names([answer.name for answer in answers], references).items()
    ]
    missing = [float(not answer.name) for answer in answers]
    parts.append(part_of(task, "no name", missing, everything, higher_is_better=False))
    partial = [float(not answer.complete) for answer in answers]
    parts.append(part_of(task, "incomplete", partial, everything, higher_is_better=False))
    bins = [bin_of(answer.confidence) for answer in answers]
    for name in BINS:
        parts.append(part_of(task, f"confidence {name}", [float(own == name) for own in bins], everything))
    given = [i for i in everything if answers[i].confidence is not None]
    if given:
        parts.append(part_of(task, "mean confidence", [answers[i].confidence or 0.0 for i in given], given))
    return parts


def similarity_parts(task: str, answers: Sequence[Answer], ranked: Ranked, label: str) -> list[Part]:
    """Measure names that an encoder ranked; ``label``, its name, is a part of every metric's.

    similarity (mean cosine), percentile, hits at each threshold, rank 1, top 5; hits at .95 in each bin of confidence;
    and the rank correlation of confidence and similarity, left out where either is the same everywhere.
    """
    found = ranked.values()
    everything = range(len(answers))
    parts = [part_of(task, f"{metric} ({label})", values, everything) for metric, values in found.items()]
    name = hit_name(CALIBRATED)
    bins = [bin_of(answer.confidence) for answer in answers]
    for own in BINS:
        if places := [i for i in everything if bins[i] == own]:
            metric = f"{name} where confidence is {own} ({label})"
            parts.append(part_of(task, metric, found[name][places], places))
    given = [i for i in everything if answers[i].confidence is not None]
    confidence = np.array([answers[i].confidence for i in given], dtype=np.float64)
    if len(np.unique(confidence)) > 1 and len(np.unique(found["similarity"][given])) > 1:
        metric = f"Spearman of confidence and similarity ({label})"
        parts.append(Part(RankCorrelation(task, metric, confidence, found["similarity"][given]), given))
    return parts
