"""How alike two texts are to a text encoder: greedy matching of token vectors, and the cosine of mean vectors.

    encoder = load_text_encoder("minilm")
    found = measure_similarity("meqsum", encoder, predictions, references)
    found["encoder similarity (minilm)"].estimate()      # 0: as alike as two references of different items
    found["sentence cosine (minilm)"].estimate()

The first is what Zhang et al. 2020 (arXiv 1904.09675, equations 1 to 3) call BERTScore, and is never called so here:
published BERTScores come from other encoders (RoBERTa-large, DeBERTa), from a layer chosen by agreement with human
judgement, and are rescaled with a baseline of web text, so that numbers of the two must not be compared. Its own
details: the encoder's special tokens take no part at all, not even as something to match; the baseline comes from
this task's references.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from counterpoise.errors import UserError
from counterpoise.evaluation.measurement import Measurement
from counterpoise.evaluation.text_vectors import TextEncoder, load_text_encoder, token_vectors

Array = NDArray[np.float64]
__all__ = [
    "Matching",
    "Similarity",
    "TextEncoder",
    "encoder_similarity",
    "idf_weights",
    "load_text_encoder",
    "match_tokens",
    "measure_similarity",
    "sentence_cosine",
]
BASELINE_PAIRS = 1000


@dataclass(frozen=True)
class Matching:
    """Greedy matching of each pair of texts, each [pairs]; 0 where a text has no tokens."""

    precision: Array
    recall: Array
    f1: Array
    empty: NDArray[np.bool_]
    """[pairs] where a text has no tokens."""
    truncated: int
    """Texts that were cut."""


@dataclass(frozen=True)
class Similarity:
    """`Matching` rescaled, ``(x - baseline) / (1 - baseline)``: 0 is unrelated, 1 equal, below 0 less alike than that.

    ``baseline``: the mean precision, recall and F1 of references of different items, before rescaling.
    """

    precision: Array
    recall: Array
    f1: Array
    baseline: tuple[float, float, float]
    truncated: int


def measure_similarity(
    task: str,
    encoder: TextEncoder,
    predictions: Sequence[str],
    references: Sequence[str],
    *,
    layer: int = -1,
    idf: bool = False,
    batch_size: int = 32,
    seed: int = 0,
) -> dict[str, Measurement]:
    """Return ``encoder similarity (name)``, rescaled F1 of matched tokens, and ``sentence cosine (name)``.

    The arguments are those of `encoder_similarity`; an empty prediction has 0 in both.
    """
    matched = encoder_similarity(
        encoder, predictions, references, layer=layer, idf=idf, batch_size=batch_size, seed=seed
    )
    cosine = sentence_cosine(encoder, predictions, references, layer=layer, batch_size=batch_size)
    found = {f"encoder similarity ({encoder.name})": matched.f1, f"sentence cosine ({encoder.name})": cosine}
    ones = np.ones(len(references))
    return {metric: Measurement(task, metric, values, ones) for metric, values in found.items()}


def encoder_similarity(
    encoder: TextEncoder,
    predictions: Sequence[str],
    references: Sequence[str],
    *,
    layer: int = -1,
    idf: bool = False,
    batch_size: int = 32,
    seed: int = 0,
) -> Similarity:
    """Match the tokens of each prediction and its reference, and rescale.

    Args:
        encoder: see `load_text_encoder`.
        predictions, references: [items]; a prediction may be empty, and then scores 0 in all three.
        layer: whose hidden states are taken; 0 are the embeddings, -1 the last layer's.
        idf: weight tokens by their rarity among the references.
        batch_size: pairs at once; does not change results beyond rounding.
        seed: of the pairs of references that make the baseline.

    Raises:
        UserError: numbers of texts that differ, an empty reference, references that are all equal (there is no
            baseline), or no such layer.
    """
    if not references or len(predictions) != len(references) or not all(text.strip() for text in references):
        raise UserError(
            f"encoder similarity: got {len(predictions)} predictions for {len(references)} references; expected one "
            "each, at least one, and no empty reference"
        )
    weights = idf_weights(encoder, references) if idf else None
    options: dict[str, Any] = {"layer": layer, "idf": weights, "batch_size": batch_size}
    ours = match_tokens(encoder, predictions, references, **options)
    others = match_tokens(encoder, *zip(*_unrelated(references, seed), strict=True), **options)

    def rescaled(values: Array, baseline: float) -> Array:
        return np.where(ours.empty, 0.0, (values - baseline) / (1 - baseline))

    means = (float(others.precision.mean()), float(others.recall.mean()), float(others.f1.mean()))
    return Similarity(
        rescaled(ours.precision, means[0]),
        rescaled(ours.recall, means[1]),
        rescaled(ours.f1, means[2]),
        means,
        ours.truncated,
    )


def match_tokens(
    encoder: TextEncoder,
    predictions: Sequence[str],
    references: Sequence[str],
    *,
    layer: int = -1,
    idf: dict[int, float] | None = None,
    batch_size: int = 32,
) -> Matching:
    """Return, without rescaling, how well each token finds its like in the other text (equations 1 to 3).

    Recall is the weighted mean, over the reference's tokens, of the largest cosine with a token of the prediction;
    precision the same the other way; F1 their harmonic mean, 0 where either is not above 0. Where all weights of a text
    are 0, its tokens count alike.

    Args:
        encoder: see `load_text_encoder`.
        predictions, references: texts [pairs].
        layer: as in `encoder_similarity`.
        idf: weights of token ids, as `idf_weights` gives them; None: all alike.
        batch_size: pairs at once.
    """
    scores, truncated = np.zeros((4, len(references))), 0
    for batch in token_vectors(encoder, list(zip(predictions, references, strict=True)), layer, batch_size):
        ours, theirs = batch.own[0::2], batch.own[1::2]
        unit = F.normalize(batch.vectors, dim=-1)
        cosines = unit[0::2] @ unit[1::2].transpose(1, 2)  # [pairs, T, T], predictions down
        cosines = cosines.masked_fill(~(ours[:, :, None] & theirs[:, None, :]), -2.0).double()
        weights = _token_weights(batch.ids, batch.own, idf)
        precision = (cosines.amax(2) * weights[0::2]).sum(1)
        recall = (cosines.amax(1) * weights[1::2]).sum(1)
        f1 = torch.where((precision > 0) & (recall > 0), 2 * precision * recall / (precision + recall), 0.0)
        empty = ~(ours.any(1) & theirs.any(1))
        found = torch.stack([precision, recall, f1]).masked_fill(empty, 0.0)
        scores[:, batch.groups] = torch.cat([found, empty[None]]).cpu().numpy()
        truncated += batch.truncated
    return Matching(scores[0], scores[1], scores[2], scores[3] > 0, truncated)


def sentence_cosine(
    encoder: TextEncoder,
    predictions: Sequence[str],
    references: Sequence[str],
    *,
    layer: int = -1,
    batch_size: int = 32,
) -> Array:
    """Return the cosine of the mean token vectors of each pair [pairs]; 0 where a text has no tokens.

    Special tokens are part of the mean, as sentence-transformers has it (Reimers and Gurevych 2019, arXiv 1908.10084).
    """
    cosines = np.zeros(len(references))
    for batch in token_vectors(encoder, list(zip(predictions, references, strict=True)), layer, batch_size):
        kept = batch.attended[..., None]
        mean = F.normalize((batch.vectors * kept).sum(1).double() / kept.sum(1), dim=-1)
        mean = mean.masked_fill(~batch.own.any(1, keepdim=True), 0.0)
        cosines[batch.groups] = (mean[0::2] * mean[1::2]).sum(1).cpu().numpy()
    return cosines


def idf_weights(encoder: TextEncoder, references: Sequence[str]) -> dict[int, float]:
    """Return ``log((M + 1) / (m + 1))`` for each token that m of the M references have; others have ``log(M + 1)``.

    Smoothed by one, as in section 3 of Zhang et al. 2020. The weight of unseen tokens has the key -1.
    """
    ids = encoder.tokenizer(list(references), truncation=True, max_length=encoder.max_length)["input_ids"]
    counts = Counter(token for row in ids for token in set(row))
    total = len(references) + 1
    return {-1: float(np.log(total))} | {token: float(np.log(total / (m + 1))) for token, m in counts.items()}


def _token_weights(ids: Tensor, mask: Tensor, idf: dict[int, float] | None) -> Tensor:
    """[B, T] float64, each row with sum 1 over its tokens, or all 0 where it has none."""
    even = mask.double()
    if idf is None:
        weight = even
    else:
        rows = [[idf.get(token, idf[-1]) for token in row] for row in ids.tolist()]
        weight = torch.tensor(rows, dtype=torch.float64, device=mask.device) * even
        weight = torch.where(weight.sum(1, keepdim=True) > 0, weight, even)
    return weight / weight.sum(1, keepdim=True).clamp(min=1e-300)


def _unrelated(references: Sequence[str], seed: int) -> list[tuple[str, str]]:
    """Return up to `BASELINE_PAIRS` pairs of different references, evenly over the items where there are many."""
    order = np.random.default_rng(seed).permutation(len(references))
    pairs: list[tuple[str, str]] = []
    for shift in range(1, len(references)):
        for place, item in enumerate(order):
            one, other = references[item], references[order[place - shift]]
            if one != other:
                pairs.append((one, other))
            if len(pairs) == BASELINE_PAIRS:
                return pairs
    if not pairs:
        raise UserError(
            "encoder similarity: all references are equal, so there are no unrelated pairs to take the baseline from; "
            "expected at least two different references"
        )
    return pairs
