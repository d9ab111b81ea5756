"""Continuing a run by hand: the possible next events, and the result of the chosen one.

Nothing here is a second semantics: every choice is an event that is tried by `machine.step`, in the world
that the run so far leads to, and thrown away again. What is offered is bounded: of each argument a few values
are tried, and of all choices so many combinations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product

from lathe.frozen import frozen, mutable
from lathe.lang.model import Action, App, Argument, Blueprint, Json, Principal
from lathe.lang.types import Type
from lathe.machine.outcome import Refusal, Step
from lathe.machine.properties import Broken, broken
from lathe.machine.replay import event_of
from lathe.machine.snapshot import Entity, Invocation, MemoryWorld
from lathe.machine.step import Permit, step
from lathe.machine.table import Table
from lathe.machine.trace import EventKind, TracePart, TraceStep
from lathe.machine.trace_step import told

TRIES_LIMIT = 20_000
"""Events that are tried to tell what may happen next."""
TRIES_EACH = 64
"""Of one action by one principal: combinations of actors and arguments."""
SAMPLES_LIMIT = 6
"""Values that are tried of one argument."""
ACTORS = ("p1", "p2", "p3")
"""Who acts, besides those whom the run names already."""
CAUSES = ("timeout", "unreachable", "refused", "invalid", "crashed", "cancelled")
A_TIME = "2030-01-01T00:00:00Z"
"""A time that is tried, where an argument is one."""

Candidates = Mapping[str, tuple[Json, ...]]


@frozen
class Need:
    """An argument, or a result, that whoever chooses gives: its type, and values that fit."""

    name: str
    type: Type
    is_optional: bool
    samples: tuple[Json, ...]


@frozen
class Choice:
    """Something that may happen next, as a step that was tried: refused, or with all that it changes.

    `needs` can be given otherwise than they were tried. `breaks` are the properties that it would break.
    """

    tried: TraceStep
    needs: tuple[Need, ...]
    breaks: tuple[str, ...]

    @property
    def is_possible(self) -> bool:
        """Whether it was taken, with the arguments that were tried."""
        return self.tried.refused is None


@mutable
class _Trying:
    """The world in which everything is tried, and how many tries are left."""

    table: Table
    world: MemoryWorld
    permit: Permit
    now: int
    held: Mapping[str, frozenset[str]]
    actors: tuple[str, ...]
    left: int = TRIES_LIMIT

    def first(self, steps: Iterator[TraceStep]) -> tuple[TraceStep, tuple[str, ...]] | None:
        """The first step that is not refused; the first of all, if all are. None if there is none."""
        refused: TraceStep | None = None
        for one in islice(steps, TRIES_EACH):
            if self.left <= 0:
                break
            self.left -= 1
            found, breaks = self.taken(one)
            if found.refused is None:
                return found, breaks
            refused = refused or found
        return None if refused is None else (refused, ())

    def taken(self, one: TraceStep) -> tuple[TraceStep, tuple[str, ...]]:
        """A step as it goes, and the properties that it would break."""
        event = event_of(self.table.app, self.world, one, self.now)
        outcome = step(self.table, self.world, event, permit=self.permit)
        found = told(self.table, self.world, event, outcome)
        if isinstance(outcome, Refusal):
            return found, ()
        return found, tuple(sorted({b.prop.name for b in self._broken(outcome)}))

    def _broken(self, outcome: Step) -> Iterator[Broken]:
        after = self.world.after(outcome.written, outcome.ghosts)
        return broken(self.table, self.world, outcome, after)


def choices(
    table: Table, world: MemoryWorld, permit: Permit, *, now: int, held: Mapping[str, frozenset[str]]
) -> list[Choice]:
    """What may happen next in a world, and which actions somebody might try and may not now.

    `held` are whoever acted before, with the roles that they acted in (`held_roles`). First what befalls
    each entity, in the order of their names, then what can be created.
    """
    trying = _Trying(table, world, permit, now, held, tuple(dict.fromkeys((*held, *ACTORS))))
    found: list[Choice] = []
    for entity in sorted(world, key=lambda e: _in_order(e.id)):
        found += _acts(trying, entity)
        found += _timers(trying, entity)
        found += _effects(trying, entity)
    for blueprint in table.app.blueprints.values():
        action = blueprint.actions.get("create")
        if action is not None:
            found += _by_everybody(trying, "create", blueprint, action, new_name(world, blueprint.name))
    return found


def held_roles(steps: Iterable[TraceStep]) -> dict[str, frozenset[str]]:
    """Whoever acts in a run, with every role that they act in."""
    found: dict[str, frozenset[str]] = {}
    for one in steps:
        if one.actor is not None:
            found[one.actor] = found.get(one.actor, frozenset()) | roles_of(one)
    return found


def roles_of(one: TraceStep) -> frozenset[str]:
    """The roles in which somebody takes a step."""
    kind, _, names = one.by.partition(":")
    return frozenset(names.split("+")) if kind == "role" else frozenset()


def exclusion(app: App, held: frozenset[str]) -> tuple[str, ...]:
    """Roles among these that nobody may hold together; none if these may be held."""
    groups = (tuple(role for role in group if role in held) for group in app.exclusive)
    return next((found for found in groups if len(found) > 1), ())


def new_name(world: MemoryWorld, blueprint: str, skip: int = 0) -> str:
    """A name that no entity of a blueprint has: its number is the next, or one further on."""
    numbers = [_in_order(name)[1] for name in world.population(blueprint)]
    return f"{blueprint}#{max(numbers, default=0) + 1 + skip}"


def _in_order(name: str) -> tuple[str, int]:
    blueprint, _, number = name.partition("#")
    return blueprint, int(number) if number.isdecimal() else 0


def _acts(trying: _Trying, entity: Entity) -> Iterator[Choice]:
    """What outsiders and effects in progress may do to an entity."""
    blueprint = trying.table.app.blueprints[entity.blueprint]
    for action in blueprint.actions.values():
        if action.name != "create" and entity.state in action.from_states:
            yield from _by_everybody(trying, "act", blueprint, action, entity.id)


def _by_everybody(
    trying: _Trying, event: EventKind, blueprint: Blueprint, action: Action, entity: str
) -> Iterator[Choice]:
    active = found.active if (found := trying.world.get(entity)) is not None else None
    for principal in action.admits:
        if principal.kind not in ("role", "any", "inbound", "effect"):
            continue
        effect = blueprint.effects.get(principal.name or "") if principal.kind == "effect" else None
        is_end = effect is not None and action.name in (effect.ok, effect.error)
        if principal.kind == "effect" and (is_end or active is None or active.effect != principal.name):
            continue
        needs = tuple(_need(trying, argument) for argument in action.arguments.values())
        steps = _ways(trying, event, entity, action.name, principal, needs)
        yield from _choice(trying, steps, needs, is_shown=principal.kind != "effect")


def _ways(
    trying: _Trying, event: EventKind, entity: str, action: str, principal: Principal, needs: Sequence[Need]
) -> Iterator[TraceStep]:
    """The action by the principal: each actor with each combination of arguments."""
    by = "any" if principal.kind == "any" else str(principal)
    for args in _combinations(needs):
        for actor in _actors(trying, principal):
            yield TraceStep(event, (TracePart(entity, action, by, args),), by, actor)


def _actors(trying: _Trying, principal: Principal) -> tuple[str | None, ...]:
    """Who may be such a principal, with the roles that they were seen to hold; nobody, where it is none."""
    if principal.kind not in ("role", "any"):
        return (None,)
    role = frozenset((principal.name,)) if principal.name is not None else frozenset[str]()
    held = trying.held
    return tuple(
        actor
        for actor in trying.actors
        if not exclusion(trying.table.app, held.get(actor, frozenset()) | role)
    )


def _timers(trying: _Trying, entity: Entity) -> Iterator[Choice]:
    blueprint = trying.table.app.blueprints[entity.blueprint]
    state = blueprint.states[entity.state]
    armed: list[tuple[str | None, str]] = [(None, state.then)] if state.then is not None else []
    armed += [(timer.name, timer.then) for timer in blueprint.timers.values()]
    for name, action in armed:
        one = TraceStep("timer", (TracePart(entity.id, action, "timer"),), "timer", timer=name)
        yield from _choice(trying, iter((one,)), ())


def _effects(trying: _Trying, entity: Entity) -> Iterator[Choice]:
    """How the effects of an entity may go on."""
    head, active = entity.head, entity.active
    if head is not None:
        yield from _choice(trying, iter((_of_effect("start", entity, head),)), ())
        yield from _choice(trying, iter((_delivery(trying, "deliver", entity, head),)), ())
    if active is not None:
        if not active.executed:
            yield from _choice(trying, iter((_of_effect("execute", entity, active),)), ())
        yield from _ends(trying, entity, active)
        yield from _choice(trying, iter((_of_effect("stop", entity, active),)), ())
    told_already = set[tuple[str, str]]()
    for one in entity.invocations:
        if one.phase in ("late", "notice") and (one.phase, one.effect) not in told_already:
            told_already.add((one.phase, one.effect))
            kind: EventKind = "late" if one.phase == "late" else "notify"
            yield from _choice(trying, iter((_delivery(trying, kind, entity, one),)), ())


def _ends(trying: _Trying, entity: Entity, active: Invocation) -> Iterator[Choice]:
    blueprint = trying.table.app.blueprints[entity.blueprint]
    effect = blueprint.effects[active.effect]
    taken = blueprint.actions[effect.ok].arguments if effect.ok is not None else {}
    needs = tuple(_need(trying, argument) for name, argument in taken.items() if name in effect.takes)
    well = _of_effect("end", entity, active)
    ways = (replace(well, ok=True, results=results) for results in _combinations(needs))
    yield from _choice(trying, ways, needs)
    cause = Need("cause", Type("enum", members=CAUSES), False, CAUSES)
    bad = (replace(well, ok=False, cause=cause) for cause in CAUSES)
    yield from _choice(trying, bad, (cause,))


def _of_effect(event: EventKind, entity: Entity, invocation: Invocation) -> TraceStep:
    part = TracePart(entity.id, None, "")
    return TraceStep(event, (part,), f"effect:{invocation.effect}", effect=invocation.effect)


def _delivery(trying: _Trying, event: EventKind, entity: Entity, invocation: Invocation) -> TraceStep:
    """A delivery, with names for what it creates."""
    one = _of_effect(event, entity, invocation)
    target = trying.table.app.blueprints[entity.blueprint].effects[invocation.effect].target
    if target is None or target.action != "create":
        return one
    names = (new_name(trying.world, target.blueprint, n) for n in range(len(invocation.deliveries)))
    return replace(one, parts=(*one.parts, *(TracePart(name, "create", "") for name in names)))


def _choice(
    trying: _Trying, steps: Iterator[TraceStep], needs: tuple[Need, ...], *, is_shown: bool = False
) -> Iterator[Choice]:
    """What comes of it; what is not possible only if `is_shown`."""
    found = trying.first(steps)
    if found is not None and (is_shown or found[0].refused is None):
        yield Choice(found[0], needs, found[1])


def _combinations(needs: Sequence[Need]) -> Iterator[dict[str, Json]]:
    """Arguments that fit, what may be left out first left out."""
    names = [need.name for need in needs]
    values = [((_LEFT_OUT,) if need.is_optional else ()) + need.samples for need in needs]
    for picked in product(*values):
        yield {name: value for name, value in zip(names, picked, strict=True) if value is not _LEFT_OUT}


_LEFT_OUT: Json = "\0left out"


def _need(trying: _Trying, argument: Argument) -> Need:
    is_optional = argument.optional or argument.has_default
    return Need(argument.name, argument.type, is_optional, _samples(trying, argument.type))


def _samples(trying: _Trying, kind: Type) -> tuple[Json, ...]:
    """A few values of a type, the plainest first."""
    match kind.kind:
        case "bool":
            return (False, True)
        case "int":
            return _whole(kind)
        case "enum":
            return kind.members[: max(SAMPLES_LIMIT, len(kind.members))]
        case "id":
            return trying.actors[:SAMPLES_LIMIT]
        case "ref":
            return trying.world.population(kind.blueprint or "")[:SAMPLES_LIMIT]
        case "set":
            members = _samples(trying, kind.element) if kind.element is not None else ()
            return ([], *([one] for one in members[:SAMPLES_LIMIT]))
        case "time":
            return (A_TIME,)
        case "json":
            return ("null",)
        case _:
            return ("text"[: kind.maximum], "other"[: kind.maximum])


def _whole(kind: Type) -> tuple[Json, ...]:
    low, high = kind.low or 0, kind.high if kind.high is not None else 0
    wanted = (low, low + 1, low + 2, (low + high) // 2, high - 1, high)
    return tuple(dict.fromkeys(n for n in wanted if low <= n <= high))
