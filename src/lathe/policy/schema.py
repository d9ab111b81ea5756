"""The Cedar schema of an app: principals, each blueprint with what policies may read, each action.

Whoever acts is a `Principal`, in the roles that it holds. What acts by itself has a type of its own:
`Effect`, `Timer`, `Entity`, `Inbound`. An entity that is being created has no state yet, so a creation
is asked of `New`. A secret is in no policy's sight.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lathe.lang.model import Action, App, Argument, Blueprint
from lathe.lang.types import Type

OWN_TYPES = ("Principal", "Role", "Effect", "Timer", "Entity", "Inbound", "New", "Action")
"""Types of the schema itself: no blueprint of an app with policies can have such a name."""

_CEDAR_TYPES = {
    "int": "__cedar::Long",
    "bool": "__cedar::Bool",
    "enum": "__cedar::String",
    "text": "__cedar::String",
    "time": "__cedar::Long",
    "id": "Principal",
}
_ALWAYS_SET = frozenset({"int", "bool", "enum", "set"})

_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f]')


def schema(app: App) -> str:
    """The schema as Cedar text."""
    return "\n".join([*_principals(app), "", *_resources(app), *_actions(app)])


def quoted(name: str) -> str:
    """A string as Cedar writes it."""
    return f'"{_SPECIAL.sub(_escaped, name)}"'


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if found[0] in '"\\' else f"\\u{{{ord(found[0]):x}}}"


def _principals(app: App) -> Iterator[str]:
    blueprints = app.blueprints.values()
    yield from _named("Role", app.roles)
    yield "entity Principal in [Role];" if app.roles else "entity Principal;"
    yield from _named("Timer", app.blueprints)
    yield from _named("Entity", app.blueprints)
    yield from _named("Effect", (f"{b.name}.{e}" for b in blueprints for e in b.effects))
    yield from _named("Inbound", (f"{b.name}.{i}" for b in blueprints for i in b.inbound))


def _named(kind: str, names: Iterable[str]) -> Iterator[str]:
    """A type of which there are these and no others; none at all, if there are none."""
    every = ", ".join(quoted(name) for name in names)
    if every:
        yield f"entity {kind} enum [{every}];"


def _resources(app: App) -> Iterator[str]:
    yield from _named("New", app.blueprints)
    for blueprint in app.blueprints.values():
        shown = [f for f in blueprint.fields.values() if not f.secret]
        parts = [f"{quoted('state')}: __cedar::String"]
        parts += [_attribute(f.name, f.type, f.type.kind in _ALWAYS_SET) for f in shown if _is_shown(f.type)]
        yield f"entity {blueprint.name} {{ {', '.join(parts)} }};"


def _attribute(name: str, kind: Type, is_always_set: bool) -> str:
    return f"{quoted(name)}{'' if is_always_set else '?'}: {_cedar_type(kind)}"


def _is_shown(kind: Type) -> bool:
    inner = kind.element or kind
    return inner.kind in _CEDAR_TYPES or inner.kind == "ref"


def _cedar_type(kind: Type) -> str:
    if kind.element is not None:
        return f"Set<{_cedar_type(kind.element)}>"
    return kind.blueprint or "" if kind.kind == "ref" else _CEDAR_TYPES[kind.kind]


def _actions(app: App) -> Iterator[str]:
    for blueprint in app.blueprints.values():
        yield ""
        yield f"action {quoted(blueprint.name)};"
        for action in blueprint.actions.values():
            yield _action(app, blueprint, action)
        yield _applies(f"{blueprint.name}.read", blueprint.name, ["Principal"], blueprint.name, ())


def _action(app: App, blueprint: Blueprint, action: Action) -> str:
    resource = "New" if action.name == "create" else blueprint.name
    takers = ["Principal", "Timer", "Entity"]
    takers += ["Effect"] if any(b.effects for b in app.blueprints.values()) else []
    takers += ["Inbound"] if any(b.inbound for b in app.blueprints.values()) else []
    name = f"{blueprint.name}.{action.name}"
    return _applies(name, blueprint.name, takers, resource, action.arguments.values())


def _applies(
    name: str, group: str, principals: list[str], resource: str, arguments: Iterable[Argument]
) -> str:
    given = ", ".join(
        _attribute(a.name, a.type, not a.optional or a.has_default or a.type.kind == "set")
        for a in arguments
        if not a.secret and _is_shown(a.type)
    )
    return (
        f"action {quoted(name)} in [{quoted(group)}] appliesTo {{ principal: [{', '.join(principals)}], "
        f"resource: [{resource}], context: {{ {quoted('arg')}: {{ {given} }} }} }};"
    )
