"""Suspected violations in a searched graph: property, state and entity, before they are turned into findings.

Nothing here needs the machine; a check that finds nothing stops here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lathe.check.composed import ir
from lathe.check.composed.invoke import is_steady, most_pending
from lathe.check.composed.ir import FALSE, Formula
from lathe.check.composed.lowering import Context, Term, holds
from lathe.check.composed.premises import is_met, premise
from lathe.check.composed.system import System, applies, violation
from lathe.check.judge.coverage import taken_actions
from lathe.check.read import permitted
from lathe.check.search.graph import Graph
from lathe.check.search.plain import first_where
from lathe.check.search.watch import Watch, watches
from lathe.errors import Span
from lathe.frozen import frozen
from lathe.lang.expr import Node, walk
from lathe.lang.model import Action, Blueprint, Cannot, Effect, Property, State


@frozen
class Violated:
    """An invariant that is false in a state, for the entity in `slot` (empty: a property of the app)."""

    prop: Property
    slot: str
    index: int


@frozen
class Met:
    """A fault or step check that was met in a state."""

    watch: Watch
    index: int


@frozen
class Never:
    """What a complete search never saw: a state, an action (LT506: only together), a `sometimes`.

    `is_met`: of an action, its own state and guard are met somewhere.
    """

    code: str
    subject: State | Action | Property
    blueprint: Blueprint | None
    is_met: bool = True


def _contexts(system: System, owner: str) -> list[Context]:
    layout = system.layout
    return [Context(layout, s) for s in layout.of(owner)] if owner else [Context(layout, None)]


def _properties(system: System, *kinds: str) -> Iterator[tuple[str, Property]]:
    """Properties with the blueprint that they belong to, if it has instances; the app's with none."""
    app = system.layout.app
    for blueprint in app.blueprints.values():
        if system.layout.of(blueprint.name):
            yield from ((blueprint.name, p) for p in blueprint.properties.values() if p.kind in kinds)
    yield from (("", p) for p in app.properties.values() if p.kind in kinds)


def invariants(system: System) -> list[tuple[Property, Context]]:
    """Every invariant, for each slot that it is about."""
    return [(p, c) for owner, p in _properties(system, "invariant") for c in _contexts(system, owner)]


def alarm(system: System) -> list[Formula]:
    """The conditions under which some invariant is false."""
    return [violation(p, c) for p, c in invariants(system)]


def violated(system: System, graph: Graph) -> list[Violated]:
    """Each invariant that fails, at the state that the fewest steps lead to."""
    asked = invariants(system)
    hits = first_where(system.layout, graph.states, [violation(p, c) for p, c in asked])
    best: dict[int, tuple[int, int]] = {}
    for number, index in hits.items():
        candidate = (graph.distance[index], number)
        best[id(asked[number][0])] = min(best.get(id(asked[number][0]), candidate), candidate)
    found = []
    for _, number in sorted(best.values()):
        prop, context = asked[number]
        found.append(Violated(prop, context.slot.name if context.slot else "", hits[number]))
    return found


def met(system: System, graph: Graph) -> list[Met]:
    """Each place at which a fault or a broken step property was met, nearest first."""
    noted = watches(system)
    best: dict[tuple[str, Span | str], tuple[int, int]] = {}
    for number, index in graph.hits.items():
        watch = noted[number]
        counts = watch.is_fault or watch.command.is_committed
        candidate = (graph.distance[index] + counts, number)
        best[watch.place] = min(best.get(watch.place, candidate), candidate)
    return [Met(noted[number], graph.hits[number]) for _, number in sorted(best.values())]


def never(system: System, graph: Graph) -> list[Never]:
    """States never reached, actions never taken, `sometimes` that never hold: for complete graphs."""
    taken = taken_actions(system, graph)
    found: list[Never] = []
    for blueprint in system.layout.app.blueprints.values():
        if not system.layout.of(blueprint.name):
            continue
        for state in blueprint.states.values():
            if (blueprint.name, state.name) not in taken.states:
                found.append(Never("LT201", state, blueprint))
        for action in blueprint.actions.values():
            is_open = action.admits or system.layout.app.policies
            if (blueprint.name, action.name) not in taken.actions and is_open:
                is_met = _own_side_admits(system, graph, blueprint, action)
                code = "LT506" if action.also and is_met else "LT202"
                is_closed = _nobody_may(system, graph, blueprint, action)
                found.append(Never("LT601" if is_closed else code, action, blueprint, is_met))
    return [*found, *_never_sometimes(system, graph)]


def _nobody_may(system: System, graph: Graph, blueprint: Blueprint, action: Action) -> bool:
    """Whether policies refuse an action to everybody, wherever somebody could ask for it."""
    if not system.layout.app.policies:
        return False
    from lathe.check.judge.decisions import anybody_may  # only here: it loads cedarpy

    return not anybody_may(system, graph, blueprint, action.name)


def _own_side_admits(system: System, graph: Graph, blueprint: Blueprint, action: Action) -> bool:
    """Whether the action's own state and guard are ever met, whatever its other sides say."""
    conditions = []
    for slot in system.layout.of(blueprint.name):
        codes = [ir.const(slot.state_code(s)) for s in action.from_states]
        here = ir.either(*(ir.eq(slot.state.formula, code) for code in codes))
        if action.name == "create":
            here = ir.eq(slot.state.formula, FALSE)
        guard = ir.TRUE
        if action.when is not None and not action.arguments:
            guard = holds(action.when.tree, Context(system.layout, slot))
        conditions.append(ir.both(here, guard))
    return bool(first_where(system.layout, graph.states, conditions))


