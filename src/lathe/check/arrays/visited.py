"""Which states were met: sorted runs that are merged as they grow, exact whatever the number of words.

A state of one word is its own key, in natural packed order, so successors come out as nearly sorted
runs. With more words the key is a 64-bit mix of them, and equal keys are compared word by word: a key
that two states share costs time, never a state.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lathe.check.arrays.words import Column, Words, chosen, joined

Key = Callable[[Words], Column]

_ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


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
        key = mixed(key ^ word) * _ODD
    return key


def distinct(words: Words, key: Key = key_of) -> Words:
    """The states without repetition, in the order of their keys."""
    if len(words[0]) < 2:
        return words
    if len(words) == 1 and key is key_of:
        column = np.sort(words[0])
        keep = np.empty(len(column), dtype=np.bool_)
        keep[0] = True
        np.not_equal(column[1:], column[:-1], out=keep[1:])
        return (column[keep],)
    keys = key(words)
    order = np.argsort(keys)
    keys, words = keys[order], chosen(words, order)
    same_key = keys[1:] == keys[:-1]
    same = same_key.copy()
    for word in words:
        same &= word[1:] == word[:-1]
    if np.count_nonzero(same) != np.count_nonzero(same_key):
        order = np.lexsort((*words[::-1], keys))
        words = chosen(words, order)
        same = np.ones(len(keys) - 1, dtype=np.bool_)
        for word in words:
            same &= word[1:] == word[:-1]
    return chosen(words, np.concatenate(([True], ~same)))


class Recent:
    """A filter before the sorting: drops states that it remembers having let through, and forgets many.

    A direct-mapped table by a hash (Knuth, *TAOCP* 3, 6.4); each word is compared, so nothing that was
    not let through before is ever dropped. Most successors are repetitions, and a look costs less than
    their part of a sort.
    """

    BITS = 20

    def __init__(self, word_count: int) -> None:
        self._shift = np.uint64(64 - self.BITS)
        self._words = tuple(np.zeros(1 << self.BITS, dtype=np.uint64) for _ in range(word_count))
        self._words[0][0] = 1  # no place holds a state that belongs there: 0 is at home in the first
        assert int(self._places(tuple(w[:1] for w in self._words))[0]) != 0, "1 is not"

    def _places(self, words: Words) -> NDArray[np.int64]:
        return np.asarray((key_of(words) * _ODD) >> self._shift).astype(np.int64)

    def fresh(self, words: Words) -> Words:
        """Those of some states that are not remembered; from now on they are."""
        places = self._places(words)
        new = self._words[0][places] != words[0]
        for known, word in zip(self._words[1:], words[1:], strict=True):
            new |= known[places] != word
        words, places = chosen(words, new), places[new]
        for known, word in zip(self._words, words, strict=True):
            known[places] = word
        return words


class Run:
    """Distinct states in the order of their keys."""

    def __init__(self, words: Words, keys: Column) -> None:
        self.words = words
        self.keys = keys

    def __len__(self) -> int:
        return len(self.keys)

    def positions(self, words: Words, keys: Column) -> NDArray[np.int64]:
        """Where each state stands in the run, -1 if it does not. The keys must be given in order."""
        if not len(self):
            return np.full(len(keys), -1, dtype=np.int64)
        places = np.searchsorted(self.keys, keys)
        places[places == len(self)] = 0
        open_rows = np.flatnonzero(self.keys[places] == keys)
        found = np.full(len(keys), -1, dtype=np.int64)
        if self.keys is self.words[0]:
            found[open_rows] = places[open_rows]
            return found
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


class Visited:
    """All states that were met so far."""

    def __init__(self, word_count: int, key: Key = key_of) -> None:
        self.word_count = word_count
        self.key = key
        self.runs: list[Run] = []

    def fresh(self, words: Words) -> Words:
        """Those of some distinct, sorted states that were not met before."""
        for run in self.runs:
            if not len(words[0]):
                break
            known = run.positions(words, self.key(words)) >= 0
            if known.any():
                words = chosen(words, ~known)
        return words

    def add(self, words: Words) -> None:
        """Take in distinct, sorted states that are fresh; runs of like length become one."""
        self.runs.append(Run(words, self.key(words)))
        while len(self.runs) > 1 and 2 * len(self.runs[-1]) > len(self.runs[-2]):
            self._merge()

    def _merge(self) -> None:
        last, before = self.runs.pop(), self.runs.pop()
        if before.keys is before.words[0]:
            column = np.concatenate((before.keys, last.keys))
            column.sort(kind="stable")
            self.runs.append(Run((column,), column))
            return
        keys = np.concatenate((before.keys, last.keys))
        order = np.argsort(keys)
        words = chosen(joined((before.words, last.words), self.word_count), order)
        self.runs.append(Run(words, keys[order]))

    def whole(self) -> Run:
        """Everything as one run."""
        while len(self.runs) > 1:
            self._merge()
        return self.runs[0]
