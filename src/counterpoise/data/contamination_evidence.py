"""Which training text holds which runs of words of the test items (`data.contamination` gathers it, block by block).

evidence = Evidence(tables)
evidence.add(sources, words, tables.search(text, bounds))     # a block of training texts
evidence.close()
evidence.shares                                               # [items]
evidence.texts_to_drop(item, 0.5, set())                      # numbers of training texts
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from counterpoise.data.contamination_tables import Found, Groups, Ints, Tables


class Evidence:
    """Pairs of a training text and a run, or an item contained whole; texts are numbered in the order of reading.

    Attributes:
        texts, words: how much was read.
        sources: the names of the texts that share anything.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.texts = 0
        self.words = 0
        self.sources: dict[int, str] = {}
        self._runs: list[tuple[Ints, Ints]] = []
        self._items: list[tuple[Ints, Ints]] = []

    def add(self, sources: Sequence[str], words: int, found: Found) -> None:
        """Keep what was found in a block of texts."""
        for kept, texts, what, size in (
            (self._runs, found.run_texts, found.runs, len(self.tables.useful)),
            (self._items, found.item_texts, found.items, len(self.tables.starts)),
        ):
            text, what = np.divmod(np.unique(texts * max(size, 1) + what), max(size, 1))
            kept.append((text + self.texts, what))
            self.sources |= {int(t) + self.texts: sources[t] for t in np.unique(text)}
        self.texts += len(sources)
        self.words += words

    def close(self) -> None:
        """Sort what was found; nothing may be added after this."""
        texts, runs = (np.concatenate(side) for side in zip(*self._runs, strict=True))
        self._texts_of_run = Groups.of(runs, texts, len(self.tables.useful))
        texts, items = (np.concatenate(side) for side in zip(*self._items, strict=True))
        self._texts_of_item = Groups.of(items, texts, len(self.tables.starts))
        self._runs, self._items = [], []

    @cached_property
    def contained(self) -> NDArray[np.bool_]:
        """[items] whether any training text contains the whole item."""
        return self._texts_of_item.sizes > 0

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """[items] the share of the item's different runs that are in any training text; 1 for a contained item."""
        runs_of = self.tables.runs_of
        found = (self._texts_of_run.sizes > 0)[runs_of.members]
        owner = np.repeat(np.arange(len(runs_of.sizes)), runs_of.sizes)
        counts = np.bincount(owner, weights=found, minlength=len(runs_of.sizes))
        return np.where(self.contained, 1.0, counts / np.maximum(runs_of.sizes, 1))

    def texts_to_drop(self, item: int, threshold: float, dropped: set[int]) -> set[int]:
        """Return the texts without which less than ``threshold`` of the item is found, those with most of it first.

        Texts in ``dropped`` are out already.
        """
        out = set(self._texts_of_item[item].tolist()) - dropped
        runs = self.tables.runs_of[item]
        holders: Counter[int] = Counter()  # by run
        held: dict[int, list[int]] = {}
        for run in runs.tolist():
            for text in self._texts_of_run[run].tolist():
                if text not in dropped and text not in out:
                    held.setdefault(text, []).append(run)
                    holders[run] += 1
        found = len(holders)
        for text in sorted(held, key=lambda text: (-len(held[text]), text)):
            if found / len(runs) < threshold:
                break
            out.add(text)
            for run in held[text]:
                holders[run] -= 1
                found -= not holders[run]
        return out

    def longest_run(self, item: int) -> tuple[int, int, int]:
        """Return the text that holds most of an item, and the start and the length, in words, of the longest part of
        the item all of whose runs are in that text. The item must have a share above 0.
        """
        if self.contained[item]:
            return int(self._texts_of_item[item][0]), 0, int(self.tables.lengths[item])
        runs = self.tables.runs_of[item]
        which, texts = self._texts_of_run.of_all(runs)
        names, counts = np.unique(texts, return_counts=True)
        best = names[counts.argmax()]
        begin = self.tables.starts[item]
        at = self.tables.run_at[begin : begin + self.tables.lengths[item] - self.tables.n + 1]
        inside = np.concatenate([[0], np.isin(at, runs[which[texts == best]]).astype(np.int64), [0]])
        starts, ends = np.flatnonzero(np.diff(inside) > 0), np.flatnonzero(np.diff(inside) < 0)
        longest = (ends - starts).argmax()
        return int(best), int(starts[longest]), int(ends[longest] - starts[longest]) + self.tables.n - 1
