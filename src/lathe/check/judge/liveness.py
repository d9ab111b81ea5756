"""`eventually`: fair runs that never get there, as a stop where nothing is owed or as a lasso.

Weak fairness (Manna and Pnueli, 1992): in an endless run no timer, start, delivery, cancellation or
end of an invocation, and no `fair` action, stays possible for ever without being taken. A strongly
connected component carries a fair run just if each of these is impossible somewhere in it or is
taken inside it; for weak fairness the maximal components decide. A run may also stop where nothing
is owed. A new visit has a timer and invocations of its own, so a step that begins one owes
nothing of the old; a deadline that is moved stays the same one, and comes at last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lathe.check.composed.fairness_debts import Debt, debt_of, paid_by
from lathe.check.composed.layout import Slot
from lathe.check.composed.system import System
from lathe.check.search.graph import Graph, look
from lathe.check.search.plain import ListGraph, masks_where
from lathe.frozen import frozen
from lathe.lang.expr import Literal
from lathe.lang.model import Blueprint, Eventually

Edge = tuple[int, int]
"""A command's number, and the index of the state that it leads to."""


@frozen
class Unfair:
    """How an `eventually` fails: a way into the region, then a loop (empty: it just stops there).

    `start` is a state of the graph from which on the property waits; `way` and `loop` are edges. Where
    states of the graph stand for others, they are states and edges of `run`, which is one run alone.
    """

    prop: Eventually
    slot: Slot
    start: int
    way: tuple[Edge, ...]
    loop: tuple[Edge, ...]
    run: Graph | None = None


def failures(system: System, graph: Graph) -> Iterator[Unfair]:
    """One failure for each `eventually` that fails, for the first slot for which it does."""
    asked = [(slot, prop) for slot in system.layout.slots for prop in slot.blueprint.eventually.values()]
    if not asked:
        return
    if graph.alike:
        yield from _followed(system, graph)
        return
    names, debts, paid = dues(system)
    if not isinstance(graph, ListGraph):
        from lathe.check.arrays.fairness import Ledger  # only where a search has grown: it loads numpy

        ledger = Ledger(system, graph, debts, paid)
        for slot, prop in asked:
            look(graph)
            lasso = ledger.failure(slot, prop)
            if lasso is not None:
                yield Unfair(prop, slot, *lasso)
        return
    held = masks_where(system.layout, graph.states, system.held)
    enabled = [_possible(graph, i, debts) | m << len(names) for i, m in enumerate(held)]
    for slot, prop in asked:
        look(graph)
        found = _failure(_Search(system, graph, slot, prop, paid, enabled))
        if found is not None:
            yield found


def dues(system: System) -> tuple[list[str], list[int], list[int]]:
    """What is owed by name, and for each command as masks over that: what it owes, and what it pays.

    A debt is paid by any command that owes it, and by one that begins a new visit.
    """
    owed = [_name(debt_of(command)) for command in system.commands]
    names = sorted(set(filter(None, owed)))
    bit = {name: 1 << i for i, name in enumerate(names)}
    debts = [bit.get(name, 0) for name in owed]
    paid = [sum({bit.get(_name(debt), 0) for debt in paid_by(command)}) for command in system.commands]
    return names, debts, paid


def _name(debt: Debt | None) -> str:
    return f"{debt[0].name} {debt[1]}" if debt is not None else ""


def _followed(system: System, graph: Graph) -> Iterator[Unfair]:
    """The failures where states stand for others: entities are followed, and runs put back in place."""
    from lathe.check.arrays.threads import Threads  # only where a search has grown: it loads SciPy

    threads = Threads(system, graph)
    for blueprint in system.layout.app.blueprints.values():
        for prop in blueprint.eventually.values():
            look(graph)
            found = threads.failure(blueprint.name, prop)
            if found is not None:
                from lathe.check.arrays.places import lasso  # a check that finds nothing tells no runs

                run, slot, (start, way, loop) = lasso(system, graph, *found)
                yield Unfair(prop, slot, start, way, loop, run)


def moved_deadlines(blueprint: Blueprint) -> Iterator[str]:
    """The deadlines that some action can set while they are set."""
    for deadline in blueprint.timers.values():
        for action in blueprint.actions.values():
            given = deadline.at in action.sets or any(
                a.target == deadline.at and not isinstance(a.value.tree, Literal) for a in action.do
            )
            if given and action.name not in ("create", deadline.then):
                yield deadline.name
                break


def _possible(graph: Graph, index: int, debts: list[int]) -> int:
    mask = 0
    start = graph.first[index]
    for position in range(start, start + graph.degree[index]):
        mask |= debts[graph.labels[position]]
    return mask


