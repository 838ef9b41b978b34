"""Labelled examples as tokens: what an encoder model is trained on and measured with.

    encoded = encode_labels(read.examples, tokenizer, read.space, max_length=512)
    print(encoded.report)                       # 5,424 samples, 160,103 tokens, 135,701 targets, longest 190
    batch = collate_labels(encoded.items[:16], tokenizer.pad_token_id)

The words of a tagged sentence are joined by blanks and tokenised as running text, so that any tokenizer sees words as
in its own training (byte-level ones tell a word from the end of a word by the blank before it). The first token of a
word carries its tag, the others have no target.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from counterpoise.data.labelled_reading import LabelledExample, LabelSpace
from counterpoise.errors import UserError

NO_TARGET = -100


@dataclass(frozen=True, slots=True)
class EncodedLabels:
    """One sample. ``input_ids`` has one entry a token, special tokens included.

    ``targets``: for token classification one entry a token, the label's index on the first token of a word and -100
    elsewhere; for a multi-label task one entry a label, 1 where the text has it and 0 where not; otherwise a single
    entry, the label's index (0 for a regression, whose number is ``value``).
    ``word_ids``: for token classification one entry a token, the index of the word that it is the first token of, else
    -1; ``num_words`` counts all words of the sentence, those that were cut included.
    ``token_type_ids``: one entry a token where the tokenizer makes them, else none.
    ``truncated`` says whether tokens were lost to ``max_length``.
    """

    input_ids: list[int]
    targets: list[int]
    value: float | None = None
    token_type_ids: list[int] = field(default_factory=list)
    word_ids: list[int] = field(default_factory=list)
    num_words: int = 0
    source: str = ""
    id: str = ""
    truncated: bool = False

    @property
    def num_targets(self) -> int:
        """Number of labelled positions."""
        return sum(target != NO_TARGET for target in self.targets)

    def __len__(self) -> int:
        return len(self.input_ids)


@dataclass(frozen=True, slots=True)
class LabelReport:
    """Counts over a set of samples; ``lost_words`` have a tag but no token (cut, or unknown to the tokenizer)."""

    samples: int
    tokens: int
    targets: int
    truncated: int
    lost_words: int
    longest: int

    @classmethod
    def of(cls, items: Sequence[EncodedLabels]) -> Self:
        """Count over ``items``."""
        return cls(
            samples=len(items),
            tokens=sum(map(len, items)),
            targets=sum(item.num_targets for item in items),
            truncated=sum(item.truncated for item in items),
            lost_words=sum(item.num_words - item.num_targets for item in items if item.num_words),
            longest=max(map(len, items), default=0),
        )

    def warnings(self) -> list[str]:
        """Say in sentences what is probably not meant: cut samples, words without a token."""
        found = []
        if self.truncated:
            found.append(
                f"{self.truncated:,} of {self.samples:,} samples ({self.truncated / self.samples:.1%}) were cut to "
                f"max_length; the longest is now {self.longest:,} tokens."
            )
        if self.lost_words:
            found.append(
                f"{self.lost_words:,} of {self.targets + self.lost_words:,} words have no token left to carry their "
                "tag: they are not learned, and count as O in predictions."
            )
        return found

    def __str__(self) -> str:
        text = f"{self.samples:,} samples, {self.tokens:,} tokens, {self.targets:,} targets, longest {self.longest:,}"
        return text + (f", {self.truncated:,} samples cut" if self.truncated else "")


@dataclass(frozen=True, slots=True)
class EncodedLabelSet:
    """Samples in the order of their examples, and the report on them."""

    items: list[EncodedLabels]
    report: LabelReport


def encode_labels(
    examples: Sequence[LabelledExample], tokenizer: Any, space: LabelSpace, max_length: int
) -> EncodedLabelSet:
    """Tokenise examples with the special tokens of the model, cut to ``max_length`` tokens from the right.

    Of a pair of texts the longer one is cut. Raises UserError for a tokenizer that does not say which characters a
    token covers, for a ``max_length`` without room for text, and for a label that ``space`` lacks.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(
            f"{type(tokenizer).__name__} does not say which characters a token covers; expected a model with a "
            "tokenizer.json"
        )
    special = tokenizer.num_special_tokens_to_add(pair=any(example.text_pair for example in examples))
    if max_length <= special:
        raise UserError(f"max_length is {max_length}, but {special} special tokens are added; expected more than that")
    index = {label: i for i, label in enumerate(space.labels)}
    items = [_encode(example, tokenizer, space, index, max_length) for example in examples]
    return EncodedLabelSet(items, LabelReport.of(items))


