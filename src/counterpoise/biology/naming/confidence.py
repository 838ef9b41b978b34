"""What a name's confidence means: the bins of Hu et al. (Nature Methods 2025, 22:82-91), recovered from their data.

>>> [confidence_bin(x) for x in (0.0, 0.5, 0.85, 0.87, None)]
['none', 'low', 'medium', 'high', 'not given']
"""

from __future__ import annotations

from typing import Literal

Bin = Literal["none", "low", "medium", "high", "not given"]

MEDIUM, HIGH = 0.82, 0.87
"""Where medium and high begin."""

MEANING: dict[str, str] = {
    "none": "0: the genes were said to share no process",
    "low": "below 0.82: GPT-4 gave it too seldom (11 of 1,000 names) to say how often such a name is right",
    "medium": "from 0.82 to below 0.87: 36 % of GPT-4's names came near the true one",
    "high": "0.87 or more: 72 % of GPT-4's names came near the true one",
    "not given": "the model gave no confidence, which is not the same as a confidence of 0",
}
"""Each bin in words; near the true name: among the nearest 5 % of terms (GPT-4 on 1,000 Gene Ontology sets)."""

BINS_HELP = (
    "The confidence is the model's own estimate of the share of genes that take part: "
    + "; ".join(f"{name}: {text}" for name, text in MEANING.items())
    + ". The bins were found with GPT-4. A small model's confidence is not calibrated: read it as a number that the "
    "model wrote, and not as a probability. In the mode enrichment it is counted, not estimated: the share of the "
    "set's genes that are in the term."
)


def confidence_bin(confidence: float | None) -> Bin:
    """Return the bin of a confidence from 0 to 1; None (no confidence was given) is told apart from 0."""
    if confidence is None:
        return "not given"
    if confidence <= 0:
        return "none"
    return "low" if confidence < MEDIUM else "medium" if confidence < HIGH else "high"
