"""Who can still move: stuck, trapped and silently waiting entities, on a finished graph.

Each question is "can a good state still be reached from here": answered for all entities at once by
masks that travel backwards along the steps until nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lathe.check.command import RECYCLE, Command
from lathe.check.layout import Slot
from lathe.check.search import Graph, masks_where
from lathe.check.system import System
from lathe.frozen import frozen
from lathe.lang.model import State

_IDLE_EVENTS = frozenset({"create", "late", "notify", "stop", RECYCLE})
"""Events that are nothing that the entity itself does; others may take part in them."""


@frozen
class Standstill:
    """An entity that cannot go on as it should: the code, the slot, its state, where it was found."""

    code: str
    slot: Slot
    state: str
    index: int


@frozen
class _Masks:
    """For each command, the bits that it makes good; `internal` are the commands nobody outside takes."""

    moves: tuple[int, ...]
    ends: tuple[int, ...]
    internal: bytes


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
    slots = system.layout.slots
    masks = _masks(system)
    held = masks_where(system.layout, graph.states, system.held)
    moves = [_or_all(graph, i, masks.moves) | mask for i, mask in enumerate(held)]
    rests = [_resting(slots, packed) | mask for packed, mask in zip(graph.states, held, strict=True)]
    leaves = [_or_all(graph, i, masks.ends) | mask for i, mask in enumerate(held)]
    can_move, can_rest = _spread(graph, moves, None), _spread(graph, rests, None)
    can_leave = _spread(graph, leaves, masks.internal)
    for index in range(count):
        packed = graph.states[index]
        for bit, slot in enumerate(slots):
            code = slot.state.read(packed)
            if code:
                state = _state(slot, code)
                kind = _judge(state, 1 << bit, (can_move[index], can_rest[index], can_leave[index]))
                if kind:
                    yield Standstill(kind, slot, state.name, index)


def _judge(state: State, bit: int, can: tuple[int, int, int]) -> str:
    if state.final:
        return ""
    moves, rests, leaves = can
    if not moves & bit:
        return "LT301"
    if not rests & bit:
        return "LT302"
    return "" if state.waits is not None or leaves & bit else "LT303"


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


def _masks(system: System) -> _Masks:
    bits = {slot.name: 1 << bit for bit, slot in enumerate(system.layout.slots)}
    moves, ends, internal = [], [], bytearray()
    for command in system.commands:
        is_internal = command.is_internal or command.is_fair
        internal.append(is_internal)
        moves.append(_movers(command, bits))
        left = 0
        for share in command.shares:
            if share.target is not None and not share.is_new:
                left |= bits[share.slot.name]
        ends.append(left if is_internal else 0)
    return _Masks(tuple(moves), tuple(ends), bytes(internal))


def _movers(command: Command, bits: dict[str, int]) -> int:
    """The entities for whom the command is something that they do."""
    mask = 0 if command.label.event in _IDLE_EVENTS else bits[command.label.slot.name]
    for share in command.shares:
        if not share.is_new:
            mask |= bits[share.slot.name]
    return mask


def _or_all(graph: Graph, index: int, masks: tuple[int, ...]) -> int:
    mask = 0
    start = graph.first[index]
    for position in range(start, start + graph.degree[index]):
        mask |= masks[graph.labels[position]]
    return mask


def _spread(graph: Graph, good: list[int], allowed: bytes | None) -> list[int]:
    """Which bits can be reached from each state, along the allowed commands."""
    first, degree, targets, labels = graph.first, graph.degree, graph.targets, graph.labels
    everything = 0
    for mask in good:
        everything |= mask
    changed = True
    while changed:
        changed = False
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


def call_cycle(system: System, graph: Graph) -> int | None:
    """A state on a cycle of deliveries alone, if there is one: calls that go round without end."""
    is_call = bytes(c.label.event == "deliver" or bool(c.label.made) for c in system.commands)
    if not any(is_call):
        return None
    edges = {i: list(_along(graph, i, is_call)) for i in range(len(graph.states))}
    return _cycle({i: e for i, e in edges.items() if e})


def _along(graph: Graph, index: int, allowed: bytes) -> Iterator[int]:
    start = graph.first[index]
    for position in range(start, start + graph.degree[index]):
        if allowed[graph.labels[position]]:
            yield graph.targets[position]


def _cycle(edges: dict[int, list[int]]) -> int | None:
    """A node on some cycle, by taking away what has no way in until nothing more goes."""
    waiting = dict.fromkeys(edges, 0)
    for found in edges.values():
        for target in found:
            if target in waiting:
                waiting[target] += 1
    free = [node for node, count in waiting.items() if not count]
    gone = set(free)
    while free:
        for target in edges[free.pop()]:
            if target in waiting:
                waiting[target] -= 1
                if not waiting[target]:
                    free.append(target)
                    gone.add(target)
    left = sorted(set(edges) - gone)
    return left[0] if left else None
