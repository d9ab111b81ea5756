"""Which properties a step violates: the same function for replay, simulator and live monitor."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from lathe.frozen import frozen
from lathe.lang.model import Property
from lathe.machine.clauses import false_clauses
from lathe.machine.evaluate import EMPTY, EvaluationError, Frame, entity_frame, holds
from lathe.machine.event import Executes, LateExecution, Notifies
from lathe.machine.lower import Compiled, lower
from lathe.machine.outcome import Step
from lathe.machine.snapshot import MemoryWorld
from lathe.machine.table import Table
from lathe.machine.trace import FalseClause


@frozen
class Broken:
    """A violated property, the entity (None: of the app), and why."""

    prop: Property
    entity: str | None
    clauses: tuple[FalseClause, ...]


Lowered = Mapping[tuple[str, str], tuple[Compiled | None, Compiled]]
"""Invariants and step properties compiled to functions (`when`, `that`), by blueprint (empty: the app's) and
name.
"""


def lowered(table: Table) -> Lowered:
    """An app's properties as functions, for callers that evaluate them after every step."""
    found: dict[tuple[str, str], tuple[Compiled | None, Compiled]] = {}
    owners = {name: rules.blueprint.properties for name, rules in table.blueprints.items()}
    for owner, properties in {**owners, "": table.app.properties}.items():
        for prop in properties.values():
            if prop.kind in ("invariant", "step"):
                when = lower(prop.when.tree) if prop.when is not None else None
                found[owner, prop.name] = when, lower(prop.that.tree)
    return found


def broken(
    table: Table,
    before: MemoryWorld,
    step: Step,
    after: MemoryWorld,
    *,
    only: Collection[str] | None = None,
    functions: Lowered | None = None,
) -> Iterator[Broken]:
    """The invariants that are false after a step, and the step properties that it violates.

    The start of an invocation, its stop, and an end without an action are no steps in that sense. `only`
    names the entities to look at, for whoever knows that nothing else can have changed; the app's own
    properties are looked at all the same. `functions` are asked first: what they say is true is not looked
    at again.
    """
    actors = _actors(table, before, step)
    looked_at = after if only is None else [after.entities[name] for name in only]
    for entity in sorted(looked_at, key=lambda e: e.id):
        old = before.get(entity.id)
        took_part = entity.id in actors and old is not None
        frame = Frame(
            after, entity, entity.fields, EMPTY, entity.ghosts, after.ghosts, old=old,
            old_app_ghosts=before.ghosts,
        )  # fmt: skip
        for prop in table.blueprints[entity.blueprint].blueprint.properties.values():
            if prop.kind == "invariant" or (prop.kind == "step" and took_part):
                yield from _judge(table, prop, frame, entity.id, functions)
    for prop in table.app.properties.values():
        if prop.kind == "invariant" or (prop.kind == "step" and actors):
            frame = Frame(world=after, app_ghosts=after.ghosts, old_app_ghosts=before.ghosts)
            yield from _judge(table, prop, frame, None, functions)


def false_invariants(table: Table, world: MemoryWorld) -> Iterator[Broken]:
    """The invariants that are false in a world, however it was reached."""
    for entity in sorted(world, key=lambda e: e.id):
        for prop in table.blueprints[entity.blueprint].blueprint.properties.values():
            if prop.kind == "invariant":
                yield from _judge(table, prop, entity_frame(world, entity), entity.id)
    for prop in table.app.properties.values():
        if prop.kind == "invariant":
            yield from _judge(table, prop, Frame(world=world, app_ghosts=world.ghosts), None)


def _actors(table: Table, before: MemoryWorld, step: Step) -> frozenset[str]:
    """The entities of which an action is taken or an effect executed."""
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


def _judge(
    table: Table, prop: Property, frame: Frame, entity: str | None, functions: Lowered | None = None
) -> Iterator[Broken]:
    if prop.in_states and (frame.entity is None or frame.entity.state not in prop.in_states):
        return
    owner = frame.entity.blueprint if frame.entity is not None else ""
    if functions is not None and _surely_holds(functions[owner, prop.name], frame):
        return
    if prop.when is not None and not holds(prop.when.tree, frame):
        return
    if not holds(prop.that.tree, frame):
        yield Broken(prop, entity, false_clauses(table, prop.that.tree, frame))


def _surely_holds(functions: tuple[Compiled | None, Compiled], frame: Frame) -> bool:
    """Whether a property surely holds; False: evaluate it."""
    when, that = functions
    try:
        if when is not None and when(frame, frame.fields, frame.args) is not True:
            return True
        return that(frame, frame.fields, frame.args) is True
    except EvaluationError:
        return False
