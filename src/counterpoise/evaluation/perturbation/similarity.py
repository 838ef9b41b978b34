"""Similarity of descriptions (of drugs) and of response profiles (of readout genes).

text_similarity(asked, known)            # float32 [asked, known]: cosine of TF-IDF words
alike, how_much = similar_profiles(labels, genes, perturbations, n_genes, n_perturbations, most=10)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.float64]
Codes = NDArray[np.int64]

SHRINKAGE = 1.0
"""Added to a profile's squared length: genes seen with few perturbations resemble nothing much."""


def text_similarity(rows: Sequence[str], columns: Sequence[str]) -> NDArray[np.float32]:
    """Return the cosine of the texts' TF-IDF words, float32 [rows, columns]; frequencies are those of ``columns``.

    A text without any word of theirs resembles nothing.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(token_pattern=r"[A-Za-z0-9][A-Za-z0-9-]+", sublinear_tf=True)
    try:
        known = words.fit_transform(columns)
    except ValueError:  # no text has a word
        return np.zeros((len(rows), len(columns)), np.float32)
    found: NDArray[np.float32] = (words.transform(rows) @ known.T).toarray().astype(np.float32)
    return found


def gene_rates(labels: Labels, genes: Codes, n_genes: int) -> Labels:
    """Return each gene's share of label 1 in training [genes]; the overall share for a gene that is not there."""
    counts = np.bincount(genes, minlength=n_genes)
    ones = np.bincount(genes, weights=labels, minlength=n_genes)
    overall = float(labels.mean()) if len(labels) else 0.0
    return np.where(counts > 0, ones / np.maximum(counts, 1), overall)


def similar_profiles(
    labels: Labels,
    genes: Codes,
    perturbations: Codes,
    n_genes: int,
    n_perturbations: int,
    *,
    asked: Codes,
    most: int = 10,
) -> tuple[Codes, NDArray[np.float32]]:
    """Return, for each gene of ``asked``, the genes that respond to the same training perturbations as it does.

    A profile is the gene's labels less their mean, 0 where nothing was measured; similarity is the cosine, its lengths
    enlarged by `SHRINKAGE`.

    Args:
        labels, genes, perturbations: training rows, [rows] each; genes and perturbations by number.
        n_genes, n_perturbations: how many numbers there are.
        asked: the genes to find others for.
        most: others a gene at most.

    Returns:
        genes [asked, most] best first, and similarity [asked, most], 0 where there is no further one.
    """
    profiles = np.zeros((n_genes, n_perturbations), np.float32)
    np.add.at(profiles, (genes, perturbations), (labels - gene_rates(labels, genes, n_genes)[genes]).astype(np.float32))
    length = np.sqrt((profiles**2).sum(1) + SHRINKAGE)
    profiles /= length[:, None]
    most = min(most, n_genes)
    others = np.zeros((len(asked), most), np.int64)
    alike = np.zeros((len(asked), most), np.float32)
    for start in range(0, len(asked), 512):
        block = asked[start : start + 512]
        cosine = profiles[block] @ profiles.T
        cosine[np.arange(len(block)), block] = 0
        best = np.argsort(-cosine, axis=1, kind="stable")[:, :most]
        others[start : start + 512] = best
        alike[start : start + 512] = np.maximum(np.take_along_axis(cosine, best, 1), 0)
    return others, alike
