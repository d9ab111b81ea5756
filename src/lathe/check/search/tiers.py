"""Chooses the search: plain Python for small systems, arrays for large ones.

What has grown begins again from the start, on a system whose dead variables are cleared; plain Python has
spent less by then than loading numpy takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lathe.check.composed.system import System
from lathe.check.search.graph import Graph, Limits
from lathe.check.search.plain import ListGraph, first_where, search
from lathe.check.search.symmetry import Symmetry
from lathe.check.search.watch import watches

HAND_OVER_STATES = 30_000
"""States until a system counts as grown."""


def explore_all(system: System, limits: Limits, initial: Sequence[int] | None = None) -> tuple[System, Graph]:
    """Every state that can be reached, as far as the limits let it, and the system that was searched.

    That is the one given, or the same with what is dead cleared; `initial` states are cleared likewise.
    What was found before the hand-over is the answer, and is not begun again.
    """
    graph = begin(system, limits, initial)
    return go_on(system, limits, graph, initial)


def begin(system: System, limits: Limits, initial: Sequence[int] | None = None) -> ListGraph:
    """The search in plain Python, until it is over or the system has grown."""
    return search(system, replace(limits, states=min(limits.states, HAND_OVER_STATES)), initial)


def go_on(
    system: System,
    limits: Limits,
    graph: ListGraph,
    initial: Sequence[int] | None = None,
    *,
    alike: Symmetry | None = None,
) -> tuple[System, Graph]:
    """What `explore_all` answers, once `begin` has come to `graph`.

    With `alike` nothing is cleared, since somebody else reads the states, and no more than that is exchanged.
    """
    if graph.ended_by != "states" or limits.states <= HAND_OVER_STATES:
        return system, graph
    if limits.alarm is not None and (graph.hits or first_where(system.layout, graph.states, limits.alarm)):
        graph.ended_by = "found"
        return system, graph
    from lathe.check.arrays.tier import search_arrays  # only here: small checks start without numpy
    from lathe.check.search.dead_variables import find_dead, without_dead

    reduced = system if alike is not None else without_dead(system, find_dead(system))
    starts = [reduced.dead.cleared(s) for s in initial or system.initial]
    large = search_arrays(reduced, watches(reduced), limits, starts, alike)
    if large is None:
        return system, search(system, limits, initial)
    if large.ended_by in ("seconds", "interrupt") and len(large.states) < len(graph.states):
        graph.ended_by = large.ended_by  # it had come further before it began again
        return system, graph
    return reduced, large
