"""Which states were met: sorted runs that are merged as they grow, exact whatever the number of words.

A state of one word is its own key, in natural packed order, so successors come out as nearly sorted
runs. With more words the key is a 64-bit mix of them, and equal keys are compared word by word: a key
that two states share costs time, never a state.

The keys are cut into ranges of some 100,000 states, each with runs of its own: a merge moves one
range, so that never much is there twice, and threads take ranges apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import field
from itertools import pairwise
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lathe.check.arrays.words import Column, Words, chosen
from lathe.frozen import mutable

Key = Callable[[Words], Column]

RANGE_STATES = 1 << 18
"""A range that grows beyond is cut in two."""

MERGED_FROM = 4
"""A run is merged into the one before it once it is as large as that one's fourth part."""

_ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_POSITION_BITS = 22
_POSITION = np.uint64((1 << _POSITION_BITS) - 1)


def mixed(word: Column) -> Column:
    """The splitmix64 finaliser (Steele, Lea, Flood, OOPSLA 2014) of each word."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


def key_of(words: Words) -> Column:
    """What states are sorted by."""
    if len(words) == 1:
        return words[0]
    key = words[0] * _ODD
    for word in words[1:]:
        key = (key ^ (key >> np.uint64(32)) ^ word) * _ODD
    return mixed(key)


def ordered(keys: Column) -> NDArray[np.intp]:
    """The order that sorts some keys.

    Sorting numbers is three times as fast as sorting their positions; so the positions are sorted along:
    behind the keys where there is room, else in place of their last bits. Where these would have made a
    difference, it is done the slow way.
    """
    if len(keys) >> _POSITION_BITS or not len(keys):
        return np.argsort(keys)
    has_room = not int(keys.max()) >> (64 - _POSITION_BITS)
    packed = keys << np.uint64(_POSITION_BITS) if has_room else keys & ~_POSITION
    packed |= np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    packed &= _POSITION
    order = packed.view(np.intp)
    if has_room:
        return order
    sorted_keys = keys[order]
    return np.argsort(keys) if (sorted_keys[1:] < sorted_keys[:-1]).any() else order


@mutable
class Run:
    """States in the order of their keys."""

    words: Words
    keys: Column

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def is_plain(self) -> bool:
        """Whether a state is its own key."""
        return self.keys is self.words[0]

    def some(self, which: NDArray[np.intp] | slice) -> Run:
        """Some of the states, in the same order."""
        if self.is_plain:
            column = self.keys[which]
            return Run((column,), column)
        return Run(chosen(self.words, which), self.keys[which])

    def positions(self, words: Words, keys: Column) -> NDArray[np.int64]:
        """Where each state stands in the run, -1 if it does not. The keys had better be in order."""
        if not len(self):
            return np.full(len(keys), -1, dtype=np.int64)
        places = np.searchsorted(self.keys, keys)
        np.minimum(places, len(self) - 1, out=places)
        if self.is_plain:
            places[self.keys[places] != keys] = -1
            return places
        open_rows = np.flatnonzero(self.keys[places] == keys)
        found = np.full(len(keys), -1, dtype=np.int64)
        step = 0
        while len(open_rows):
            there = places[open_rows] + step
            same = np.ones(len(open_rows), dtype=np.bool_)
            for mine, other in zip(self.words, words, strict=True):
                same &= mine[there] == other[open_rows]
            found[open_rows[same]] = there[same]
            step += 1
            further = ~same & (there + 1 < len(self))
            open_rows = open_rows[further]
            open_rows = open_rows[self.keys[places[open_rows] + step] == keys[open_rows]]
        return found

    def without(self, other: Run) -> Run:
        """The states that another run does not hold."""
        fresh = np.flatnonzero(other.positions(self.words, self.keys) < 0)
        return self if len(fresh) == len(self) else self.some(fresh)


def as_run(words: Words, key: Key = key_of) -> Run:
    """Some states in order."""
    if len(words) == 1 and key is key_of:
        column = np.sort(words[0])
        return Run((column,), column)
    keys = key(words)
    return Run(words, keys).some(ordered(keys))


def merged(runs: Sequence[Run]) -> Run:
    """The states of several runs in order; those that are there twice stay so."""
    if len(runs) == 1:
        return runs[0]
    keys = np.concatenate([run.keys for run in runs])
    if runs[0].is_plain:
        keys.sort(kind="stable" if len(runs) == 2 else None)  # two runs: that kind merges
        return Run((keys,), keys)
    count = range(len(runs[0].words))
    return Run(tuple(np.concatenate([run.words[i] for run in runs]) for i in count), keys).some(ordered(keys))


def distinct(run: Run) -> Run:
    """The states of a run without repetition."""
    if len(run) < 2:
        return run
    same_key = run.keys[1:] == run.keys[:-1]
    same = same_key
    if not run.is_plain:
        same = _same_as_before(run.words, same_key)
        if np.count_nonzero(same) != np.count_nonzero(same_key):
            run = run.some(np.lexsort((*run.words[::-1], run.keys)))
            same = _same_as_before(run.words, run.keys[1:] == run.keys[:-1])
    if not same.any():
        return run
    return run.some(np.flatnonzero(np.concatenate(([True], ~same))))


def _same_as_before(words: Words, same: NDArray[np.bool_]) -> NDArray[np.bool_]:
    for word in words:
        same = same & (word[1:] == word[:-1])
    return same


class Recent:
    """A filter before the sorting: drops states that it remembers having let through, and forgets many.

    A direct-mapped table by a hash (Knuth, *TAOCP* 3, 6.4); each word is compared, so nothing that was
    not let through before is ever dropped. Most successors are repetitions, and a look costs less than
    their part of a sort; where they are not, it stands aside. The place of a state of one word is its last
    bits, stirred by the others: neighbours stay neighbours, and a table larger than the caches is no loss.
    """

    TRIAL_STATES = 1 << 18
    MOST_NEW = 0.6

    def __init__(self, word_count: int, bits: int) -> None:
        self.bits = bits
        self._words = tuple(np.zeros(1 << bits, dtype=np.uint64) for _ in range(word_count))
        self._words[0][0] = 1  # no place holds a state that belongs there: 0 is at home in the first
        assert int(self._places(tuple(w[:1] for w in self._words))[0]) != 0, "1 is not"
        self._seen = self._passed = 0

    @property
    def is_useful(self) -> bool:
        """Whether enough is dropped to be worth a look."""
        return self._seen < self.TRIAL_STATES or self._passed < self.MOST_NEW * self._seen

    def _places(self, words: Words) -> NDArray[np.int64]:
        shift = np.uint64(64 - self.bits)
        if len(words) > 1:
            return (key_of(words) >> shift).view(np.int64)
        places = words[0] >> np.uint64(self.bits)
        places *= _ODD
        places >>= shift
        places ^= words[0]
        places &= np.uint64((1 << self.bits) - 1)
        return places.view(np.int64)

    def fresh(self, words: Words) -> Words:
        """Those of some states that are not remembered; from now on they are."""
        places = self._places(words)
        new = self._words[0].take(places) != words[0]
        for known, word in zip(self._words[1:], words[1:], strict=True):
            new |= known.take(places) != word
        rows = np.flatnonzero(new)
        self._seen += len(places)
        self._passed += len(rows)
        words, places = tuple(word.take(rows) for word in words), places.take(rows)
        for known, word in zip(self._words, words, strict=True):
            known[places] = word
        return words

    def grown(self, bits: int) -> Recent:
        """A larger one that remembers the same, and has yet to show how useful it is."""
        larger = Recent(len(self._words), bits)
        rows = np.flatnonzero(self._words[0])
        rows = rows[self._places(tuple(word.take(rows) for word in self._words)) == rows]
        words = tuple(word.take(rows) for word in self._words)
        places = larger._places(words)
        for known, word in zip(larger._words, words, strict=True):
            known[places] = word
        return larger


@mutable
class Range:
    """The states met whose keys are at least `low` and below the next range's."""

    low: np.uint64
    runs: list[Run] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.runs))

    def take(self, candidates: Sequence[Run]) -> Run:
        """Take in what was not met before of some runs of distinct states; answers just that."""
        run = distinct(merged(candidates))
        for known in reversed(self.runs):
            if not len(run):
                return run
            run = run.without(known)
        if len(run):
            self.runs.append(run)
            while len(self.runs) > 1 and MERGED_FROM * len(self.runs[-1]) > len(self.runs[-2]):
                last = self.runs.pop()
                self.runs[-1] = merged((self.runs[-1], last))
        return run

    def halves(self) -> list[Range]:
        """Two ranges in place of this one, or itself if all keys are equal."""
        whole = merged(self.runs)
        self.runs = [whole]
        middle = whole.keys[len(whole) // 2]
        cut = int(np.searchsorted(whole.keys, middle))
        if not cut:
            return [self]
        low, high = whole.some(slice(0, cut)), whole.some(slice(cut, None))
        return [Range(self.low, [_copied(low)]), Range(middle, [_copied(high)])]


def _copied(run: Run) -> Run:
    """The same without holding on to what it is a part of."""
    if run.is_plain:
        column = run.keys.copy()
        return Run((column,), column)
    return Run(tuple(word.copy() for word in run.words), run.keys.copy())


A = TypeVar("A")
B = TypeVar("B")


class Mapped(Protocol):
    """`map` of one thing at a time, or that of a pool of threads."""

    def __call__(self, do: Callable[[A], B], items: Iterable[A], /) -> Iterator[B]: ...


def one_by_one(do: Callable[[A], B], items: Iterable[A], /) -> Iterator[B]:
    """`map` without threads."""
    return map(do, items)


class Visited:
    """All states that were met so far."""

    def __init__(self, mapped: Mapped = one_by_one) -> None:
        self._mapped = mapped
        self._ranges = [Range(np.uint64(0))]

    def take(self, candidates: Sequence[Run]) -> Words | None:
        """Take in what was not met before of some runs of distinct states; answers just that, in order."""
        candidates = [run for run in candidates if len(run)]
        if not candidates:
            return None
        work = [(r, some) for r, some in zip(self._ranges, self._cut(candidates), strict=True) if some]
        found = [run for run in self._mapped(_taken, work) if len(run)]
        self._ranges = [half for r in self._ranges for half in _small(r)]
        if not found:
            return None
        if len(found) == 1:
            return found[0].words
        return tuple(np.concatenate([run.words[i] for run in found]) for i in range(len(found[0].words)))

    def _cut(self, candidates: Sequence[Run]) -> Iterator[list[Run]]:
        """What of some runs belongs to each range."""
        if len(self._ranges) == 1:
            yield list(candidates)
            return
        bounds = np.array([r.low for r in self._ranges[1:]], dtype=np.uint64)
        cuts = [(0, *np.searchsorted(run.keys, bounds).tolist(), len(run)) for run in candidates]
        for slices in zip(*map(pairwise, cuts), strict=True):
            yield [
                run.some(slice(start, end))
                for run, (start, end) in zip(candidates, slices, strict=True)
                if start < end
            ]


def _taken(work: tuple[Range, list[Run]]) -> Run:
    return work[0].take(work[1])


def _small(r: Range) -> list[Range]:
    return r.halves() if len(r) > RANGE_STATES else [r]
