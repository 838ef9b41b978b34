"""The encoder model that the trainer sees: batches in, log-probabilities of the right labels out.

    scored = ScoredEncoder(loaded.model, objective.needs)
    scores = scored(input_ids=..., attention_mask=..., targets=...)      # {"log_probs": [N], ...}
    objective.loss(scores.pop("log_probs"), samples, denominator, **scores)

The counterpart of `training.scored_model` for `data.labelled`: a labelled position takes the place of a supervised
token, so that every objective weighs it, and ``sft`` is cross-entropy. In a multi-label task each label of a text is
such a position with two outcomes, yes and no, of probability ``sigmoid(logit)`` and ``sigmoid(-logit)``, so that
``sft`` is binary cross-entropy.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from counterpoise.data.labelled import NO_TARGET
from counterpoise.data.labelled_reading import LabelTask
from counterpoise.errors import UserError
from counterpoise.models.encoder import labels_of
from counterpoise.models.head import base_of, compute_context
from counterpoise.objectives import Objective
from counterpoise.scoring.statistics import TOP_K
from counterpoise.training.scored import Scored

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def check_objective(task: LabelTask, objective: Objective) -> None:
    """Raise `UserError` for an objective that weighs by a probability where the task has none."""
    if task == "regression" and objective.name != "sft":
        raise UserError(
            f"objective.name is {objective.name}, which weighs by the probability of a label, but a regression "
            "predicts a number; expected sft"
        )


class ScoredEncoder(Scored):
    """An encoder with a task head whose forward pass returns what objectives weigh.

    Args:
        model: as `models.encoder.load_encoder` gives it, PEFT-wrapped or not.
        needs: what the objective needs beyond log-probabilities; see :class:`Scored`. The new head of the reference,
            which is the model before training, guesses.
    """

    def __init__(self, model: nn.Module, needs: Collection[str] = ()) -> None:
        super().__init__(model, needs)
        self.space = labels_of(model)

    def forward(
        self, targets: Tensor, rows: Tensor | None = None, values: Tensor | None = None, **body: Tensor
    ) -> dict[str, Tensor]:
        """Score a batch of `data.labelled.collate_labels`, without ``samples`` and ``num_samples``.

        Args:
            targets: [R, T] (token classification) or [R, 1] int64, the label's index, or [R, labels] (multi-label), 0
                or 1; -100 where there is none.
            rows: [N] int64, where the targets lie in the flattened batch; found here if not given.
            values: [R] float, for a regression.
            body: what the model reads: input_ids, attention_mask [R, T] int64, token_type_ids.

        Returns:
            ``log_probs`` [N] float32, one a target, row by row, and each of ``needs``, [N]. For a regression
            ``-(prediction - z)^2 / 2`` with ``z = (value - mean) / scale``: the log-density of a Gaussian of variance 1
            around the prediction, up to a constant.
        """
        flat = targets.reshape(-1)
        rows = (flat != NO_TARGET).nonzero().squeeze(-1) if rows is None else rows
        logits = label_logits(self.model, body)
        if self.space.task == "regression":
            assert values is not None, "a regression batch has values"
            z = (values.index_select(0, rows) - self.space.mean) / self.space.scale
            return {"log_probs": -0.5 * (_at(logits, rows).squeeze(-1) - z).square()}
        log_p, labels = self._log_p(logits, rows), flat.index_select(0, rows)
        scores = {"log_probs": _pick(log_p, labels)}
        if "entropy" in self.needs:
            top = log_p.topk(min(TOP_K, log_p.shape[-1]), dim=-1).values.log_softmax(-1)
            scores["entropy"] = -(top.exp() * top).sum(-1)
        if "collision" in self.needs:
            scores["collision"] = log_p.exp().square().sum(-1)
        if self.needs_reference:
            with torch.no_grad(), self.reference(rows.device) as model:
                reference = self._log_p(label_logits(model, body), rows)
            if "reference_log_probs" in self.needs:
                scores["reference_log_probs"] = _pick(reference, labels)
            if "reference_kl" in self.needs:
                scores["reference_kl"] = (reference.exp() * (reference - log_p)).sum(-1)
        return scores

    def _log_p(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Log-probabilities of the outcomes at the positions that have a target: [N, labels], multi-label [N, 2]."""
        if self.space.task == "multi-label":
            yes = _at(logits.unsqueeze(-1), rows)
            return F.logsigmoid(torch.cat([-yes, yes], -1))
        return _at(logits, rows).log_softmax(-1)


def label_logits(model: Any, batch: dict[str, Tensor]) -> Tensor:
    """Return [R, T, labels] for token classification, else [R, labels].

    Of ``batch`` the model gets what its forward pass names: some tokenizers make token types for models without them.
    """
    read = inspect.signature(base_of(model).forward).parameters
    with compute_context(model):
        logits: Tensor = model(**{name: batch[name] for name in INPUTS if name in batch and name in read}).logits
    return logits


def _at(logits: Tensor, rows: Tensor) -> Tensor:
    """[R, T, K] or [R, K] -> [N, K] float32: the logits at the positions that have a target."""
    return logits.reshape(-1, logits.shape[-1]).index_select(0, rows).float()


def _pick(log_p: Tensor, labels: Tensor) -> Tensor:
    return log_p.gather(-1, labels[:, None]).squeeze(-1)
