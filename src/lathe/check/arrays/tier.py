"""A system on arrays: its model for the search, with what can be reduced taken out."""

from __future__ import annotations

from collections.abc import Sequence

from lathe.check.arrays.expand import Model, by_control_state, is_expandable
from lathe.check.arrays.explore import explore
from lathe.check.arrays.graph import ArrayGraph
from lathe.check.arrays.seating import Seating
from lathe.check.arrays.words import word_count
from lathe.check.composed.system import System
from lathe.check.search.graph import Limits
from lathe.check.search.symmetry import Symmetry, find_symmetry
from lathe.check.search.watch import Watch

MOST_SLOTS = 64
"""Slots that can be told apart by the bits of a word."""

THREADS = 2
"""More gain little: sorting and merging wait for one another."""


def model_of(system: System, watched: Sequence[Watch]) -> Model:
    """What the search on arrays needs of a system."""
    return Model(
        variables=system.layout.variables,
        commands=system.commands,
        groups=by_control_state(system.commands),
        watched=watched,
        word_count=word_count(system.layout),
    )


def search_arrays(
    system: System,
    watched: Sequence[Watch],
    limits: Limits,
    initial: Sequence[int],
    alike: Symmetry | None = None,
) -> ArrayGraph | None:
    """Every state that can be reached, or one for all that are alike; None if 64 bits are not enough.

    `alike` is what may be exchanged, if that is not all that the system leaves alone.
    """
    model = model_of(system, watched)
    if not is_expandable(model):
        return None
    seating = seating_in(system, alike)
    return explore(model, initial, limits, threads=THREADS, seating=seating)


def seating_in(system: System, alike: Symmetry | None = None) -> Seating | None:
    """What may be exchanged in a system, if anything may; no more than `alike`, if that is given."""
    if len(system.layout.slots) > MOST_SLOTS:
        return None
    symmetry = find_symmetry(system) if alike is None else alike
    return None if symmetry.is_trivial else Seating(symmetry)
