"""Where the states of a finished search stand: a look by the first bits of the key, then a step or two.

Keys that are spread evenly, as those of several words are and those of counters nearly, are found by reading
about two numbers each, where a binary search reads twenty. What lies deeper in a crowded place is searched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lathe.check.arrays.visited import Run
from lathe.check.arrays.words import Column, Words

MOST_BITS = 22
STEPS = 3


class Directory:
    """The positions of states in a run without repetition."""

    def __init__(self, run: Run) -> None:
        self.run = run
        bits = int(run.keys[-1]).bit_length() if len(run) else 0
        wanted = min(max(len(run), 1).bit_length() + 1, MOST_BITS)
        self._shift = np.uint64(max(bits - wanted, 0))
        places = (run.keys >> self._shift).astype(np.int64)
        counted = np.bincount(places, minlength=1)
        self._first = np.zeros(len(counted) + 1, dtype=np.int32)
        np.cumsum(counted, out=self._first[1:])

    def positions(self, words: Words, keys: Column) -> NDArray[np.int64]:
        """Where each state stands in the run, -1 if it does not."""
        rest = self.run.rest_of(words)
        if not len(self.run):
            return np.full(len(keys), -1, dtype=np.int64)
        places = np.minimum(keys >> self._shift, np.uint64(len(self._first) - 1)).astype(np.int64)
        found: NDArray[np.int64] = self._first.take(places).astype(np.int64)
        np.minimum(found, len(self.run) - 1, out=found)
        open_rows = np.flatnonzero(~self._is_at(found, rest, keys, None))
        for _ in range(STEPS):
            if not len(open_rows):
                return found
            further = np.minimum(found[open_rows] + 1, len(self.run) - 1)
            found[open_rows] = further
            open_rows = open_rows[~self._is_at(further, rest, keys, open_rows)]
        if len(open_rows):
            found[open_rows] = self.run.positions(
                tuple(word.take(open_rows) for word in rest), keys.take(open_rows)
            )
        return found

    def _is_at(
        self, places: NDArray[np.int64], rest: Words, keys: Column, rows: NDArray[np.intp] | None
    ) -> NDArray[np.bool_]:
        """Which of some states stand at given places."""
        pairs = [(self.run.keys, keys), *zip(self.run.rest, rest, strict=True)]
        same = np.ones(len(places), dtype=np.bool_)
        for mine, other in pairs:
            same &= mine.take(places) == (other if rows is None else other.take(rows))
        return same
