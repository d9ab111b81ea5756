"""Turns a run of canonical representatives back into a run of actual states.

A state as it is is its representative with an exchange made of it. A step of the representative, exchanged
likewise, is a step from it; where that leads is the next representative with another exchange. Empty slots
are kept in order, so that what is created goes to the first of them, as the system wants it.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from lathe.check.arrays.blocks import Seats
from lathe.check.arrays.judge import Edge, arrays_of
from lathe.check.arrays.seating import Seating
from lathe.check.arrays.threads import Rows
from lathe.check.arrays.words import columns, packed_at
from lathe.check.composed import ir
from lathe.check.composed.command import Command
from lathe.check.composed.layout import Layout, Slot
from lathe.check.composed.system import System
from lathe.check.judge.late_effects import Outliving
from lathe.check.judge.standing import Standstill
from lathe.check.judge.suspects import Met, Violated
from lathe.check.search.graph import Graph
from lathe.check.search.picks import picks
from lathe.check.search.plain import ListGraph
from lathe.check.search.symmetry import Exchange, after, exchanged, inverse
from lathe.check.search.watch import Watch, watches

Way = tuple[int, tuple[Edge, ...], tuple[Edge, ...]]
"""A state of a run, and the edges of it that lead on: into a loop, and round it."""


class Run:
    """A run on states as they are, beside the representatives in a graph.

    `first` is exchanged besides, from the start: of principals and texts alone, since places are given out
    in order.
    """

    def __init__(self, system: System, graph: Graph, index: int, first: Exchange | None = None) -> None:
        self.system = system
        self.graph = arrays_of(graph)
        seating = self.graph.seating
        assert seating is not None, "states stand for others"
        self._seating: Seating = seating
        self.exchange: Exchange
        way = graph.way_to(index)
        self.here = way[0][1]
        self.states = [self._start(self.here)]
        if first is not None:
            self.states = [exchanged(system.layout, self.states[0], first)]
            self.exchange = after(first, self.exchange)
        self.labels: list[int] = []
        for (_, _), (label, there) in pairwise(way):
            self.go(label, there)

    def _start(self, index: int) -> int:
        """An initial state that a representative stands for."""
        wanted = self.graph.states[index]
        for initial in self.system.initial:
            start = self.system.dead.cleared(initial)
            placed = self._seating.placed(columns([start], len(self.graph.words)))
            if packed_at(placed.words, 0) == wanted:
                self.exchange = inverse(self._seating.exchange_of(placed, 0))
                return start
        raise AssertionError("a search begins with initial states")

    @property
    def state(self) -> int:
        return self.states[-1]

    def slot(self, slot: Slot) -> Slot:
        """Where an entity of the representative is in the state as it is."""
        there = self.exchange.slots[slot.blueprint.name][slot.index]
        return self.system.layout.of(slot.blueprint.name)[there]

    def go(self, label: int, there: int, row: int | None = None) -> None:
        """Take a step of the graph: by its command and target, or just this one of its edges."""
        self.exchange = _in_order(self.system.layout, self.graph.states[self.here], self.exchange)
        stepped, made = self._stepped(label, there, row)
        reached = exchanged(self.system.layout, stepped, self.exchange)
        self.labels.append(self._label(self.system.commands[label], reached))
        self.states.append(reached)
        self.exchange = after(self.exchange, inverse(made))
        self.here = there

    def _stepped(self, label: int, there: int, row: int | None) -> tuple[int, Exchange]:
        """Where a step of the representative leads, and the exchange that makes a representative of it."""
        words = columns([self.graph.states[self.here]], len(self.graph.words))
        for batch in self.graph.expansion.batches(words):
            if batch[0] != label:
                continue
            placed = self._seating.placed(batch[2])
            for number in range(len(batch[2][0])):
                if packed_at(placed.words, number) == self.graph.states[there] and (
                    row is None or np.array_equal(placed.slots[:, number], self._seats(row))
                ):
                    return packed_at(batch[2], number), self._seating.exchange_of(placed, number)
        raise AssertionError("every edge is a step")

    def _seats(self, row: int) -> Seats:
        assert self.graph.edges.seats is not None, "states stand for others"
        return self.graph.edges.seats[:, row]

    def _label(self, command: Command, reached: int) -> int:
        """The command that leads on from the state as it is, as another does from its representative."""
        words = columns([self.state], len(self.graph.words))
        slot = self.slot(command.label.slot)
        for batch in self.graph.expansion.batches(words):
            other = self.system.commands[batch[0]]
            if other.label.slot is slot and _kind(other) == _kind(command):
                found = range(len(batch[2][0]))
                if any(packed_at(batch[2], number) == reached for number in found):
                    return other.index
        raise AssertionError("an exchanged step is a step")

    def along(self, rows: Rows) -> None:
        """Take steps of the graph, by their position among its edges."""
        edges = self.graph.edges
        for row in rows:
            self.go(int(edges.labels[row]), int(edges.targets[row]), row)

    def round(self, steps: list[tuple[int, int, int | None]]) -> int:
        """Go round a loop of the graph until a state is met again; tells at which position it was."""
        met: dict[int, int] = {}
        while self.state not in met:
            met[self.state] = len(self.states) - 1
            for label, there, row in steps:
                self.go(label, there, row)
        first = met[self.state]
        self.states.pop()
        return first

    def graph_of(self, loop_to: int | None = None) -> ListGraph:
        """The run as a graph: its states in order, each with its one step, the last back to `loop_to`."""
        count, commands = len(self.states), self.system.commands
        distance, far = array("q", [0]), 0
        for label in self.labels[: count - 1]:
            far += commands[label].is_committed
            distance.append(far)
        targets = [*range(1, count), *([] if loop_to is None else [loop_to])]
        return ListGraph(
            states=self.states,
            parent=array("q", range(-1, count - 1)),
            via=array("q", [-1, *self.labels[: count - 1]]),
            distance=distance,
            first=array("q", range(count)),
            degree=array("q", [1] * len(targets) + [0] * (count - len(targets))),
            targets=array("q", targets),
            labels=array("q", self.labels),
        )

    def edges(self, since: int, loop_to: int | None = None) -> tuple[Edge, ...]:
        """The steps from a position on, as edges of the run's graph."""
        targets = [*range(1, len(self.states)), *([] if loop_to is None else [loop_to])]
        return tuple(zip(self.labels[since:], targets[since:], strict=True))


