"""Questions and options as a tree of tokens, and the rows in which it is read: each shared beginning once.

    tree = TokenTree([TokenItem(context_ids, [option_ids, other_ids])])
    for batch in tree.batches(limit=4096):
        batch.ids, batch.positions, batch.allowed()

Sequences are sorted, so that those with the same beginning lie side by side; a batch walks on from left to right and
names the keys and values of the path on which the next one goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TokenItem:
    """A question as token ids: what goes before (at least one token), each option's own, and what an encoder reads."""

    context: list[int]
    options: Sequence[list[int]]
    encoder: Sequence[int] | None = None


@dataclass(frozen=True)
class Segment:
    """New tokens of one sequence. ``columns`` [depth + new]: the keys on its path, cached ones first in the row."""

    start: int
    depth: int
    columns: NDArray[np.int64]

    @property
    def size(self) -> int:
        return len(self.columns) - self.depth


@dataclass(frozen=True)
class Batch:
    """One row: T tokens behind ``cached`` ones whose keys and values are there already.

    Attributes:
        first: number in the tree of the row's first token.
        ids, positions: [T].
        keep: columns, of cached + T, whose keys and values the next batch goes on from.
    """

    first: int
    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    cached: int
    segments: list[Segment]
    keep: NDArray[np.int64]

    def allowed(self) -> NDArray[np.bool_]:
        """[T, cached + T]: which keys a token attends to: those of its path, up to itself."""
        mask = np.zeros((len(self.ids), self.cached + len(self.ids)), dtype=bool)
        for segment in self.segments:
            rows = slice(segment.start, segment.start + segment.size)
            mask[rows, segment.columns[: segment.depth]] = True
            own = slice(self.cached + rows.start, self.cached + rows.stop)
            mask[rows, own] = np.tri(segment.size, dtype=bool)
        return mask


class TokenTree:
    """The tokens that have to be read for the options of some items, each shared beginning once.

    Tokens are numbered in the order in which they are read. ``rows``, ``targets`` and ``options`` [demands]: the token
    that predicts, what its target is, and of which option (numbered over all items) the target is a token.
    """

    def __init__(self, items: Sequence[TokenItem]) -> None:
        wanted: dict[tuple[int, ...], list[tuple[int, list[int]]]] = {}
        owners, number = [], 0
        for i, item in enumerate(items):
            for option in item.options:
                wanted.setdefault((*item.context, *option[:-1]), []).append((number, option))
                owners.append(i)
                number += 1
        self.owners = np.array(owners)
        self.first_option = np.concatenate([[0], np.cumsum([len(item.options) for item in items])[:-1]])
        self.sequences = sorted(wanted)
        self.longest = max(map(len, self.sequences))
        self.depths: list[int] = []
        self.paths: list[NDArray[np.int64]] = []
        before, path, count = np.empty(0, np.int64), np.empty(0, np.int64), 0
        rows, targets, options = [], [], []
        for sequence in self.sequences:
            ids = np.array(sequence)
            size = min(len(ids), len(before))
            differs = np.flatnonzero(ids[:size] != before[:size])
            depth = int(differs[0]) if len(differs) else size
            path = np.concatenate([path[:depth], np.arange(count, count + len(ids) - depth)])
            count, before = count + len(ids) - depth, ids
            self.depths.append(depth)
            self.paths.append(path)
            for owner, answer in wanted[sequence]:
                rows.append(path[len(path) - len(answer) :])
                targets += answer
                options += [owner] * len(answer)
        order = np.argsort(np.concatenate(rows), kind="stable")
        self.rows, self.targets, self.options = np.concatenate(rows)[order], np.array(targets)[order], np.array(options)
        self.options = self.options[order]
        self.tokens = np.bincount(self.options, minlength=number)
        self.demands_of_items = np.bincount(self.owners, weights=self.tokens, minlength=len(items)).astype(np.int64)

    def batches(self, limit: int) -> Iterator[Batch]:
        """Cut the tree into rows of at most ``limit`` tokens, those they go on from included."""
        i, first = 0, 0
        while i < len(self.sequences):
            cached = self.depths[i]
            columns, total, start = np.arange(cached), cached, i
            segments, ids, positions = [], [], []
            while i < len(self.sequences):
                sequence, depth = self.sequences[i], self.depths[i]
                new = len(sequence) - depth
                if i > start and total + new > limit:
                    break
                columns = np.concatenate([columns[:depth], np.arange(total, total + new)])
                segments.append(Segment(total - cached, depth, columns))
                ids.append(sequence[depth:])
                positions.append(np.arange(depth, len(sequence)))
                total, i = total + new, i + 1
            keep = columns[: self.depths[i]] if i < len(self.sequences) else columns[:0]
            yield Batch(first, np.concatenate(ids), np.concatenate(positions), cached, segments, keep)
            first += total - cached
