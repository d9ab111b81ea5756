"""Every event that the model has in a world, listed without the checker: what the packed search is held to.

The scope's domains say which values, principals and names there are; what may happen is read from the
app itself. Most of it is refused; the machine says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, count, product

from lathe.check.composed.domain import A_TIME
from lathe.check.composed.encode import code_of
from lathe.check.composed.layout import Layout, Slot, changes_world
from lathe.lang.adapters import BAD_CAUSES
from lathe.lang.model import Action, Blueprint, Effect
from lathe.lang.types import Type
from lathe.machine.event import (
    Act,
    Caller,
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

Key = tuple[str, ...]
"""What an event is about: its kind, slot, action or effect, and who acts."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that may happen: events to take one after another, in `world`.

    `names` says which slot each entity is in, new ones included.
    """

    key: Key
    events: tuple[Event, ...]
    world: MemoryWorld
    names: Mapping[str, Slot]


@dataclass(slots=True)
class Place:
    """A world at a scope: who is in which slot, and what the principals hold."""

    layout: Layout
    world: MemoryWorld
    names: Mapping[str, Slot]
    roles: int
    now: int
    turn: Iterator[int]

    @property
    def free(self) -> dict[str, list[Slot]]:
        """The empty slots of each blueprint, first to last."""
        taken = {s.name for s in self.names.values()}
        found: dict[str, list[Slot]] = {name: [] for name in self.layout.app.blueprints}
        for slot in self.layout.slots:
            if slot.name not in taken:
                found[slot.blueprint.name].append(slot)
        return found

    def fresh(self, slots: list[Slot]) -> dict[str, Slot]:
        """Names for new entities in these slots: their slots' names, unless those are taken."""
        found: dict[str, Slot] = {}
        for slot in slots:
            candidates = (slot.name, *(f"{slot.blueprint.name}#{n}" for n in range(50, 60)))
            name = next(n for n in candidates if n not in self.world.entities and n not in found)
            found[name] = slot
        return found


def happenings(
    layout: Layout, world: MemoryWorld, names: Mapping[str, Slot], roles: int
) -> Iterator[Happening]:
    """Everything that may happen."""
    now = 1_000_000_000
    place = Place(layout, world, names, roles, now, count())
    for blueprint in layout.app.blueprints.values():
        yield from _creations(place, blueprint)
    for name in sorted(world.entities):
        entity = world.entities[name]
        blueprint = layout.app.blueprints[entity.blueprint]
        yield from _outside(place, entity, blueprint)
        yield from _timers(place, entity, blueprint)
        yield from _active(place, entity, blueprint)
        yield from _waiting(place, entity, blueprint)
        yield from _notices(place, entity, blueprint)


def _happening(place: Place, entity: Entity, key: Key, *events: Event) -> Happening:
    return Happening((place.names[entity.id].name, *key), events, place.world, place.names)


def _callers(place: Place, blueprint: Blueprint, action: Action) -> Iterator[tuple[Caller, list[str]]]:
    """Outsiders, with the arguments that they may give."""
    names = list(action.arguments)
    if place.layout.app.policies or any(p.kind in ("role", "any") for p in action.admits):
        for index, principal in enumerate(place.layout.domains.principals):
            for held in _holdings(place.layout, place.roles, index):
                yield Caller("role", None, held, principal), names
    for inbound in blueprint.inbound.values():
        if inbound.action == action.name:
            yield Caller("inbound", inbound.name), list(inbound.args)


def _holdings(layout: Layout, roles: int, index: int) -> list[frozenset[str]]:
    """The sets of roles that a principal may hold; with policies, it may act in a part of them."""
    held = list(layout.role_sets)
    if layout.roles:
        held = [layout.role_sets[layout.roles[index].read(roles)]]
    if not layout.app.policies:
        return held
    parts = (combinations(sorted(every), n) for every in held for n in range(len(every) + 1))
    return list(dict.fromkeys(frozenset(part) for some in parts for part in some))


def _creations(place: Place, blueprint: Blueprint) -> Iterator[Happening]:
    action = blueprint.actions["create"]
    free = place.free[blueprint.name]
    if not free:
        return
    new = place.fresh(free[:1])
    name = next(iter(new))
    for caller, given in _callers(place, blueprint, action):
        for args in _arguments(place, action, given):
            event = Create(blueprint.name, name, args, caller, place.now)
            yield Happening(
                (free[0].name, "create", _by(caller)), (event,), place.world, {**place.names, **new}
            )


