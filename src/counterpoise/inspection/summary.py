"""The numbers of an inspection: what share of the gradient's pull goes where, under each objective; confidence overall.

objective_numbers(weighing, confidence, low=0.1)      # effective share, shares of pull, means, quantiles, histograms
confidence_numbers(log_probs, low=0.1)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.inspection.encoding import EncodedRecords
from counterpoise.inspection.table import excerpt
from counterpoise.inspection.weighing import Weighing, effective_share
from counterpoise.objectives.measures import BINS, QUANTILES

HIGH = 0.5
"""Confidence from which a token counts as known."""
SUSPECTS = 200
"""Suspect samples that are listed; all are counted, and flagged in the table."""


def objective_numbers(weighing: Weighing, confidence: NDArray[np.float32], low: float) -> dict[str, Any]:
    """What one objective does with the data.

    ``shares`` are those of all pull (token weight x sample weight, over the sample's length where the loss is averaged
    over samples) that tokens of low, middle and high confidence carry; ``effective_share`` is Kish's effective number
    of tokens over their number.
    """
    pull = weighing.pull.astype(np.float64)
    whole = max(pull.sum(), 1e-30)
    p_conf = weighing.p_conf
    return {
        "effective_share": effective_share(weighing.pull),
        "shares": {name: float(pull[mask].sum() / whole) for name, mask in _groups(confidence, low).items()},
        "mean_token_weight": float(weighing.token_weights.mean(dtype=np.float64)),
        "mean_sample_weight": float(weighing.sample_weights.mean(dtype=np.float64)),
        "p_conf_quantiles": None
        if p_conf is None
        else {str(share): float(value) for share, value in zip(QUANTILES, np.quantile(p_conf, QUANTILES), strict=True)},
        "token_weight_histogram": histogram(weighing.token_weights),
        "sample_weight_histogram": histogram(weighing.sample_weights),
    }


def confidence_numbers(log_probs: NDArray[np.float32], low: float) -> dict[str, Any]:
    """How sure the model is of the supervised tokens."""
    confidence = np.exp(log_probs)
    shares = {name: float(mask.mean()) for name, mask in _groups(confidence, low).items()}
    return {
        "histogram": histogram(confidence),
        "mean": float(confidence.mean(dtype=np.float64)),
        "nll": -float(log_probs.mean(dtype=np.float64)),
        "low_share": shares["low"],
        "tokens": shares,
    }


def listed_suspects(
    encoded: EncodedRecords, flags: Sequence[Sequence[str]], confidence: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """The suspect samples, those of most reasons first, then those the model is least sure of."""
    chosen = [i for i, reasons in enumerate(flags) if reasons]
    chosen.sort(key=lambda i: (-len(flags[i]), confidence[i]))
    return [
        {
            "index": i,
            "id": encoded.records[i].id,
            "source": encoded.records[i].source,
            "reasons": list(flags[i]),
            "confidence": float(confidence[i]),
            "text": excerpt(encoded.records[i].completion),
        }
        for i in chosen[:SUSPECTS]
    ]


def histogram(values: NDArray[np.float32]) -> list[int]:
    """Counts in 20 equal bins over [0, 1]; larger values are in the last."""
    place = np.clip((values * BINS).astype(np.int64), 0, BINS - 1)
    return [int(count) for count in np.bincount(place, minlength=BINS)]


def _groups(confidence: NDArray[np.float32], low: float) -> dict[str, NDArray[np.bool_]]:
    high = max(HIGH, low)
    return {
        "low": confidence < low,
        "middle": (confidence >= low) & (confidence < high),
        "high": confidence >= high,
    }
