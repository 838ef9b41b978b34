"""Negative log-likelihood: of held-out examples as they are trained on, and of plain text (a probe of forgetting).

held_out = sequence_nll(model, items, padding)                 # NLL and tokens of each example
plain = sequence_nll(model, plain_text_items(tokenizer, general_sentences()), padding)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from counterpoise.data.batching import collate
from counterpoise.data.encoded import Encoded
from counterpoise.models.head import find_head
from counterpoise.models.hidden import final_hidden
from counterpoise.scoring import score_tokens, supervised_rows


@dataclass(frozen=True)
class SequenceNLL:
    """Summed NLL in nats, supervised tokens, and summed probabilities of these tokens; arrays are [sequences]."""

    total: NDArray[np.float64]
    tokens: NDArray[np.int64]
    confidence: NDArray[np.float64]

    @property
    def per_token(self) -> float:
        """NLL per token over all sequences."""
        return float(self.total.sum() / max(self.tokens.sum(), 1))


@torch.no_grad()
def sequence_nll(model: Any, items: Sequence[Encoded], padding: int, *, rows: int = 32) -> SequenceNLL:
    """Score each item's supervised tokens; the model is left in the mode it was in."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    total, tokens = np.zeros(len(items)), np.zeros(len(items), dtype=np.int64)
    confidence = np.zeros(len(items))
    order = sorted(range(len(items)), key=lambda i: len(items[i].input_ids))
    for first in range(0, len(order), rows):
        chosen = order[first : first + rows]
        batch = {name: value.to(device) for name, value in collate([items[i] for i in chosen], padding).items()}
        labels = batch.pop("targets"), batch.pop("samples")
        batch.pop("num_samples")
        kept, targets, samples = supervised_rows(final_hidden(model, **batch), *labels)
        assert samples is not None
        nll = -score_tokens(kept, find_head(model), targets).log_probs.double()
        place = samples.cpu().numpy()
        total[chosen] = np.bincount(place, weights=nll.cpu().numpy(), minlength=len(chosen))
        confidence[chosen] = np.bincount(place, weights=(-nll).exp().cpu().numpy(), minlength=len(chosen))
        tokens[chosen] = np.bincount(place, minlength=len(chosen))
    model.train(was_training)
    return SequenceNLL(total, tokens, confidence)


def plain_text_items(tokenizer: Any, texts: Sequence[str]) -> list[Encoded]:
    """Encode plain texts, every token but the first supervised; a start token goes first where there is one."""
    items = []
    for number, text in enumerate(texts, start=1):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        if tokenizer.bos_token_id is not None:
            ids = [tokenizer.bos_token_id, *ids]
        items.append(
            Encoded(input_ids=ids, supervised=[False] + [True] * (len(ids) - 1), source=f"text {number}", id="")
        )
    return items


def general_sentences() -> list[str]:
    """Return the embedded plain English sentences: no biology, no medicine, written for this project."""
    text = (resources.files("counterpoise.evaluation") / "general_sentences.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip()]
