"""Entities that cannot progress on a finished graph: stuck, trapped, or silently waiting.

Each question is "can a good state still be reached from here": answered for all entities at once by
masks that travel backwards along the steps until nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from lathe.check.composed.command import RECYCLE, Command
from lathe.check.composed.layout import Slot
from lathe.check.composed.system import System
from lathe.check.judge.standing import Standstill, judged, standing_masks
from lathe.check.search.graph import Graph, look
from lathe.check.search.plain import ListGraph, masks_where
from lathe.frozen import frozen
from lathe.lang.model import State

Edge = tuple[int, int]
"""A command's number, and the index of the state that it leads to."""

Round = tuple[int, tuple[Edge, ...]]
"""A state of the graph, and a way from it back to it."""


def standstills(system: System, graph: Graph) -> list[Standstill]:
    """For each state of each blueprint the first that applies, where it is first found."""
    return first_of_each(situations(system, graph, len(graph.states)))


def first_of_each(found: Iterable[Standstill]) -> list[Standstill]:
    """One for each state of a blueprint: the lowest code, then the nearest place."""
    best: dict[tuple[str, str], Standstill] = {}
    for still in found:
        key = (still.slot.blueprint.name, still.state)
        if key not in best or best[key].code > still.code:
            best[key] = still
    return sorted(best.values(), key=lambda s: (s.slot.blueprint.name, s.index))


def situations(system: System, graph: Graph, count: int) -> Iterator[Standstill]:
    """Every entity that cannot go on as it should, in each of the first `count` states of the graph."""
    if not isinstance(graph, ListGraph):
        from lathe.check.arrays.standing import situations as at_once  # only where a search has grown

        yield from at_once(system, graph, count)
        return
    slots = system.layout.slots
    masks = standing_masks(system)
    held = masks_where(system.layout, graph.states, system.held)
    moves = [or_all(graph, i, masks.moves) | mask for i, mask in enumerate(held)]
    rests = [_resting(slots, packed) | mask for packed, mask in zip(graph.states, held, strict=True)]
    leaves = [or_all(graph, i, masks.ends) | mask for i, mask in enumerate(held)]
    can_move, can_rest = spread(graph, moves, None), spread(graph, rests, None)
    can_leave = spread(graph, leaves, masks.internal)
    for index in range(count):
        packed = graph.states[index]
        for bit, slot in enumerate(slots):
            code = slot.state.read(packed)
            if code:
                state = _state(slot, code)
                can = (can_move[index] >> bit & 1, can_rest[index] >> bit & 1, can_leave[index] >> bit & 1)
                kind = judged(state, can)
                if kind:
                    yield Standstill(kind, slot, state.name, index)


@frozen
class Located:
    """Where a state is in a graph: by what number, and in which slot each of its entities, by name."""

    index: int
    slots: Mapping[str, str]


def located(system: System, graph: Graph, starts: Sequence[int]) -> list[Located]:
    """Where the states are that a search began with."""
    names = [slot.name for slot in system.layout.slots]
    if isinstance(graph, ListGraph):
        where = {packed: i for i, packed in enumerate(graph.states[: len(set(starts))])}
        return [Located(where[packed], dict(zip(names, names, strict=True))) for packed in starts]
    from lathe.check.arrays.places import seats_of  # only where a search has grown: it loads numpy

    return [
        Located(index, {name: names[to] for name, to in zip(names, slots, strict=True)})
        for index, slots in seats_of(graph, starts, len(names))
    ]


def _state(slot: Slot, code: int) -> State:
    return list(slot.blueprint.states.values())[code - 1]


def _resting(slots: tuple[Slot, ...], packed: int) -> int:
    """The entities that are in a final or waiting state."""
    mask = 0
    for bit, slot in enumerate(slots):
        code = slot.state.read(packed)
        if code:
            state = _state(slot, code)
            if state.final or state.waits is not None:
                mask |= 1 << bit
    return mask


