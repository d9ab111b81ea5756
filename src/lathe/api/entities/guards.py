"""Which clause of a guard is false and with which values, for callers who may read the entity."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.frozen import frozen
from lathe.lang.expr import And, Follow, Node, Read, walk
from lathe.lang.model import Action, Argument, Json
from lathe.lang.unparse import unparse
from lathe.machine.clauses import false_clauses
from lathe.machine.evaluate import EvaluationError, Frame, holds
from lathe.machine.snapshot import Entity, Value, Values
from lathe.machine.table import BlueprintTable, stored
from lathe.machine.trace import HIDDEN
from lathe.machine.trace_english import value
from lathe.runtime.cache import Cache
from lathe.runtime.catalog import Live

OWN = frozenset({"state", "actor"})
"""What is read and told besides the entity's own fields and the caller's arguments."""


@frozen
class FalsePart:
    """The smallest part of a guard that is false, in the author's words, and what it read of the entity."""

    text: str
    values: Mapping[str, Json]

    def __str__(self) -> str:
        values = ", ".join(f"{name} = {value(held)}" for name, held in self.values.items())
        return f"`{self.text}` is false" + (f" ({values})" if values else "")


class _Known:
    """The entities that are in memory: a guard that was just asked has had whatever it reads loaded."""

    def __init__(self, cache: Cache, live: Live) -> None:
        self._cache, self._live = cache, live
        self.ghosts: Values = live.table.ghosts

    def get(self, entity: str) -> Entity | None:
        found = self._cache.newest((self._live.tenant, self._live.app.name, entity))
        return found.entity if found is not None else None

    def population(self, blueprint: str) -> tuple[str, ...]:
        raise AssertionError(f"a guard goes through no population of `{blueprint}`")

    def holder(self, blueprint: str, unique: object, claim: object, besides: object) -> None:
        raise AssertionError("a guard asks for no claim")


def unborn(table: BlueprintTable) -> Entity:
    """What the guard of a creation sees: every field at its default or unset."""
    blueprint = table.blueprint
    return Entity("", blueprint.name, blueprint.initial, table.fields, table.ghosts, visit=0, version=0)


def false_part(
    cache: Cache,
    live: Live,
    action: Action,
    entity: Entity,
    args: Mapping[str, Value] | None,
    actor: str | None,
) -> FalsePart | None:
    """The part of a guard that is false; None if it is not false any more, or cannot be told.

    `args` is None before they are known: then only what reads none of them, nor another entity, is asked.
    Of other entities no value is told: the caller may not be allowed to read them.
    """
    found = _first_false(cache, live, action, entity, args, actor)
    if found is None:
        return None
    try:
        clause = false_clauses(live.table, *found)[0]
    except (KeyError, EvaluationError):
        return None
    fields = live.table.blueprints[entity.blueprint].blueprint.fields
    given_by = {f"arg.{a.name}": a for a in action.arguments.values()}
    values = {
        name: HIDDEN if name in given_by and given_by[name].secret else held
        for name, held in clause.values.items()
        if name in fields or name in OWN or name in given_by
    }
    return FalsePart(clause.text, values)


def false_conjunct(
    cache: Cache, live: Live, action: Action, entity: Entity, args: Mapping[str, Value], actor: str | None
) -> str:
    """Which of the conditions that a guard joins by `and` is the first that is false; empty if none is any
    more, or it cannot be determined.
    """
    found = _first_false(cache, live, action, entity, args, actor)
    return "" if found is None else unparse(found[0])


def _first_false(
    cache: Cache,
    live: Live,
    action: Action,
    entity: Entity,
    args: Mapping[str, Value] | None,
    actor: str | None,
) -> tuple[Node, Frame] | None:
    """The first of these conditions that is false, with what it reads. `args` is as in `false_part`."""
    if action.when is None:
        return None
    given = {a.name: _given(a, (args or {}).get(a.name)) for a in action.arguments.values()}
    frame = Frame(_Known(cache, live), entity, entity.fields, given, actor=actor)
    asked = [part for part in conjuncts(action.when.tree) if args is not None or _is_foreseen(part)]
    try:
        part = next((part for part in asked if not holds(part, frame)), None)
    except (KeyError, EvaluationError):
        return None
    return None if part is None else (part, frame)


def needs_arguments(action: Action) -> bool:
    """Whether something has to be given, so that not all of its guard can be asked before."""
    return not all(a.optional or a.has_default for a in action.arguments.values())


def conjuncts(tree: Node) -> tuple[Node, ...]:
    """What must all hold for a guard to hold, whatever the order."""
    return tree.operands if isinstance(tree, And) else (tree,)


def _is_foreseen(part: Node) -> bool:
    """Whether a part of a guard reads the entity and its caller alone."""
    return not any(isinstance(n, Follow) or (isinstance(n, Read) and n.scope == "arg") for n in walk(part))


def _given(argument: Argument, given: Value) -> Value:
    """An argument as the guard reads it: one that was left out is its default, or unset."""
    if given is None and argument.has_default:
        return stored(argument.default)
    return frozenset() if given is None and argument.type.kind == "set" else given
