"""`eventually` under symmetry reduction: each entity is followed through the quotient graph.

A state of the graph and a slot in it make a node; a step leads to the slot that its entity went to
(`seats`). On these nodes the property is judged as `liveness` says. What is owed to another entity is
followed likewise, inside a component: the places that it comes by are those where it is found in the
component of states as they are, of which this one is the picture (Emerson and Sistla, *Utilizing symmetry
when model-checking under fairness assumptions*, 1997). A run is fair just if each debt, at some of them,
is not owed or is paid. An empty slot owes nothing, so it makes no difference which of several is filled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from lathe.check.arrays.fairness import Region
from lathe.check.arrays.graph import Edges
from lathe.check.arrays.judge import Masks, arrays_of, masks_where, or_all, origins
from lathe.check.arrays.words import PackedStates, read
from lathe.check.composed.fairness_debts import debt_of, paid_by
from lathe.check.composed.system import System
from lathe.check.search.graph import Graph
from lathe.lang.model import Eventually

Rows = list[int]
"""Steps of the graph, by their position among its edges."""

Track = tuple[int, int, Rows, Rows]
"""A state, a slot in it, the way into the loop, and the loop (empty: it stops there)."""

HELD = "held"
"""What a slot owes that waits for nothing but more room in the scope: it is never paid."""


@dataclass(slots=True)
class Nodes:
    """Entities that wait, each in a state: `labels` of the steps are the rows that they are made of."""

    count: int
    edges: Edges
    states: NDArray[np.int64]
    slots: NDArray[np.int64]


class Threads:
    """Who is owed what in a graph, entity by entity."""

    def __init__(self, system: System, graph: Graph) -> None:
        self._system = system
        self._graph = arrays_of(graph)
        seats = self._graph.edges.seats
        assert seats is not None, "states stand for others"
        self._seats = seats
        self._numbers = {slot.name: number for number, slot in enumerate(system.layout.slots)}
        owed = [debt_of(command) for command in system.commands]
        whats = sorted({debt[1] for debt in owed if debt is not None} | {HELD})
        assert len(whats) <= 64, "what can be owed fits a word"
        self._bits = {what: 1 << i for i, what in enumerate(whats)}
        self._owed = [(self._numbers[d[0].name], self._bits[d[1]]) if d else (-1, 0) for d in owed]
        self._paid = np.zeros((len(self._numbers), len(owed)), dtype=np.uint64)
        for label, command in enumerate(system.commands):
            for slot, what in paid_by(command):
                self._paid[self._numbers[slot.name], label] |= np.uint64(self._bits.get(what, 0))
        held = masks_where(system.layout, PackedStates(self._graph.words), system.held)
        self._owing = [self._owed_to(number, held) for number in range(len(self._numbers))]

    def _owed_to(self, number: int, held: Masks) -> Masks:
        """What is owed to a slot, in each state."""
        found = or_all(self._graph, [bit if to == number else 0 for to, bit in self._owed])
        is_held = held >> np.uint64(number) & np.uint64(1)
        return np.asarray(found | is_held * np.uint64(self._bits[HELD]))

    def failure(self, blueprint: str, prop: Eventually) -> Track | None:
        """A run on which the property of some entity fails; None if there is none."""
        if not self._system.layout.of(blueprint):
            return None
        nodes, starts = self._nodes(blueprint, prop)
        region = Region(nodes, starts, np.ones(nodes.count, dtype=np.bool_))
        owes_nothing = np.logical_and.reduce([owing == 0 for owing in self._owing])
        stop = region.nearest(owes_nothing[nodes.states])
        if stop is not None:
            return self._track(nodes, region, stop, [])
        component, _, count = region.components()
        fair = self._fair(nodes, component, count)
        entry = region.nearest((component >= 0) & fair[component])
        if entry is None:
            return None
        return self._track(nodes, region, entry, self._loop(nodes, component == component[entry], entry))

    def _track(self, nodes: Nodes, region: Region, index: int, loop: Rows) -> Track:
        start, way = region.way(index)
        return int(nodes.states[start]), int(nodes.slots[start]), [row for row, _ in way], loop

    def _nodes(self, blueprint: str, prop: Eventually) -> tuple[Nodes, NDArray[np.bool_]]:
        """Who waits where, the steps between, and at which nodes the waiting begins."""
        graph, slots = self._graph, self._system.layout.of(blueprint)
        first, size = self._numbers[slots[0].name], len(slots)
        waiting = np.zeros((graph.count, size), dtype=np.bool_)
        starts = np.zeros((graph.count, size), dtype=np.bool_)
        for i, slot in enumerate(slots):
            codes = read(graph.words, slot.state)
            waiting[:, i] = (codes != 0) & ~np.isin(codes, [slot.state_code(s) for s in prop.to_states])
            starts[:, i] = np.isin(codes, [slot.state_code(s) for s in prop.from_states])
        at = np.flatnonzero(waiting)
        number = np.full(waiting.size, -1, dtype=np.int64)
        number[at] = np.arange(len(at))
        found = [self._steps(number, size, first, i) for i in range(len(slots))]
        begin, end, rows = (np.concatenate([part[k] for part in found]) for k in range(3))
        order = np.argsort(begin, kind="stable")
        degree = np.bincount(begin, minlength=len(at))
        edges = Edges(
            np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(degree))),
            end[order].astype(np.int32),
            rows[order].astype(np.int32),
        )
        return Nodes(len(at), edges, at // size, at % size + first), starts.ravel()[at]

    def _steps(
        self, number: NDArray[np.int64], size: int, first: int, i: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The steps on which the i-th slot's entity goes on waiting: two nodes and the row of each."""
        graph = self._graph
        begin = number[origins(graph).astype(np.int64) * size + i]
        rows: NDArray[np.int64] = np.flatnonzero(begin >= 0)
        seats = self._seats[first + i, rows].astype(np.int64) - first
        end = number[graph.edges.targets[rows].astype(np.int64) * size + seats]
        stays = end >= 0
        return begin[rows[stays]], end[stays], rows[stays]

    def _fair(self, nodes: Nodes, component: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
        """In which components an endless fair run can stay."""
        begin, end = origins(nodes).astype(np.int64), nodes.edges.targets.astype(np.int64)
        inner = np.flatnonzero((component[begin] >= 0) & (component[begin] == component[end]))
        good = np.zeros(count, dtype=np.bool_)
        good[component[begin[inner]]] = True
        good &= self._is_paid_itself(nodes, component, count, inner)
        for slots in self._groups():
            kept = inner[good[component[begin[inner]]]]
            self._follow(nodes, component, good, kept, slots)
        return good

    def _groups(self) -> list[range]:
        """The slots of each blueprint, by number."""
        layout, found = self._system.layout, []
        for name in layout.app.blueprints:
            slots = layout.of(name)
            if slots:
                first = self._numbers[slots[0].name]
                found.append(range(first, first + len(slots)))
        return found

    def _is_paid_itself(
        self, nodes: Nodes, component: NDArray[np.int32], count: int, inner: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """Whether all that is owed to the one that waits is somewhere not owed, or paid: most fail here."""
        members = np.flatnonzero(component >= 0)
        always = np.full(count, ~np.uint64(0))
        owing = np.zeros(len(members), dtype=np.uint64)
        for number in np.unique(nodes.slots).tolist():
            mine = nodes.slots[members] == number
            owing[mine] = self._owing[number][nodes.states[members[mine]]]
        np.bitwise_and.at(always, component[members], owing)
        begin = origins(nodes)[inner]
        paid = self._paid[nodes.slots[begin], self._graph.edges.labels[nodes.edges.labels[inner]]]
        taken = np.zeros(count, dtype=np.uint64)
        np.bitwise_or.at(taken, component[begin], paid)
        return np.asarray((always & ~taken) == 0)

    def _follow(
        self,
        nodes: Nodes,
        component: NDArray[np.int32],
        good: NDArray[np.bool_],
        inner: NDArray[np.intp],
        slots: range,
    ) -> None:
        """Take away the components in which something is always owed to one of some slots, and never paid."""
        size = len(slots)
        members = np.flatnonzero((component >= 0) & good[component])
        if not len(members):
            return
        place = np.full(nodes.count, -1, dtype=np.int64)
        place[members] = np.arange(len(members)) * size
        begin, end = place[origins(nodes)[inner]], place[nodes.edges.targets[inner]]
        rows = nodes.edges.labels[inner]
        ends = [end + (self._seats[number, rows].astype(np.int64) - slots.start) for number in slots]
        steps = (np.concatenate([begin + i for i in range(size)]), np.concatenate(ends))
        total = len(members) * size
        matrix = csr_array((np.ones(len(steps[0]), dtype=np.int8), steps), shape=(total, total))
        count, thread = connected_components(matrix, directed=False)
        always = np.full(count, ~np.uint64(0))
        owing = np.stack([self._owing[number][nodes.states[members]] for number in slots], axis=1)
        np.bitwise_and.at(always, thread, owing.ravel())
        taken = np.zeros(count, dtype=np.uint64)
        labels = self._graph.edges.labels[rows]
        np.bitwise_or.at(taken, thread[steps[0]], np.concatenate([self._paid[n, labels] for n in slots]))
        unpaid = ((always & ~taken) != 0)[thread]
        good[component[np.repeat(members, size)[unpaid]]] = False

    def _loop(self, nodes: Nodes, inside: NDArray[np.bool_], entry: int) -> Rows:
        """A round inside a component that owes nothing: each debt is paid or impossible on the way."""
        found: Rows = []
        here = entry
        left = [int(owing[nodes.states[entry]]) for owing in self._owing]
        while any(left):
            number = next(i for i, debt in enumerate(left) if debt)
            debt = left[number] & -left[number]

            def is_settled(row: int, node: int, before: int, after: int, debt: int = debt) -> bool:
                is_paid = int(self._paid[before, self._graph.edges.labels[row]]) & debt
                return bool(is_paid) or not int(self._owing[after][nodes.states[node]]) & debt

            for row, node in self._shortest(nodes, inside, (here, number), is_settled):
                left = self._after(left, row, int(nodes.states[node]))
                found.append(row)
                here = node
        if here != entry or not found:
            back = self._shortest(
                nodes, inside, (here, int(nodes.slots[here])), lambda r, node, b, a: node == entry
            )
            found += [row for row, _ in back]
        return found

    def _after(self, left: list[int], row: int, state: int) -> list[int]:
        """What of some debts is left after a step to a state, by the slots that they are owed to then."""
        label = self._graph.edges.labels[row]
        found = [0] * len(left)
        for number, debt in enumerate(left):
            seat = int(self._seats[number, row])
            found[seat] = debt & int(self._owing[seat][state]) & ~int(self._paid[number, label])
        return found

    def _shortest(
        self,
        nodes: Nodes,
        inside: NDArray[np.bool_],
        start: tuple[int, int],
        is_there: Callable[[int, int, int, int], bool],
    ) -> list[tuple[int, int]]:
        """A shortest way inside, as rows and nodes, along which a slot is followed until it is there."""
        back: dict[tuple[int, int], tuple[tuple[int, int], int]] = {}
        waiting = [start]
        for place in waiting:
            node, number = place
            for row, target in self._steps_of(nodes, node):
                if not inside[target]:
                    continue
                after = (target, int(self._seats[number, row]))
                if is_there(row, target, number, after[1]):
                    found = [(row, target)]
                    while place != start:
                        before, row = back[place]
                        found.append((row, place[0]))
                        place = before
                    return found[::-1]
                if after not in back and after != start:
                    back[after] = (place, row)
                    waiting.append(after)
        raise AssertionError("a component is strongly connected")

    def _steps_of(self, nodes: Nodes, node: int) -> Iterator[tuple[int, int]]:
        span = slice(int(nodes.edges.first[node]), int(nodes.edges.first[node + 1]))
        yield from zip(nodes.edges.labels[span].tolist(), nodes.edges.targets[span].tolist(), strict=True)
