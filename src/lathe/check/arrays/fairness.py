"""`eventually` on a large graph: `liveness` on columns, its components found by SciPy.

What is owed and paid is decided there, command by command; here it is added up. A component carries an
endless fair run just if every debt is, somewhere in it, not owed or paid (`liveness`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from lathe.check.arrays.graph import ArrayGraph
from lathe.check.arrays.judge import Edge, Masks, Stepped, arrays_of, masks_where, or_all, origins, union
from lathe.check.arrays.words import PackedStates, read
from lathe.check.composed.layout import Slot
from lathe.check.composed.system import System
from lathe.check.search.graph import Graph
from lathe.lang.model import Eventually

Steps = tuple[NDArray[np.int32], NDArray[np.int32]]
"""For each step, the component that it is taken in, and its label."""

Lasso = tuple[int, tuple[Edge, ...], tuple[Edge, ...]]
"""Where the property begins to wait, the way into the loop, and the loop (empty: it stops there)."""


class Ledger:
    """The debts of a graph, and who of its entities is left waiting."""

    def __init__(self, system: System, graph: Graph, owed: Sequence[int], paid: Sequence[int]) -> None:
        self._graph = arrays_of(graph)
        held = masks_where(system.layout, PackedStates(self._graph.words), system.held)
        self._debts = Debts.owed_in(self._graph, owed, paid, held)

    def failure(self, slot: Slot, prop: Eventually) -> Lasso | None:
        """A run on which the property of an entity fails; None if there is none."""
        return failure(self._graph, self._debts, slot, prop)


def failure(graph: ArrayGraph, debts: Debts, slot: Slot, prop: Eventually) -> Lasso | None:
    """As `Ledger.failure`, with debts that are given."""
    region = Region(graph, *waiting_in(read(graph.words, slot.state), slot, prop))
    stop = region.nearest(debts.is_nothing())
    if stop is not None:
        return *region.way(stop), ()
    component, inner, count = region.components()
    fair = debts.fair(component, inner, count)
    entry = region.nearest((component >= 0) & fair[component])
    if entry is None:
        return None
    inside = component == component[entry]
    return *region.way(entry), Loop(graph, debts, inside, entry).edges()


def waiting_in(
    codes: NDArray[np.int64], slot: Slot, prop: Eventually
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the waiting of an entity begins, by the codes of its state, and where it goes on."""
    waiting = (codes != 0) & ~np.isin(codes, [slot.state_code(name) for name in prop.to_states])
    return waiting & np.isin(codes, [slot.state_code(name) for name in prop.from_states]), waiting


class Debts:
    """What is owed in each state and paid by each command, as columns of 60 bits each."""

    BITS = 60

    def __init__(self, enabled: list[Masks], paid: Sequence[int]) -> None:
        self.enabled = enabled
        words = range(0, self.BITS * (len(enabled) - 1), self.BITS)
        self._paid = [
            np.array([m >> low & (1 << self.BITS) - 1 for m in paid], dtype=np.uint64) for low in words
        ]
        self._paid.append(np.zeros(len(paid), dtype=np.uint64))

    @classmethod
    def owed_in(cls, graph: ArrayGraph, owed: Sequence[int], paid: Sequence[int], held: Masks) -> Debts:
        """What is owed where the commands that pay it are possible; last, what the scope alone holds up."""
        count = max((m.bit_length() for m in (*owed, *paid)), default=0)
        words = range(0, max(count, 1), cls.BITS)
        enabled = [or_all(graph, [m >> low & (1 << cls.BITS) - 1 for m in owed]) for low in words]
        return cls([*enabled, held], paid)

    def at(self, index: int) -> list[int]:
        """What is owed in a state."""
        return [int(column[index]) for column in self.enabled]

    def after(self, left: list[int], label: int, index: int) -> list[int]:
        """What of some debts is left after a step to a state."""
        return [
            debt & int(enabled[index]) & ~int(paid[label])
            for debt, enabled, paid in zip(left, self.enabled, self._paid, strict=True)
        ]

    def is_owed(self, column: int, debt: int, label: int, index: int) -> bool:
        """Whether a debt is still owed after a step to a state."""
        return not int(self._paid[column][label]) & debt and bool(int(self.enabled[column][index]) & debt)

    def is_nothing(self) -> NDArray[np.bool_]:
        """Where nothing is owed."""
        return np.asarray(np.logical_and.reduce([column == 0 for column in self.enabled]))

    def fair(self, component: NDArray[np.int32], inner: Steps, count: int) -> NDArray[np.bool_]:
        """Which components an endless fair run can stay in.

        `component` numbers each state (-1: none); `inner` are the steps inside: component and label.
        """
        good = np.zeros(count, dtype=np.bool_)
        good[inner[0]] = True
        if not len(inner[0]):
            return good
        members = np.flatnonzero((component >= 0) & good[component])
        order = members[np.argsort(component[members], kind="stable")]
        bounds = np.searchsorted(component[order], np.arange(count + 1))
        steps = np.argsort(inner[0], kind="stable")
        ends = np.searchsorted(inner[0][steps], np.arange(count + 1))
        for enabled, paid in zip(self.enabled, self._paid, strict=True):
            always = ~union(~enabled[order], bounds[:-1], bounds[1:])
            taken = union(paid[inner[1][steps]], ends[:-1], ends[1:])
            good &= (always & ~taken) == 0
        return good


