"""The first step of a trace that starts from existing entities, encoded and decoded.

It is the event `given`. What is in flight has no place in it: a trace begins where nothing is.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import cast

from lathe.frozen import frozen
from lathe.lang.model import Argument, Field, Ghost, Json
from lathe.machine.snapshot import Entity, MemoryWorld, Scalar, Value
from lathe.machine.table import Table
from lathe.machine.trace import TracePart, TraceStep
from lathe.machine.trace_step import disclosed

Holder = Field | Argument | Ghost


@frozen
class Beginning:
    """Entities as they were, and the ghosts of the app that were told."""

    entities: dict[str, Entity]
    ghosts: dict[str, Value]


def is_quiet(entity: Entity) -> bool:
    """Whether nothing of an entity is in flight: what may still happen late is nobody's."""
    return all(invocation.phase == "late" for invocation in entity.invocations)


def told_beginning(table: Table, world: MemoryWorld, names: Collection[str], *, by: str) -> TraceStep:
    """The event `given` of some entities of a world. What is as in every new entity is left out."""
    assert all(is_quiet(world.entities[name]) for name in names), "nothing is in flight"
    parts = tuple(TracePart(name, None, "", {}, _told(table, world.entities[name])) for name in sorted(names))
    holders = table.app.ghosts
    ghosts = {
        name: (None, disclosed(holders[name], value))
        for name, value in world.ghosts.items()
        if value != table.ghosts[name]
    }
    return TraceStep("given", parts or (TracePart(table.app.name, None, ""),), by, world=ghosts)


def _told(table: Table, entity: Entity) -> dict[str, tuple[Json, Json]]:
    rules = table.blueprints[entity.blueprint]
    holders: dict[str, Field | Ghost] = {**rules.blueprint.fields, **rules.blueprint.ghosts}
    fresh = {**rules.fields, **rules.ghosts}
    told: dict[str, tuple[Json, Json]] = {"state": (None, entity.state)}
    for name, value in {**entity.fields, **entity.ghosts}.items():
        if value != fresh[name] or value not in (None, frozenset()):
            told[name] = (None, disclosed(holders[name], value))
    return told


def beginning(table: Table, step: TraceStep) -> Beginning:
    """What a `given` says. Raises LookupError for what the app has not, ValueError for a time that is
    none.
    """
    entities = {part.entity: _entity(table, part) for part in step.parts if part.changes}
    ghosts = {name: value_of(table.app.ghosts[name], after) for name, (_, after) in step.world.items()}
    return Beginning(entities, ghosts)


def _entity(table: Table, part: TracePart) -> Entity:
    rules = table.blueprints[part.entity.partition("#")[0]]
    fields, ghosts = dict(rules.fields), dict(rules.ghosts)
    state = rules.blueprint.initial
    for name, (_, after) in part.changes.items():
        if name == "state":
            state = rules.blueprint.states[str(after)].name
        elif name in ghosts:
            ghosts[name] = value_of(rules.blueprint.ghosts[name], after)
        else:
            fields[name] = value_of(rules.blueprint.fields[name], after)
    return Entity(part.entity, rules.blueprint.name, state, fields, ghosts)


def value_of(holder: Holder | None, value: Json) -> Value:
    """A machine value from its JSON: lists are sets, RFC 3339 text is a time where one is meant."""
    if isinstance(value, list):
        return frozenset(cast(list[Scalar], value))
    if holder is not None and holder.type.kind == "time" and isinstance(value, str):
        return milliseconds(value)
    assert value is None or isinstance(value, (bool, int, str)), "values are plain"
    return value


def milliseconds(text: str) -> int:
    """A moment from RFC 3339 text, in milliseconds. Raises ValueError."""
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
