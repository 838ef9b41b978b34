"""Which test items occur in training texts: shared n-grams of words, and items contained whole.

    index = TestIndex()                                             # runs of 8 words
    index.add("pubmedqa", "21645374", question_and_context)         # without the prompt's template
    report = index.scan((example.source, examples_text(example)) for example in examples)
    print(report)
    report.contaminated_items()                                     # {"pubmedqa": ["21645374"]}
    clean = list(filter_examples(examples, report))                 # no item has half of its n-grams in these

Words are runs of letters and digits of the lower-cased NFKC text; punctuation is a blank, so that "IL-2" and the "IL -
2" of tokenised corpora are equal. An item of fewer than n words is one run: its whole text.

The default is n = 8. Brown et al. 2020 (arXiv 2005.14165, appendix C) remove training text by 13 words and measure
overlap by 8 to 13, fewer for tasks with short items; Chowdhery et al. 2022 (arXiv 2204.02311) take 8 words and call an
item contaminated where 70 % of its runs are found. Items here are often one sentence of about 25 words, in which a
single changed word would hide most runs of 13. Chance hits of 8 words are told apart by the share of an item that is
found; `report.THRESHOLD` is the stricter 0.5.

Comparing is exact, without hashes, see `data.contamination_tables`. Memory is that of the test side, of one block of
training texts, and of what was found: 16 bytes for each pair of a training text and a different n-gram of the test side
in it.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator
from itertools import repeat

import numpy as np

from counterpoise.data.contamination_evidence import Evidence
from counterpoise.data.contamination_report import MIN_WORDS, THRESHOLD, ContaminationReport
from counterpoise.data.contamination_tables import Tables
from counterpoise.data.example import Example
from counterpoise.errors import UserError

BLOCK = 1 << 19
"""Training words that are compared at once."""

_WORD = re.compile(r"[^\W_]+")
_ASCII = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}


def words(text: str) -> list[str]:
    """Return the normalised words of a text.

    >>> words("IL-2 (Interleukin 2) is ﬁne: p<0.05")
    ['il', '2', 'interleukin', '2', 'is', 'fine', 'p', '0', '05']
    """
    if text.isascii():  # the same, several times faster
        return text.translate(_ASCII).split()
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def examples_text(example: Example) -> str:
    """Return all turns of a training example, a line break between them."""
    return "\n".join(message.content for message in example.messages)


def filter_examples(
    examples: Iterable[Example],
    report: ContaminationReport,
    threshold: float = THRESHOLD,
    *,
    min_words: int = MIN_WORDS,
) -> Iterator[Example]:
    """Yield the examples that `ContaminationReport.contaminated_sources` does not name."""
    dropped = report.contaminated_sources(threshold, min_words=min_words)
    return (example for example in examples if example.source not in dropped)


class TestIndex:
    """The items of test sets, against which training texts are compared.

    Args:
        n: words of a run; see above.
        boilerplate_above: a run that more items of one task share is boilerplate ("which of the following is the most
            likely ...") and does not count for this task; the report says how many there were. Items that training
            holds whole count always. The default spares relation corpora, which repeat a sentence for each pair of its
            entities: with 10, 9 % of the DDI and ChemProt test items would have nothing left to compare.
    """

    __test__ = False  # pytest: this is no test

    def __init__(self, n: int = 8, *, boilerplate_above: int = 30) -> None:
        for name, value in (("n", n), ("boilerplate_above", boilerplate_above)):
            if value < 1:
                raise UserError(f"{name} is {value}; expected a whole number of at least 1")
        self.n = n
        self.boilerplate_above = boilerplate_above
        self._tasks: dict[str, int] = {}
        self._ids: dict[tuple[int, str], int] = {}
        self._vocabulary: dict[str, int] = {}
        self._text = array("q")  # word numbers, from 1, a 0 after each item
        self._ends: list[int] = []
        self._tables: Tables | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, task: str, item_id: str, text: str) -> None:
        """Add an item: what is special to it (question, context, options), without the prompt's template.

        Raises:
            UserError: the task has an item of this id already.
        """
        key = (self._tasks.setdefault(task, len(self._tasks)), item_id)
        if self._ids.setdefault(key, len(self._ids)) < len(self._ends):
            raise UserError(f"{task}: two test items have the id {item_id!r}; expected each once")
        vocabulary = self._vocabulary
        self._text.extend(vocabulary.setdefault(word, len(vocabulary) + 1) for word in words(text))
        self._ends.append(len(self._text))
        self._text.append(0)
        self._tables = None

    def scan(self, training: Iterable[tuple[str, str]]) -> ContaminationReport:
        """Compare training texts, read once, with all items.

        Args:
            training: (source, text); the source names the record, such as ``Example.source``.

        Raises:
            UserError: no test item was added, or there is no training text.
        """
        if not len(self):
            raise UserError("no test item was added to compare training texts with; expected at least one")
        evidence = Evidence(self.build())
        known = self._vocabulary.get
        block, bounds, sources, count = array("q"), array("q"), list[str](), 0

        def look_up() -> None:
            found = evidence.tables.search(np.array(block, dtype=np.int64), np.array(bounds, dtype=np.int64))
            evidence.add(sources, count, found)

        for source, text in training:
            found = words(text)
            bounds.append(len(block))
            block.extend(map(known, found, repeat(0)))
            block.append(0)
            sources.append(source)
            count += len(found)
            if len(block) >= BLOCK:
                look_up()
                block, bounds, sources, count = array("q"), array("q"), [], 0
        if sources:
            look_up()
        if not evidence.texts:
            raise UserError("there is no training text to compare with the test items; expected at least one")
        evidence.close()
        items = tuple(item for _, item in self._ids)
        return ContaminationReport.of(
            evidence, self.boilerplate_above, tuple(self._tasks), items, tuple(self._vocabulary)
        )

    def build(self) -> Tables:
        """Return the tables of the test side, made anew after `add`; `scan` does so by itself."""
        if self._tables is None:
            ends = np.array(self._ends, dtype=np.int64)
            starts = np.concatenate([[0], ends[:-1] + 1])
            tasks = np.array([task for task, _ in self._ids], dtype=np.int64)
            text = np.array(self._text, dtype=np.int64)
            self._tables = Tables.build(self.n, self.boilerplate_above, text, starts, ends, tasks)
        return self._tables
