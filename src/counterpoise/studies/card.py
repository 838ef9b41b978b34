"""The model card that is written beside a trained model."""

from __future__ import annotations

from typing import Any

from counterpoise.training.config import RunConfig

CARD = """---
base_model: {base}
library_name: {library}
tags: [counterpoise, {objective_name}, biomedical]
---
# {title}

{base}, fine-tuned on {source} ({examples:,} examples) with the objective `{objective}` by
Counterpoise {version} (Balanced Fine-Tuning: [arXiv 2511.21075](https://arxiv.org/abs/2511.21075)).

**Not a medical device.** Nothing it writes may be used for diagnosis, treatment or any decision about a patient.

| | |
|---|---|
| base model | {base} ({detail}) |
| trained parameters | {trainable:,} of {total:,} ({adapter}) |
| objective | `{objective}` |
| steps, batch, peak rate | {steps}, {batch_size}, {learning_rate:g} |
| seed | {seed} |
| data fingerprint | `{fingerprint}` |
| commit | `{commit}` |

## Results

{results}

Each value with its 95 % bootstrap interval over n units. `before` is the base model.

## Terms

The terms of the base model and of the data hold for this model too; look them up before you pass it on.
"""


def model_card(config: RunConfig, outcome: dict[str, Any], made_with: dict[str, Any]) -> str:
    """Return the card as Markdown."""
    objective = config.objective.build()
    return CARD.format(
        base=config.model.name,
        library="transformers" if config.adapter.kind == "full" else "peft",
        objective_name=objective.name,
        title=f"{config.model.name.rpartition('/')[2]} after {objective.name}",
        source=config.data.source,
        examples=made_with["data"]["examples"],
        objective=objective.label(),
        version=made_with["counterpoise"],
        detail=made_with["model"]["detail"],
        trainable=outcome["parameters"]["trainable"],
        total=outcome["parameters"]["total"],
        adapter=config.adapter.kind,
        steps=outcome["training"]["steps"],
        batch_size=config.training.batch_size,
        learning_rate=config.training.learning_rate,
        seed=config.training.seed,
        fingerprint=made_with["data"]["fingerprint"][:16],
        commit=made_with["git_commit"] or "not from a checkout",
        results=_results(outcome),
    )


def _results(outcome: dict[str, Any]) -> str:
    rows = outcome["rows"]
    if not rows:
        return "Nothing was measured: set data.held_out or evaluation.tasks."
    lines = ["| task | metric | objective | value | n |", "|---|---|---|---|---|"]
    lines += [
        f"| {r.task} | {r.metric} | {'before' if r.objective == 'none' else r.objective} | "
        f"{r.value:.3f} [{r.low:.3f}, {r.high:.3f}] | {r.n} |"
        for r in rows
    ]
    return "\n".join(lines)
