"""One training instruction, and all that it tells of genes and terms, so that leaks can be looked for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt with its answer.

    Attributes:
        id: ``split/kind/key/draw``: the same row in every build that makes it.
        kind: one of `builder.KINDS`.
        split: "train", "dev" or "test", of its genes and of its terms.
        terms: GO and WikiPathways ids of all terms that prompt or completion name, the answer's first.
        genes: approved symbols of all genes that they name.
    """

    id: str
    kind: str
    split: str
    prompt: str
    completion: str
    terms: tuple[str, ...]
    genes: tuple[str, ...]
