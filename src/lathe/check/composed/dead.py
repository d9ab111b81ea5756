"""Dead variables, by state: those that nothing can read any more."""

from __future__ import annotations

from lathe.check.composed.layout import Slot
from lathe.frozen import frozen


@frozen
class Dead:
    """For each slot, by state code, the variables that are dead there."""

    slots: tuple[tuple[Slot, tuple[frozenset[int], ...]], ...]
    masks: tuple[tuple[Slot, tuple[int, ...]], ...]

    @property
    def is_empty(self) -> bool:
        return not any(any(masks) for _, masks in self.masks)

    def cleared(self, packed: int) -> int:
        """The state in which what is dead is 0: the one that stands for all that differ in nothing else."""
        for slot, masks in self.masks:
            packed &= ~masks[slot.state.read(packed)]
        return packed


NOTHING_DEAD = Dead((), ())
