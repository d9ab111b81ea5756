"""Whether one more of something, or somebody else, would let on who is kept waiting (LT305)."""

from __future__ import annotations

from dataclasses import replace

from lathe.check.bounds import TooLargeError
from lathe.check.composed.system import System, is_sampled
from lathe.check.judge.kept import kept
from lathe.check.judge.progress import first_of_each, located
from lathe.check.judge.standing import Standstill
from lathe.check.judge.suspects import is_crowded
from lathe.check.search.graph import Graph, Limits
from lathe.check.search.tiers import explore_all
from lathe.check.widening.wider import enlarged, wider

MOST_STATES = 100_000
"""States of a wider scope among which a way on is looked for."""


def kept_for_good(system: System, graph: Graph, limits: Limits) -> list[Standstill]:
    """For each state the first entity that is kept waiting in it, and would be in a wider scope too.

    A warning: where values were sampled, or a wider scope does not end soon, nothing is said.
    """
    found = kept(system, graph, len(graph.states))
    if not found or is_sampled(system) or is_crowded(system, graph):
        return []
    more = wider(system, graph, is_staffed=True)
    if more is None:
        return first_of_each(found)
    where = list(dict.fromkeys(still.index for still in found))
    try:
        large, starts = enlarged(system.layout, more, [graph.states[i] for i in where])
    except TooLargeError:
        return []
    few = replace(limits, states=min(limits.states, MOST_STATES), alarm=None)
    large, wide = explore_all(large, few, list(dict.fromkeys(starts)))
    if not wide.is_complete:
        return []
    starts = [large.dead.cleared(packed) for packed in starts]
    there = dict(zip(where, located(large, wide, starts), strict=True))
    left = {(s.index, s.slot.name) for s in kept(large, wide, len(set(starts)))}
    return first_of_each(
        s for s in found if (there[s.index].index, there[s.index].slots[s.slot.name]) in left
    )
