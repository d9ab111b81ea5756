"""What would have to hold before a step, for a clause to hold after it: the guard to add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import cast

from lathe.lang.expr import Follow, Loop, Node, Quantifier, Read, Special, walk
from lathe.lang.model import Action
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
