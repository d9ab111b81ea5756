"""States as columns of 64-bit words: reading variables, and converting to and from packed ints."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from lathe.check.composed.layout import WORD_BITS, Layout, Variable

Column = NDArray[np.uint64]
Numbers = NDArray[np.int64]
Words = tuple[Column, ...]
"""One column for each word of a state, all of the same length."""

_KINDS = ((8, np.uint8), (16, np.uint16), (32, np.uint32), (64, np.uint64))
_WORD = (1 << WORD_BITS) - 1


def word_count(layout: Layout) -> int:
    """How many words a state has; at least one."""
    return max(1, -(-layout.width // WORD_BITS))


def columns(packed: Iterable[int], count: int) -> Words:
    """Packed states as columns."""
    states = list(packed)
    return tuple(
        np.array([s >> (WORD_BITS * i) & _WORD for s in states], dtype=np.uint64) for i in range(count)
    )


def packed_at(words: Words, index: int) -> int:
    """One state as a packed int."""
    return sum(int(word[index]) << (WORD_BITS * i) for i, word in enumerate(words))


def read(words: Words, variable: Variable) -> Numbers:
    """The codes of a variable."""
    if not variable.width:
        return np.zeros(len(words[0]), dtype=np.int64)
    shift = np.uint64(variable.offset % WORD_BITS)
    return ((words[variable.offset // WORD_BITS] >> shift) & np.uint64(variable.mask)).astype(np.int64)


def narrow(words: Words, variable: Variable) -> NDArray[np.unsignedinteger]:
    """The codes of a variable, in the narrowest unsigned column that holds them."""
    if not variable.width:
        return np.zeros(len(words[0]), dtype=np.uint8)
    kind = next(k for bits, k in _KINDS if variable.width <= bits)
    shift = variable.offset % WORD_BITS
    word = words[variable.offset // WORD_BITS]
    column: NDArray[np.unsignedinteger] = (word >> np.uint64(shift) if shift else word).astype(kind)
    np.bitwise_and(column, kind(variable.mask), out=column)
    return column


def byte_of(words: Words, index: int) -> NDArray[np.uint8]:
    """One byte of each state, counted from the lowest."""
    word, byte = divmod(index, WORD_BITS // 8)
    column = words[word].view(np.uint8)[byte if sys.byteorder == "little" else 7 - byte :: 8]
    return np.ascontiguousarray(column)


def joined(parts: Sequence[Words], count: int) -> Words:
    """Several batches of states as one."""
    if len(parts) == 1:
        return parts[0]
    empty = np.empty(0, dtype=np.uint64)
    return tuple(np.concatenate([p[i] for p in parts]) if parts else empty for i in range(count))


def chosen(words: Words, which: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Words:
    """Some of the states."""
    return tuple(word[which] for word in words)


class PackedStates(Sequence[int]):
    """Columns seen as a sequence of packed ints."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def __len__(self) -> int:
        return len(self.words[0])

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> list[int]: ...
    def __getitem__(self, index: int | slice) -> int | list[int]:
        if isinstance(index, slice):
            return list(PackedStates(chosen(self.words, index)))
        return packed_at(self.words, index)

    def __iter__(self) -> Iterator[int]:
        lists = [word.tolist() for word in self.words]
        if len(lists) == 1:
            yield from lists[0]
            return
        for parts in zip(*lists, strict=True):
            yield sum(part << (WORD_BITS * i) for i, part in enumerate(parts))
