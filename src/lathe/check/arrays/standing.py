"""Stuck, trapped and silently waiting entities of a large graph: `progress` on columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lathe.check.arrays.judge import arrays_of, masks_where, or_all, spread
from lathe.check.arrays.words import PackedStates, read
from lathe.check.composed import ir
from lathe.check.composed.layout import Slot
from lathe.check.composed.system import System
from lathe.check.judge.standing import Standstill, judged, kept_in, standing_masks
from lathe.check.search.graph import Graph
from lathe.lang.model import State

Possible = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]
"""For each state, by slot: who can still move, come to rest, leave by itself."""


def situations(system: System, graph: Graph, count: int, known: Possible | None = None) -> list[Standstill]:
    """Every entity that cannot go on as it should, in each of the first `count` states of the graph.

    `known` is what is possible for another reason than the graph.
    """
    large = arrays_of(graph)
    masks, layout = standing_masks(system), system.layout
    held = masks_where(layout, PackedStates(large.words), system.held)
    resting = masks_where(layout, PackedStates(large.words), [is_resting(s) for s in layout.slots])
    moves, rests, leaves = (held | mask for mask in known) if known else (held, held, held)
    can_move = spread(large, or_all(large, masks.moves) | moves, None)
    can_rest = spread(large, resting | rests, None)
    can_leave = spread(large, or_all(large, masks.ends) | leaves, masks.internal)
    found: list[Standstill] = []
    for bit, slot in enumerate(layout.slots):
        codes = read(large.words, slot.state)[:count]
        bits = [(m[:count] >> np.uint64(bit)) & np.uint64(1) for m in (can_move, can_rest, can_leave)]
        together = bits[0] * np.uint64(4) + bits[1] * np.uint64(2) + bits[2]
        for code, state in enumerate(slot.blueprint.states.values(), 1):
            for combination in range(8):
                kind = judged(state, (combination >> 2, combination >> 1 & 1, combination & 1))
                if kind:
                    rows = np.flatnonzero((codes == code) & (together == np.uint64(combination)))
                    found += (Standstill(kind, slot, state.name, index) for index in rows.tolist())
    return sorted(found, key=lambda still: still.index)


def is_resting(slot: Slot) -> ir.Formula:
    """The condition that an entity is in a final or waiting state."""
    codes = [code for code, state in enumerate(slot.blueprint.states.values(), 1) if _rests(state)]
    return ir.either(*(ir.eq(slot.state.formula, ir.const(code)) for code in codes))


def _rests(state: State) -> bool:
    return state.final or state.waits is not None


def kept(
    system: System, graph: Graph, masks: Sequence[int], asked: Iterable[tuple[Slot, int]], count: int
) -> list[Standstill]:
    """As `judge.kept.kept`: `masks` are who leaves by each command, `asked` the states of slots by code."""
    large = arrays_of(graph)
    held = masks_where(system.layout, PackedStates(large.words), system.held)
    good = spread(large, or_all(large, masks) | held, None)[:count]
    bits = {slot.name: np.uint64(bit) for bit, slot in enumerate(system.layout.slots)}
    found: list[Standstill] = []
    for slot, code in asked:
        is_left = good >> bits[slot.name] & np.uint64(1)
        rows = np.flatnonzero((read(large.words, slot.state)[:count] == code) & (is_left == 0))
        found += (kept_in(slot, code, index) for index in rows.tolist())
    return sorted(found, key=lambda still: still.index)
