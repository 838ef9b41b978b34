"""A fine-tuned encoder (BERT ...) on tasks: it predicts labels, tags or numbers, and is scored as language models are.

backend = EncoderBackend(load_encoder("runs/gad-bert/model"))
backend.predict(tasks.get("gad"), items)            # replies whose text is the prediction, as JSON
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from counterpoise.data.labelled import encode_labels
from counterpoise.errors import UserError
from counterpoise.evaluation.backend import Query, Reply
from counterpoise.evaluation.label_prediction import predict_labels
from counterpoise.evaluation.task_metrics import label_space
from counterpoise.evaluation.tasks.item import Item
from counterpoise.evaluation.tasks.items import labelled_examples
from counterpoise.evaluation.tasks.spec import TaskSpec
from counterpoise.models.encoder import labels_of, longest_input
from counterpoise.models.label_config import named
from counterpoise.models.load import LoadedModel

LONGEST = 1024
"""Tokens of an encoder's input, where the encoder itself allows more."""


class EncoderBackend:
    """A fine-tuned encoder in this process.

    Args:
        loaded: as `models.encoder.load_encoder` gives it.
        rows: items a batch.
    """

    def __init__(self, loaded: LoadedModel, rows: int = 32) -> None:
        self.loaded, self.rows = loaded, rows

    def replies(self, queries: Sequence[Query]) -> Iterator[Reply]:
        """Refuse: an encoder reads no conversation."""
        raise UserError("an encoder answers no prompts; expected a task with labels, tags or a number to predict")

    def predict(self, spec: TaskSpec, items: Sequence[Item]) -> Iterator[Reply]:
        """Yield one reply an item, its text the JSON of a label, a list of labels or tags, or a number.

        Raises:
            UserError: a task that no encoder does, or an encoder that was fine-tuned for other labels.
        """
        space = labels_of(self.loaded.model)
        examples = labelled_examples(spec, items)
        wanted = label_space(spec, items)
        if space.task != wanted.task or set(space.labels) != set(wanted.labels):
            raise UserError(f"{spec.name}: this encoder was fine-tuned for {named(space)}; the task is {named(wanted)}")
        tokenizer = self.loaded.tokenizer
        longest = min(LONGEST, longest_input(self.loaded.model) or LONGEST)
        encoded = encode_labels(examples, tokenizer, space, longest)
        predicted = predict_labels(self.loaded.model, encoded.items, tokenizer.pad_token_id, batch_size=self.rows)
        for item, prediction in zip(items, predicted, strict=True):
            yield Reply(f"{item.id}|encoder", text=json.dumps(prediction))
