"""Which states were met: sorted runs that are merged as they grow, exact whatever the number of words.

A state of one word is its own key, in natural packed order, so successors come out as nearly sorted
runs. With more words the key is a 64-bit mix of them that can be undone: it stands in the place of the first
word. Equal keys are compared by the words that remain: a key that two states share costs time, never a state.

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

from lathe.check.arrays.words import Column, Words, chosen, joined
from lathe.frozen import mutable

Key = Callable[[Words], Column]

RANGE_STATES = 1 << 18
"""A range that grows beyond is cut in two."""

MERGED_FROM = 4
"""A run is merged into the one before it once it is as large as that one's fourth part."""

_ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_ODD_UNDONE, _FIRST_UNDONE, _SECOND_UNDONE = (
    np.uint64(pow(int(factor), -1, 1 << 64)) for factor in (_ODD, _FIRST, _SECOND)
)
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


def _unmixed(word: Column) -> Column:
    """What `mixed` made a word of: each shift is undone by repeating it, as often as it takes."""
    word = (word ^ (word >> np.uint64(31)) ^ (word >> np.uint64(62))) * _SECOND_UNDONE
    word = (word ^ (word >> np.uint64(27)) ^ (word >> np.uint64(54))) * _FIRST_UNDONE
    found: Column = word ^ (word >> np.uint64(30)) ^ (word >> np.uint64(60))
    return found


def first_word(keys: Column, others: Words) -> Column:
    """The first word of states, by what `key_of` says of them and their other words."""
    if not others:
        return keys
    word = _unmixed(keys) * _ODD_UNDONE
    for other in reversed(others):
        word = word ^ other
        word = (word ^ (word >> np.uint64(32))) * _ODD_UNDONE
    return word


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
    """States in the order of their keys.

    `rest` tells those apart that share a key: all words but the first, which `first_word` gives again; or,
    where the key is another than `key_of`, the `whole` states.
    """

    keys: Column
    rest: Words
    is_whole: bool = False

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def word_count(self) -> int:
        return len(self.rest) + (not self.is_whole)

    @property
    def words(self) -> Words:
        """The states."""
        return self.rest if self.is_whole else (first_word(self.keys, self.rest), *self.rest)

    def rest_of(self, words: Words) -> Words:
        """What of some states compares with `rest`."""
        return words if self.is_whole else words[1:]

    def some(self, which: NDArray[np.intp] | slice) -> Run:
        """Some of the states, in the same order."""
        return Run(self.keys[which], chosen(self.rest, which), self.is_whole)

    def positions(self, rest: Words, keys: Column) -> NDArray[np.int64]:
        """Where each state stands in the run, -1 if it does not. The keys had better be in order."""
        if not len(self):
            return np.full(len(keys), -1, dtype=np.int64)
        places = np.searchsorted(self.keys, keys)
        np.minimum(places, len(self) - 1, out=places)
        if not self.rest:
            places[self.keys[places] != keys] = -1
            return places
        open_rows = np.flatnonzero(self.keys[places] == keys)
        found = np.full(len(keys), -1, dtype=np.int64)
        step = 0
        while len(open_rows):
            there = places[open_rows] + step
            same = np.ones(len(open_rows), dtype=np.bool_)
            for mine, other in zip(self.rest, rest, strict=True):
                same &= mine[there] == other[open_rows]
            found[open_rows[same]] = there[same]
            step += 1
            further = ~same & (there + 1 < len(self))
            open_rows = open_rows[further]
            open_rows = open_rows[self.keys[places[open_rows] + step] == keys[open_rows]]
        return found

    def without(self, other: Run) -> Run:
        """The states that another run does not hold."""
        fresh = np.flatnonzero(other.positions(self.rest, self.keys) < 0)
        return self if len(fresh) == len(self) else self.some(fresh)


def as_run(words: Words, key: Key = key_of) -> Run:
    """Some states in order."""
    if len(words) == 1 and key is key_of:
        return Run(np.sort(words[0]), ())
    return run_of(words, key)[0]


def run_of(words: Words, key: Key = key_of) -> tuple[Run, NDArray[np.intp]]:
    """Some states in order, and where each of them stood before."""
    keys = key(words)
    order = ordered(keys)
    is_whole = key is not key_of
    return Run(keys, words if is_whole else words[1:], is_whole).some(order), order


def merged(runs: Sequence[Run]) -> Run:
    """The states of several runs in order; those that are there twice stay so."""
    first = runs[0]
    if len(runs) == 1:
        return first
    keys = np.concatenate([run.keys for run in runs])
    if not first.rest:
        keys.sort(kind="stable" if len(runs) == 2 else None)  # two runs: that kind merges
        return Run(keys, ())
    rest = joined([run.rest for run in runs], len(first.rest))
    return Run(keys, rest, first.is_whole).some(ordered(keys))


def distinct(run: Run) -> Run:
    """The states of a run without repetition."""
    if len(run) < 2:
        return run
    same_key = run.keys[1:] == run.keys[:-1]
    same = _same_as_before(run.rest, same_key)
    if run.rest and np.count_nonzero(same) != np.count_nonzero(same_key):
        run = run.some(np.lexsort((*run.rest[::-1], run.keys)))
        same = _same_as_before(run.rest, run.keys[1:] == run.keys[:-1])
    if not same.any():
        return run
    return run.some(np.flatnonzero(np.concatenate(([True], ~same))))