def _by(caller: Caller) -> str:
    return caller.kind if caller.kind == "role" else f"{caller.kind}:{caller.name}"


def _outside(place: Place, entity: Entity, blueprint: Blueprint) -> Iterator[Happening]:
    for action in blueprint.actions.values():
        if entity.state not in action.from_states:
            continue
        for caller, given in _callers(place, blueprint, action):
            for args in _arguments(place, action, given):
                event = Act(entity.id, action.name, args, caller, place.now, entity.visit)
                yield _happening(place, entity, ("act", action.name, _by(caller)), event)


def _timers(place: Place, entity: Entity, blueprint: Blueprint) -> Iterator[Happening]:
    if blueprint.states[entity.state].then is not None:
        yield _happening(place, entity, ("timer", ""), TimerFires(entity.id, None, place.now))
    for deadline in blueprint.timers.values():
        yield _happening(
            place, entity, ("timer", deadline.name), TimerFires(entity.id, deadline.name, place.now)
        )


def _active(place: Place, entity: Entity, blueprint: Blueprint) -> Iterator[Happening]:
    """What the started or stopping invocation may do."""
    active = entity.active
    if active is None:
        return
    effect = blueprint.effects[active.effect]
    name = effect.name
    counted = changes_world(effect, blueprint.name, place.layout.explored)
    if counted and not (effect.idempotent and active.executed):
        yield _happening(place, entity, ("execute", name), Executes(entity.id, place.now))
    yield _happening(place, entity, ("stop", name), Stops(entity.id, place.now))
    for action in blueprint.actions.values():
        if action.name in (effect.ok, effect.error) or entity.state not in action.from_states:
            continue
        if place.layout.app.policies or any(p.kind == "effect" and p.name == name for p in action.by):
            for args in _arguments(place, action, list(action.arguments)):
                event = Act(entity.id, action.name, args, Caller("effect", name), place.now)
                yield _happening(place, entity, ("act", action.name, f"effect:{name}"), event)
    yield from _ends(place, entity, blueprint, effect, active, is_counted=counted)


def _ends(
    place: Place,
    entity: Entity,
    blueprint: Blueprint,
    effect: Effect,
    active: Invocation,
    *,
    is_counted: bool,
) -> Iterator[Happening]:
    first: tuple[Event, ...] = ()
    if effect.world and not active.executed and not is_counted and active.phase == "started":
        first = (Executes(entity.id, place.now),)
    results: Iterator[dict[str, Value]] = iter([{}])
    if effect.ok is not None:
        action = blueprint.actions[effect.ok]
        results = _arguments(place, action, [n for n in action.arguments if n in effect.takes])
    for found in results:
        end = Ends(entity.id, True, place.now, found)
        yield _happening(place, entity, ("end", effect.name, "well"), *first, end)
    for cause, message in product(BAD_CAUSES, _messages(place, blueprint, effect)):
        bad = Ends(entity.id, False, place.now, {}, cause, message)  # type: ignore[arg-type]
        yield _happening(place, entity, ("end", effect.name, "badly"), bad)


def _messages(place: Place, blueprint: Blueprint, effect: Effect) -> list[str]:
    taken = blueprint.actions[effect.error].arguments.get("message") if effect.error else None
    if taken is None:
        return [""]
    return [str(v) for v in _candidates(place, taken.type, None) if v is not None]


def _waiting(place: Place, entity: Entity, blueprint: Blueprint) -> Iterator[Happening]:
    head = entity.head
    if head is None:
        return
    effect = blueprint.effects[head.effect]
    if effect.target is None:
        yield _happening(place, entity, ("start", effect.name), Starts(entity.id, place.now))
        return
    new = _made(place, blueprint, effect, head)
    if new is not None:
        event = Delivers(entity.id, place.now, tuple(new))
        key = (place.names[entity.id].name, "deliver", effect.name)
        yield Happening(key, (event,), place.world, {**place.names, **new})


