"""Tokenise a text in segments whose ids join: what the renderer needs of a tokenizer, and nothing more.

    segments = Segments(tokenizer)
    ids = segments.first("Which process?\\n") + segments.next("apoptosis")      # decodes to the joined text

Some tokenizers put a blank before every text ("dummy prefix" of SentencePiece). There a later segment is tokenised
behind a short text, an anchor, whose ids are then taken off: it gets the ids that it has in mid-text. A probe finds out
once. Special tokens are never added here: they stand in the rendered text, so none can occur twice.
"""

from functools import cached_property
from typing import Any

from counterpoise.errors import UserError

ANCHORS = ("\n", ".", "a", "0")


class Segments:
    """Tokenises the segments of one text, first and following ones."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def first(self, text: str) -> list[int]:
        """Return the ids of the first segment: those of the text on its own, as at generation time."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] if text else []
        return ids

    def next(self, text: str, left: str = "") -> list[int]:
        """Return the ids of a later segment. ``left`` is the special token that it follows, if it follows one."""
        if not text:
            return []
        for anchor in ([left] if left else []) + self._anchors:
            head, both = self.first(anchor), self.first(anchor + text)
            if both[: len(head)] == head:
                return both[len(head) :]
        if not self._anchors:
            return self.first(text)
        raise UserError(f"the tokenizer gives no ids of their own to the part {text[:40]!r} of the conversation")

    @cached_property
    def special(self) -> tuple[str, ...]:
        """The texts of all special tokens: those that may end a turn."""
        added = self.tokenizer.added_tokens_decoder.values()
        return tuple({*self.tokenizer.all_special_tokens, *(token.content for token in added if token.special)})

    @cached_property
    def adds_bos(self) -> bool:
        """True if the tokenizer puts a beginning-of-sequence token before a plain text."""
        bos = self.tokenizer.bos_token_id
        return bos is not None and self.tokenizer("a")["input_ids"][:1] == [bos]

    @cached_property
    def _anchors(self) -> list[str]:
        """Texts to tokenise later segments behind; none if segments tokenised on their own join as they are."""
        head, tail = "one\n", "two"
        whole = self._decoded(self.first(head + tail))
        if self._decoded(self.first(head) + self.first(tail)) == whole:
            return []
        anchors = []
        for anchor in ANCHORS:
            ids, both = self.first(anchor), self.first(anchor + tail)
            joined = self._decoded(self.first(head) + both[len(ids) :])
            if self.tokenizer.unk_token_id not in ids and both[: len(ids)] == ids and joined == whole:
                anchors.append(anchor)
        if not anchors:
            raise UserError("this tokenizer cannot tokenise a prompt and its answer apart; use another model")
        return anchors

    def _decoded(self, ids: list[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text
