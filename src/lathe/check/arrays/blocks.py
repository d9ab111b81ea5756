"""The slots of a blueprint as blocks that can change places: a few columns for each, the same for all.

No variable straddles two words, so blocks of like slots may lie differently in theirs. A block is taken
out piece by piece, and put back the same way: a piece is a run of variables that lie together wherever
it is put.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lathe.check.arrays.words import Column, Words
from lathe.check.composed.layout import WORD_BITS, Slot, Variable
from lathe.frozen import frozen

Block = tuple[Column, ...]
"""One slot's variables, in as few columns as they take."""

Seats = NDArray[np.uint8]
"""For each of some things that change places, a row: where it goes, state by state."""


@frozen
class Piece:
    """Bits that move together: where they lie in a state, and where in a block."""

    word: int
    shift: int
    mask: int
    column: int
    at: int


class Blocks:
    """The slots of one blueprint."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.count = len(slots)
        listed = [[v for v in slot.variables() if v.width] for slot in slots]
        order = sorted(range(len(listed[0])), key=lambda i: listed[0][i].offset)
        places = _places([listed[0][i] for i in order])
        self._pieces = [_pieces([found[i] for i in order], places) for found in listed]
        self._kept: dict[int, int] = {}
        for piece in (p for pieces in self._pieces for p in pieces):
            self._kept[piece.word] = self._kept.get(piece.word, -1) & ~(piece.mask << piece.shift)

    def taken(self, words: Words) -> list[Block]:
        """The block of each slot."""
        found = []
        for pieces in self._pieces:
            columns: dict[int, Column] = {}
            for p in pieces:
                part = words[p.word] >> np.uint64(p.shift) & np.uint64(p.mask)
                part = part << np.uint64(p.at) if p.at else part
                columns[p.column] = columns[p.column] | part if p.column in columns else part
            found.append(tuple(columns[i] for i in sorted(columns)))
        return found

    def put(self, words: Words, blocks: Sequence[Block]) -> Words:
        """The states with other blocks in the slots."""
        found = list(words)
        for word, kept in self._kept.items():
            found[word] = found[word] & np.uint64(kept & (1 << WORD_BITS) - 1)
        for pieces, block in zip(self._pieces, blocks, strict=True):
            for p in pieces:
                part = block[p.column] >> np.uint64(p.at) & np.uint64(p.mask)
                found[p.word] = found[p.word] | part << np.uint64(p.shift)
        return tuple(found)


def _places(variables: Sequence[Variable]) -> list[tuple[int, int]]:
    """Where each variable lies in a block: column and bit."""
    column, at, found = 0, 0, []
    for variable in variables:
        if at + variable.width > WORD_BITS:
            column, at = column + 1, 0
        found.append((column, at))
        at += variable.width
    return found


def _pieces(variables: Sequence[Variable], places: Sequence[tuple[int, int]]) -> list[Piece]:
    found: list[Piece] = []
    width = 0
    for variable, (column, at) in zip(variables, places, strict=True):
        word, shift = divmod(variable.offset, WORD_BITS)
        last = found[-1] if found else None
        joins = last is not None and (last.word, last.shift + width) == (word, shift)
        if last is not None and joins and (last.column, last.at + width) == (column, at):
            width += variable.width
            found[-1] = Piece(last.word, last.shift, (1 << width) - 1, last.column, last.at)
        else:
            width = variable.width
            found.append(Piece(word, shift, variable.mask, column, at))
    return found


def sort_down(blocks: list[Block]) -> list[Block]:
    """The blocks of each state, the largest first: an empty slot, all of it 0, comes last."""
    found = list(blocks)
    for i in range(len(found)):
        for j in range(i + 1, len(found)):
            found[i], found[j] = _ordered(found[i], found[j])
    return found


def _ordered(a: Block, b: Block) -> tuple[Block, Block]:
    if len(a) == 1:
        return (np.maximum(a[0], b[0]),), (np.minimum(a[0], b[0]),)
    is_less = _is_less(a, b)
    pairs = list(zip(a, b, strict=True))
    return tuple(np.where(is_less, y, x) for x, y in pairs), tuple(np.where(is_less, x, y) for x, y in pairs)


def _is_less(a: Block, b: Block) -> NDArray[np.bool_]:
    found = a[-1] < b[-1]
    for x, y in zip(a[-2::-1], b[-2::-1], strict=True):
        found = (x < y) | ((x == y) & found)
    return found


def seats_down(keys: Sequence[Block]) -> Seats:
    """Where each goes when the largest comes first, and of like ones the first."""
    seats = np.zeros((len(keys), len(keys[0][0])), dtype=np.uint8)
    for i in range(len(keys)):
        for j in range(i + 1, len(keys)):
            is_less = _is_less(keys[i], keys[j])
            seats[i] += is_less
            seats[j] += ~is_less
    return seats


def seated(blocks: Sequence[Block], seats: Seats) -> list[Block]:
    """Each block where its seat is."""
    count, size = seats.shape
    columns = np.arange(size)
    at = np.empty((count, size), dtype=np.intp)
    at[seats, columns] = np.arange(count)[:, None]
    moved = [np.stack([block[k] for block in blocks])[at, columns] for k in range(len(blocks[0]))]
    return [tuple(column[i] for column in moved) for i in range(count)]