class Region:
    """What can be reached from some states without leaving others, and the components of it."""

    def __init__(self, graph: Stepped, starts: NDArray[np.bool_], inside: NDArray[np.bool_]) -> None:
        self.graph = graph
        self.level = np.full(graph.count, -1, dtype=np.int32)
        now: NDArray[np.int64] = np.flatnonzero(starts)
        level = 0
        last = np.zeros(graph.count, dtype=np.int64)
        while len(now):
            self.level[now] = level
            level += 1
            is_open = inside & (self.level < 0)
            if not is_open.any():
                break
            following = graph.edges.targets[self._steps(now)]
            fresh = following[is_open[following]].astype(np.int64)
            order = np.arange(len(fresh))
            last[fresh] = order  # of those that are the same, one is kept
            now = np.sort(fresh[last[fresh] == order])

    def _steps(self, states: NDArray[np.int64]) -> NDArray[np.int64]:
        """The positions of the steps of some states."""
        first = self.graph.edges.first
        degree = first[states + 1] - first[states]
        ends = np.cumsum(degree)
        total = int(ends[-1]) if len(ends) else 0
        return np.asarray(np.arange(total) + np.repeat(first[states] - (ends - degree), degree))

    def nearest(self, which: NDArray[np.bool_]) -> int | None:
        """The nearest of some states in the region, the smallest number of those."""
        rows = np.flatnonzero(which & (self.level >= 0))
        return int(rows[self.level[rows].argmin()]) if len(rows) else None

    def way(self, index: int) -> tuple[int, tuple[Edge, ...]]:
        """From where, and along which steps, a state of the region is reached."""
        edges: list[Edge] = []
        while self.level[index] > 0:
            rows = np.flatnonzero(self.graph.edges.targets == index)
            origins = np.searchsorted(self.graph.edges.first, rows, side="right") - 1
            before = self.level[origins] == self.level[index] - 1
            row = int(rows[before][0])
            edges.append((int(self.graph.edges.labels[row]), index))
            index = int(origins[before][0])
        return index, tuple(reversed(edges))

    def components(self) -> tuple[NDArray[np.int32], Steps, int]:
        """The strongly connected component of each state, the steps inside one, and how many there are."""
        is_in = self.level >= 0
        origin, targets = origins(self.graph), self.graph.edges.targets
        rows = np.flatnonzero(is_in[origin] & is_in[targets])
        origin, targets = origin[rows], targets[rows]
        starts = np.zeros(self.graph.count + 1, dtype=np.int32)
        np.cumsum(np.bincount(origin, minlength=self.graph.count), out=starts[1:])
        ones = np.ones(len(rows), dtype=np.int8)
        matrix = csr_array((ones, targets, starts), shape=(self.graph.count, self.graph.count))
        count, component = connected_components(matrix, directed=True, connection="strong")
        component[~is_in] = -1
        here = component[origin]
        same = np.flatnonzero(here == component[targets])
        return component, (here[same], self.graph.edges.labels[rows[same]]), int(count)


class Loop:
    """A round inside a component that owes nothing: each debt is paid or impossible on the way."""

    def __init__(self, graph: ArrayGraph, debts: Debts, inside: NDArray[np.bool_], entry: int) -> None:
        self._graph = graph
        self._debts = debts
        self._inside = inside
        self._entry = entry

    def edges(self) -> tuple[Edge, ...]:
        """The steps of the round, from `entry` back to it."""
        found: list[Edge] = []
        here, left = self._entry, self._debts.at(self._entry)
        while any(left):
            piece = self._to_payment(here, left)
            for label, state in piece:
                left = self._debts.after(left, label, state)
            here = piece[-1][1]
            found.extend(piece)
        if here != self._entry or not found:
            found.extend(self._shortest(here, lambda label, state: state == self._entry))
        return tuple(found)

    def _to_payment(self, here: int, left: list[int]) -> list[Edge]:
        """A shortest way to a step that pays the first open debt, or to where it is not owed."""
        column = next(i for i, debt in enumerate(left) if debt)
        debt = left[column] & -left[column]
        return self._shortest(here, lambda label, state: not self._debts.is_owed(column, debt, label, state))

    def _shortest(self, start: int, is_there: Callable[[int, int], bool]) -> list[Edge]:
        """A shortest way inside whose last step is the one that is looked for."""
        graph = self._graph
        back: dict[int, tuple[int, Edge]] = {}
        waiting = [start]
        for index in waiting:
            span = slice(int(graph.edges.first[index]), int(graph.edges.first[index + 1]))
            for label, state in zip(
                graph.edges.labels[span].tolist(), graph.edges.targets[span].tolist(), strict=True
            ):
                if not self._inside[state]:
                    continue
                if is_there(label, state):
                    found = [(label, state)]
                    while index != start:
                        index, edge = back[index]
                        found.append(edge)
                    return found[::-1]
                if state not in back and state != start:
                    back[state] = (index, (label, state))
                    waiting.append(state)
        raise AssertionError("a component is strongly connected")
