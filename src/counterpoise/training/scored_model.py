"""The model that the trainer sees: token batches in, scores of the supervised tokens out. Never logits.

Wrapping the language model, rather than reaching into it from the trainer, keeps the LM head inside ``forward``:
autocast applies to it, and wrappers that gather parameters around ``forward`` (DDP, FSDP, ZeRO) see all of them used.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from counterpoise.models.head import base_of, final_hidden, find_head
from counterpoise.scoring import score_tokens
from counterpoise.training.zero import zero_stage


class ScoredModel(nn.Module):
    """A language model, decoder-only or encoder-decoder, whose forward pass returns what objectives weigh.

    Args:
        model: a language model, PEFT-wrapped or not.
        needs: what the objective needs beyond log-probabilities (``Objective.needs``). For the reference's
            log-probabilities or KL, the reference is the model with its adapter off, or, without an adapter, a frozen
            copy made here, before training (frozen weights are shared, not copied).
    """

    def __init__(self, model: nn.Module, needs: Collection[str] = ()) -> None:
        super().__init__()
        self.model = model
        self.needs = frozenset(needs)
        self._reference: list[nn.Module] = []  # in a list, so that it is no submodule: not moved, wrapped or saved
        if self._needs_reference and not hasattr(model, "disable_adapter"):
            # ZeRO stage 3 takes the model's weights apart, and would take those that the copy shares with it.
            shared = {} if zero_stage() == 3 else {id(p): p for p in model.parameters() if not p.requires_grad}
            self._reference.append(copy.deepcopy(model, memo=shared).requires_grad_(False).eval())

    @property
    def _needs_reference(self) -> bool:
        return bool(self.needs & {"reference_log_probs", "reference_kl"})

    @property
    def config(self) -> Any:
        return self.model.config

    @property
    def _no_split_modules(self) -> Any:
        """The layers that FSDP shards one by one, as the model names them."""
        return getattr(base_of(self.model), "_no_split_modules", None)

    def forward(self, targets: Tensor, rows: Tensor | None = None, **body: Tensor) -> dict[str, Tensor]:
        """Score a batch.

        Args:
            targets: [R, T] int64, shifted: the token each position is to predict, -100 where not supervised.
            rows: [N] int64, where the supervised positions lie in the flattened batch; found here if not given.
            body: what `models.head.final_hidden` takes: input_ids [R, T], and a mask, positions, the encoder's side ...

        Returns:
            ``log_probs`` [N] float32, row by row, and each of ``needs``, [N].
        """
        flat = targets.reshape(-1)
        rows = (flat != -100).nonzero().squeeze(-1) if rows is None else rows
        hidden, kept = self._rows(final_hidden(self.model, **body), rows), flat.index_select(0, rows)
        extras: dict[str, Tensor] = {}
        anchor_hidden = anchor_head = None
        if self._needs_reference:
            with torch.no_grad():
                anchor_hidden, anchor_head = self._reference_rows(body, rows)
                if "reference_log_probs" in self.needs:
                    extras["reference_log_probs"] = score_tokens(anchor_hidden, anchor_head, kept).log_probs
        scores = score_tokens(
            hidden,
            find_head(self.model),
            kept,
            needs=self.needs - {"reference_log_probs"},
            reference_hidden=anchor_hidden,
            reference_head=anchor_head,
            check=False,
        )
        for name in ("entropy", "collision", "reference_kl"):
            if (value := getattr(scores, name)) is not None:
                extras[name] = value
        return {"log_probs": scores.log_probs, **extras}

    @staticmethod
    def _rows(hidden: Tensor, rows: Tensor) -> Tensor:
        return hidden.reshape(-1, hidden.shape[-1]).index_select(0, rows)

    def _reference_rows(self, body: dict[str, Tensor], rows: Tensor) -> tuple[Tensor, Any]:
        if self._reference:
            reference = self._reference[0].to(rows.device)
            hidden, head = final_hidden(reference, **body), find_head(reference)
        else:
            was_training = self.model.training
            self.model.eval()
            with self.model.disable_adapter():  # type: ignore[operator]
                hidden, head = final_hidden(self.model, **body), find_head(self.model)
            self.model.train(was_training)
        return self._rows(hidden, rows), head
