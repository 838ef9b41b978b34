"""What training texts and test items share, task by task (`data.contamination` makes it).

print(report)                                   # a line a task, then the worst items
report.as_dict()                                # for results.json
report.contaminated_items(0.5)                  # {"gad": ["gad-test-17", ...]}: score the others apart
report.contaminated_sources(0.5)                # training records to drop
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.data.contamination_evidence import Evidence
from counterpoise.errors import UserError

THRESHOLD = 0.5
"""The share of an item's n-grams from which on it is called contaminated."""
MIN_WORDS = 5
"""Items of fewer words make no training record contaminated: they are terms, which any text of the field may hold."""
SHOWN = 5
SHOWN_WORDS = 30


@dataclass(frozen=True)
class Overlap:
    """A test item, the training record that has most of it, and the longest part of the item all of whose n-grams are
    in that record.
    """

    item: str
    share: float
    contained: bool
    item_words: int
    source: str
    shared_words: int
    shared_text: str
    """Its first words, normalised."""


@dataclass(frozen=True)
class TaskContamination:
    """Counts of one task's items; those after ``items`` overlap."""

    task: str
    items: int
    overlapping: int
    """Items with any n-gram found, or contained whole."""
    contaminated: int
    """Items whose share is `THRESHOLD` or more."""
    contained: int
    """Items whose whole text is inside a training text."""
    short: int
    """Items of fewer than n words, compared as a whole: found or not."""
    short_contained: int
    without_words: int
    all_boilerplate: int
    """Items of n words or more whose n-grams are all boilerplate: found only if contained whole."""
    boilerplate: int
    """Different n-grams left out."""
    shares: NDArray[np.float64] = field(repr=False)
    """[items], in the order of adding: the share of the different n-grams that are found in any training text; 1 for
    an item that is contained whole."""
    worst: tuple[Overlap, ...] = field(repr=False)


