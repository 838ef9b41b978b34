"""Does a record hold words of the prompt: of a seed's input or output, or of the template? Small models like to copy.

    copies = Copies(seeds.records, template)
    copies.found(record)                    # "seed-21: the patient a woman of 46 has been", or ""

An instruction of a seed may come again as one with another input; whether the two together are too near is for
`rouge_duplicates` to say. In an input or output it is a copy like any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from counterpoise.data.contamination import words
from counterpoise.instructing.record import LABELS, Record

OF_SEEDS = 8
"""Words in a row that are a copy of a seed."""
OF_TEMPLATE = 5
"""Words in a row that are a copy of the template, which says nothing of biology."""


class Copies:
    """The runs of words that records must not hold.

    Args:
        seeds: by id.
        template: the text of the prompt; its placeholders part it.
    """

    def __init__(self, seeds: Mapping[str, Record], template: str) -> None:
        self._runs: dict[tuple[str, ...], str] = {}
        for part in re.split(r"\{\w+\}", template):
            _add(self._runs, "the template", part, OF_TEMPLATE)
        for key, record in seeds.items():
            _add(self._runs, key, record.input, OF_SEEDS)
            _add(self._runs, key, record.output, OF_SEEDS)
        self._everything = dict(self._runs)
        for key, record in seeds.items():
            _add(self._everything, key, record.instruction, OF_SEEDS)

    def found(self, record: Record) -> str:
        """Return whose words a record holds, and the first of them; empty if it holds none."""
        for label in LABELS[1:]:
            said = words(getattr(record, label))
            known = self._runs if label == "instruction" else self._everything
            for size in (OF_SEEDS, OF_TEMPLATE):
                for i in range(len(said) - size + 1):
                    run = tuple(said[i : i + size])
                    if run in known:
                        return f"{known[run]}: {' '.join(run)}"
        return ""


def _add(runs: dict[tuple[str, ...], str], name: str, text: str, size: int) -> None:
    found = words(text)
    for i in range(len(found) - size + 1):
        runs.setdefault(tuple(found[i : i + size]), name)
