"""Suggested guards: the condition before a step under which a clause holds after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import cast

from lathe.lang.expr import (
    And,
    Arithmetic,
    Compare,
    Expression,
    Follow,
    IfElse,
    Literal,
    Loop,
    Node,
    Not,
    Or,
    Quantifier,
    Read,
    Special,
    walk,
)
from lathe.lang.model import Action, Blueprint
from lathe.lang.unparse import unparse

MAX_LENGTH = 120
"""A guard longer than this is no help to read."""


def guard_for(clause: Node, action: Action) -> str | None:
    """The condition on the state before that keeps `clause` true after the action, if it can be told."""
    new: dict[str, Node] = {a.target: a.value.tree for a in action.do}
    for name in action.sets:
        argument = action.arguments[name]
        new[name] = Read("arg", name, argument.type)
    if any(_is_beyond(node) for node in walk(clause)):
        return None
    tree = _substituted(clause, new)
    if any(isinstance(n, Arithmetic) and n.op in ("//", "%") for n in walk(tree)):
        return None
    text = f"({unparse(tree)})" if isinstance(tree, (Or, IfElse)) else unparse(tree)
    return text if len(text) <= MAX_LENGTH else None


def assignment_for(clause: Node, action: Action) -> str | None:
    """The assignment that makes `clause` true, where it says what a field of the entity must be."""
    if not isinstance(clause, Compare) or clause.op not in ("is", "=="):
        return None
    field, value = clause.left, clause.right
    taken = {a.target for a in action.do} | set(action.sets)
    if isinstance(field, Read) and field.scope == "field" and isinstance(value, Literal):
        return None if field.name in taken else f"{field.name} = {unparse(value)}"
    return None


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


def assigned(action: Action, subject: str) -> Expression | None:
    """The expression of an action whose text is `subject`: an assignment's value, or the guard."""
    for assignment in (*action.do, *action.ghost):
        if assignment.text == subject:
            return assignment.value
    found = (action.when, action.to_if)
    return next((e for e in found if e is not None and e.text == subject), None)


def range_guard(blueprint: Blueprint, action: Action, subject: str) -> str:
    """The guard that keeps an assignment (its text is `subject`) inside the range of its target."""
    name = subject.split(" ", 1)[0]
    field, value = blueprint.fields.get(name), assigned(action, subject)
    if field is None or value is None:
        return f"guard `{action.name}` (`when`) so that the value stays within its range, or widen the range"
    if field.type.kind == "set":
        return f"add `len({name}) < {field.type.maximum}` to the `when` of `{action.name}`, or raise `max`"
    if field.type.kind == "time":
        return f"guard `{action.name}` (`when`) so that the seconds stay within a thousand years"
    if field.type.low is None:
        return f"raise the `max` of `{name}`, or let the value be no longer than it"
    low, high = field.type.low, field.type.high
    return (
        f"add `{low} <= {bracketed(value.tree)} <= {high}` to the `when` of `{action.name}`, "
        f"or widen the range of `{name}` ({low} to {high})"
    )


def zero_guard(action: Action, subject: str) -> str:
    """The guard that keeps a division from a zero divisor."""
    value = assigned(action, subject)
    for node in walk(value.tree) if value else ():
        if isinstance(node, Arithmetic) and node.op in ("//", "%"):
            return f"put `{bracketed(node.right)} != 0 and` first in the `when` of `{action.name}`"
    return f"guard `{action.name}` so that what it divides by is not 0"


def unset_guard(action: Action, subject: str) -> str:
    """The guard that keeps arithmetic from an unset value."""
    value = assigned(action, subject)
    for node in walk(value.tree) if value else ():
        if isinstance(node, Follow):
            return f"add `{bracketed(node.base)} is not None` to the `when` of `{action.name}`"
        if isinstance(node, Read) and node.scope == "arg" and action.arguments[node.name].optional:
            return (
                f"give `{node.name}` a `default` instead of `optional`, or test `arg.{node.name} is not None`"
            )
    return f"guard `{action.name}` with `… is not None`, or give the field a default"


def bracketed(node: Node) -> str:
    """The text of a tree, safe to stand beside another operator."""
    text = unparse(node)
    is_loose = isinstance(node, (And, Or, Not, Compare, IfElse))
    return f"({text})" if is_loose else text