@dataclass(frozen=True)
class ContaminationReport:
    """What `TestIndex.scan` found; ``texts`` and ``words`` are those of the training side."""

    n: int
    boilerplate_above: int
    texts: int
    words: int
    tasks: dict[str, TaskContamination]
    _items: tuple[str, ...] = field(repr=False)
    _evidence: Evidence = field(repr=False)

    @classmethod
    def of(
        cls,
        evidence: Evidence,
        boilerplate_above: int,
        tasks: Sequence[str],
        items: Sequence[str],
        words: Sequence[str],
    ) -> ContaminationReport:
        """Count.

        Args:
            evidence: what was found.
            boilerplate_above: the setting.
            tasks: names, by number.
            items: ids, by number.
            words: of the test side; word 1 is the first.
        """
        found: dict[str, TaskContamination] = {}
        table = evidence.tables
        shares, lengths, contained = evidence.shares, table.lengths, evidence.contained
        short, none_left = (lengths > 0) & (lengths < table.n), (lengths >= table.n) & (table.runs_of.sizes == 0)
        for number, task in enumerate(tasks):
            chosen = np.flatnonzero(table.tasks == number)
            order = sorted(chosen[shares[chosen] > 0].tolist(), key=lambda i: (-shares[i], -lengths[i], i))
            found[task] = TaskContamination(
                task=task,
                items=len(chosen),
                overlapping=int((shares[chosen] > 0).sum()),
                contaminated=int((shares[chosen] >= THRESHOLD).sum()),
                contained=int(contained[chosen].sum()),
                short=int(short[chosen].sum()),
                short_contained=int((short & contained)[chosen].sum()),
                without_words=int((lengths[chosen] == 0).sum()),
                all_boilerplate=int(none_left[chosen].sum()),
                boilerplate=int(table.boilerplate[number]),
                shares=shares[chosen],
                worst=tuple(_overlap(evidence, items[i], i, float(shares[i]), words) for i in order[:SHOWN]),
            )
        return cls(table.n, boilerplate_above, evidence.texts, evidence.words, found, tuple(items), evidence)

    def contaminated_items(self, threshold: float = THRESHOLD) -> dict[str, list[str]]:
        """Return, for each task that has any, the ids of its items with this share or more.

        Raises:
            UserError: a threshold that is not above 0 and at most 1.
        """
        names: dict[str, list[str]] = {}
        task_names = tuple(self.tasks)
        for item in np.flatnonzero(self._evidence.shares >= _checked(threshold)):
            names.setdefault(task_names[self._evidence.tables.tasks[item]], []).append(self._items[item])
        return names

    def contaminated_sources(self, threshold: float = THRESHOLD, *, min_words: int = MIN_WORDS) -> set[str]:
        """Return the training records to drop, so that the others hold less than ``threshold`` of every item.

        For each item, those that hold most of it go first, until what the rest holds together is less; a record that
        shares one phrase with an item that another record holds whole is kept. Records of the same source go together.

        Args:
            threshold: a share, above 0 and at most 1.
            min_words: items of fewer words are left as they are; 1 spares none.

        Raises:
            UserError: a threshold out of range.
        """
        evidence, dropped = self._evidence, set[int]()
        wanted = (evidence.shares >= _checked(threshold)) & (evidence.tables.lengths >= min_words)
        for item in np.flatnonzero(wanted).tolist():
            dropped |= evidence.texts_to_drop(item, threshold, dropped)
        return {evidence.sources[text] for text in dropped}

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``results.json``; the shares of single items are left out."""
        tasks = []
        for task in self.tasks.values():
            row = asdict(task)
            del row["shares"]
            tasks.append(row | {"mean_share": float(task.shares.mean())})
        return {
            "n": self.n,
            "boilerplate_above": self.boilerplate_above,
            "threshold": THRESHOLD,
            "training_texts": self.texts,
            "training_words": self.words,
            "tasks": tasks,
        }

    def __str__(self) -> str:
        heads: tuple[str, ...] = (
            "task",
            "items",
            f"any {self.n}-gram",
            f"{THRESHOLD:.0%} or more",
            "whole",
            "short",
            "short, whole",
        )
        rows = [heads]
        for t in self.tasks.values():
            counts = (t.items, t.overlapping, t.contaminated, t.contained, t.short, t.short_contained)
            rows.append((t.task, *(f"{count:,}" for count in counts)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"{self.texts:,} training texts, {self.words:,} words; n-grams of {self.n} words"]
        for row in rows:
            cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join([row[0].ljust(widths[0]), *cells]))
        for t in self.tasks.values():
            if t.boilerplate:
                lines.append(
                    f"{t.task}: {t.boilerplate:,} n-grams in more than {self.boilerplate_above} items are boilerplate "
                    f"and left out; {t.all_boilerplate:,} items have no other"
                )
            if t.without_words:
                lines.append(f"{t.task}: {t.without_words:,} items have no words to compare")
        for t in self.tasks.values():
            for o in t.worst:
                what = "whole" if o.contained else f"{o.share:.0%} found"
                dots = " ..." if o.shared_words > len(o.shared_text.split()) else ""
                lines.append(f"{t.task} {o.item}: {what}; {o.source}: {o.shared_text}{dots} ({o.shared_words:,} words)")
        return "\n".join(lines)


def _overlap(evidence: Evidence, name: str, item: int, share: float, words: Sequence[str]) -> Overlap:
    text, start, length = evidence.longest_run(item)
    ids = evidence.tables.words_of(item)
    shown = " ".join(words[i - 1] for i in ids[start : start + min(length, SHOWN_WORDS)].tolist())
    whole = bool(evidence.contained[item])
    return Overlap(name, share, whole, len(ids), evidence.sources[text], length, shown)


def _checked(threshold: float) -> float:
    if not 0 < threshold <= 1:
        raise UserError(f"the threshold of contamination is {threshold}; expected a share above 0 and at most 1")
    return threshold
