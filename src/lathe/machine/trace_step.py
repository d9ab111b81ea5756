"""A step as an entry of a trace: who did what to which entity, and what changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from lathe.lang.model import Argument, Field, Ghost, Json
from lathe.lang.types import Type
from lathe.machine.event import (
    Act,
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
from lathe.machine.outcome import Part, Refusal, Step
from lathe.machine.snapshot import Entity, Value, Values, World
from lathe.machine.table import Table
from lathe.machine.trace import HIDDEN, EventKind, TracePart, TraceStep

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_EVENTS: dict[type, EventKind] = {
    Create: "create",
    Act: "act",
    TimerFires: "timer",
    Starts: "start",
    Executes: "execute",
    Ends: "end",
    Stops: "stop",
    LateExecution: "late",
    Notifies: "notify",
    Delivers: "deliver",
}


def told(table: Table, world: World, event: Event, outcome: Step | Refusal) -> TraceStep:
    """The trace step of an event that met `world`, and of what came of it."""
    entity = event.id if isinstance(event, Create) else event.entity
    effect = _effect(world, event, entity)
    parts: tuple[TracePart, ...] = ()
    ghosts: dict[str, tuple[Json, Json]] = {}
    if isinstance(outcome, Step):
        shares = sorted(outcome.parts, key=lambda p: p.entity != entity)
        parts = tuple(_part(table, outcome, p) for p in shares)
        parts += tuple(_witness(table, outcome, world, name) for name in _silent(outcome, world, shares))
        ghosts = _changed(table, world.ghosts, outcome.ghosts)
    if not parts or parts[0].entity != entity:
        parts = (_bystander(table, world, event, entity), *parts)
    given: Mapping[str, Value] = event.results if isinstance(event, Ends) else {}
    if isinstance(event, Ends) and not event.ok and event.message:
        given = {"message": event.message}
    return TraceStep(
        event=_EVENTS[type(event)],
        parts=parts,
        by=_by(event, effect),
        actor=event.by.actor if isinstance(event, (Act, Create)) else None,
        effect=effect,
        timer=event.deadline if isinstance(event, TimerFires) else None,
        ok=event.ok if isinstance(event, Ends) else None,
        cause=event.cause if isinstance(event, Ends) and not event.ok else None,
        results=_disclosed(_results(table, world, entity, effect), given),
        world=ghosts,
        refused=str(outcome) if isinstance(outcome, Refusal) else None,
    )


def _by(event: Event, effect: str | None) -> str:
    match event:
        case Create() | Act():
            return str(event.by) if event.by.roles or event.by.kind != "role" else "any"
        case TimerFires():
            return "timer"
        case _:
            return f"effect:{effect}"


def _effect(world: World, event: Event, entity_id: str) -> str | None:
    """Which effect an event is about, where it does not say so itself."""
    if isinstance(event, (LateExecution, Notifies)):
        return event.effect
    entity = world.get(entity_id)
    if entity is None:
        return None
    if isinstance(event, (Starts, Delivers)):
        return entity.head.effect if entity.head else None
    if isinstance(event, (Executes, Ends, Stops)):
        return entity.active.effect if entity.active else None
    return event.by.name if isinstance(event, Act) and event.by.kind == "effect" else None


def _part(table: Table, step: Step, part: Part) -> TracePart:
    after = step.written[part.entity]
    given = {name: value for name, value in part.args.items() if value is not None}
    args = _disclosed(_arguments(table, part.blueprint, part.action), given)
    return TracePart(part.entity, part.action, str(part.by), args, changes(table, part.before, after))


def _arguments(table: Table, blueprint: str, action: str | None) -> Mapping[str, Argument]:
    rule = table.blueprints[blueprint].rules.get(action or "")
    return {} if rule is None else rule.action.arguments


def _results(table: Table, world: World, entity: str, effect: str | None) -> dict[str, Argument]:
    """The arguments that take the results of an effect, by name."""
    found = world.get(entity)
    if found is None or effect is None:
        return {}
    ends = table.blueprints[found.blueprint].blueprint.effects[effect]
    both = (_arguments(table, found.blueprint, action) for action in (ends.error, ends.ok))
    return {name: argument for arguments in both for name, argument in arguments.items()}


def _silent(step: Step, world: World, shares: list[Part]) -> list[str]:
    """Entities that took no action but whose ghosts changed."""
    acted = {p.entity for p in shares}
    return sorted(
        name
        for name, after in step.written.items()
        if name not in acted and (before := world.get(name)) is not None and before.ghosts != after.ghosts
    )


def _witness(table: Table, step: Step, world: World, name: str) -> TracePart:
    return TracePart(name, None, "", {}, changes(table, world.get(name), step.written[name]))


def _bystander(table: Table, world: World, event: Event, entity: str) -> TracePart:
    """The entity of an event that changed nothing that shows."""
    action = event.action if isinstance(event, Act) else "create" if isinstance(event, Create) else None
    if isinstance(event, TimerFires):
        action = _timer_action(table, world, event)
    args: dict[str, Json] = {}
    if isinstance(event, (Act, Create)):
        found = world.get(entity)
        blueprint = event.blueprint if isinstance(event, Create) else found.blueprint if found else None
        args = _disclosed(_arguments(table, blueprint, action) if blueprint else {}, event.args)
    return TracePart(entity, action, "", args)


def _timer_action(table: Table, world: World, event: TimerFires) -> str | None:
    found = world.get(event.entity)
    if found is None:
        return None
    blueprint = table.blueprints[found.blueprint].blueprint
    return (
        blueprint.states[found.state].then
        if event.deadline is None
        else blueprint.timers[event.deadline].then
    )


def changes(table: Table, before: Entity | None, after: Entity) -> dict[str, tuple[Json, Json]]:
    """State, fields and ghosts that differ; of a new entity, everything that is set."""
    blueprint = table.blueprints[after.blueprint].blueprint
    holders: dict[str, Field | Ghost] = {**blueprint.fields, **blueprint.ghosts}
    found: dict[str, tuple[Json, Json]] = {}
    if before is None or before.state != after.state:
        found["state"] = (before.state if before else None, after.state)
    old = {**before.fields, **before.ghosts} if before else {}
    for name, value in {**after.fields, **after.ghosts}.items():
        was = old.get(name)
        if (before is None and value is not None and value != frozenset()) or (before and was != value):
            found[name] = (disclosed(holders[name], was), disclosed(holders[name], value))
    return found


def _changed(table: Table, before: Values, after: Values) -> dict[str, tuple[Json, Json]]:
    """What changed of the ghosts of the app."""
    holders = table.app.ghosts
    return {
        n: (disclosed(holders[n], before[n]), disclosed(holders[n], v))
        for n, v in after.items()
        if before[n] != v
    }


def _disclosed(holders: Mapping[str, Argument], values: Values) -> dict[str, Json]:
    return {name: disclosed(holders.get(name), value) for name, value in values.items()}


def disclosed(holder: Field | Argument | Ghost | None, value: Value) -> Json:
    """A value as a trace tells it: in the form of its type, but hidden if it is secret."""
    if value is not None and isinstance(holder, (Field, Argument)) and holder.secret:
        return HIDDEN
    return shown(holder.type if holder else None, value)


def shown(kind: Type | None, value: Value) -> Json:
    """A machine value as JSON: sets as sorted lists, times as RFC 3339 text where the calendar goes."""
    if kind is not None and kind.kind == "time" and isinstance(value, int):
        try:
            return (_EPOCH + timedelta(milliseconds=value)).isoformat().replace("+00:00", "Z")
        except OverflowError:
            return plain(value)
    return plain(value)


def plain(value: Value) -> Json:
    """A machine value as JSON, whatever its type: sets become sorted lists."""
    if isinstance(value, frozenset):
        return sorted(value, key=str)
    return value
