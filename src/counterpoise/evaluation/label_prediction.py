"""What an encoder model predicts, and how probable it finds the right labels.

predicted = predict_labels(loaded.model, encoded.items, loaded.tokenizer.pad_token_id)
nll = label_nll(loaded.model, encoded.items, loaded.tokenizer.pad_token_id)["NLL"].estimate()
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterpoise.data.labelled import EncodedLabels, collate_labels
from counterpoise.evaluation.labels import Prediction
from counterpoise.evaluation.measurement import HELD_OUT, Measurement, Measurements
from counterpoise.models.encoder import labels_of
from counterpoise.models.head import compute_context
from counterpoise.training.scored_encoder import ScoredEncoder, label_logits


@torch.inference_mode()
def predict_labels(
    model: Any, items: Sequence[EncodedLabels], pad_token_id: int, *, batch_size: int = 32
) -> list[Prediction]:
    """Return, in the order of ``items``, the tags of all words (O for words without a token), the most probable label,
    the labels with a probability above 0.5 (multi-label, in the order of the head), or the value in the data's own
    unit. The model is left in evaluation mode.
    """
    space = labels_of(model)
    predicted: list[Any] = [None] * len(items)
    for chosen, batch in _batches(model, items, pad_token_id, batch_size):
        logits = label_logits(model, batch).float()
        for i, row in zip(chosen, logits.cpu(), strict=True):
            if space.task == "regression":
                predicted[i] = row.item() * space.scale + space.mean
            elif space.task == "multi-label":
                predicted[i] = tuple(label for label, z in zip(space.labels, row.tolist(), strict=True) if z > 0)
            elif space.task == "sequence-classification":
                predicted[i] = space.labels[int(row.argmax())]
            else:
                tags = ["O"] * items[i].num_words
                for word, best in zip(items[i].word_ids, row.argmax(-1).tolist(), strict=False):  # padding follows
                    if word >= 0:
                        tags[word] = space.labels[best]
                predicted[i] = tuple(tags)
    return predicted


@torch.inference_mode()
def label_nll(
    model: Any, items: Sequence[EncodedLabels], pad_token_id: int, *, task: str = HELD_OUT, batch_size: int = 32
) -> Measurements:
    """NLL per label (for a regression half the squared error, in standard deviations of the training values)."""
    scored = ScoredEncoder(model)
    totals, counts = np.zeros(len(items)), np.array([float(item.num_targets) for item in items])
    for chosen, batch in _batches(model, items, pad_token_id, batch_size):
        log_probs = scored(**{k: v for k, v in batch.items() if k not in ("samples", "num_samples")})["log_probs"]
        rows = batch["samples"][batch["targets"] != -100]
        sums = torch.zeros(len(chosen), dtype=torch.float64).index_add(0, rows.cpu(), -log_probs.double().cpu())
        totals[chosen] = sums.numpy()
    used = counts > 0
    return {"NLL": Measurement(task, "NLL", totals[used], counts[used], higher_is_better=False)}


def _batches(
    model: Any, items: Sequence[EncodedLabels], pad_token_id: int, batch_size: int
) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    """Yield (indices of items, their batch on the model's device), longest first; dropout is off from here on."""
    model.eval()
    device = next(model.parameters()).device
    order = sorted(range(len(items)), key=lambda i: -len(items[i]))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = collate_labels([items[i] for i in chosen], pad_token_id)
        with compute_context(model):
            yield chosen, {name: tensor.to(device) for name, tensor in batch.items()}
