"""What would have to hold before a step, for a clause to hold after it: the guard to add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import cast

from lathe.lang.expr import Follow, Loop, Node, Quantifier, Read, Special, walk
from lathe.lang.model import Action, Blueprint
from lathe.lang.unparse import unparse

MAX_LENGTH = 120
"""A guard longer than this is no help to read."""


def guard_for(clause: Node, action: Action) -> str | None:
    """The condition on the state before that keeps `clause` true after the action, if it can be told."""
    assigned: dict[str, Node] = {a.target: a.value.tree for a in action.do}
    for name in action.sets:
        argument = action.arguments[name]
        assigned[name] = Read("arg", name, argument.type)
    if any(_is_beyond(node) for node in walk(clause)):
        return None
    if not any(isinstance(n, Read) and n.name in assigned for n in walk(clause)):
        return None
    text = unparse(_substituted(clause, assigned))
    return text if len(text) <= MAX_LENGTH else None


def _is_beyond(node: Node) -> bool:
    """Whether a guard may not read this, or it may have changed without an assignment."""
    if isinstance(node, Read):
        return node.scope not in ("field", "variable")
    if isinstance(node, Special):
        return node.name in ("state", "old_state")
    return isinstance(node, (Follow, Quantifier))


def _substituted(node: Node, assigned: Mapping[str, Node]) -> Node:
    """The tree with every field that the action assigns replaced by what it is assigned."""
    if isinstance(node, Read):
        return assigned.get(node.name, node) if node.scope == "field" else node
    changed: dict[str, object] = {}
    for attribute in fields(node):
        value = getattr(node, attribute.name)
        if attribute.name in ("type", "span") or isinstance(value, (str, int, type(None))):
            continue
        if isinstance(value, tuple):
            if not any(isinstance(v, Loop) for v in value):
                changed[attribute.name] = tuple(_substituted(v, assigned) for v in value)
        else:
            changed[attribute.name] = _substituted(cast(Node, value), assigned)
    return replace(node, **changed)  # type: ignore[arg-type]


def range_guard(blueprint: Blueprint, action: str | None, subject: str) -> str:
    """The guard that keeps an assignment (its text is `subject`) inside the range of its target."""
    name = subject.split(" ", 1)[0]
    field = blueprint.fields.get(name)
    if field is None or action is None or field.type.low is None:
        return "guard the action (`when`) so that the value stays within its range, or widen the range"
    low, high = field.type.low, field.type.high
    value = next((a.value for a in blueprint.actions[action].do if a.target == name), None)
    if value is None:
        return f"guard `{action}`, or widen the range of `{name}`"
    return (
        f"add `{low} <= {unparse(value.tree)} <= {high}` to the `when` of `{action}`, "
        f"or widen the range of `{name}` ({low} to {high})"
    )
