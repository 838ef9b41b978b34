"""A text and what the model says of it: encoded, scored, or taken from the parts that an earlier call left.

scorer = TextScorer(Path("runs/inspect/parts"), {"model": ..., "max_length": 1024}, loaded)
text = scorer.scored("data", records, "chat", needs=["entropy"])
text.confidence, text.encoded.lengths
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.errors import Stopped, UserError
from counterpoise.inspection.encoding import EncodedRecords, encode_records
from counterpoise.inspection.forcing import BATCH_TOKENS, Scored, teacher_force
from counterpoise.inspection.parts import Parts
from counterpoise.inspection.reading import Records
from counterpoise.models.load import LoadedModel

Scores = dict[str, NDArray[np.float32]]
OnProgress = Callable[[str, int, int], None]
"""Called with what is going on, the tokens done and those in all."""


@dataclass(frozen=True)
class ScoredText:
    """A text that was scored."""

    name: str
    encoded: EncodedRecords
    scores: Scores

    @property
    def confidence(self) -> NDArray[np.float32]:
        return np.exp(self.scores["log_probs"])


@dataclass(frozen=True)
class TextScorer:
    """Encodes texts and scores them, or takes the scores that an earlier call left."""

    folder: Path
    settings: Mapping[str, Any]
    loaded: LoadedModel
    batch_tokens: int = BATCH_TOKENS
    overwrite: bool = False
    on_progress: OnProgress | None = None

    def scored(self, name: str, read: Records, template: str, needs: Sequence[str]) -> ScoredText:
        """Encode a text and score what was not scored before.

        Args:
            name: of the folder that its scores are kept in.
            read, template: see `reading`.
            needs: what objectives need beside log-probabilities.

        Raises:
            UserError: nothing is supervised, the folder holds other scores, or a probability is no number.
            Stopped: Ctrl-C; what was written is taken up by the next call.
        """
        encoded = encode_records(read, self.loaded, max_length=self.settings["max_length"], template=template)
        told = {**self.settings, "needs": list(needs), "data": read.fingerprint, "template": template}
        parts = Parts.open(self.folder / name, told, overwrite=self.overwrite)
        done = parts.done()
        sizes = [len(item.input_ids) + len(item.encoder_ids) for item in encoded.items]
        total, counted = sum(sizes), sum(sizes[i] for i in done)

        def tell(batch: Scored) -> None:
            nonlocal counted
            counted += batch.input_tokens
            if self.on_progress is not None:
                self.on_progress(f"tokens of {name if name == 'data' else 'the comparison'}", counted, total)

        try:
            if len(done) < len(encoded.items):
                asked = parts.settings["needs"]
                batches = teacher_force(
                    self.loaded, encoded.items, needs=asked, batch_tokens=self.batch_tokens, skip=done
                )
                parts.keep(batches, tell)
        except KeyboardInterrupt:
            raise Stopped(f"stopped; the same command goes on from {self.folder}", signal.SIGINT) from None
        found = ScoredText(read.name, encoded, parts.gather(encoded.lengths))
        broken = np.flatnonzero(~np.isfinite(found.scores["log_probs"]))
        if len(broken):
            record = encoded.records[int(np.searchsorted(encoded.ends, broken[0], side="right"))]
            raise UserError(
                f"{record.source}: the model gives it a probability that is no number; its weights are broken, or need "
                "--precision float32"
            )
        return found