def _made(
    place: Place, blueprint: Blueprint, effect: Effect, invocation: Invocation
) -> dict[str, Slot] | None:
    """The new entities of a delivery, in the order of its targets; None if there is no room for them."""
    target = effect.target
    assert target is not None, "only calls and creations are delivered"
    if target.action != "create":
        return {}
    free = place.free[target.blueprint]
    wanted = len(invocation.deliveries)
    if wanted > len(free):
        return None
    return place.fresh([free[i] for i in _rounds(place, blueprint, target.each, invocation)])


def _rounds(place: Place, blueprint: Blueprint, each: str | None, invocation: Invocation) -> list[int]:
    """For each target of a delivery, in the machine's order, which one of them the search takes it for."""
    if each is None:
        return list(range(len(invocation.deliveries)))
    kind, members = blueprint.fields[each].type, invocation.fields[each]
    assert isinstance(members, frozenset), "a set has members"
    codes = [code_of(place.layout, kind, frozenset((m,)), place.names) for m in sorted(members, key=str)]
    return [sorted(codes).index(code) for code in codes]


def _notices(place: Place, entity: Entity, blueprint: Blueprint) -> Iterator[Happening]:
    for effect in blueprint.effects.values():
        late = [i for i in entity.invocations if i.phase == "late" and i.effect == effect.name]
        if late and changes_world(effect, blueprint.name, place.layout.explored):
            event = LateExecution(entity.id, effect.name, place.now)
            yield _happening(place, entity, ("late", effect.name), event)
        pending = [i for i in entity.invocations if i.phase == "notice" and i.effect == effect.name]
        if pending and effect.name in place.names[entity.id].notices:
            yield from _notified(place, entity, blueprint, effect)


def _notified(place: Place, entity: Entity, blueprint: Blueprint, effect: Effect) -> Iterator[Happening]:
    name = place.names[entity.id].name
    if effect.target is not None:
        found = place.world.entities[entity.id]
        oldest = next(i for i in found.invocations if i.phase == "notice" and i.effect == effect.name)
        new = _made(place, blueprint, effect, oldest)
        if new is not None:
            event = Notifies(entity.id, effect.name, place.now, tuple(new))
            yield Happening((name, "notify", effect.name), (event,), place.world, {**place.names, **new})
        return
    for again in (False, True):
        event = Notifies(entity.id, effect.name, place.now, again=again)
        yield Happening((name, "notify", effect.name), (event,), place.world, place.names)


def _arguments(place: Place, action: Action, given: list[str]) -> Iterator[dict[str, Value]]:
    """Every choice of the explored ones among the arguments given; of the others, one that fits."""
    names, options = [], []
    for name in given:
        argument = action.arguments[name]
        found = _candidates(place, argument.type, argument.explore)
        if argument.optional:
            found.append(None)
        if not place.layout.is_explored("arg", _owner(place, action), name, action.name) and found:
            found = [found[next(place.turn) % len(found)]]
        names.append(name)
        options.append(found)
    for picked in product(*options):
        yield dict(zip(names, picked, strict=True))


def _owner(place: Place, action: Action) -> str:
    return next(b.name for b in place.layout.app.blueprints.values() if b.actions.get(action.name) is action)


def _candidates(place: Place, kind: Type, explore: tuple[int, int] | None) -> list[Value]:
    """The values of a type at this scope, unset apart."""
    domains = place.layout.domains
    match kind.kind:
        case "bool":
            return [False, True]
        case "int":
            assert kind.low is not None and kind.high is not None, "a declared int has a range"
            low, high = explore or (kind.low, kind.high)
            return list(range(low, high + 1))
        case "enum":
            return list(kind.members)
        case "text":
            return [t for t in domains.texts if kind.maximum is None or len(t) <= kind.maximum]
        case "id":
            return list(domains.ids)
        case "ref":
            return [*sorted(e.id for e in place.world if e.blueprint == kind.blueprint)]
        case "set":
            return [*_subsets(place, kind)]
        case "time":
            return [A_TIME]
        case _:
            return ["null"]


def _subsets(place: Place, kind: Type) -> Iterator[Value]:
    assert kind.element is not None and kind.maximum is not None, "a set has an element type"
    members: list[Scalar] = [
        m for m in _candidates(place, kind.element, None) if not isinstance(m, frozenset)
    ]
    for size in range(min(kind.maximum, len(members)) + 1):
        for chosen in combinations(members, size):
            yield frozenset(chosen)
