"""How many of each: the scopes that a check goes through, smallest first."""

from __future__ import annotations

from collections.abc import Iterator

from lathe.lang.expr import Expression, Population, walk
from lathe.lang.model import App, Blueprint, Property
from lathe.lang.types import Type

Instances = dict[str, int]


def scopes(app: App) -> list[Instances]:
    """What `[scope]` says; without it, one of each, then two of each that has to do with another."""
    if app.scope.instances:
        return [{name: app.scope.instances.get(name, 1) for name in app.blueprints}]
    single = dict.fromkeys(app.blueprints, 1)
    both = linked(app)
    return [single, {name: 2 if name in both else 1 for name in single}] if both else [single]


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
