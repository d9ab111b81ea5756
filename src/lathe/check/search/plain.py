"""Breadth-first search over packed states, in Python generated for the system at hand.

The commands become one generated function; the rest is a dictionary and a few arrays. Steps that
commit count one, what happens between them counts nothing, so the first path to a state is one of
the shortest as a trace is counted. Nothing is imported for it, so small checks start at once.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field

from lathe.check.composed import ir
from lathe.check.composed.command import Command, Param
from lathe.check.composed.ir import FALSE, Formula
from lathe.check.composed.layout import Layout, Variable
from lathe.check.composed.system import System
from lathe.check.search.graph import ALARM_AT, Ending, Limits
from lathe.check.search.watch import Watch, watches
from lathe.frozen import mutable

_LOOK_AT_CLOCK_EVERY = 1024


@mutable
class ListGraph:
    """A graph as it was searched: states in the order of discovery, with all their steps.

    `parent` and `via` lead back along a shortest path.
    """

    states: list[int]
    parent: array[int]
    via: array[int]
    distance: array[int]
    first: array[int]
    degree: array[int]
    targets: array[int]
    labels: array[int]
    hits: dict[int, int] = field(default_factory=dict)
    ended_by: Ending = ""
    judging: Limits | None = None

    @property
    def is_complete(self) -> bool:
        return not self.ended_by

    @property
    def alike(self) -> tuple[str, ...]:
        return ()

    @property
    def depth(self) -> int:
        return max(self.distance, default=0)

    @property
    def steps(self) -> int:
        return len(self.targets)

    @property
    def taken(self) -> Mapping[int, int]:
        return Counter(self.labels)

    def way_to(self, index: int) -> list[tuple[int, int]]:
        """As `Graph.way_to`."""
        found = [(self.via[index], index)]
        while self.parent[index] >= 0:
            index = self.parent[index]
            found.append((self.via[index], index))
        return found[::-1]


def search(system: System, limits: Limits, initial: Sequence[int] | None = None) -> ListGraph:
    """Every state that can be reached, as far as the limits let it: in plain Python, whatever the size."""
    noted = watches(system)
    live = bytearray(b"\1" * len(noted))
    hits: dict[int, int] = {}
    successors = _compile(_successors(system, noted), "successors")
    weights = bytes(1 if c.is_committed else 0 for c in system.commands)
    graph = _explore(successors, weights, initial or system.initial, (system.layout, limits, live, hits))
    if hits:
        index = {packed: i for i, packed in enumerate(graph.states) if packed in set(hits.values())}
        graph.hits = {number: index[packed] for number, packed in hits.items()}
    return graph


def _explore(
    successors: Callable[..., object],
    weights: bytes,
    initial: Sequence[int],
    tools: tuple[Layout, Limits, bytearray, dict[int, int]],
) -> ListGraph:
    """The 0-1 breadth-first loop: what weighs nothing joins the level at hand, the rest the next."""
    layout, limits, live, hits = tools
    states = list(initial)
    watch, most = _Alarm(layout, limits, states), limits.states
    index = {packed: i for i, packed in enumerate(states)}
    graph = _begun(states)
    parent, via, distance, first, degree = graph.parent, graph.via, graph.distance, graph.first, graph.degree
    targets, labels = graph.targets, graph.labels
    level, now = 0, list(range(len(states)))
    countdown = _LOOK_AT_CLOCK_EVERY
    out: list[int] = []
    labelled: list[int] = []
    try:
        while now:
            later: list[int] = []
            for here in now:
                if first[here] >= 0 or distance[here] != level:
                    continue
                countdown -= 1 + (len(out) >> 3)
                if countdown <= 0 or len(states) > most:
                    countdown = _LOOK_AT_CLOCK_EVERY
                    graph.ended_by = _exceeded(limits, len(states)) or watch.rings(bool(hits))
                    if graph.ended_by:
                        return graph
                out.clear()
                labelled.clear()
                successors(states[here], out.append, labelled.append, live, hits)
                first[here] = len(targets)
                degree[here] = len(out)
                labels.extend(labelled)
                for position, packed in enumerate(out):
                    there = index.get(packed)
                    cost = level + weights[labelled[position]]
                    if there is None:
                        there = index[packed] = len(states)
                        states.append(packed)
                        parent.append(here)
                        via.append(labelled[position])
                        distance.append(cost)
                        first.append(-1)
                        degree.append(0)
                        (now if cost == level else later).append(there)
                    elif cost < distance[there]:
                        distance[there] = cost
                        parent[there] = here
                        via[there] = labelled[position]
                        now.append(there)
                    targets.append(there)
            now, level = later, level + 1
    except KeyboardInterrupt:
        graph.ended_by = "interrupt"
    if len(states) > limits.states:
        graph.ended_by = graph.ended_by or "states"
    return graph


class _Alarm:
    """Looks for something wrong each time a large search has doubled."""

    def __init__(self, layout: Layout, limits: Limits, states: list[int]) -> None:
        self._layout = layout
        self._limits = limits
        self._states = states
        self._seen = 0
        self._next = ALARM_AT

    def rings(self, has_hits: bool) -> Ending:
        """Whether the search may stop, because its answer is known."""
        count = len(self._states)
        if count < self._next or self._limits.alarm is None:
            return ""
        since, self._seen, self._next = self._seen, count, 2 * count
        is_wrong = has_hits or bool(first_where(self._layout, self._states, self._limits.alarm, since))
        return "found" if is_wrong else ""


def _begun(states: list[int]) -> ListGraph:
    """A graph of initial states alone, nothing expanded yet."""
    nobody, unknown = array("q", [-1] * len(states)), array("q", [0] * len(states))
    return ListGraph(states, nobody[:], nobody[:], unknown[:], nobody[:], unknown[:], array("q"), array("q"))


def _exceeded(limits: Limits, count: int) -> Ending:
    """What ends a search that has found so many states, if anything does."""
    if limits.clock() > limits.stop_at:
        return "seconds"
    return "states" if count > limits.states else ""


def first_where(
    layout: Layout, states: Sequence[int], conditions: Sequence[Formula], since: int = 0
) -> dict[int, int]:
    """For each condition that is ever true, the index of the first state in which it is."""
    if not isinstance(states, list):
        from lathe.check.arrays import judge  # only where a search has grown: it loads numpy
        from lathe.check.arrays.words import PackedStates

        assert isinstance(states, PackedStates), "states are a list or columns"
        return judge.first_where(layout, states, conditions, since)
    wanted = [(number, c) for number, c in enumerate(conditions) if c != FALSE]
    found: dict[int, int] = {}
    if not wanted:
        return found
    live = bytearray(b"\1" * len(conditions))
    lines = [
        "def look(states, since, live, found):",
        " for i in range(since, len(states)):",
        "  s = states[i]",
    ]
    lines += _decode(layout, [c for _, c in wanted], "  ")
    for number, condition in wanted:
        lines.append(f"  if live[{number}] and {ir.source(condition)}:")
        lines.append(f"   live[{number}] = 0; found[{number}] = i")
    _compile(lines, "look")(states, since, live, found)
    return found


def masks_where(layout: Layout, states: list[int], conditions: Sequence[Formula]) -> list[int]:
    """For each state, a mask of the conditions that are true in it."""
    wanted = [(number, c) for number, c in enumerate(conditions) if c != FALSE]
    if not wanted:
        return [0] * len(states)
    lines = ["def look(states, add):", " for s in states:", "  m = 0"]
    lines += _decode(layout, [c for _, c in wanted], "  ")
    lines += [f"  if {ir.source(condition)}: m |= {1 << number}" for number, condition in wanted]
    lines.append("  add(m)")
    masks: list[int] = []
    _compile(lines, "look")(states, masks.append)
    return masks


def function_of(
    condition: Formula, variables: Sequence[int], parameters: Sequence[str]
) -> Callable[..., object]:
    """A condition as a function: of some variables, then of some parameters, by their order."""
    given = ", ".join([*(f"v{index}" for index in variables), *(f"p_{name}" for name in parameters)])
    return _compile([f"def holds({given}):", f" return {ir.source(condition)}"], "holds")


def _compile(lines: Iterable[str], name: str) -> Callable[..., object]:
    scope: dict[str, Callable[..., object]] = {}
    exec(compile("\n".join(lines), f"<{name}>", "exec"), scope)
    return scope[name]


def _decode(layout: Layout, formulas: Iterable[Formula], indent: str) -> list[str]:
    """Lines that read the variables of some formulas out of the packed state `s`."""
    return [indent + read_text(layout.variables[i]) for i in sorted(ir.variables(*formulas))]


def read_text(variable: Variable) -> str:
    """The line that reads a variable out of the packed state `s`."""
    if not variable.width:
        return f"v{variable.index} = 0"
    shift = f"s >> {variable.offset}" if variable.offset else "s"
    return f"v{variable.index} = {shift} & {variable.mask}"


def _successors(system: System, noted: list[Watch]) -> list[str]:
    """The text of the function that lists the successors of a state."""
    watched: dict[int, list[tuple[int, Watch]]] = {}
    for number, watch in enumerate(noted):
        watched.setdefault(watch.command.index, []).append((number, watch))
    lines = ["def successors(s, add, label, live, hits):", " pass"]
    for slot in system.layout.slots:
        mine = [c for c in system.commands if c.label.slot is slot]
        lines.append(f" c = s >> {slot.state.offset} & {slot.state.mask}")
        word = "if"
        for code in range(slot.state.size):
            group = [c for c in mine if c.state == code]
            if group:
                lines.append(f" {word} c == {code}:")
                lines += _group(system.layout, group, watched)
                word = "elif"
        anywhere = [c for c in mine if c.state is None]
        if anywhere:
            lines.append(" if c:")
            lines += _group(system.layout, anywhere, watched)
    return lines


def _group(layout: Layout, group: list[Command], watched: dict[int, list[tuple[int, Watch]]]) -> list[str]:
    formulas = [f for c in group for f in (c.guard, *c.updates.values())]
    formulas += [w.condition for c in group for _, w in watched.get(c.index, ())]
    lines = _decode(layout, formulas, "  ")
    for command in group:
        for number, watch in watched.get(command.index, ()):
            lines += _watch_lines(number, watch)
        if command.guard != FALSE:
            lines += _command_lines(layout, command)
    return lines or ["  pass"]


def _watch_lines(number: int, watch: Watch) -> list[str]:
    lines, indent = _loops(watch.command.params, watch.condition, "  ", f"live[{number}]")
    return [*lines, f"{indent}live[{number}] = 0; hits[{number}] = s"]


def _command_lines(layout: Layout, command: Command) -> list[str]:
    lines, indent = _loops(command.params, command.guard, "  ", "", also=list(command.updates.values()))
    return [*lines, f"{indent}add({successor_text(layout, command)}); label({command.index})"]


def _loops(
    params: tuple[Param, ...], guard: Formula, indent: str, prefix: str, also: Sequence[Formula] = ()
) -> tuple[list[str], str]:
    """The guard as tests and loops: what reads no parameter is tested before any loop."""
    clauses = ir.conjuncts(guard)
    free = [c for c in clauses if not ir.parameters(c) and c != ir.TRUE]
    bound = [c for c in clauses if ir.parameters(c)]
    lines: list[str] = []
    tests = ([prefix] if prefix else []) + [ir.source(c) for c in free]
    if tests:
        lines.append(f"{indent}if {' and '.join(tests)}:")
        indent += " "
    names = ir.parameters(*bound, *also)
    for param in params:
        if param.name in names:
            low = param.kind.low or 0 if param.kind.kind == "int" and param.argument else 0
            values = ", ".join(str(code + low) for code in param.codes)
            lines.append(f"{indent}for p_{param.name} in ({values},):")
            indent += " "
    if bound:
        lines.append(f"{indent}if {' and '.join(ir.source(c) for c in bound)}:")
        indent += " "
    return lines, indent


def successor_text(layout: Layout, command: Command) -> str:
    """The packed state after a command, as Python text over `s`, variables and parameters."""
    clear, add, moving = 0, 0, []
    for index, formula in sorted(command.updates.items()):
        variable = layout.variables[index]
        if not variable.width:
            continue
        clear |= variable.mask << variable.offset
        if ir.is_const(formula):
            add |= formula.value << variable.offset
        else:
            moving.append(f"({ir.source(formula)} << {variable.offset})")
    kept = f"(s & {~clear})" if clear else "s"
    return " | ".join([kept, *([str(add)] if add else []), *moving])
