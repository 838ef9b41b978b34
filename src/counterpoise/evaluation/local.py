"""The backend that runs the model in this process.

    loaded = load_model("smollm2-135m")
    backend = LocalBackend(loaded, prompt_format(loaded))
    for reply in backend.replies(queries): reply.log_likelihoods, reply.text

Options are scored by `option_scoring` (each shared token read once), free answers written by `generation`: the
likeliest, or with ``sampling`` drawn ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from counterpoise.evaluation.backend import Query, Reply
from counterpoise.evaluation.drawing import Sampling
from counterpoise.evaluation.generation import generate
from counterpoise.evaluation.option_scoring import OptionScorer
from counterpoise.evaluation.prompt_format import PromptFormat
from counterpoise.models.load import LoadedModel

ROW = 4096
"""Tokens of a row of options at most: longer ones are no faster."""


class LocalBackend:
    """Answers queries with a loaded model; implements :class:`~counterpoise.evaluation.backend.Backend`.

    Args:
        loaded: a decoder-only model or an encoder-decoder, with an adapter or without; put in evaluation mode.
        form: how prompts are written; `prompt_format` makes one.
        batch_tokens: tokens whose keys and values a batch holds at most, options and padding included; one query that
            is longer is a batch of its own.
        rows: sequences a batch where each is read in full, and answers generated at once.
        sampling: how free answers are drawn; None: they are the likeliest.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        form: PromptFormat,
        *,
        batch_tokens: int = 16_384,
        rows: int = 16,
        sampling: Sampling | None = None,
    ) -> None:
        self.loaded, self.form, self.batch_tokens, self.rows, self.sampling = loaded, form, batch_tokens, rows, sampling
        self._scorer: OptionScorer | None = None

    def drawing(self, sampling: Sampling) -> LocalBackend:
        """Return the same model's backend with free answers drawn."""
        return LocalBackend(self.loaded, self.form, batch_tokens=self.batch_tokens, rows=self.rows, sampling=sampling)

    def replies(self, queries: Sequence[Query]) -> Iterator[Reply]:
        """Yield one reply a query as batches finish; queries that ask the same are answered once, unless by chance.

        Raises UserError, before anything is computed, for a query that is too long (``form.fitted``) or whose option
        has no tokens of its own.
        """
        alike: dict[Hashable, list[Query]] = defaultdict(list)
        for query in queries:
            written: Hashable = ()
            if not query.options:
                chance = query.id if self.sampling else ""
                written = (query.max_new_tokens, query.stop, query.prefill, query.each_token, chance)
            alike[query.messages, query.options, written].append(query)
        groups = list(alike.values())
        chosen = [group for group in groups if group[0].options]
        free = {group[0].id: group for group in groups if not group[0].options}
        items = [self.form.item(group[0]) for group in chosen]
        if items and self._scorer is None:
            padding = self.loaded.tokenizer.pad_token_id
            limit = min(self.batch_tokens, ROW)
            self._scorer = OptionScorer(self.loaded.model, padding, batch_tokens=limit, rows=self.rows)
        if self._scorer is not None:
            for number, scores in self._scorer.score(items):
                reply = Reply(
                    "",
                    log_likelihoods=tuple(scores.total.tolist()),
                    tokens=tuple(scores.tokens.tolist()),
                    confidences=tuple(scores.confidence.tolist()),
                )
                yield from (replace(reply, id=query.id) for query in chosen[number])
        heads = [group[0] for group in free.values()]
        sizes = {"batch_tokens": self.batch_tokens, "rows": self.rows}
        for reply in generate(self.loaded, self.form, heads, **sizes, sampling=self.sampling):
            yield from (replace(reply, id=query.id) for query in free[reply.id])
