"""Unbounded creation of entities (LT505): a cycle of creations that only the scope stops.

A cycle of calls meets a state again, unless each round creates a new entity: then no state repeats, and only
the scope's limit on instances ends it in a search. So cycles are looked for up to renaming: an entity
requests a creation, and by calls alone the same entity, or a new one in the same local state, requests it
again, with all others unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lathe.check.bounds import TooLargeError
from lathe.check.composed.layout import Slot, Variable
from lathe.check.composed.relevance import askers, entered_states
from lathe.check.composed.system import System, make_system
from lathe.check.judge.progress import Edge, Round
from lathe.check.search.graph import Graph, Limits
from lathe.check.search.plain import ListGraph, masks_where, search
from lathe.lang.model import App, Blueprint, Effect

STATES = 2_000
"""States that are looked at; what breeds does so soon."""
NEAR_STATES = 200
"""States that are looked at from each place, along calls alone."""


def breeders(app: App) -> dict[str, int]:
    """The blueprints whose creations may lead to one of their own again, by calls and joint steps.

    With each, how many of it show that: two, if it may be one of those that are made.
    """
    leads = {name: frozenset(_leads(app, name)) for name in app.blueprints}
    makes = {name: frozenset(_makes(app, name)) for name in app.blueprints}
    found: dict[str, int] = {}
    for name, blueprint in app.blueprints.items():
        behind = set().union(*({made} | _behind(leads, made) for made in makes[name]))
        if any(name in makes[other] for other in behind):
            found[name] = 2
        elif name in behind or any(_asks_again(blueprint, e) for e in blueprint.effects.values()):
            found[name] = 1
    return found


def _asks_again(blueprint: Blueprint, effect: Effect) -> bool:
    """Whether the end of a creation asks for effects, among which there may be another."""
    if effect.target is None or effect.target.action != "create":
        return False
    ends = [blueprint.actions[name] for name in (effect.ok, effect.error) if name is not None]
    return any(a.run or any(blueprint.states[s].run for s in entered_states(blueprint, a)) for a in ends)


def _makes(app: App, name: str) -> Iterator[str]:
    blueprint = app.blueprints[name]
    for effect in blueprint.effects.values():
        if effect.target is not None and effect.target.action == "create" and askers(blueprint, effect.name):
            yield effect.target.blueprint


def _leads(app: App, name: str) -> Iterator[str]:
    """The blueprints whose entities take part in what those of one do, or in what they call for."""
    blueprint = app.blueprints[name]
    yield from (e.target.blueprint for e in blueprint.effects.values() if e.target is not None)
    yield from (clause.blueprint for action in blueprint.actions.values() for clause in action.also)


def _behind(leads: Mapping[str, frozenset[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for name in leads[waiting.pop()] - found:
            found.add(name)
            waiting.append(name)
    return found


def endless(found: tuple[System, Graph], limits: Limits) -> tuple[System, ListGraph, Round] | None:
    """A place where somebody is made without end, and the way to who asks again; None if none is near.

    `found` is a scope that was searched whole; another is, if that was large or holds too few who matter.
    """
    system, graph = found
    app, counts = system.layout.app, system.layout.domains.instances
    bred = breeders(app)
    if not bred:
        return None
    if not isinstance(graph, ListGraph) or any(counts[name] < count for name, count in bred.items()):
        wanted = {name: max(count, bred.get(name, 0)) for name, count in counts.items()}
        try:
            system = make_system(app, wanted)
        except TooLargeError:
            return None
        graph = search(system, replace(limits, states=min(limits.states, STATES), alarm=None))
    held = masks_where(system.layout, graph.states, system.held)
    for index in range(min(len(graph.states), STATES)):
        way = _round(system, graph, index, held)
        if way is not None:
            return system, graph, way
    return None


def _calls(system: System, graph: ListGraph, index: int) -> Iterator[Edge]:
    """The deliveries that are possible in a state."""
    start = graph.first[index]
    for position in range(start, start + max(graph.degree[index], 0)):
        label = system.commands[graph.labels[position]].label
        effect = label.slot.blueprint.effects.get(label.effect or "")
        if label.event in ("deliver", "notify") and effect is not None and effect.target is not None:
            yield graph.labels[position], graph.targets[position]


def _round(system: System, graph: ListGraph, index: int, held: list[int]) -> Round | None:
    """A way along calls from a state to where a new entity asks for what made it."""
    for edge in _calls(system, graph, index):
        label = system.commands[edge[0]].label
        if label.made:
            way = _to_another(system, graph, index, edge, held)
            if way is not None:
                return index, way
    return None


def _to_another(
    system: System, graph: ListGraph, index: int, edge: Edge, held: list[int]
) -> tuple[Edge, ...] | None:
    """The shortest way, beginning with an edge, to where a new entity, or the same, is as who asked was."""
    asker = system.commands[edge[0]].label.slot
    before = graph.states[index]
    wanted = _situation(asker, before)
    others = [s for s in system.layout.slots if s is not asker and s.state.read(before)]
    around = [_situation(slot, before) for slot in others]
    free = [s for s in system.layout.of(asker.blueprint.name) if s is asker or not s.state.read(before)]
    ways: dict[int, tuple[Edge, ...]] = {edge[1]: (edge,)}
    waiting = [edge[1]]
    for here in waiting:
        packed = graph.states[here]
        if [_situation(slot, packed) for slot in others] == around:
            for slot in free:
                if _situation(slot, packed) == wanted and _goes_on(system, graph, here, slot, held):
                    return ways[here]
        for following in _calls(system, graph, here) if len(ways) < NEAR_STATES else ():
            if following[1] not in ways:
                ways[following[1]] = (*ways[here], following)
                waiting.append(following[1])
    return None


def _goes_on(system: System, graph: ListGraph, index: int, slot: Slot, held: list[int]) -> bool:
    """Whether what an entity asks for is done, or waits for room alone; a notice that waits has no step."""
    if held[index] >> system.layout.slots.index(slot) & 1:
        return True
    every = [system.commands[number].label for number, _ in _calls(system, graph, index)]
    mine = [label for label in every if label.slot is slot]
    makes = any(e.is_notice and e.target is not None for e in slot.blueprint.effects.values())
    return any(label.made for label in mine) if mine or not makes else True


def _situation(slot: Slot, packed: int) -> tuple[int, ...]:
    """What an entity is and holds, whoever it refers to, as far as anything that it does depends on it."""
    ghosts = {variable.index for variable in slot.ghosts.values()}
    return tuple(_held(v, v.read(packed)) for v in slot.variables() if v.index not in ghosts)


def _held(variable: Variable, code: int) -> int:
    """A code; of references, whether there is one, or how many."""
    kind = variable.kind
    if kind.kind == "ref":
        return int(bool(code))
    return code.bit_count() if kind.element is not None and kind.element.kind == "ref" else code