def or_all(graph: Graph, index: int, masks: Sequence[int]) -> int:
    """The masks of all steps of a state, as one."""
    mask = 0
    start = graph.first[index]
    for position in range(start, start + graph.degree[index]):
        mask |= masks[graph.labels[position]]
    return mask


def spread(graph: Graph, good: list[int], allowed: bytes | None) -> list[int]:
    """Which bits can be reached from each state, along the allowed commands."""
    first, degree, targets, labels = graph.first, graph.degree, graph.targets, graph.labels
    everything = 0
    for mask in good:
        everything |= mask
    changed = True
    while changed:
        changed = False
        look(graph)
        for index in range(len(good) - 1, -1, -1):
            mask = before = good[index]
            if mask == everything:
                continue
            start = first[index]
            for position in range(start, start + degree[index]):
                if allowed is None or allowed[labels[position]]:
                    mask |= good[targets[position]]
            if mask != before:
                good[index] = mask
                changed = True
    return good


def call_round(system: System, graph: Graph) -> Round | None:
    """A shortest round of deliveries alone, if there is one: calls that go on without end.

    A slot that falls empty on the way makes room for an entity that a delivery creates.
    """
    is_call = bytes(_is_call(c) for c in system.commands)
    if not any(is_call):
        return None
    allowed = bytes(is_call[c.index] or c.label.event == RECYCLE for c in system.commands)
    edges = _along_all(graph, allowed)
    left = _on_rounds(edges)
    for index in sorted(left):
        if any(is_call[label] and target in left for label, target in edges[index]):
            found = _back_to(index, {i: [e for e in edges[i] if e[1] in left] for i in left})
            if found:
                return index, found
    return None


def _is_call(command: Command) -> bool:
    label = command.label
    if label.event == "notify":
        return label.slot.blueprint.effects[label.effect or ""].target is not None
    return label.event == "deliver"


def _along_all(graph: Graph, allowed: bytes) -> dict[int, list[Edge]]:
    """The allowed steps, by the state that they are taken in; of a large graph those on rounds alone."""
    if isinstance(graph, ListGraph):
        return {i: list(_along(graph, i, allowed)) for i in range(len(graph.states))}
    from lathe.check.arrays import judge  # only where a search has grown: it loads numpy

    return judge.along(judge.arrays_of(graph), allowed)


def _along(graph: Graph, index: int, allowed: bytes) -> Iterator[Edge]:
    start = graph.first[index]
    for position in range(start, start + graph.degree[index]):
        if allowed[graph.labels[position]]:
            yield graph.labels[position], graph.targets[position]


def _on_rounds(edges: Mapping[int, list[Edge]]) -> set[int]:
    """The nodes on rounds or between two: what has no way in, or no way on, is taken away."""
    forward = {i: {target for _, target in found} for i, found in edges.items()}
    backward: dict[int, set[int]] = {i: set() for i in edges}
    for i, targets in forward.items():
        for target in targets:
            backward[target].add(i)
    left = set(edges)
    waiting = [i for i in left if not forward[i] or not backward[i]]
    while waiting:
        gone = waiting.pop()
        if gone in left:
            left.discard(gone)
            near = (forward[gone] | backward[gone]) & left
            waiting.extend(i for i in near if not forward[i] & left or not backward[i] & left)
    return left


def _back_to(start: int, edges: Mapping[int, list[Edge]]) -> tuple[Edge, ...]:
    """A shortest way from a node back to it."""
    before: dict[int, tuple[int, Edge]] = {}
    waiting = [start]
    for node in waiting:
        for edge in edges[node]:
            if edge[1] == start:
                way = [edge]
                while node != start:
                    node, edge = before[node]
                    way.append(edge)
                return tuple(reversed(way))
            if edge[1] not in before:
                before[edge[1]] = (node, edge)
                waiting.append(edge[1])
    return ()
