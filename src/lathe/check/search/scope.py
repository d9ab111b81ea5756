"""The scopes that a check goes through: how many instances of each blueprint, smallest first."""

from __future__ import annotations

from collections.abc import Iterator

from lathe.lang.expr import Expression, Population, walk
from lathe.lang.model import App, Blueprint, Property
from lathe.lang.types import Type

Instances = dict[str, int]

MOST_AT_ONCE = 4
"""Instances of a blueprint in a scope that nobody gave, where one `create` makes as many or more."""


def scopes(app: App) -> list[Instances]:
    """What `[scope]` says; without it, one of each, then two of each that has to do with another."""
    single = {name: _made_at_once(app, name) for name in app.blueprints}
    if app.scope.instances:
        return [{name: app.scope.instances.get(name, count) for name, count in single.items()}]
    both = linked(app)
    return (
        [single, {name: max(count, 1 + (name in both)) for name, count in single.items()}]
        if both
        else [single]
    )


def _made_at_once(app: App, name: str) -> int:
    """How many of a blueprint one `create` with `each` may make, as far as a default goes: at least one."""
    sets = (
        blueprint.fields[effect.target.each].type
        for blueprint in app.blueprints.values()
        for effect in blueprint.effects.values()
        if effect.uses == "create" and effect.target is not None and effect.target.blueprint == name
        if effect.target.each is not None
    )
    return min(max((kind.maximum or 1 for kind in sets), default=1), MOST_AT_ONCE)


def linked(app: App) -> frozenset[str]:
    """The blueprints at either end of a ref, a joint step, a call or creation, or told apart by name."""
    found: set[str] = set()
    for blueprint in app.blueprints.values():
        others = set(_others(blueprint))
        if others:
            found |= others | {blueprint.name}
        if blueprint.unique:
            found.add(blueprint.name)
    for prop in app.properties.values():
        found |= set(_counted(prop))
    for blueprint in app.blueprints.values():
        for prop in blueprint.properties.values():
            counted = set(_counted(prop))
            found |= counted | ({blueprint.name} if counted else set())
    return frozenset(found & set(app.blueprints))


def holds_sets(app: App) -> bool:
    """Whether some field holds a set of entities: it is full only where there are enough of them."""
    kinds = (f.type.element for b in app.blueprints.values() for f in b.fields.values())
    return any(kind is not None and kind.kind == "ref" for kind in kinds)


def _others(blueprint: Blueprint) -> Iterator[str]:
    for f in blueprint.fields.values():
        yield from _refs(f.type)
    for action in blueprint.actions.values():
        yield from (c.blueprint for c in action.also)
        for argument in action.arguments.values():
            yield from _refs(argument.type)
    for effect in blueprint.effects.values():
        if effect.target is not None:
            yield effect.target.blueprint


def _refs(kind: Type) -> Iterator[str]:
    if kind.kind == "ref" and kind.blueprint is not None:
        yield kind.blueprint
    elif kind.element is not None:
        yield from _refs(kind.element)


def _counted(prop: Property) -> Iterator[str]:
    """The blueprints over whose entities a property goes."""
    yield from _populations(prop.that)
    if prop.when is not None:
        yield from _populations(prop.when)


def _populations(expression: Expression) -> Iterator[str]:
    for node in walk(expression.tree):
        if isinstance(node, Population):
            yield node.blueprint