def _never_sometimes(system: System, graph: Graph) -> Iterator[Never]:
    asked = [(system.layout.app.blueprints.get(owner), p) for owner, p in _properties(system, "sometimes")]
    conditions = [sometimes_holds(system, blueprint, p) for blueprint, p in asked]
    found = first_where(system.layout, graph.states, conditions)
    for number, (blueprint, prop) in enumerate(asked):
        if number not in found:
            yield Never("LT403", prop, blueprint)


def sometimes_holds(system: System, blueprint: Blueprint | None, prop: Property) -> Formula:
    """The condition that a `sometimes` holds for somebody, or of the app."""
    contexts = _contexts(system, blueprint.name if blueprint else "")
    return ir.either(*(ir.both(applies(prop, c), holds(prop.that.tree, c)) for c in contexts))


def empty_promises(system: System, graph: Graph) -> list[Property]:
    """Properties that hold because what they are about never happens."""
    asked: list[Property] = []
    conditions: list[Formula] = []
    for owner, prop in _properties(system, "invariant", "step"):
        premises = [premise(prop, c) for c in _contexts(system, owner)]
        known = [p for p in premises if p is not None]
        if len(known) == len(premises):
            asked.append(prop)
            conditions.append(ir.either(*known))
    found = first_where(system.layout, graph.states, conditions)
    return [prop for number, prop in enumerate(asked) if number not in found]


def implied_by_ranges(system: System) -> list[Property]:
    """Invariants about ghosts that cannot fail, because a ghost stops at the end of its range."""
    found = []
    for owner, prop in _properties(system, "invariant"):
        reads_ghost = any(_is_ghost(n) for n in walk(prop.that.tree))
        if reads_ghost and all(violation(prop, c) == FALSE for c in _contexts(system, owner)):
            found.append(prop)
    return found


def _is_ghost(node: Node) -> bool:
    return getattr(node, "scope", "") in ("ghost", "app_ghost") or getattr(node, "what", "") == "ghost"


def permitted_after_all(system: System, graph: Graph) -> Iterator[tuple[Cannot, list[str], int]]:
    """Each `cannot` with a `when` that is met while `by` permits: with the first state in which it is."""
    for blueprint in system.layout.app.blueprints.values():
        for cannot in blueprint.cannot.values():
            if system.layout.app.policies:
                yield from _permitted_by_policies(system, graph, blueprint, cannot)
                continue
            if cannot.when is None:
                continue
            actions = permitted(blueprint, cannot)
            if actions:
                conditions = [is_met(cannot.when.tree, c) for c in _contexts(system, blueprint.name)]
                hits = first_where(system.layout, graph.states, conditions)
                if hits:
                    yield cannot, actions, min(hits.values())


def _permitted_by_policies(
    system: System, graph: Graph, blueprint: Blueprint, cannot: Cannot
) -> Iterator[tuple[Cannot, list[str], int]]:
    """Each action of a `cannot` that Cedar permits after all, with the first state in which it does."""
    from lathe.check.composed.policies import policed  # only here: it loads cedarpy

    asked = policed(system.layout.app)
    for action in cannot.actions:
        people = enumerate(system.layout.domains.principals, 1)
        conditions = [
            ir.both(_is_asked(action, cannot, c), asked.allows_role(c.slot, action, (who, cannot.role), c))
            for code, who in people
            for c in (replace(x, actor=Term(ir.const(code))) for x in _contexts(system, blueprint.name))
            if c.slot is not None
        ]
        hits = first_where(system.layout, graph.states, conditions)
        if hits:
            yield cannot, [action], min(hits.values())


def _is_asked(action: str, cannot: Cannot, context: Context) -> Formula:
    """When a `cannot` says something of an actor: always of a creation, else of an entity that is there."""
    assert context.slot is not None, "a `cannot` is about an entity"
    is_there = ir.no(ir.eq(context.slot.state.formula, FALSE))
    if cannot.when is not None:
        return ir.both(is_there, holds(cannot.when.tree, context))
    return ir.TRUE if action == "create" else is_there


def is_crowded(system: System, graph: Graph) -> bool:
    """Whether some state holds as many notices as it may, so that one more was perhaps cut."""
    return bool(crowded(system, graph))


def crowded(system: System, graph: Graph) -> list[tuple[Blueprint, Effect]]:
    """The notices of which some state holds as many as it may: one, where the next may remember others."""
    asked: list[tuple[Blueprint, Effect]] = []
    conditions: list[Formula] = []
    for slot in system.layout.slots:
        for name, variable in slot.notices.items():
            effect = slot.blueprint.effects[name]
            most = most_pending(slot, name) if is_steady(slot.blueprint, effect) else 1
            asked.append((slot.blueprint, effect))
            conditions.append(ir.le(ir.const(most), variable.formula))
    hits = first_where(system.layout, graph.states, conditions) if conditions else {}
    found = {(asked[number][0].name, asked[number][1].name): asked[number] for number in sorted(hits)}
    return list(found.values())


def full(system: System, graph: Graph, blueprint: str) -> bool:
    """Whether some state leaves no room for one more entity of a blueprint."""
    slots = system.layout.of(blueprint)
    taken = ir.both(*(ir.no(ir.eq(s.state.formula, FALSE)) for s in slots))
    return not slots or bool(first_where(system.layout, graph.states, [taken]))
