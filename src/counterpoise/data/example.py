"""One training example: a conversation, and where it came from.

Every format is read into this; nothing after `data.formats` knows what the file looked like.

>>> example = Example((Message("user", "What is GFAP?"), Message("assistant", "A filament.")), "rows.jsonl:12")
>>> example.source, len(example.learned)
('rows.jsonl:12', 1)
"""

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. ``train`` matters on assistant turns alone: False keeps the turn as context, unsupervised."""

    role: Role
    content: str
    train: bool = True

    @property
    def is_learned(self) -> bool:
        """True for a turn that the model learns to write."""
        return self.role == "assistant" and self.train


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation with at least one assistant turn to learn.

    ``source`` names the record for error messages (`rows.jsonl:12`); ``id`` is the record's own, or empty.
    """

    messages: tuple[Message, ...]
    source: str
    id: str = ""

    @property
    def learned(self) -> tuple[Message, ...]:
        """The assistant turns that are learned."""
        return tuple(message for message in self.messages if message.is_learned)