@frozen
class _Search:
    """One property of one slot, on one graph."""

    system: System
    graph: ListGraph
    slot: Slot
    prop: Eventually
    paid: list[int]
    enabled: list[int]

    def is_waiting(self, index: int) -> bool:
        """Whether the entity is there and has not arrived."""
        code = self.slot.state.read(self.graph.states[index])
        return bool(code) and self.state_name(code) not in self.prop.to_states

    def is_start(self, index: int) -> bool:
        code = self.slot.state.read(self.graph.states[index])
        return bool(code) and self.state_name(code) in self.prop.from_states

    def state_name(self, code: int) -> str:
        return tuple(self.slot.blueprint.states)[code - 1]

    def edges(self, index: int) -> Iterator[Edge]:
        graph = self.graph
        start = graph.first[index]
        for position in range(start, start + graph.degree[index]):
            yield graph.labels[position], graph.targets[position]


def _failure(search: _Search) -> Unfair | None:
    graph = search.graph
    starts = [i for i in range(len(graph.states)) if search.is_start(i) and search.is_waiting(i)]
    back = _region(search, starts)
    for index in back:
        if not search.enabled[index]:
            start, way = _way(back, index)
            return Unfair(search.prop, search.slot, start, way, ())
    for component in _components(search, list(back)):
        if _is_fair(search, component):
            entry = next(i for i in back if i in component)
            start, way = _way(back, entry)
            return Unfair(search.prop, search.slot, start, way, _loop(search, component, entry))
    return None


def _region(search: _Search, starts: list[int]) -> dict[int, tuple[int, Edge] | None]:
    """Everything reachable from the starts without arriving, breadth first, with the way back."""
    back: dict[int, tuple[int, Edge] | None] = dict.fromkeys(starts)
    waiting = list(starts)
    for index in waiting:
        for edge in search.edges(index):
            if edge[1] not in back and search.is_waiting(edge[1]):
                back[edge[1]] = (index, edge)
                waiting.append(edge[1])
    return back


def _way(back: dict[int, tuple[int, Edge] | None], index: int) -> tuple[int, tuple[Edge, ...]]:
    edges: list[Edge] = []
    while (step := back[index]) is not None:
        index, edge = step
        edges.append(edge)
    return index, tuple(reversed(edges))


def _components(search: _Search, region: list[int]) -> Iterator[set[int]]:
    """Strongly connected components with at least one step inside (Tarjan 1972, without recursion)."""
    inside = set(region)
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    for root in region:
        if root in order:
            continue
        order[root] = low[root] = len(order)
        stack.append(root)
        on_stack.add(root)
        calls = [(root, iter([t for _, t in search.edges(root) if t in inside]))]
        while calls:
            node, following = calls[-1]
            for target in following:
                if target not in order:
                    order[target] = low[target] = len(order)
                    stack.append(target)
                    on_stack.add(target)
                    calls.append((target, iter([t for _, t in search.edges(target) if t in inside])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], order[target])
            else:
                calls.pop()
                if calls:
                    low[calls[-1][0]] = min(low[calls[-1][0]], low[node])
                if low[node] == order[node]:
                    component = _popped(stack, on_stack, node)
                    if len(component) > 1 or any(t == node for _, t in search.edges(node)):
                        yield component


def _popped(stack: list[int], on_stack: set[int], node: int) -> set[int]:
    component: set[int] = set()
    while True:
        member = stack.pop()
        on_stack.discard(member)
        component.add(member)
        if member == node:
            return component


def _is_fair(search: _Search, component: set[int]) -> bool:
    """Whether some endless run through the component owes nothing."""
    always = -1
    taken = 0
    for index in component:
        always &= search.enabled[index]
        for label, target in search.edges(index):
            if target in component:
                taken |= search.paid[label]
    return not always & ~taken


def _loop(search: _Search, component: set[int], entry: int) -> tuple[Edge, ...]:
    """A round from `entry` back to it that owes nothing: each debt is paid or impossible on the way."""
    edges: list[Edge] = []
    here, open_debts = entry, search.enabled[entry]
    while open_debts:
        piece = _shortest(search, component, here, _pays(search, open_debts & -open_debts))
        for edge in piece:
            open_debts &= search.enabled[edge[1]] & ~search.paid[edge[0]]
            here = edge[1]
        edges.extend(piece)
    if here != entry or not edges:
        edges.extend(_shortest(search, component, here, lambda _, edge: edge[1] == entry))
    return tuple(edges)


def _pays(search: _Search, debt: int) -> Callable[[int, Edge], bool]:
    """Whether an edge pays a debt, or leads to where it is not owed."""
    return lambda _, edge: bool(search.paid[edge[0]] & debt) or not search.enabled[edge[1]] & debt


def _shortest(
    search: _Search, component: set[int], start: int, is_there: Callable[[int, Edge], bool]
) -> list[Edge]:
    """A shortest way inside the component whose last edge is the one that is looked for."""
    back: dict[int, tuple[int, Edge]] = {}
    waiting = [start]
    seen = {start}
    for index in waiting:
        for edge in search.edges(index):
            if edge[1] not in component:
                continue
            if is_there(index, edge):
                found = [edge]
                while index != start:
                    index, before = back[index]
                    found.append(before)
                return found[::-1]
            if edge[1] not in seen:
                seen.add(edge[1])
                back[edge[1]] = (index, edge)
                waiting.append(edge[1])
    raise AssertionError("a component is strongly connected")
