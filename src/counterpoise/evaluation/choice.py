"""One multiple-choice question, whoever asks it and whatever answers it.

    ChoiceItem(id="test/KRT5", prompt="Which ... KRT5?", prior_prompt="Which ... this gene?", options=("a", "b"),
               answer=0, group="KRT5")

A task makes a list of these; floors and models are scored on the same list.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChoiceItem:
    """A question with one right option.

    Attributes:
        id: unique within a task.
        prompt: the question as the model reads it.
        prior_prompt: the same question without what it is about; an option's log-likelihood after it is the prior
            that prior-corrected accuracy takes away.
        options: two or more different answers.
        answer: index of the right one in ``options``.
        group: the unit of resampling for intervals, such as the gene: items of one group are not independent.

    Raises:
        ValueError: an empty field, fewer than two options, options that repeat, or an answer that is no index.
    """

    id: str
    prompt: str
    prior_prompt: str
    options: tuple[str, ...]
    answer: int
    group: str

    def __post_init__(self) -> None:
        for field in ("id", "prompt", "prior_prompt", "group"):
            if not getattr(self, field).strip():
                raise ValueError(f"choice item {self.id!r}: {field} is empty.")
        if len(self.options) < 2 or not all(option.strip() for option in self.options):
            raise ValueError(f"choice item {self.id!r}: expected two or more options that are not empty.")
        if len(set(self.options)) != len(self.options):
            raise ValueError(f"choice item {self.id!r}: options repeat: {', '.join(self.options)}.")
        if not 0 <= self.answer < len(self.options):
            raise ValueError(
                f"choice item {self.id!r}: answer is {self.answer}; "
                f"expected an index from 0 to {len(self.options) - 1}."
            )