def _encode(
    example: LabelledExample, tokenizer: Any, space: LabelSpace, index: dict[str, int], max_length: int
) -> EncodedLabels:
    found = tokenizer(
        " ".join(example.words) or example.text,
        example.text_pair or None,
        truncation=True,
        max_length=max_length,
        return_offsets_mapping=True,
        verbose=False,
    )
    word_ids: list[int] = []
    if space.task == "token-classification":
        word_ids = first_tokens(example.words, found["offset_mapping"])
        targets = [NO_TARGET if word < 0 else _index(example.tags[word], index, example) for word in word_ids]
    elif space.task == "multi-label":
        targets = [0] * len(space.labels)
        for label in example.labels:
            targets[_index(label, index, example)] = 1
    else:
        targets = [0 if space.task == "regression" else _index(example.label, index, example)]
    return EncodedLabels(
        input_ids=list(found["input_ids"]),
        targets=targets,
        value=example.value,
        token_type_ids=list(found.get("token_type_ids", [])),
        word_ids=word_ids,
        num_words=len(example.words),
        source=example.source,
        id=example.id,
        truncated=bool(found.encodings[0].overflowing),
    )


def first_tokens(words: Sequence[str], offsets: Sequence[tuple[int, int]]) -> list[int]:
    """Return for each token the index of the word that it is the first token of, else -1.

    ``offsets`` are the tokens' first and one-past-last characters in the words joined by blanks; special tokens cover
    (0, 0). A word's first token is the first that covers one of its characters (a blank before it may be covered too)
    and is not the first token of an earlier word.

    >>> first_tokens(["GFAP", "gene"], [(0, 0), (0, 2), (2, 4), (4, 9), (0, 0)])
    [-1, 0, -1, 1, -1]
    """
    result = [-1] * len(offsets)
    token, start = 0, 0
    for word, text in enumerate(words):
        end = start + len(text)
        while token < len(offsets) and offsets[token][1] <= start:
            token += 1
        if token < len(offsets) and offsets[token][0] < end:
            result[token] = word
            token += 1
        start = end + 1
    return result


def _index(label: str, index: dict[str, int], example: LabelledExample) -> int:
    if label not in index:
        raise UserError(f"{example.source}: label {label!r} is none of the model's: {', '.join(index)}")
    return index[label]


def collate_labels(items: Sequence[EncodedLabels], pad_token_id: int) -> dict[str, Tensor]:
    """Pad R samples on the right to the longest, T tokens.

    Returns:
        input_ids, attention_mask: [R, T] int64, the mask 1 on tokens and 0 on padding.
        token_type_ids: [R, T] int64, where the tokenizer made them.
        targets: int64, -100 where there is none: [R, T] for token classification, the label's index, not shifted (a
            position predicts its own label); [R, labels] for a multi-label task, 0 or 1; else [R, 1], the index.
        values: [R] float32, for a regression.
        samples: int64 like targets: the row where there is a target, -1 elsewhere.
        num_samples: int64 scalar, R.

    Raises:
        ValueError: no items.
    """
    if not items:
        raise ValueError("collate_labels got no items; expected at least one")
    batch = {
        "input_ids": _padded([item.input_ids for item in items], pad_token_id),
        "attention_mask": _padded([[1] * len(item) for item in items], 0),
        "targets": _padded([item.targets for item in items], NO_TARGET),
    }
    if items[0].token_type_ids:
        batch["token_type_ids"] = _padded([item.token_type_ids for item in items], 0)
    if items[0].value is not None:
        batch["values"] = torch.tensor([item.value for item in items], dtype=torch.float32)
    rows = torch.arange(len(items))[:, None]
    batch["samples"] = rows.where(batch["targets"] != NO_TARGET, -1)
    batch["num_samples"] = torch.tensor(len(items))
    return batch


def _padded(rows: Sequence[list[int]], padding: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [padding] * (longest - len(row)) for row in rows], dtype=torch.int64)
