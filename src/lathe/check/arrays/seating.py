"""Symmetry reduction in the array search: each state is replaced by a canonical representative of its orbit.

What may be exchanged is for `search.symmetry` to say. Slots that nothing refers to are sorted, the largest
block first; what refers to one another is seated together (`knot`). Each state goes to one that an exchange
makes of it, so the search meets at least one of each orbit, at the same distance, with the same steps but
for where things are: what is asked of all alike may be asked of it. Where each slot went is kept for every
step (`Edges.seats`), so questions about one entity follow it from state to state, and no slot has to stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lathe.check.arrays.blocks import Blocks, Seats, seats_down, sort_down
from lathe.check.arrays.colour_refinement import Knot
from lathe.check.arrays.words import Words, chosen, joined
from lathe.check.composed.layout import Slot
from lathe.check.search.symmetry import Codes, Exchange, Symmetry, scalar
from lathe.frozen import frozen

SLICE = 1 << 14
"""States that are seated at once."""


@frozen
class Placed:
    """States, each exchanged for the one that stands for it, and where everything went.

    `slots` has a row for each slot of the layout: the number of the slot that it went to. `ids` and
    `texts` have one for each that may be exchanged: the number of the one that it became.
    """

    words: Words
    slots: Seats
    ids: Seats | None
    texts: Seats | None


class Seating:
    """The exchanges of a symmetry, as far as the search makes them."""

    def __init__(self, symmetry: Symmetry) -> None:
        self.symmetry = symmetry
        layout = symmetry.layout
        tied = [name for name in symmetry.blueprints if _is_tied(symmetry, name)]
        self._numbers = {slot.name: number for number, slot in enumerate(layout.slots)}
        self._free = [layout.of(name) for name in symmetry.blueprints if name not in tied]
        self._blocks = [Blocks(slots) for slots in self._free]
        self._knot = Knot(symmetry, tied) if tied or symmetry.ids or symmetry.texts else None

    @property
    def names(self) -> tuple[str, ...]:
        """What is exchanged, as a report says it."""
        found = self.symmetry
        others = (("principals", found.ids), ("texts", found.texts))
        return (*sorted(found.blueprints), *(name for name, codes in others if codes))

    def __call__(self, words: Words) -> Words:
        """For each state the one that stands for it."""
        for blocks in self._blocks:
            words = blocks.put(words, sort_down(blocks.taken(words)))
        if self._knot is None:
            return words
        parts = [self._knot_placed(part) for part in _slices(words)]
        return joined(parts, len(words))

    def _knot_placed(self, words: Words) -> Words:
        assert self._knot is not None, "there is one"
        return self._knot.placed(words, self._knot.seats(words))

    def placed(self, words: Words) -> Placed:
        """The same, with where everything went."""
        count = len(self.symmetry.layout.slots)
        slots = np.empty((count, len(words[0])), dtype=np.uint8)
        slots[:] = np.arange(count, dtype=np.uint8)[:, None]
        for blocks, group in zip(self._blocks, self._free, strict=True):
            taken = blocks.taken(words)
            seats = seats_down(taken)
            words = blocks.put(words, sort_down(taken))
            self._note(slots, group, seats)
        if self._knot is None:
            return Placed(words, slots, None, None)
        found = self._knot.seats(words)
        for group, seats in zip(self._knot.slots, found, strict=False):
            self._note(slots, group, seats)
        words = self._knot.placed(words, found)
        return Placed(words, slots, self._knot.id_seats(found), self._knot.text_seats(found))

    def _note(self, slots: Seats, group: Sequence[Slot], seats: Seats) -> None:
        """Write down where the slots of one blueprint went; they follow one another in a layout."""
        first = self._numbers[group[0].name]
        slots[first : first + len(group)] = seats + np.uint8(first)

    def exchange_of(self, placed: Placed, row: int) -> Exchange:
        """The exchange that was made of one of some states."""
        slots: dict[str, dict[int, int]] = {}
        for number, slot in enumerate(self.symmetry.layout.slots):
            to = self.symmetry.layout.slots[int(placed.slots[number, row])]
            slots.setdefault(slot.blueprint.name, {})[slot.index] = to.index
        return Exchange(
            slots, _codes(self.symmetry.ids, placed.ids, row), _codes(self.symmetry.texts, placed.texts, row)
        )


def _slices(words: Words) -> Iterator[Words]:
    """Some states at a time: so many that what is worked out of them stays near."""
    for start in range(0, max(len(words[0]), 1), SLICE):
        yield chosen(words, slice(start, start + SLICE))


def _codes(codes: Codes, seats: Seats | None, row: int) -> dict[int, int]:
    return {} if seats is None else {code: codes[int(seats[i, row])] for i, code in enumerate(codes)}


def _is_tied(symmetry: Symmetry, blueprint: str) -> bool:
    """Whether something refers to the slots of a blueprint, or they hold what may be exchanged."""
    own = {v.index for slot in symmetry.layout.of(blueprint) for v in slot.variables()}
    for variable in symmetry.layout.variables:
        kind = scalar(variable.kind)
        if kind.kind == "ref" and kind.blueprint == blueprint:
            return True
        if variable.index in own and symmetry.codes(kind):
            return True
    return False
