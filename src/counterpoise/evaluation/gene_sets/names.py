"""What was answered for each gene set, and how alike the names are, word by word.

    answers = answers_from_records(records)                  # of `counterpoise genes name`, in any mode
    rouge_of_names(["Regulation of WNT (canonical)"], ["WNT/beta-catenin signaling"])["ROUGE-L"]

ROUGE of names can be gamed: the constant "regulation of process" reaches more on 1,000 GO terms than the published
names of GPT-4 do (0.225 against 0.164). No number of this file means anything without those of `gene_sets.floors`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
METRICS = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}


@dataclass(frozen=True)
class Answer:
    """What was answered for one gene set.

    Attributes:
        id: of the set.
        name: empty where none could be had.
        confidence: 0 to 1; None where none was given.
        first_name: the name before verification; empty where nothing was verified.
        decisions: of the claims: supported, partly, refuted, not checked.
        complete: false where a part of the answer is missing.
    """

    id: str
    name: str
    confidence: float | None = None
    first_name: str = ""
    decisions: tuple[str, ...] = ()
    complete: bool = True

    @property
    def verified(self) -> bool:
        """True if there is a name from before verification to compare with."""
        return bool(self.first_name)


def answers_from_texts(texts: Mapping[str, str]) -> list[Answer]:
    """Read what a model wrote in direct mode, by the set's id; an answer with a name is complete."""
    from counterpoise.biology.naming.parsing import parse_answer

    found = {key: parse_answer(text) for key, text in texts.items()}
    return [Answer(key, said.name, said.confidence, complete=bool(said.name)) for key, said in found.items()]


def answers_from_records(records: Iterable[Mapping[str, Any]]) -> list[Answer]:
    """Read the records of a naming run (`biology.naming`), one a set."""
    return [
        Answer(
            id=str(record["id"]),
            name=record["name"].strip(),
            confidence=record["confidence"],
            first_name=record["first_name"].strip(),
            decisions=tuple(claim["decision"] for claim in record["claims"]),
            complete=bool(record["complete"]),
        )
        for record in records
    ]


def clean(name: str) -> str:
    """Return a name as ROUGE compares it: brackets and what is in them dropped, slash, comma and hyphen made blanks.

    As GeneAgent's evaluation does (Wang et al. 2025, evaluate.ipynb).

    >>> clean('"WNT/beta-catenin" signaling (canonical)')
    'WNT beta catenin signaling'
    """
    return re.sub(r"[/,-]", " ", re.sub(r"\([^)]*\)", "", name).replace('"', "")).strip()


def same_name(first: str, second: str) -> bool:
    """True if two names differ in case, punctuation and white space at most.

    >>> same_name("DNA-repair ", "dna repair")
    True
    """
    return _bare(first) == _bare(second)


def _bare(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.casefold())


def rouge_of_names(names: Sequence[str], references: Sequence[str]) -> dict[str, Array]:
    """Return ROUGE-1, ROUGE-2 and ROUGE-L f-measures [sets] of cleaned names, words stemmed; 0 for an empty name.

    Equal to `text_metrics.rouge` of the cleaned names; each different name is cut into words once, so that floors of
    many permutations stay cheap.
    """
    scorer = _scorer()
    scores = [scorer.score(clean(theirs), clean(ours)) for ours, theirs in zip(names, references, strict=True)]
    return {name: np.array([row[key].fmeasure for row in scores], dtype=np.float64) for name, key in METRICS.items()}


@cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import DefaultTokenizer, Tokenizer

    class Remembering(Tokenizer):
        """Cuts each different text once."""

        def __init__(self) -> None:
            self._plain = DefaultTokenizer(use_stemmer=True)
            self._known: dict[str, list[str]] = {}

        def tokenize(self, text: str) -> list[str]:
            if text not in self._known:
                self._known[text] = self._plain.tokenize(text)
            return self._known[text]

    return RougeScorer(list(METRICS.values()), tokenizer=Remembering())


def permuted_pairs(count: int, most: int = 20_000) -> list[tuple[int, int]]:
    """Return pairs (whose name, whose reference) of different sets: all of them, or evenly spread shifts.

    Every set gives its name and its reference equally often, so that a mean over the pairs is the expected value of
    permuted names: exactly where all pairs are taken, else of at least one shift and about ``most`` pairs.
    """
    shifts = np.arange(1, count)
    wanted = max(1, most // max(count, 1))
    if len(shifts) > wanted:
        shifts = np.random.default_rng(0).choice(shifts, wanted, replace=False)
    return [(i, int((i + shift) % count)) for shift in shifts for i in range(count)]