def _kind(command: Command) -> tuple[object, ...]:
    """What commands have in common that differ only in where things are."""
    label = command.label
    named = (label.event, label.action, label.effect, label.deadline, label.is_ok, label.cause, label.again)
    return (*named, label.by, command.state, tuple((s.action, s.target, s.is_new) for s in command.shares))


def _in_order(layout: Layout, packed: int, exchange: Exchange) -> Exchange:
    """The exchange with the empty slots in order: they are all alike."""
    slots = {}
    for name, moved in exchange.slots.items():
        empty = [slot.index for slot in layout.of(name) if not slot.state.read(packed)]
        there = sorted(moved[index] for index in empty)
        slots[name] = {**moved, **dict(zip(empty, there, strict=True))}
    return replace(exchange, slots=slots)


def lasso(
    system: System, graph: Graph, state: int, slot: int, way: Rows, loop: Rows
) -> tuple[ListGraph, Slot, Way]:
    """A failure of an `eventually`, on a run of its own: whose, from where, and round what."""
    run = Run(system, graph, state)
    whose = run.slot(system.layout.slots[slot])
    start = len(run.states) - 1
    run.along(way)
    if not loop:
        return run.graph_of(), whose, (start, run.edges(start), ())
    edges = run.graph.edges
    back = run.round([(int(edges.labels[row]), int(edges.targets[row]), row) for row in loop])
    found = run.edges(start, back)
    split = back - start
    return run.graph_of(back), whose, (start, found[:split], found[split:])


def call_lasso(
    system: System, graph: Graph, index: int, loop: tuple[Edge, ...]
) -> tuple[ListGraph, int, tuple[Edge, ...]]:
    """A round of calls, on a run of its own: the state that it comes back to, and its edges."""
    run = Run(system, graph, index)
    back = run.round([(label, there, None) for label, there in loop])
    return run.graph_of(back), back, run.edges(back, back)


def run_of(system: System, graph: Graph, index: int) -> ListGraph:
    """A run to a state that a state of the graph stands for, as a graph of its own: it ends there."""
    return Run(system, graph, index).graph_of()


def run_before(
    system: System, graph: Graph, index: int, *, is_led_on: bool
) -> tuple[ListGraph, dict[str, Slot]]:
    """A run to a state that another version takes over, and where the state has each slot of the run's last.

    If the run `is_led_on` there, principals and texts are those of the state, else whichever came first.
    """
    run = Run(system, graph, index)
    if is_led_on:
        back = inverse(run.exchange)
        stay = {name: {number: number for number in moved} for name, moved in back.slots.items()}
        run = Run(system, graph, index, replace(back, slots=stay))
    return run.graph_of(), {run.slot(slot).name: slot for slot in system.layout.slots}


def seats_of(graph: Graph, states: Sequence[int], count: int) -> Iterator[tuple[int, list[int]]]:
    """For some states, the number of what stands for each in a graph, and where its slots are there."""
    large = arrays_of(graph)
    words = columns(states, len(large.words))
    placed = large.seating.placed(words) if large.seating else None
    numbers = large.numbers(placed.words if placed else words).tolist()
    for row, number in enumerate(numbers):
        yield number, placed.slots[:, row].tolist() if placed else list(range(count))


Suspect = Violated | Met | Standstill | Outliving


def put_back(system: System, graph: Graph, suspect: Suspect) -> tuple[ListGraph, Suspect]:
    """A run to what is suspected, as a graph of its own, and the same of its last state."""
    run = Run(system, graph, suspect.index)
    last = len(run.states) - 1
    slots = {slot.name: slot for slot in system.layout.slots}
    match suspect:
        case Violated():
            name = run.slot(slots[suspect.slot]).name if suspect.slot else ""
            return run.graph_of(), replace(suspect, slot=name, index=last)
        case Standstill():
            return run.graph_of(), replace(suspect, slot=run.slot(suspect.slot), index=last)
        case Met():
            return run.graph_of(), replace(suspect, watch=_watch(run, suspect.watch), index=last)
        case Outliving():
            slot = run.slot(suspect.slot)
            run.go(suspect.command.index, suspect.target)
            command = system.commands[run.labels[-1]]
            found = replace(suspect, slot=slot, command=command, index=last, target=last + 1)
            return run.graph_of(), found


def _watch(run: Run, watch: Watch) -> Watch:
    """What is met in the last state of a run, as a watch is in its representative."""
    slot = run.slot(watch.command.label.slot)
    for other in watches(run.system):
        is_same = other.place == watch.place and _kind(other.command) == _kind(watch.command)
        if is_same and other.command.label.slot is slot:
            condition = other.condition if other.is_fault else ir.both(other.command.guard, other.condition)
            if next(picks(run.system.layout, other.command, condition, run.state), None) is not None:
                return other
    raise AssertionError("what an exchange is made of meets what it met")
