"""One item of a task: what is asked, what would be right, and what it is resampled with.

item.prompt, item.target                    # what the model reads, and should write
item.options, item.answer                   # choice: what it chooses from, and the index of the right one
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """One question.

    Attributes:
        id: unique within a task and split.
        prompt: as the model reads it.
        target: the answer as it should be written; what fine-tuning on the task learns.
        source: the record it was made of ("test.jsonl:12").
        text: what the item is about, without the task's own wording: for overlap with training data and for floors.
        group: the unit of resampling: items of one group are not independent.
        prior_prompt: the question without what it is about; empty if the task has none.
        options: what can be answered: texts, or letters; for a value, numbers.
        answer: index of the right option; -1 where there is none.
        option_texts: the options in words, where ``options`` are letters.
        words, tags: of a tagged sentence, tags in IOB2; or words are the genes of a gene set.
        labels: all labels of a text that has several.
        value: the number to predict.
        subject: a part of the task that is reported by itself.
        pair: the two texts that an encoder reads (the second may be empty).
    """

    id: str
    prompt: str
    target: str
    source: str = ""
    text: str = ""
    group: str = ""
    prior_prompt: str = ""
    options: tuple[str, ...] = ()
    answer: int = -1
    option_texts: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    value: float | None = None
    subject: str = ""
    pair: tuple[str, str] = ("", "")
