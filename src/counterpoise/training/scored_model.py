"""The model that the trainer sees: token batches in, scores of the supervised tokens out. Never logits.

Wrapping the language model, rather than reaching into it from the trainer, keeps the LM head inside ``forward``:
autocast applies to it, and wrappers that gather parameters around ``forward`` (DDP, FSDP, ZeRO) see all of them used.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from counterpoise.models.head import final_hidden, find_head
from counterpoise.scoring import score_tokens
from counterpoise.training.scored import Scored


class ScoredModel(Scored):
    """A language model, decoder-only or encoder-decoder, whose forward pass returns what objectives weigh.

    Args:
        model: a language model, PEFT-wrapped or not.
        needs: what the objective needs beyond log-probabilities; see :class:`Scored`, also on the reference.
    """

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
        if self.needs_reference:
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
        with self.reference(rows.device) as reference:
            hidden, head = final_hidden(reference, **body), find_head(reference)
        return self._rows(hidden, rows), head
