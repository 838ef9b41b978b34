"""From an `Example` to token ids with an exact mask of what is supervised: assistant turns, and nothing else.

    renderer = Renderer(tokenizer, max_length=1024)
    encoded = renderer.encode(example)          # encoded.input_ids, encoded.supervised: lists of one length
    renderer.prompt_ids(example.messages[:1])   # what the model sees when it is asked to answer
    encoded_set = encode_all(examples, renderer); print(encoded_set.report, *encoded_set.report.warnings())

How the mask is made. The chat template renders the conversation up to each assistant turn, once as a prompt
(`add_generation_prompt=True`) and once with the turn: the text that the turn adds is the answer. Prompt and answer are
tokenised apart, so the prompt has the very ids that it has at generation time and no token straddles the boundary. The
supervised part ends with the end-of-turn token; white space that the template puts after it is not supervised. Where
the template has no end-of-turn token, the end-of-sequence token is added after the last turn and supervised.

A template that rewrites earlier turns as the conversation goes on (some drop earlier reasoning) has no such boundary:
then its own `{% generation %}` marks are used if it has them, and `UserError` is raised if not. Nothing is guessed.

For an encoder-decoder (``architecture="encoder-decoder"``) the encoder reads the conversation up to the last learned
answer, and the decoder learns that answer: ``encoded.encoder_ids`` and ``encoded.input_ids``. Earlier answers are
context, and are not learned.

How a tokenizer that puts a blank before every text is dealt with: `data.segments`. What ``max_length`` cuts:
`data.truncation`.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from counterpoise.data.encoded import Encoded, EncodedSet, EncodingReport, Truncated
from counterpoise.data.example import Example, Message
from counterpoise.data.segments import Segments
from counterpoise.data.truncation import truncate
from counterpoise.errors import UserError, nearest

TRUNCATIONS = ("answer-end", "error")

PLAIN = (
    "{% for message in messages %}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
)
"""The format of tokenizers without a chat template: each turn and a newline; an answer ends with eos. A bos token comes
first if the tokenizer adds one to its texts."""

TURNS = "{% for message in messages %}{{ message['content'] }}{% if not loop.last %}{{ '\\n' }}{% endif %}{% endfor %}"
"""The same for an encoder: the turns on a line each, to which the tokenizer adds the special tokens that it adds to any
text (T5's adds its eos)."""


class Renderer:
    """Renders and tokenises conversations for one tokenizer.

    Args:
        tokenizer: a transformers tokenizer.
        max_length: longest sample in tokens (at least 8), for an encoder-decoder each of its sides; None for no limit.
        truncation: "answer-end" (see `data.truncation`), or "error": a longer sample raises `UserError`.
        chat_template: None (the tokenizer's own, or "plain" if it has none), "plain", the text of a Jinja template,
            or the path of a file that ends in .jinja.
        architecture: "causal", or "encoder-decoder".
        decoder_start_token_id: what an encoder-decoder's decoder reads first; its config.json names it.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        max_length: int | None = None,
        truncation: str = "answer-end",
        chat_template: str | Path | None = None,
        architecture: Literal["causal", "encoder-decoder"] = "causal",
        decoder_start_token_id: int | None = None,
    ) -> None:
        if truncation not in TRUNCATIONS:
            hint = nearest(truncation, TRUNCATIONS)
            raise UserError(f"truncation {truncation!r} is unknown{hint}; expected {' or '.join(TRUNCATIONS)}")
        if max_length is not None and max_length < 8:
            raise UserError(f"max_length is {max_length}; expected at least 8 tokens")
        if architecture == "encoder-decoder" and decoder_start_token_id is None:
            raise UserError("decoder_start_token_id is missing; an encoder-decoder model's config.json names it")
        self.tokenizer, self.max_length, self.truncation = tokenizer, max_length, truncation
        self.architecture, self._start = architecture, decoder_start_token_id
        self._segments = Segments(tokenizer)
        self.chat_template = self._template(chat_template)

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation up to an answer, as the model sees them when it is asked to generate it.

        For an encoder-decoder they are what its encoder reads.
        """
        text = self._text(messages, prompt=True)
        if self.architecture == "encoder-decoder" and self.chat_template == TURNS:
            return list(self.tokenizer(text, verbose=False)["input_ids"])
        return self._segments.first(text)

    def encode(self, example: Example) -> Encoded:
        """Render, tokenise and mask one example, and cut it to ``max_length``.

        Raises `UserError`, with the example's source, where the template refuses the conversation or allows no exact
        mask, where no token is supervised, and where a sample is too long under ``truncation="error"``.
        """
        try:
            if self.architecture == "encoder-decoder":
                return self._encode_two_sides(example)
            ids, supervised = self._encode(example.messages)
            if not any(supervised[1:]):
                raise UserError("no token is supervised once it is rendered; expected an assistant turn with text")
            limit = self._limit(len(ids))
            ids, supervised, truncated = truncate(ids, supervised, limit, self.tokenizer.bos_token_id)
        except UserError as error:
            raise UserError(f"{example.source}: {error}") from None
        return Encoded(ids, supervised, example.source, example.id, truncated)

    def _limit(self, longest: int) -> int:
        """The length to cut to, for a sample whose longest sequence has so many tokens."""
        limit = self.max_length or longest
        if self.truncation == "error" and longest > limit:
            raise UserError(f"is {longest:,} tokens long; max_length is {limit:,}")
        return limit

    def _encode_two_sides(self, example: Example) -> Encoded:
        number = max((i for i, message in enumerate(example.messages) if message.is_learned), default=None)
        if number is None:
            raise UserError("no token is supervised once it is rendered; expected an assistant turn with text")
        prompt = self.prompt_ids(example.messages[:number])
        answer = list(self.tokenizer(text_target=example.messages[number].content, verbose=False)["input_ids"])
        if answer[:1] == [self._start]:  # a tokenizer that begins every text with the token that starts the decoder
            answer = answer[1:]
        if answer[-1:] != [self._eos()]:
            answer = [*answer, self._eos()]
        ids = [self._start, *answer]
        limit = self._limit(max(len(prompt), len(ids)))
        cut: Truncated = ""
        if len(ids) > limit or len(prompt) > limit:
            cut = "answer" if len(prompt) <= limit else "prompt" if len(ids) <= limit else "both"
        bos = prompt[:1] if len(prompt) > limit and prompt[:1] == [self.tokenizer.bos_token_id] else []
        # The end of a prompt stays: what is asked usually stands there, and eos does.
        kept = bos + prompt[max(0, len(prompt) - limit + len(bos)) :]
        supervised = [False] + [True] * (len(ids) - 1)
        return Encoded(ids[:limit], supervised[:limit], example.source, example.id, cut, kept)

    def _encode(self, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
        whole = self._text(messages)
        ids: list[int] = []
        supervised: list[bool] = []
        done, closing = 0, ""  # characters of `whole` tokenised so far; the end-of-turn token that they end with
        for number, message in enumerate(messages):
            if not message.is_learned:
                continue
            is_last = number == len(messages) - 1
            before = self._text(messages[:number], prompt=True)
            after = whole if is_last else self._text(messages[: number + 1])
            if not (after.startswith(before) and whole.startswith(after)):
                return self._marked(messages)
            prompt = self._segments.next(before[done:], closing) if done else self._segments.first(before)
            turn = after[len(before) :]
            end, closing = self._answer_end(turn, message.content)
            answer = self._segments.next(turn[:end])
            done = len(before) + end
            if is_last and not closing:
                answer, done = [*answer, self._eos()], len(whole)
            ids += prompt + answer
            supervised += [False] * len(prompt) + [True] * len(answer)
        rest = self._segments.next(whole[done:], closing)
        return ids + rest, supervised + [False] * len(rest)

    def _text(self, messages: Sequence[Message], *, prompt: bool = False) -> str:
        import jinja2

        turns = [{"role": message.role, "content": message.content} for message in messages]
        try:
            # As a batch of one, because an empty conversation (an assistant who speaks first) is a prompt too.
            rendered: list[str] = self.tokenizer.apply_chat_template(
                [turns], tokenize=False, add_generation_prompt=prompt, chat_template=self.chat_template
            )
        except jinja2.TemplateError as error:
            raise UserError(f"the chat template refuses this conversation ({error})") from None
        return rendered[0]

    def _answer_end(self, turn: str, content: str) -> tuple[int, str]:
        """Return where the supervised part of a turn's text ends, and the end-of-turn token that it ends with or ""."""
        stripped = turn.rstrip()
        closing = max((token for token in self._segments.special if stripped.endswith(token)), key=len, default="")
        if closing:
            return len(stripped), closing
        end = turn.rfind(content) + len(content)
        return (end if content in turn and not turn[end:].strip() else len(stripped)), ""

    def _marked(self, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
        """Take the mask from the template's own `{% generation %}` marks."""
        if not re.search(r"\{%-?\s*generation\b", self.chat_template) or not self.tokenizer.is_fast:
            raise UserError(
                "the chat template does not write this conversation turn by turn (it rewrites earlier turns, or "
                "asks for an answer in other words than it records one), so no exact mask exists; learn only the "
                "last answer (train: false on the others), or give a chat_template with {% generation %} marks, "
                "or chat_template: plain"
            )
        turns = [{"role": message.role, "content": message.content} for message in messages]
        encoded = self.tokenizer.apply_chat_template(
            turns, chat_template=self.chat_template, return_dict=True, return_assistant_tokens_mask=True
        )
        ids, mask = list(encoded["input_ids"]), [bool(mark) for mark in encoded["assistant_masks"]]
        learned = [message.is_learned for message in messages if message.role == "assistant"]
        if all(learned):
            return ids, mask
        spans = [list(span) for marked, span in groupby(range(len(mask)), mask.__getitem__) if marked]
        if len(spans) != len(learned):
            raise UserError(
                f"the chat template marks {len(spans)} answers where the conversation has {len(learned)}, so those "
                "with train: false cannot be told apart; give another chat_template"
            )
        kept = {t for span, is_learned in zip(spans, learned, strict=True) if is_learned for t in span}
        return ids, [t in kept for t in range(len(ids))]

    def _eos(self) -> int:
        eos: int | None = self.tokenizer.eos_token_id
        if eos is None:
            raise UserError("neither the chat template nor the tokenizer has a token that ends an answer")
        return eos

    def _template(self, given: str | Path | None) -> str:
        if given is None and self.tokenizer.chat_template:
            template: str = self.tokenizer.get_chat_template()
            return template
        if given is None or str(given) == "plain":
            if self.architecture == "encoder-decoder":
                return TURNS
            return ("{{ bos_token }}" if self._segments.adds_bos else "") + PLAIN
        if str(given).endswith(".jinja"):
            path = Path(given).expanduser()
            if not path.is_file():
                raise UserError(f"{path}: no such chat template")
            return path.read_text(encoding="utf-8")
        if "{" not in str(given):
            raise UserError(f"chat_template {str(given)!r} is neither plain, nor a .jinja file, nor a Jinja template")
        return str(given)


def encode_all(examples: Iterable[Example], renderer: Renderer) -> EncodedSet:
    """Encode examples in order; the report counts tokens, supervised tokens and what was cut."""
    items = [renderer.encode(example) for example in examples]
    return EncodedSet(items, EncodingReport.of(items))
