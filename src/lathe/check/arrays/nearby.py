"""Finds entities that a larger scope unblocks, by searching near terminal states before searching everything.

An entity that stands still in some state does so in every state that follows. So it is enough to ask it
where the steps of the smaller scope end, in one state of each component without a way out. There a few steps
of the larger scope mostly do: who can go on after these can do so wherever one of these states is reached
from. Whoever is not helped by it stays a doubt, for the whole search of the larger scope.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from lathe.check.arrays.graph import ArrayGraph
from lathe.check.arrays.judge import arrays_of, origins
from lathe.check.arrays.standing import Possible, situations
from lathe.check.arrays.tier import search_arrays
from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System
from lathe.check.judge.progress import located
from lathe.check.judge.standing import Standstill
from lathe.check.search.graph import Graph, Limits
from lathe.check.search.symmetry import none_alike
from lathe.check.search.watch import watches

NEAR_STATES = 100_000
"""So many states of the larger scope are near: the level that has them is the last that is searched."""


Enlarged = Callable[[Sequence[int]], tuple[System, list[int]]]
"""Of some states of a scope: the system of a larger one, and where it has them (`beyond.wider.enlarged`)."""


def left_in_doubt(
    found: tuple[System, Graph], enlarged: Enlarged, doubtful: Sequence[Standstill], limits: Limits
) -> list[Standstill]:
    """Those of some standstills, all that a scope has, that a few steps of a larger one do not take away.

    Each round begins where the one before left a doubt: from fewer states it comes further.
    """
    small, graph = found[0], arrays_of(found[1])
    known = _possible(small, graph, ())
    while doubtful:
        helped = _asked(found, enlarged, doubtful, limits)
        for mask, more in zip(known, _possible(small, graph, helped), strict=True):
            mask |= more
        before, doubtful = doubtful, situations(small, graph, graph.count, known)
        if len(doubtful) == len(before):
            break
    return list(doubtful)


def _asked(
    found: tuple[System, Graph], enlarged: Enlarged, doubtful: Sequence[Standstill], limits: Limits
) -> list[tuple[Standstill, str]]:
    """The doubts where the scope's steps end, each with what a few steps of the larger one leave of it."""
    graph = arrays_of(found[1])
    where = ends(graph, np.unique([s.index for s in doubtful]))
    try:
        large, starts = enlarged([graph.states[i] for i in where])
    except TooLargeError:
        return []
    few = replace(limits, states=min(limits.states, NEAR_STATES), alarm=None)
    near = search_arrays(large, watches(large), few, list(dict.fromkeys(starts)), none_alike(large.layout))
    if near is None:
        return []
    near.judging = limits
    codes = {(s.index, s.slot.name): s.code for s in situations(large, near, len(set(starts)))}
    places = {i: place.index for i, place in zip(where, located(large, near, starts), strict=True)}
    asked = (s for s in doubtful if s.index in places)
    return [(s, codes.get((places[s.index], s.slot.name), "")) for s in asked]


def ends(graph: ArrayGraph, states: NDArray[np.int64]) -> list[int]:
    """Of some states, the first of each strongly connected component that no step among them leaves."""
    inside = np.zeros(graph.count, dtype=np.bool_)
    inside[states] = True
    origin, targets = origins(graph), graph.edges.targets
    rows = np.flatnonzero(inside[origin] & inside[targets])
    origin, targets = origin[rows], targets[rows]
    matrix = csr_array((np.ones(len(rows), dtype=np.int8), (origin, targets)), shape=(graph.count,) * 2)
    count, component = connected_components(matrix, directed=True, connection="strong")
    is_left = np.zeros(count, dtype=np.bool_)
    is_left[component[origin[component[origin] != component[targets]]]] = True
    _, first = np.unique(component[states], return_index=True)
    kept = states[first]
    return sorted(int(i) for i in kept[~is_left[component[kept]]])


def _possible(system: System, graph: ArrayGraph, asked: Sequence[tuple[Standstill, str]]) -> Possible:
    """What is possible where it was asked again: by the code that is left of each standstill."""
    moves, rests, leaves = (np.zeros(graph.count, dtype=np.uint64) for _ in range(3))
    bits = {slot.name: np.uint64(1 << bit) for bit, slot in enumerate(system.layout.slots)}
    for still, code in asked:
        bit, waits = bits[still.slot.name], still.slot.blueprint.states[still.state].waits
        if code != "LT301":
            moves[still.index] |= bit
        if code in ("", "LT303"):
            rests[still.index] |= bit
        if not code and waits is None:
            leaves[still.index] |= bit
    return moves, rests, leaves
