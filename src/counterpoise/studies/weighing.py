"""Where would each objective put its weight? The same two functions as training: scoring, then the objective.

Teacher-forces examples through the model as it is, weighs them under every objective, and sums up what share of the
gradient's weight tokens of low and of high confidence carry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from counterpoise.data.batching import collate
from counterpoise.data.encoded import Encoded
from counterpoise.inspection.weighing import pull as pull_of
from counterpoise.models.load import LoadedModel
from counterpoise.objectives import Objective
from counterpoise.training.scored_model import ScoredModel

LOW, HIGH = 0.1, 0.5
"""Confidence below which a token counts as not known, and above which as known."""
SUMMED = 256
"""Examples that the shares are summed over."""


@torch.no_grad()
def weigh_examples(
    loaded: LoadedModel,
    items: Sequence[Encoded],
    objectives: Mapping[str, Objective],
    records: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    """Weigh the first examples under each objective.

    A scheduled option is taken as it is at the end of training: at the start, ``sft_share: 1 to 0`` is SFT itself.

    Returns:
        ``shares``: for each objective the share of all weight carried by tokens of low, middle and high confidence, and
        the share of tokens that count (Kish); ``tokens``: the same three groups' share of tokens; ``examples``: two
        examples token by token, one that the model half knows and one that it does not.
    """
    items = list(items[:SUMMED])
    needs = frozenset().union(*(objective.needs for objective in objectives.values()))
    model = ScoredModel(loaded.model, needs).eval()
    device = next(loaded.model.parameters()).device
    batch = {name: value.to(device) for name, value in collate(items, loaded.tokenizer.pad_token_id).items()}
    scores = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], targets=batch["targets"])
    log_probs = scores.pop("log_probs")
    kept = batch["targets"].reshape(-1) != -100
    samples, targets = batch["samples"].reshape(-1)[kept], batch["targets"].reshape(-1)[kept]
    confidence = log_probs.exp()
    outs = {
        title: objective.loss(log_probs, samples, num_samples=len(items), progress=1.0, **scores)
        for title, objective in objectives.items()
    }
    groups = {
        "low": confidence < LOW,
        "middle": (confidence >= LOW) & (confidence < HIGH),
        "high": confidence >= HIGH,
    }
    shares = {}
    for title, out in outs.items():
        pull = pull_of(objectives[title], out.token_weights, out.sample_weights, samples)
        shares[title] = {
            **{name: (pull[mask].sum() / pull.sum().clamp(min=1e-30)).item() for name, mask in groups.items()},
            "effective": out.metrics["effective_share"],
            "low_token_weight": _mean(out.token_weights[groups["low"]]),
            "high_token_weight": _mean(out.token_weights[groups["high"]]),
        }
    chosen = _two_examples(log_probs, samples, len(items))
    return {
        "thresholds": {"low": LOW, "high": HIGH},
        "samples": len(items),
        "tokens": {
            "count": int(samples.numel()),
            **{name: mask.float().mean().item() for name, mask in groups.items()},
        },
        "shares": shares,
        "examples": [
            {
                "prompt": records[b]["prompt"],
                "completion": records[b]["completion"],
                "id": records[b]["id"],
                "tokens": [loaded.tokenizer.decode([t]) for t in targets[samples == b].tolist()],
                "confidence": confidence[samples == b].tolist(),
                "weights": {title: out.token_weights[samples == b].tolist() for title, out in outs.items()},
                "sample_weight": {title: out.sample_weights[b].item() for title, out in outs.items()},
            }
            for b in chosen
        ],
    }


def _mean(values: Tensor) -> float | None:
    """The mean, or None (null in JSON) where there is nothing to average."""
    return values.mean().item() if values.numel() else None


def _two_examples(log_probs: Tensor, samples: Tensor, count: int) -> list[int]:
    """Return the samples at the upper and the lower fifth of mean log-probability, among those of 4 tokens and more
    (among all, where none is that long)."""
    lengths = torch.bincount(samples, minlength=count)
    means = torch.zeros(count, device=log_probs.device).index_add(0, samples, log_probs) / lengths.clamp(min=1)
    long = (lengths >= min(4, int(lengths.max()))).nonzero().squeeze(-1)
    order = long[means[long].argsort()].tolist()
    return [order[(4 * len(order)) // 5], order[len(order) // 5]]
