"""A step, told as part of a trace: who did what to whom, and what is different now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from lathe.lang.model import Argument, Json
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
from lathe.machine.snapshot import Entity, Value, World
from lathe.machine.table import Table
from lathe.machine.trace import EventKind, TracePart, TraceStep

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
        ghosts = _changed(dict(world.ghosts), dict(outcome.ghosts))
    if not parts or parts[0].entity != entity:
        parts = (_bystander(table, world, event, entity), *parts)
    given = event.results if isinstance(event, Ends) else {}
    return TraceStep(
        event=_EVENTS[type(event)],
        parts=parts,
        by=_by(event, effect),
        actor=event.by.actor if isinstance(event, (Act, Create)) else None,
        effect=effect,
        timer=event.deadline if isinstance(event, TimerFires) else None,
        ok=event.ok if isinstance(event, Ends) else None,
        cause=event.cause if isinstance(event, Ends) and not event.ok else None,
        results={name: plain(value) for name, value in given.items()},
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
    kinds = {a.name: a.type for a in _arguments(table, part).values()}
    args = {name: shown(kinds.get(name), value) for name, value in part.args.items() if value is not None}
    return TracePart(part.entity, part.action, str(part.by), args, changes(table, part.before, after))


def _arguments(table: Table, part: Part) -> Mapping[str, Argument]:
    if part.action is None:
        return {}
    return table.blueprints[part.blueprint].rules[part.action].action.arguments


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
    args = {n: plain(v) for n, v in event.args.items()} if isinstance(event, (Act, Create)) else {}
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
    kinds: dict[str, Type] = {f.name: f.type for f in blueprint.fields.values()}
    found: dict[str, tuple[Json, Json]] = {}
    if before is None or before.state != after.state:
        found["state"] = (before.state if before else None, after.state)
    old = {**before.fields, **before.ghosts} if before else {}
    for name, value in {**after.fields, **after.ghosts}.items():
        was = old.get(name)
        if (before is None and value is not None and value != frozenset()) or (before and was != value):
            found[name] = (shown(kinds.get(name), was), shown(kinds.get(name), value))
    return found


def _changed(before: Mapping[str, Value], after: Mapping[str, Value]) -> dict[str, tuple[Json, Json]]:
    return {n: (plain(before[n]), plain(v)) for n, v in after.items() if before[n] != v}


def shown(kind: Type | None, value: Value) -> Json:
    """A machine value as JSON: sets as sorted lists, times as RFC 3339 text."""
    if kind is not None and kind.kind == "time" and isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC).isoformat().replace("+00:00", "Z")
    return plain(value)


def plain(value: Value) -> Json:
    """A machine value as JSON, whatever its type: sets become sorted lists."""
    if isinstance(value, frozenset):
        return sorted(value, key=str)
    return value
