"""Random worlds, and random events to meet them: possible ones mostly, nonsense now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import cast

from lathe.lang.adapters import BAD_CAUSES
from lathe.lang.model import Action, App, Blueprint
from lathe.lang.types import Type
from lathe.machine.event import (
    Act,
    Caller,
    Cause,
    Create,
    Delivers,
    Ends,
    Event,
    Executes,
    LateExecution,
    Notifies,
    Starts,
    Stops,
    TimerFires,
)
from lathe.machine.snapshot import Entity, Invocation, MemoryWorld, Scalar, Value
from lathe.testing._dice import Dice
from lathe.testing._expressions import NULLABLE, TEXTS

PEOPLE = ("p1", "p2", "boss")
MOST_ENTITIES = 3
"""Of each blueprint; more are made by creations that are delivered alone."""

Make = Callable[[], Event]


def random_value(d: Dice, kind: Type, world: MemoryWorld, *, may_be_unset: bool = False) -> Value:
    """A value of a type; a ref names an entity of the world, or is unset where there is none."""
    if may_be_unset and d.chance(25):
        return None
    match kind.kind:
        case "bool":
            return d.pick((False, True))
        case "int":
            assert kind.low is not None and kind.high is not None, "a declared int has a range"
            return d.number(kind.low, kind.high)
        case "enum" | "state":
            return d.pick(kind.members)
        case "text":
            fitting = [t for t in ("k", *TEXTS) if kind.maximum is None or len(t) <= kind.maximum]
            return d.pick(fitting)
        case "id":
            return d.pick(PEOPLE)
        case "time":
            return d.number(0, 9) * 1_000
        case "ref":
            return d.pick((*world.population(kind.blueprint or ""), None)) if world.entities else None
        case "set":
            return _random_set(d, kind, world)
        case _:
            return "null"


def _random_set(d: Dice, kind: Type, world: MemoryWorld) -> Value:
    assert kind.element is not None, "a set has an element type"
    found: set[Scalar] = set()
    for _ in range(d.number(0, min(kind.maximum or 2, 2))):
        member = random_value(d, kind.element, world)
        if member is not None and not isinstance(member, frozenset):
            found.add(member)
    return frozenset(found)


def random_world(d: Dice, app: App) -> MemoryWorld:
    """Entities with any values that fit, in any states; nothing is in flight. It need not be reachable."""
    names = {f"{b}#{i + 1}": b for b in app.blueprints for i in range(d.number(0, 2))}
    empty = {name: Entity(name, b, app.blueprints[b].initial, {}) for name, b in names.items()}
    world = MemoryWorld(empty)
    filled = {name: _random_entity(d, app.blueprints[b], name, world) for name, b in names.items()}
    ghosts = {
        g.name: random_value(d, g.type, world, may_be_unset=_unsettable(g.type)) for g in app.ghosts.values()
    }
    return MemoryWorld(filled, ghosts)


def _unsettable(kind: Type) -> bool:
    return kind.kind in (*NULLABLE, "json")


def _random_entity(d: Dice, blueprint: Blueprint, name: str, world: MemoryWorld) -> Entity:
    def values(held: Mapping[str, Type]) -> dict[str, Value]:
        return {n: random_value(d, t, world, may_be_unset=_unsettable(t)) for n, t in held.items()}

    return Entity(
        name,
        blueprint.name,
        d.pick(tuple(blueprint.states)),
        values({f.name: f.type for f in blueprint.fields.values()}),
        values({g.name: g.type for g in blueprint.ghosts.values()}),
    )


def random_arguments(d: Dice, action: Action, world: MemoryWorld) -> dict[str, Value]:
    """What a caller may give: mostly all that is needed, and fitting."""
    found: dict[str, Value] = {}
    for argument in action.arguments.values():
        is_needed = not (argument.optional or argument.has_default)
        if is_needed or d.chance(60):
            found[argument.name] = random_value(d, argument.type, world)
    if d.chance(3):
        found["stray"] = 1
    if found and d.chance(3):
        found[d.pick(sorted(found))] = d.pick((None, 99, "nonsense", frozenset({"q"})))
    return found


def random_event(d: Dice, app: App, world: MemoryWorld, now: int) -> Event:
    """One thing that may happen next, at the moment `now`."""
    options: list[tuple[int, Make]] = []
    for blueprint in app.blueprints.values():
        count = len(world.population(blueprint.name))
        if count < MOST_ENTITIES:
            options.append((6 if count == 0 else 2, _creating(d, blueprint, world, now)))
    for name in sorted(world.entities):
        options += _happening(d, app, world, world.entities[name], now)
    if d.chance(2) or not options:
        return Starts("Nobody#1", now)
    return d.weighed(options)()


def _creating(d: Dice, blueprint: Blueprint, world: MemoryWorld, now: int) -> Make:
    def make() -> Event:
        action = blueprint.actions["create"]
        name = new_name(blueprint.name, world, 0)
        return Create(blueprint.name, name, random_arguments(d, action, world), _caller(d, action), now)

    return make


def new_name(blueprint: str, world: MemoryWorld, further: int) -> str:
    """A name that nobody has."""
    return f"{blueprint}#{len(world.entities) + 1 + further}"


def _caller(d: Dice, action: Action) -> Caller:
    """Somebody whom the action admits, most of the time."""
    kinds = [p for p in action.admits if p.kind in ("role", "any", "inbound")]
    principal = d.pick(kinds) if kinds and d.chance(95) else None
    if principal is not None and principal.kind == "inbound":
        return Caller("inbound", principal.name)
    roles = frozenset((principal.name,)) if principal is not None and principal.name else frozenset()
    return Caller("role", None, roles, d.pick(PEOPLE))


def _happening(d: Dice, app: App, world: MemoryWorld, entity: Entity, now: int) -> Iterator[tuple[int, Make]]:
    blueprint = app.blueprints[entity.blueprint]
    possible = [a for a in blueprint.actions.values() if entity.state in a.from_states]
    others = [a for a in blueprint.actions.values() if a.name != "create"]
    if others:
        yield 6, lambda: _acting(d, world, entity, d.pick(possible if possible else others), now)
        yield 1, lambda: _acting(d, world, entity, d.pick(others), now)
    if blueprint.states[entity.state].then is not None:
        yield 3, lambda: TimerFires(entity.id, None, now)
    for deadline in blueprint.timers.values():
        yield 2, lambda at=deadline.name: TimerFires(entity.id, at, now)  # type: ignore[misc]
    if entity.active is not None:
        yield from _running(d, blueprint, entity, entity.active, world, now)
    if entity.head is not None:
        count = len(entity.head.deliveries)
        yield 5, lambda: Starts(entity.id, now)
        yield 5, lambda: Delivers(entity.id, now, _names(app, entity, entity.head, world, count))
    for phase in ("late", "notice"):
        for over in (i for i in entity.invocations if i.phase == phase):
            yield 3, _pending(d, app, entity, over, world, now)


def _acting(d: Dice, world: MemoryWorld, entity: Entity, action: Action, now: int) -> Event:
    by = _caller(d, action)
    active = entity.active
    if active is not None and d.chance(30):
        by = Caller("effect", active.effect)
    visit = entity.visit if d.chance(95) else entity.visit - 1
    return Act(entity.id, action.name, random_arguments(d, action, world), by, now, visit)


def _running(
    d: Dice, blueprint: Blueprint, entity: Entity, active: Invocation, world: MemoryWorld, now: int
) -> Iterator[tuple[int, Make]]:
    effect = blueprint.effects[active.effect]
    yield 5, lambda: Executes(entity.id, now)
    yield 3, lambda: Stops(entity.id, now)

    def well() -> Event:
        ok = blueprint.actions[effect.ok] if effect.ok is not None else None
        given = random_arguments(d, ok, world) if ok is not None else {}
        return Ends(entity.id, True, now, given)

    yield 4, well
    yield 3, lambda: Ends(entity.id, False, now, {}, cast(Cause, d.pick(BAD_CAUSES)), d.pick(("", "x")))


def _pending(d: Dice, app: App, entity: Entity, over: Invocation, world: MemoryWorld, now: int) -> Make:
    if over.phase == "late":
        return lambda: LateExecution(entity.id, over.effect, now)
    names = _names(app, entity, over, world, len(over.deliveries))
    return lambda: Notifies(entity.id, over.effect, now, names, d.chance(30))


def _names(
    app: App, entity: Entity, invocation: Invocation | None, world: MemoryWorld, count: int
) -> tuple[str, ...]:
    """Names for what a delivery may create."""
    if invocation is None:
        return ()
    target = app.blueprints[entity.blueprint].effects[invocation.effect].target
    return tuple(new_name(target.blueprint, world, i) for i in range(count)) if target is not None else ()