def _same_as_before(rest: Words, same: NDArray[np.bool_]) -> NDArray[np.bool_]:
    for word in rest:
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
    """The states met whose keys are at least `low` and below the next range's.

    Others `wait`, put by for later: none of them was met when they came; what was met `since` is kept apart.
    """

    low: np.uint64
    runs: list[Run] = field(default_factory=list)
    waiting: list[Run] = field(default_factory=list)
    since: list[Run] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.runs))

    def take(self, candidates: Sequence[Run]) -> Run:
        """Take in what was not met before of some runs of distinct states; answers just that."""
        run = _without(distinct(merged(candidates)), self.runs)
        if len(run) and self.waiting:
            self.since.append(run)
        return self._met(run)

    def put_by(self, candidates: Sequence[Run]) -> None:
        """Let what was not met before of some runs of distinct states wait."""
        run = _without(distinct(merged(candidates)), self.runs)
        if len(run):
            self.waiting.append(_copied(run) if len(candidates) == 1 else run)
            while len(self.waiting) > 1 and MERGED_FROM * len(self.waiting[-1]) > len(self.waiting[-2]):
                last = self.waiting.pop()
                self.waiting[-1] = distinct(merged((self.waiting[-1], last)))

    def take_back(self) -> Run:
        """Take in what waits, unless it was met since; answers just that."""
        waiting, since, self.waiting, self.since = self.waiting, self.since, [], []
        run = distinct(merged(waiting)) if len(waiting) > 1 else waiting[0]
        return self._met(_without(run, since))

    def _met(self, run: Run) -> Run:
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
        self.runs = []
        low, high = Range(self.low, _below([whole], middle)), Range(middle, _above([whole], middle))
        low.since, high.since = _below(self.since, middle), _above(self.since, middle)
        while self.waiting:  # much, so never all of it twice
            runs = [self.waiting.pop()]
            low.waiting += _below(runs, middle)
            high.waiting += _above(runs, middle)
        return [low, high]


def _without(run: Run, others: Sequence[Run]) -> Run:
    """The states of a run that no other holds."""
    for other in reversed(others):
        if not len(run):
            break
        run = run.without(other)
    return run


def _below(runs: Sequence[Run], bound: np.uint64) -> list[Run]:
    cuts = [int(np.searchsorted(run.keys, bound)) for run in runs]
    return [_copied(run.some(slice(0, cut))) for run, cut in zip(runs, cuts, strict=True) if cut]


def _above(runs: Sequence[Run], bound: np.uint64) -> list[Run]:
    cuts = [int(np.searchsorted(run.keys, bound)) for run in runs]
    return [
        _copied(run.some(slice(cut, None))) for run, cut in zip(runs, cuts, strict=True) if cut < len(run)
    ]


def _copied(run: Run) -> Run:
    """The same without holding on to what it is a part of."""
    return Run(run.keys.copy(), tuple(word.copy() for word in run.rest), run.is_whole)


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

    def put_by(self, candidates: Sequence[Run], *, mapped: Mapped = one_by_one) -> None:
        """Let some distinct states wait for `take_back`: without those met before they are fewer."""
        for _ in mapped(_put_by, self._cut(candidates)):
            pass

    def take(self, candidates: Sequence[Run]) -> Words | None:
        """Take in what was not met before of some runs of distinct states; answers just that, in order."""
        found = [run.words for run in self._mapped(_taken, self._cut(candidates)) if len(run)]
        self._halve()
        return joined(found, len(found[0])) if found else None

    def take_back(self) -> Words | None:
        """Take in what was put by, unless it was met since; answers just that, in order."""
        work = [r for r in self._ranges if r.waiting]
        if not work:
            return None
        most = sum(len(run) for r in work for run in r.waiting)
        columns = tuple(np.empty(most, dtype=np.uint64) for _ in range(work[0].waiting[0].word_count))
        end = 0
        for run in self._mapped(Range.take_back, work):
            start, end = end, end + len(run)  # copied at once: what a range holds may be moved by then
            for column, word in zip(columns, run.words, strict=True):
                column[start:end] = word
        self._halve()
        return chosen(columns, slice(0, end)) if end else None

    def _halve(self) -> None:
        self._ranges = [half for r in self._ranges for half in _small(r)]

    def _cut(self, candidates: Sequence[Run]) -> list[tuple[Range, list[Run]]]:
        """What of some runs belongs to each range, where there is something."""
        bounds = np.array([r.low for r in self._ranges[1:]], dtype=np.uint64)
        work: list[tuple[Range, list[Run]]] = [(r, []) for r in self._ranges]
        for run in candidates:
            cuts = (0, *np.searchsorted(run.keys, bounds).tolist(), len(run))
            for (_, some), (start, end) in zip(work, pairwise(cuts), strict=True):
                if start < end:
                    some.append(run.some(slice(start, end)))
        return [(r, some) for r, some in work if some]


def _put_by(work: tuple[Range, list[Run]]) -> None:
    work[0].put_by(work[1])


def _taken(work: tuple[Range, list[Run]]) -> Run:
    return work[0].take(work[1])


def _small(r: Range) -> list[Range]:
    return r.halves() if len(r) > RANGE_STATES else [r]
