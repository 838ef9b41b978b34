"""Tokenised samples, and the report on a whole set of them: how many tokens, how many supervised, how many cut.

report = EncodingReport.of(items)
print(report)                    # 7,162 samples, 402,310 tokens, 9.1 % supervised, longest 188
report.warnings()                # sentences on what is probably not meant; empty if all is well
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

Truncated = Literal["", "answer", "prompt", "both"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """One sample: ``input_ids`` and ``supervised`` have one entry a token.

    For a causal model ``input_ids`` are prompt and answer and ``encoder_ids`` is empty. For an encoder-decoder the
    encoder reads ``encoder_ids``, and ``input_ids`` are the decoder's: its start token (not supervised) and the answer.
    ``source`` and ``id`` are the example's; ``truncated`` says which part lost tokens to ``max_length``.
    """

    input_ids: list[int]
    supervised: list[bool]
    source: str = ""
    id: str = ""
    truncated: Truncated = ""
    encoder_ids: Sequence[int] = ()

    @property
    def num_targets(self) -> int:
        """Number of supervised tokens that are predicted: the first of a sequence has nothing to be predicted from."""
        return sum(self.supervised[1:])


@dataclass(frozen=True, slots=True)
class EncodingReport:
    """Counts over a set of samples, an encoder's tokens included; ``longest`` is the longest sequence, in tokens."""

    samples: int
    tokens: int
    supervised_tokens: int
    truncated_answers: int
    truncated_prompts: int
    longest: int

    @classmethod
    def of(cls, items: Sequence[Encoded]) -> Self:
        """Count over ``items``."""
        return cls(
            samples=len(items),
            tokens=sum(len(item.input_ids) + len(item.encoder_ids) for item in items),
            supervised_tokens=sum(sum(item.supervised) for item in items),
            truncated_answers=sum(item.truncated in ("answer", "both") for item in items),
            truncated_prompts=sum(item.truncated in ("prompt", "both") for item in items),
            longest=max((max(len(item.input_ids), len(item.encoder_ids)) for item in items), default=0),
        )

    @property
    def supervised_share(self) -> float:
        """Supervised tokens of all tokens, 0 to 1 (0 for an empty set)."""
        return self.supervised_tokens / self.tokens if self.tokens else 0.0

    def warnings(self) -> list[str]:
        """Say in sentences what is probably not meant: a supervised share of 0 or 1, cut answers, cut prompts."""
        found = []
        if self.supervised_tokens == 0:
            found.append(f"None of the {self.tokens:,} tokens is supervised: there is nothing to learn.")
        elif self.supervised_tokens == self.tokens:
            found.append(
                f"All {self.tokens:,} tokens are supervised, prompts included: the model would learn to write the "
                "prompts too."
            )
        for cut, what in ((self.truncated_answers, "answer"), (self.truncated_prompts, "prompt")):
            if cut:
                share = f"{cut:,} of {self.samples:,} samples ({cut / self.samples:.1%})"
                found.append(
                    f"{share} lost a part of the {what} to max_length; the longest is now {self.longest:,} tokens."
                )
        return found

    def __str__(self) -> str:
        text = (
            f"{self.samples:,} samples, {self.tokens:,} tokens, {100 * self.supervised_share:.1f} % supervised, "
            f"longest {self.longest:,}"
        )
        if self.truncated_answers or self.truncated_prompts:
            text += f", {self.truncated_answers:,} answers and {self.truncated_prompts:,} prompts cut"
        return text


@dataclass(frozen=True, slots=True)
class EncodedSet:
    """Samples in the order of their examples, and the report on them."""

    items: list[Encoded]
    report: EncodingReport
