"""Values that were not reached for want of more instances, and the properties that depend on them.

A number whose maximum grew from the smaller scope to the larger would grow further with more instances. A
property that only larger values could violate is asked again: of level 1, then of a scope just wide enough.
So is a property over several entities that cannot be false of so few.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

from lathe.check.composed import ir
from lathe.check.composed.command import Command
from lathe.check.composed.ir import FALSE, Formula
from lathe.check.composed.layout import Layout, Slot, Variable
from lathe.check.composed.lowering import Context
from lathe.check.composed.system import System, lay_out, needed, violation
from lathe.check.judge.suspects import invariants
from lathe.check.search.graph import Graph
from lathe.check.search.plain import ListGraph, first_where, function_of
from lathe.check.search.scope import Instances
from lathe.check.search.watch import watches
from lathe.errors import Span
from lathe.frozen import frozen
from lathe.lang.expr import Population, walk
from lathe.lang.model import Property

MOST_INSTANCES = 8
"""A scope is widened to so many of a blueprint at most."""

MOST_VALUES = 4_096
"""Combinations of a number and what callers give that are tried to see where something could fail."""

Found = tuple[System, Graph]
Extremes = tuple[int, int]


@frozen
class Unreached:
    """Something that may fail with more instances: its code, place and name, and how many might show it.

    `field` is the number that would have to be at `value` (`Blueprint.name`), and was only between
    `reached`; empty for a property over entities. `wider` are the scopes to try, smallest first; none if
    they would be too large. `command` takes the step that would fail, if it is one.
    """

    code: str
    span: Span
    prop: Property | None
    command: Command | None
    subject: str
    field: str
    value: int
    reached: Extremes
    wider: tuple[Instances, ...]

    def is_further(self, small: Layout, found: Found) -> bool:
        """Whether a wider scope got further than the small one: a number, or how many live at once."""
        system, graph = found
        if self.field:
            owner, name = self.field.split(".")
            blueprint = system.layout.app.blueprints[owner]
            kind = (blueprint.fields.get(name) or blueprint.ghosts[name]).type
            now, low = extremes(system, graph, owner, name), kind.low or 0
            return now is not None and (now[0] + low < self.reached[0] or now[1] + low > self.reached[1])
        grown = [n for n, count in system.layout.domains.instances.items() if count > len(small.of(n))]
        return all(
            bool(first_where(system.layout, graph.states, [_more_live(system.layout, n, len(small.of(n)))]))
            for n in grown
        )


def unreached(found: Found, before: Found, more: frozenset[str]) -> list[Unreached]:
    """What more of some blueprints might break. `before` is a smaller scope than that of `found`."""
    asked = _Asked(found, before, more)
    every = [*_steps(asked), *_states(asked), *_properties(found[0], more)]
    first: dict[tuple[Span, str], Unreached] = {}
    for one in every:
        first.setdefault((one.span, one.field), one)
    return list(first.values())


class _Asked:
    """Two searched scopes, and the numbers in them that grew from the smaller to the larger."""

    def __init__(self, found: Found, before: Found, more: frozenset[str]) -> None:
        self.system, self.graph = found
        self._before = before
        self.more = more
        self._known: dict[tuple[str, str], tuple[Extremes, Extremes] | None] = {}
        self.owners: dict[int, tuple[Slot, str]] = {}
        for slot in self.system.layout.slots:
            for name, variable in (*slot.fields.items(), *slot.ghosts.items()):
                if variable.kind.kind == "int" and variable.size > 2:
                    self.owners[variable.index] = slot, name

    def reached(self, index: int) -> tuple[Extremes, Extremes] | None:
        """The least and the largest code of a number in the larger scope, and in the smaller."""
        slot, name = self.owners[index]
        key = slot.blueprint.name, name
        if key not in self._known:
            now, then = (extremes(*found, *key) for found in ((self.system, self.graph), self._before))
            self._known[key] = None if now is None or then is None else (now, then)
        return self._known[key]

    def failing(self, condition: Formula, command: Command | None) -> Iterator[tuple[int, int]]:
        """Each number that must be where it never was for a condition to be true, and the nearest place."""
        clauses = ir.conjuncts(condition)
        for index in sorted(ir.variables(condition) & self.owners.keys()):
            own = [c for c in clauses if ir.variables(c) == {index}]
            reached = self.reached(index) if own else None
            if reached is None:
                continue
            (low, high), (lower, higher) = reached
            bad = _true_at(self.system.layout.variables[index], ir.both(*own), command)
            if not bad or any(low <= value <= high for value in bad):
                continue
            above, below = [v for v in bad if v > high], [v for v in bad if v < low]
            if high > higher and above:
                yield index, above[0]
            elif low < lower and below:
                yield index, below[-1]


def _more_live(layout: Layout, blueprint: str, count: int) -> Formula:
    """That more than so many entities of a blueprint are there and not final."""
    live = FALSE
    for slot in layout.of(blueprint):
        codes = [ir.const(slot.state_code(s.name)) for s in slot.blueprint.states.values() if not s.final]
        live = ir.plus(live, ir.either(*(ir.eq(slot.state.formula, code) for code in codes)))
    return ir.lt(ir.const(count), live)


def extremes(system: System, graph: Graph, blueprint: str, name: str) -> Extremes | None:
    """The least and the largest code of a number in any entity that can go on; None if there never is one.

    What is final keeps its numbers in one search, and has them cleared in another.
    """
    ends: list[int] = []
    for slot in system.layout.of(blueprint):
        variable = slot.fields.get(name) or slot.ghosts[name]
        live = {slot.state_code(s.name) for s in slot.blueprint.states.values() if not s.final}
        if isinstance(graph, ListGraph):
            here, there = slot.state, variable
            codes = {there.read(s) for s in graph.states if here.read(s) in live}
        else:
            from lathe.check.arrays.judge import codes_of  # only where a search has grown: it loads numpy

            codes = codes_of(graph, variable, (slot.state, live))
        ends += (min(codes), max(codes)) if codes else ()
    return (min(ends), max(ends)) if ends else None


def _true_at(variable: Variable, condition: Formula, command: Command | None) -> list[int]:
    """The codes at which a condition of one number is true for some parameters; none if they are too many."""
    names = ir.parameters(condition)
    params = [p for p in command.params if p.name in names] if command else []
    ranges = [
        [code + (p.kind.low or 0 if p.kind.kind == "int" and p.argument else 0) for code in p.codes]
        for p in params
    ]
    if variable.size * prod(map(len, ranges)) > MOST_VALUES or len(params) != len(names):
        return []
    holds = function_of(condition, [variable.index], [p.name for p in params])
    return [v for v in range(variable.size) if any(holds(v, *given) for given in product(*ranges))]


def _steps(asked: _Asked) -> Iterator[Unreached]:
    """Values that would leave their range, divisions by zero, and step properties."""
    layout = asked.system.layout
    own = {f"{b.name}.{p.name}": p for b in layout.app.blueprints.values() for p in b.properties.values()}
    own |= {f".{p.name}": p for p in layout.app.properties.values()}
    for watch in watches(asked.system):
        if watch.code not in ("LT204", "LT402"):
            continue
        command = watch.command
        takers = {command.label.slot.blueprint.name, *(s.slot.blueprint.name for s in command.shares)}
        for index, code in asked.failing(watch.condition, command):
            prop = None if watch.is_fault else own[str(watch.subject)]
            fault = command.faults[int(watch.subject)] if watch.is_fault else None
            yield _told(
                asked, (watch.code, prop.span if prop else fault.span if fault else layout.app.span),
                prop, command, fault.subject if fault else "", (index, code), takers,
            )  # fmt: skip


def _states(asked: _Asked) -> Iterator[Unreached]:
    """Invariants."""
    for prop, context in invariants(asked.system):
        for index, code in asked.failing(violation(prop, context), None):
            takers = {context.slot.blueprint.name} if context.slot else set()
            yield _told(asked, ("LT401", prop.span), prop, None, "", (index, code), takers | asked.more)


def _told(
    asked: _Asked,
    place: tuple[str, Span],
    prop: Property | None,
    command: Command | None,
    subject: str,
    where: tuple[int, int],
    takers: set[str],
) -> Unreached:
    index, code = where
    slot, name = asked.owners[index]
    reached = asked.reached(index)
    assert reached is not None, "the number was looked at"
    variable, (low, high) = asked.system.layout.variables[index], reached[0]
    offset = variable.kind.low or 0
    far = (code - high if code > high else low - code) + (place[0] == "LT204")
    wider = tuple(_wider(asked.system.layout, slot.blueprint.name, takers & asked.more, asked.more, far))
    field = f"{slot.blueprint.name}.{name}"
    return Unreached(
        *place, prop, command, subject, field, code + offset, (low + offset, high + offset), wider
    )


def _wider(
    layout: Layout, owner: str, takers: set[str], more: frozenset[str], far: int
) -> Iterator[Instances]:
    """One of everything and enough of those who move the number; then enough of whatever was cut."""
    counts = layout.domains.instances
    single = {name: min(count, 1) for name, count in counts.items()}
    for wanted in (takers - {owner} or {owner}, set(more - {owner})):
        enough = {name: counts[name] + far for name in wanted}
        if enough and max(enough.values()) <= MOST_INSTANCES:
            yield {**single, **enough}


def _properties(system: System, more: frozenset[str]) -> Iterator[Unreached]:
    """Invariants over entities that are true of so few whatever happens, and may be false of more."""
    every: dict[Span, list[tuple[Property, Context]]] = {}
    for prop, context in invariants(system):
        every.setdefault(prop.span, []).append((prop, context))
    for span, here in every.items():
        prop = here[0][0]
        nodes = [*walk(prop.that.tree), *(walk(prop.when.tree) if prop.when else ())]
        over = {n.blueprint for n in nodes if isinstance(n, Population)} & more
        if not over or any(violation(p, c) != FALSE for p, c in here):
            continue
        wider = _first_false(system.layout, prop, sorted(over))
        if wider is not None:
            counts = system.layout.domains.instances
            most = max(wider.values())
            both = {n: most if n in more else c for n, c in wider.items() if counts[n]}
            scopes = (wider,) if both == wider else (wider, both)
            yield Unreached("LT401", span, prop, None, "", "", 0, (0, 0), scopes)


def _first_false(layout: Layout, prop: Property, over: list[str]) -> Instances | None:
    """The fewest of one blueprint, or of all, of which a property may be false; None if none so few."""
    counts = layout.domains.instances
    single = {name: min(count, 1) for name, count in counts.items()}
    owner = next((b.name for b in layout.app.blueprints.values() if prop in b.properties.values()), "")
    for more in range(max(counts[name] for name in over) + 1, MOST_INSTANCES + 1):
        for names in (*([name] for name in over), over):
            wanted = {**single, **dict.fromkeys(names, more)}
            large = lay_out(layout.app, wanted, needed(layout.app))
            contexts = [Context(large, s) for s in large.of(owner)] if owner else [Context(large, None)]
            if any(violation(prop, c) != FALSE for c in contexts):
                return wanted
    return None
