"""A person's decision applied to a command: it overrides authorization for one request, never guards or
properties.

It counts as one more permit. States and guards are the machine's as ever; what a policy forbids, and what the
app promises by `[cannot]`, stays forbidden; what only the app itself does, stays so. Properties were proven
of those who may: of a step that a decision lets pass they are asked before it is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lathe.frozen import frozen
from lathe.lang.expr import Follow, Population, Quantifier, walk
from lathe.lang.model import Action, Cannot, Property
from lathe.machine.evaluate import EvaluationError, Frame, evaluate
from lathe.machine.event import Caller
from lathe.machine.outcome import Step
from lathe.machine.properties import broken
from lathe.machine.snapshot import Entity, MemoryWorld, Value, World
from lathe.machine.step import Permit
from lathe.runtime.catalog import Live

REFERENCES_DEPTH = 4
"""Up to how many references away from the written entities properties are checked."""
NAME = "decision:"
"""Prefix of a decision's id among the policies of a journal entry."""


@frozen
class Allowance:
    """A decision, and the one request that it lets pass: under the version `digest` of the app, an action on
    an entity by a caller. With `is_once` it is used up.
    """

    decision: str
    revision: int
    is_once: bool
    digest: str
    entity: str
    action: str
    caller: Caller


class Overriding:
    """An app's permit, extended by an allowance. `is_used`: without it somebody would have been denied."""

    def __init__(self, allowance: Allowance, live: Live) -> None:
        self._allowance = allowance
        self._live = live
        self.is_used = False

    def __call__(self, action: Action, entity: Entity, caller: Caller, args: Mapping[str, Value]) -> bool:
        if self._live.permit(action, entity, caller, args):
            return True
        allowed = self._allowance
        is_meant = (allowed.entity, allowed.action, allowed.caller) == (entity.id, action.name, caller)
        if not is_meant or allowed.digest != self._live.digest:
            return False
        if is_forbidden(self._live, action, entity, caller, args):
            return False
        self.is_used = True
        return True


def is_forbidden(
    live: Live, action: Action, entity: Entity, caller: Caller, args: Mapping[str, Value]
) -> bool:
    """Whether no decision can allow this: a policy forbids it, or a `[cannot]` rules it out.

    What only the app itself takes is forbidden to everybody else, and so is what cannot be told.
    """
    if not any(who.kind in ("role", "any") for who in action.admits):
        return True
    if live.forbids is not None and live.forbids(action, entity, caller, args):
        return True
    promises = live.table.blueprints[entity.blueprint].blueprint.cannot.values()
    return any(_covers(promise, action, entity, caller, args) for promise in promises)


def _covers(
    promise: Cannot, action: Action, entity: Entity, caller: Caller, args: Mapping[str, Value]
) -> bool:
    if promise.role not in caller.roles or action.name not in promise.actions:
        return False
    if promise.when is None:
        return True
    if any(isinstance(node, (Follow, Population, Quantifier)) for node in walk(promise.when.tree)):
        return True
    frame = Frame(
        MemoryWorld({entity.id: entity}, {}), entity, entity.fields, args, entity.ghosts, actor=caller.actor
    )
    try:
        return evaluate(promise.when.tree, frame) is not False
    except EvaluationError:
        return True


def broken_by(live: Live, world: World, step: Step) -> str | None:
    """A property that a step would break, by name, as far as it can be asked: of the entities that the step
    writes, and of those that they refer to. `world` is asked for the latter.

    What reads a ghost of the app is left out: no process keeps one.
    """
    known: dict[str, Entity] = {p.entity: p.before for p in step.parts if p.before is not None}
    reached = list(step.written.values())
    for _ in range(REFERENCES_DEPTH):
        names = sorted({name for entity in reached for name in _references(live, entity)} - known.keys())
        found = (world.get(name) for name in names if name not in step.written)
        reached = [entity for entity in found if entity is not None]
        known.update((entity.id, entity) for entity in reached)
    for name in step.written.keys() - known.keys():
        before = world.get(name)
        known.update({name: before} if before is not None else {})
    after = MemoryWorld({**known, **step.written}, step.ghosts)
    broken_ones = broken(live.table, MemoryWorld(known, world.ghosts), step, after, only=step.written)
    return next((one.prop.name for one in broken_ones if not _reads_app_ghosts(one.prop)), None)


def _references(live: Live, entity: Entity) -> Iterator[str]:
    for name, field in live.table.blueprints[entity.blueprint].blueprint.fields.items():
        value = entity.fields.get(name)
        if field.type.kind == "ref" and isinstance(value, str):
            yield value
        elif isinstance(value, frozenset) and field.type.element and field.type.element.kind == "ref":
            yield from (member for member in value if isinstance(member, str))


def _reads_app_ghosts(prop: Property) -> bool:
    trees = [prop.that.tree, *([prop.when.tree] if prop.when is not None else [])]
    scopes = {getattr(node, "scope", "") for tree in trees for node in walk(tree)}
    return not scopes.isdisjoint({"app_ghost", "old_app_ghost"})


def replaying(permit: Permit, entity: str, action: str | None) -> Permit:
    """The permit for replaying a step that a decision allowed."""

    def permitted(taken: Action, on: Entity, caller: Caller, args: Mapping[str, Value]) -> bool:
        is_meant = caller.kind == "role" and (on.id, taken.name) == (entity, action)
        return is_meant or permit(taken, on, caller, args)

    return permitted
