"""Canonical order for slots that refer to one another, by colour refinement.

Sorting blocks is not enough where a ref, an id or a text that may be exchanged lies in a block: it changes
with what it names. So each thing gets a colour, a hash of its own plain bits; then, a few times, the colours
of what it holds and of those that hold it are added in (colour refinement: Weisfeiler and Leman, 1968). Kind
by kind the things are seated by colour, and what has a seat is known by it from then on. The seats only say
which exchange is made, so whatever they are, the state that comes of it is as good as the one before: two
things that the colours confuse cost a state too many, never a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lathe.check.arrays.blocks import Blocks, Seats, seated, seats_down
from lathe.check.arrays.visited import mixed
from lathe.check.arrays.words import Words, read, word_count
from lathe.check.composed.layout import WORD_BITS, Layout, Variable
from lathe.check.search.symmetry import Codes, Symmetry, scalar
from lathe.frozen import frozen

ROUNDS = 2
"""How often colours are refined before the first seats are given."""

_GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << WORD_BITS) - 1

Colour = NDArray[np.uint64]
"""Of one kind, a row for each thing: its colour, state by state."""

There = NDArray[np.bool_]
"""Of one blueprint, a row for each slot: whether somebody is there, state by state."""


@frozen
class Use:
    """A variable that holds things of a kind; whose it is (kind and number), and what it is there."""

    variable: Variable
    kind: int
    owner: tuple[int, int] | None
    tag: int

    @property
    def is_set(self) -> bool:
        return self.variable.kind.element is not None


class Knot:
    """The slots of some blueprints, the ids and the texts of a symmetry that refer to one another."""

    def __init__(self, symmetry: Symmetry, blueprints: Sequence[str]) -> None:
        layout = symmetry.layout
        self.slots = [layout.of(name) for name in blueprints]
        self._blocks = [Blocks(slots) for slots in self.slots]
        self._codes: list[Codes] = [tuple(s.index + 1 for s in slots) for slots in self.slots]
        self._roles = [layout.roles[code - 1] for code in symmetry.ids] if layout.roles else []
        self._ids = len(self._codes) if symmetry.ids else -1
        self._codes += [symmetry.ids] if symmetry.ids else []
        self._texts = len(self._codes) if symmetry.texts else -1
        self._codes += [symmetry.texts] if symmetry.texts else []
        self._uses = _uses(layout, blueprints, (self._ids, self._texts))
        self._plain = _plain_masks(self._uses, word_count(layout))

    def seats(self, words: Words) -> list[Seats]:
        """Where each thing goes, kind by kind: slots of each blueprint, then ids, then texts."""
        held = [read(words, use.variable) for use in self._uses]
        hits = [self._hits(use, value) for use, value in zip(self._uses, held, strict=True)]
        there = [np.stack([read(words, slot.state) != 0 for slot in slots]) for slots in self.slots]
        colours = self._own_colours(words, held, there)
        for _ in range(ROUNDS):
            colours = self._refined(colours, hits, there)
        found: list[Seats] = []
        for kind, codes in enumerate(self._codes):
            found.append(seats_down([(column,) for column in colours[kind]]))
            if kind + 1 < len(self._codes):
                known = mixed(np.arange(1, len(codes) + 1, dtype=np.uint64))
                colours[kind] = known[found[kind]]
                colours = self._refined(colours, hits, there, since=kind + 1)
        return found

    def _hits(self, use: Use, value: NDArray[np.int64]) -> Colour:
        """For each thing of its kind, 1 where a variable holds it."""
        codes = np.array(self._codes[use.kind], dtype=np.int64)[:, None]
        hits = (value >> (codes - 1) & 1) if use.is_set else value == codes
        return hits.astype(np.uint64)

    def id_seats(self, seats: Sequence[Seats]) -> Seats | None:
        """Of the seats, those of the ids."""
        return seats[self._ids] if self._ids >= 0 else None

    def text_seats(self, seats: Sequence[Seats]) -> Seats | None:
        """Of the seats, those of the texts."""
        return seats[self._texts] if self._texts >= 0 else None

    def placed(self, words: Words, seats: Sequence[Seats]) -> Words:
        """The states once everything has gone to its seat, and is called by it."""
        found = list(words)
        for use in self._uses:
            word, shift = divmod(use.variable.offset, WORD_BITS)
            value = self._renamed(use, read(words, use.variable), seats[use.kind])
            kept = np.uint64(_WORD & ~(use.variable.mask << shift))
            found[word] = found[word] & kept | value.astype(np.uint64) << np.uint64(shift)
        moved = tuple(found)
        for blocks, where in zip(self._blocks, seats, strict=False):
            moved = blocks.put(moved, seated(blocks.taken(moved), where))
        if self._roles:
            moved = self._moved_roles(moved, seats[self._ids])
        return moved

    def _renamed(self, use: Use, value: NDArray[np.int64], seats: Seats) -> NDArray[np.int64]:
        codes = self._codes[use.kind]
        if use.is_set:
            found = value & ~sum(1 << code - 1 for code in codes)
            for code, row in zip(codes, seats, strict=True):
                found |= (value >> (code - 1) & 1) << (row.astype(np.int64) + (codes[0] - 1))
            return found
        place = value - codes[0]
        is_one = (place >= 0) & (place < len(codes))
        seat = seats[np.where(is_one, place, 0), np.arange(len(value))]
        return np.where(is_one, seat.astype(np.int64) + codes[0], value)

    def _moved_roles(self, words: Words, seats: Seats) -> Words:
        found = list(words)
        values = seated([(read(words, v).astype(np.uint64),) for v in self._roles], seats)
        for variable, (value,) in zip(self._roles, values, strict=True):
            word, shift = divmod(variable.offset, WORD_BITS)
            kept = np.uint64(_WORD & ~(variable.mask << shift))
            found[word] = found[word] & kept | value << np.uint64(shift)
        return tuple(found)

    def _own_colours(self, words: Words, held: list[NDArray[np.int64]], there: list[There]) -> list[Colour]:
        """What each thing is by itself: of a slot its plain bits, of an id its roles."""
        plain = tuple(word & np.uint64(mask) for word, mask in zip(words, self._plain, strict=True))
        colours: list[Colour] = []
        for blocks in self._blocks:
            taken = blocks.taken(plain)
            colour = np.full((len(taken), len(words[0])), _GOLDEN, dtype=np.uint64)
            for columns in zip(*taken, strict=True):
                colour = mixed(colour ^ np.stack(columns))
            colours.append(colour)
        while len(colours) < len(self._codes):
            colours.append(np.zeros((len(self._codes[len(colours)]), len(words[0])), dtype=np.uint64))
        if self._roles:
            colours[self._ids] = mixed(np.stack([read(words, v).astype(np.uint64) for v in self._roles]))
        for use, value in zip(self._uses, held, strict=True):
            if use.owner is not None:
                rest = self._beyond(use, value).astype(np.uint64)
                colours[use.owner[0]][use.owner[1]] += mixed(rest ^ np.uint64(use.tag))
        return [_settled(c, there[kind] if kind < len(there) else None) for kind, c in enumerate(colours)]

    def _beyond(self, use: Use, value: NDArray[np.int64]) -> NDArray[np.int64]:
        """What a variable holds that cannot be exchanged: unset, or what something names."""
        codes = self._codes[use.kind]
        if use.is_set:
            return value & ~sum(1 << code - 1 for code in codes)
        return np.where((value >= codes[0]) & (value <= codes[-1]), -1, value)

    def _refined(
        self, colours: list[Colour], hits: list[Colour], there: list[There], since: int = 0
    ) -> list[Colour]:
        """Each colour with those of what it holds, and of those that hold it; kinds before `since` stay."""
        sums = [c.copy() if kind >= since else c for kind, c in enumerate(colours)]
        for use, hit in zip(self._uses, hits, strict=True):
            here, back = np.uint64(use.tag), np.uint64(use.tag ^ _WORD - 1)
            if use.owner is not None and use.owner[0] >= since:
                about = (colours[use.kind] * hit).sum(axis=0, dtype=np.uint64)
                sums[use.owner[0]][use.owner[1]] += about * here
            if use.kind >= since:
                by = colours[use.owner[0]][use.owner[1]] if use.owner is not None else np.uint64(1)
                sums[use.kind] += hit * (by * back)
        for kind in range(since, len(sums)):
            sums[kind] = _settled(mixed(sums[kind]), there[kind] if kind < len(there) else None)
        return sums


def _settled(colour: Colour, there: There | None) -> Colour:
    """The colour of an empty slot is 0, so that it comes last; no other is."""
    colour |= np.uint64(1)
    if there is not None:
        colour *= there
    return colour


def _uses(layout: Layout, blueprints: Sequence[str], others: tuple[int, int]) -> list[Use]:
    """Every variable that holds what may be exchanged."""
    ids, texts = others
    owners: dict[int, tuple[tuple[int, int], int]] = {}
    for kind, name in enumerate(blueprints):
        for slot in layout.of(name):
            for place, variable in enumerate(slot.variables()):
                owners[variable.index] = ((kind, slot.index), kind << 20 | place)
    kinds: dict[tuple[str, str | None], int] = {("ref", name): kind for kind, name in enumerate(blueprints)}
    kinds |= {("id", None): ids} if ids >= 0 else {}
    kinds |= {("text", None): texts} if texts >= 0 else {}
    found = []
    for variable in layout.variables:
        kind_of = scalar(variable.kind)
        key = (kind_of.kind, kind_of.blueprint if kind_of.kind == "ref" else None)
        if key in kinds and variable.width:
            owner, place = owners.get(variable.index, (None, 1 << 40 | variable.index))
            found.append(Use(variable, kinds[key], owner, (place + 1) * _GOLDEN & _WORD | 1))
    return found


def _plain_masks(uses: Sequence[Use], count: int) -> list[int]:
    """For each word, the bits that no use holds."""
    masks = [_WORD] * count
    for use in uses:
        word, shift = divmod(use.variable.offset, WORD_BITS)
        masks[word] &= ~(use.variable.mask << shift)
    return masks
