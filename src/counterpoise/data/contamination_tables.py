"""Look up the runs of words of test items in training texts, exactly and many at a time (`data.contamination`).

Runs of 2, 4, 8 ... words get a number for each different pair of numbers of their halves (Karp, Miller and Rosenberg
1972, doi 10.1145/800152.804905), a run of n words one for the pair of its first and last 2^k words, which may overlap.
So equal numbers mean equal words: there are no hashes that could collide. Words that the test side lacks have the
number 0, and no run goes over them; after two steps few places are left to look at.

    tables = Tables.build(8, 10, text, starts, ends, tasks)     # word numbers of all items, a 0 after each
    found = tables.search(training, bounds)                     # the same for a block of training texts
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """What a block of training texts shares with the items; pairs may repeat.

    Attributes:
        run_texts, runs: [M] the text (its place in the block) and a run of n words in it, boilerplate left out.
        item_texts, items: [K] the text and an item that it contains whole.
    """

    run_texts: Ints
    runs: Ints
    item_texts: Ints
    items: Ints


@dataclass(frozen=True)
class Runs:
    """Numbers, from 1, for some runs of words, each made of two shorter runs ``shift`` words apart.

    ``keys`` [runs], sorted: ``first * base + second``, from the numbers of the two. ``sieve`` is false where no key can
    be: it spares most look-ups, and decides none.
    """

    shift: int
    base: int
    keys: Ints
    sieve: NDArray[np.bool_]

    @classmethod
    def of(cls, shorter: Ints, at: Ints, shift: int) -> Runs:
        """Number the runs that start at ``at`` in the text whose shorter runs have the numbers ``shorter``."""
        base = int(shorter.max(initial=0)) + 1
        keys = np.unique(_keys(shorter, at, shift, base)[1])
        sieve = np.zeros(1 << (8 * len(keys) + 1).bit_length(), dtype=bool)
        sieve[_slots(keys, len(sieve))] = True
        return cls(shift, base, keys, sieve)

    def find(self, shorter: Ints, at: Ints) -> tuple[Ints, Ints]:
        """Return, among the starts ``at``, those of known runs, and their numbers."""
        at, keys = _keys(shorter, at, self.shift, self.base)
        possible = self.sieve[_slots(keys, len(self.sieve))]
        at, keys = at[possible], keys[possible]
        place = np.searchsorted(self.keys, keys)
        place[place == len(self.keys)] = 0
        known = self.keys[place] == keys
        return at[known], place[known] + 1


@dataclass(frozen=True)
class Groups:
    """Members by group: those of group g are ``members[begins[g] : begins[g + 1]]``."""

    begins: Ints
    members: Ints

    @classmethod
    def of(cls, groups: Ints, members: Ints, size: int) -> Groups:
        """Sort members, [M] with the group of each [M], into ``size`` groups; their order is kept."""
        begins = np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=size))])
        return cls(begins, members[np.argsort(groups, kind="stable")])

    @property
    def sizes(self) -> Ints:
        return np.diff(self.begins)

    def __getitem__(self, group: int) -> Ints:
        return self.members[self.begins[group] : self.begins[group + 1]]

    def of_all(self, groups: Ints) -> tuple[Ints, Ints]:
        """Return, for all members of all ``groups``, the place in ``groups`` and the member."""
        counts = self.begins[groups + 1] - self.begins[groups]
        which = np.repeat(np.arange(len(groups)), counts)
        within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        return which, self.members[self.begins[groups][which] + within]


@dataclass(frozen=True)
class Tables:
    """The test side. Items are numbered from 0, and so are the different runs of n words (the others from 1)."""

    n: int
    text: Ints
    starts: Ints
    """[items] in ``text``."""
    lengths: Ints
    """[items] in words."""
    tasks: Ints
    """[items]"""
    run_at: Ints
    """[text] the number of the run of n words that starts here, or -1."""
    useful: NDArray[np.bool_]
    """[runs] whether any item counts this run."""
    runs_of: Groups
    """For each item the different runs that count, boilerplate left out."""
    boilerplate: Ints
    """[tasks] runs left out."""
    doublings: tuple[Runs, ...]
    """Of 2, 4, ... words."""
    whole: Runs
    """Of n words."""
    first: Groups
    """For each run of n words the items that begin with it."""
    short: dict[int, tuple[Runs, Groups]]
    """Items of fewer than n words, by their number of words: their runs, and the items of each."""

    @classmethod
    def build(cls, n: int, boilerplate_above: int, text: Ints, starts: Ints, ends: Ints, tasks: Ints) -> Tables:
        """Number all runs.

        Args:
            n: words of a run.
            boilerplate_above: a run in more items of a task is left out for that task.
            text: word numbers, from 1, of all items, a 0 after each.
            starts, ends: [items] in ``text``.
            tasks: [items], from 0.
        """
        at, numbers = np.flatnonzero(text), text
        levels, doublings = [numbers], list[Runs]()  # of 1, 2, 4 ... words
        while 2 ** len(levels) < n:
            doublings.append(Runs.of(numbers, at, 2 ** (len(levels) - 1)))
            at, found = doublings[-1].find(numbers, at)
            numbers = _spread(at, found, len(text))
            levels.append(numbers)
        whole = Runs.of(numbers, at, n - 2 ** (len(levels) - 1))
        at, found = whole.find(numbers, at)
        size, lengths = len(whole.keys), ends - starts
        run_at = _spread(at, found, len(text)) - 1

        pairs = np.unique((np.searchsorted(starts, at, side="right") - 1) * max(size, 1) + found - 1)
        item, run = np.divmod(pairs, max(size, 1))
        in_task, which, counts = np.unique(tasks[item] * max(size, 1) + run, return_inverse=True, return_counts=True)
        common = counts > boilerplate_above
        kept = ~common[which]
        boilerplate = np.bincount(in_task[common] // max(size, 1), minlength=int(tasks.max(initial=-1)) + 1)
        useful = np.zeros(size, dtype=bool)
        useful[run[kept]] = True

        short = dict[int, tuple[Runs, Groups]]()
        for width in np.unique(lengths[(lengths > 0) & (lengths < n)]).tolist():
            chosen = np.flatnonzero(lengths == width)
            level = width.bit_length() - 1
            runs = Runs.of(levels[level], starts[chosen], width - 2**level)
            _, number = runs.find(levels[level], starts[chosen])
            short[width] = runs, Groups.of(number - 1, chosen, len(runs.keys))
        long = np.flatnonzero(lengths >= n)
        return cls(
            n=n,
            text=text,
            starts=starts,
            lengths=lengths,
            tasks=tasks,
            run_at=run_at,
            useful=useful,
            runs_of=Groups.of(item[kept], run[kept], len(starts)),
            boilerplate=boilerplate,
            doublings=tuple(doublings),
            whole=whole,
            first=Groups.of(run_at[starts[long]], long, size),
            short=short,
        )

    def words_of(self, item: int) -> Ints:
        """Return the word numbers of an item."""
        return self.text[self.starts[item] : self.starts[item] + self.lengths[item]]

    def search(self, text: Ints, bounds: Ints) -> Found:
        """Look up training texts.

        Args:
            text: their word numbers, a 0 for unknown words and one after each text.
            bounds: [texts] where each begins in ``text``.
        """
        numbers, at = text, np.flatnonzero(text)
        contained = self._short_items(0, numbers, at)
        for level, runs in enumerate(self.doublings, start=1):
            at, found = runs.find(numbers, at)
            numbers = _spread(at, found, len(text))
            contained += self._short_items(level, numbers, at)
        at, found = self.whole.find(numbers, at)
        contained.append(self._long_items(text, at, found - 1))
        counted = self.useful[found - 1]
        places, items = (np.concatenate(side) for side in zip(*contained, strict=True))
        return Found(_texts(at[counted], bounds), found[counted] - 1, _texts(places, bounds), items)

    def _short_items(self, level: int, numbers: Ints, at: Ints) -> list[tuple[Ints, Ints]]:
        """Return where items of 2^level words up to twice as many begin, and the items."""
        pairs = []
        for width, (runs, items) in self.short.items():
            if width.bit_length() - 1 == level:
                places, number = runs.find(numbers, at)
                which, item = items.of_all(number - 1)
                pairs.append((places[which], item))
        return pairs

    def _long_items(self, text: Ints, at: Ints, runs: Ints) -> tuple[Ints, Ints]:
        """Return where whole items begin: first run, last run and then all words are compared."""
        which, item = self.first.of_all(runs)
        place = at[which]
        last = place + self.lengths[item] - self.n
        fits = last < len(text)
        place, item, last = place[fits], item[fits], last[fits]
        same = (_spread(at, runs + 1, len(text)) - 1)[last] == self.run_at[
            self.starts[item] + self.lengths[item] - self.n
        ]
        pairs = [
            (p, i)
            for p, i in zip(place[same].tolist(), item[same].tolist(), strict=True)
            if np.array_equal(text[p : p + self.lengths[i]], self.words_of(i))
        ]
        found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]


def _keys(shorter: Ints, at: Ints, shift: int, base: int) -> tuple[Ints, Ints]:
    at = at[: np.searchsorted(at, len(shorter) - shift)]
    second = shorter[at + shift]
    at, second = at[second > 0], second[second > 0]
    return at, shorter[at] * base + second


def _slots(keys: Ints, size: int) -> NDArray[np.uint64]:
    """Multiplicative hashing (Knuth 1973, section 6.4) into ``size`` slots, a power of two."""
    return (keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(65 - size.bit_length())


def _spread(at: Ints, numbers: Ints, length: int) -> Ints:
    dense = np.zeros(length, dtype=np.int64)
    dense[at] = numbers
    return dense


def _texts(places: Ints, bounds: Ints) -> Ints:
    return np.searchsorted(bounds, places, side="right") - 1
