"""Which properties a step breaks: the same question for a replay, a simulator and a live monitor."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from lathe.frozen import evolve, frozen
from lathe.lang.model import Property
from lathe.machine.clauses import false_clauses
from lathe.machine.evaluate import Frame, entity_frame, holds
from lathe.machine.event import Executes, LateExecution, Notifies
from lathe.machine.outcome import Step
from lathe.machine.snapshot import MemoryWorld
from lathe.machine.table import Table
from lathe.machine.trace import FalseClause


@frozen
class Broken:
    """A property that is false, the entity for which it is (None: of the app), and why."""

    prop: Property
    entity: str | None
    clauses: tuple[FalseClause, ...]


def broken(
    table: Table,
    before: MemoryWorld,
    step: Step,
    after: MemoryWorld,
    *,
    only: Collection[str] | None = None,
) -> Iterator[Broken]:
    """Invariants that are false after a step, and step properties that the step itself breaks.

    The start of an invocation, its stop, and an end without an action are no steps in that sense. `only`
    names the entities to look at, for whoever knows that nothing else can have changed; the app's own
    properties are looked at all the same.
    """
    actors = _actors(table, before, step)
    looked_at = after if only is None else [after.entities[name] for name in only]
    for entity in sorted(looked_at, key=lambda e: e.id):
        old = before.get(entity.id)
        took_part = entity.id in actors and old is not None
        for prop in table.blueprints[entity.blueprint].blueprint.properties.values():
            frame = entity_frame(after, entity)
            if prop.kind == "step":
                frame = evolve(frame, old=old, old_app_ghosts=before.ghosts)
            if prop.kind == "invariant" or (prop.kind == "step" and took_part):
                yield from _judge(table, prop, frame, entity.id)
    for prop in table.app.properties.values():
        if prop.kind == "invariant" or (prop.kind == "step" and actors):
            frame = Frame(world=after, app_ghosts=after.ghosts, old_app_ghosts=before.ghosts)
            yield from _judge(table, prop, frame, None)


def false_invariants(table: Table, world: MemoryWorld) -> Iterator[Broken]:
    """Invariants that are false of a world as it stands, whatever led to it."""
    for entity in sorted(world, key=lambda e: e.id):
        for prop in table.blueprints[entity.blueprint].blueprint.properties.values():
            if prop.kind == "invariant":
                yield from _judge(table, prop, entity_frame(world, entity), entity.id)
    for prop in table.app.properties.values():
        if prop.kind == "invariant":
            yield from _judge(table, prop, Frame(world=world, app_ghosts=world.ghosts), None)


def _actors(table: Table, before: MemoryWorld, step: Step) -> frozenset[str]:
    """The entities of which an action is taken, or an effect executed."""
    event = step.event
    if isinstance(event, (Executes, LateExecution)):
        return frozenset((event.entity,))
    if isinstance(event, Notifies) and _is_told(table, before, event):
        return frozenset((event.entity,))
    return frozenset(part.entity for part in step.parts if part.action is not None)


def _is_told(table: Table, before: MemoryWorld, event: Notifies) -> bool:
    """Whether an event is a notice that happens outside: not a call that nobody waits for, and not one
    without `world`, of which the checker sees nothing either.
    """
    rule = table.blueprints[before.entities[event.entity].blueprint].effects[event.effect]
    return rule.target is None and bool(rule.world)


def _judge(table: Table, prop: Property, frame: Frame, entity: str | None) -> Iterator[Broken]:
    if prop.in_states and (frame.entity is None or frame.entity.state not in prop.in_states):
        return
    if prop.when is not None and not holds(prop.when.tree, frame):
        return
    if not holds(prop.that.tree, frame):
        yield Broken(prop, entity, false_clauses(table, prop.that.tree, frame))
