"""What the search of a large system found: columns of states by level, and the steps made on demand."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from lathe.check.arrays.blocks import Seats
from lathe.check.arrays.directory import Directory
from lathe.check.arrays.expand import Expansion
from lathe.check.arrays.seating import Seating
from lathe.check.arrays.visited import Key, key_of, run_of
from lathe.check.arrays.words import PackedStates, Words, chosen, joined, packed_at
from lathe.check.search.graph import Ending, Limits, look
from lathe.frozen import mutable

CHUNK = 1 << 15
"""States that are expanded at once: 16 bits number them."""

Index = NDArray[np.int32]


@mutable
class Wave:
    """States `start` to `end` were found together; `level` steps lead to them.

    The first wave of a level was reached by committed steps, later ones by what happens between steps.
    """

    start: int
    end: int
    level: int
    is_first: bool


@dataclass
class Edges:
    """The steps of state i are `targets[first[i] : first[i + 1]]`, and `labels` likewise.

    Where states were exchanged for those that stand for them, `seats` tells where each slot went, a
    row for each slot of the layout (`seating.Placed`).
    """

    first: NDArray[np.int64]
    targets: Index
    labels: Index
    seats: Seats | None = None


@dataclass
class ArrayGraph:
    """A searched system. States are numbered by wave, in the order of their keys within one.

    With a `seating`, each stands for all that an exchange makes of it, and steps lead to such states.
    """

    words: Words
    waves: list[Wave]
    expansion: Expansion
    weights: NDArray[np.bool_]
    taken: dict[int, int]
    key: Key = key_of
    seating: Seating | None = None
    hits: dict[int, int] = field(default_factory=dict)
    ended_by: Ending = ""
    judging: Limits | None = None

    @property
    def is_complete(self) -> bool:
        return not self.ended_by

    @property
    def alike(self) -> tuple[str, ...]:
        return self.seating.names if self.seating else ()

    @property
    def steps(self) -> int:
        return sum(self.taken.values())

    @property
    def count(self) -> int:
        return len(self.words[0])

    @cached_property
    def states(self) -> Sequence[int]:
        return PackedStates(self.words)

    @property
    def depth(self) -> int:
        return max(wave.level for wave in self.waves)

    @cached_property
    def distance(self) -> Sequence[int]:
        """How many committed steps lead to each state."""
        levels = np.empty(self.count, dtype=np.int32)
        for wave in self.waves:
            levels[wave.start : wave.end] = wave.level
        return Numbered(levels)

    @cached_property
    def _directory(self) -> tuple[Directory, Index]:
        """All states in the order of their keys, and the number of each."""
        run, order = run_of(self.words, self.key)
        return Directory(run), order.astype(np.int32)

    def numbers(self, words: Words) -> Index:
        """The numbers of some states; -1 for those that a search which ended early did not take in."""
        directory, home = self._directory
        places = directory.positions(words, self.key(words))
        found = home.take(places)
        if not self.is_complete:
            found[places < 0] = -1
            return found
        assert not len(places) or int(places.min()) >= 0, "every successor was met"
        return found

    @cached_property
    def edges(self) -> Edges:
        """Every step between states that were met, made again."""
        parts = [self._edges_of(start) for start in range(0, self.count, CHUNK)]
        degree = np.concatenate([part[0] for part in parts])
        first = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(degree, dtype=np.int64)))
        targets, labels = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
        if self.seating is None:
            return Edges(first, targets, labels)
        return Edges(first, targets, labels, np.concatenate([part[3] for part in parts], axis=1))

    def _edges_of(self, start: int) -> tuple[Index, Index, Index, Seats]:
        """The number of steps of each state of a chunk, their targets, labels and seats, state by state."""
        look(self)
        part = chosen(self.words, slice(start, start + CHUNK))
        size = len(part[0])
        batches = self.expansion.batches(part)
        if not batches:
            none = np.empty(0, dtype=np.int32)
            return np.zeros(size, dtype=np.int32), none, none, self._seated(chosen(part, slice(0)))[1]
        origin = np.concatenate([b[1] for b in batches])
        labels = np.concatenate([np.full(len(b[2][0]), b[0], dtype=np.int32) for b in batches])
        reached, seats = self._seated(joined([b[2] for b in batches], len(self.words)))
        targets = self.numbers(reached)
        order = np.argsort(origin.astype(np.uint16), kind="stable")  # of 16 bits: a radix sort
        if not self.is_complete:
            order = order[targets[order] >= 0]
        degree = np.bincount(origin[order], minlength=size).astype(np.int32)
        return degree, targets[order], labels[order], seats[:, order]

    def _seated(self, words: Words) -> tuple[Words, Seats]:
        """The states that stand for some, and where the slots went; no slot moves without symmetry."""
        if self.seating is None:
            return words, np.empty((0, len(words[0])), dtype=np.uint8)
        placed = self.seating.placed(words)
        return placed.words, placed.slots

    @property
    def first(self) -> Sequence[int]:
        return Numbered(self.edges.first)

    @cached_property
    def degree(self) -> Sequence[int]:
        return Numbered(np.diff(self.edges.first))

    @property
    def targets(self) -> Sequence[int]:
        return Numbered(self.edges.targets)

    @property
    def labels(self) -> Sequence[int]:
        return Numbered(self.edges.labels)

    def way_to(self, index: int) -> list[tuple[int, int]]:
        """A shortest way to a state: each command with the state it leads to; the first has command -1.

        Found by expanding the levels before it again, backwards; of several predecessors the one with
        the smallest number is taken, so the way is the same whatever the number of threads.
        """
        found: list[tuple[int, int]] = []
        starts = [wave.start for wave in self.waves]
        while True:
            number = bisect_right(starts, index) - 1
            wave = self.waves[number]
            if wave.level == 0 and wave.is_first:
                return [(-1, index), *reversed(found)]
            label, before = self._predecessor(index, number)
            found.append((label, index))
            index = before

    def _predecessor(self, index: int, number: int) -> tuple[int, int]:
        """Of a state in this wave: the first wave of a level is reached from the level before."""
        target, is_first = packed_at(self.words, index), self.waves[number].is_first
        near = self._level_before(number) if is_first else [self.waves[number - 1]]
        for candidate in near:
            for start in range(candidate.start, candidate.end, CHUNK):
                end = min(start + CHUNK, candidate.end)
                found = self._leads_to(target, start, end, is_committed=is_first)
                if found is not None:
                    return found
        raise AssertionError("every state but the first has a predecessor")

    def _level_before(self, number: int) -> list[Wave]:
        """The waves of the level before this one's."""
        level = self.waves[number].level - 1
        before = (self.waves[earlier] for earlier in range(number - 1, -1, -1))
        near = takewhile(lambda wave: wave.level >= level, before)
        return [wave for wave in near if wave.level == level][::-1]

    def _leads_to(self, target: int, start: int, end: int, *, is_committed: bool) -> tuple[int, int] | None:
        part = chosen(self.words, slice(start, end))
        found = self.expansion.batches(part)
        batches = [b for b in found if bool(self.weights[b[0]]) is is_committed]
        if not batches:
            return None
        reached = joined([b[2] for b in batches], len(self.words))
        same = np.ones(len(reached[0]), dtype=np.bool_)
        for number, word in enumerate(self.seating(reached) if self.seating else reached):
            same &= word == np.uint64(target >> (64 * number) & (1 << 64) - 1)
        if not same.any():
            return None
        rows = np.flatnonzero(same)
        origin = np.concatenate([b[1] for b in batches])[rows]
        labels = np.concatenate([np.full(len(b[2][0]), b[0]) for b in batches])[rows]
        first = np.lexsort((labels, origin))[0]
        return int(labels[first]), start + int(origin[first])


class Numbered(Sequence[int]):
    """An array seen as a sequence of plain ints."""

    def __init__(self, values: NDArray[np.int32] | NDArray[np.int64]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        found = self.values[index]
        return found.tolist() if isinstance(index, slice) else int(found)

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.values.tolist())
