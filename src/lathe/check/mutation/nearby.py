"""Expressions with one slip: a number or a comparison off by one, a step taken twice, one branch for two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from lathe.lang.expr import (
    And,
    Arithmetic,
    Call,
    Compare,
    CompareOp,
    Expression,
    IfElse,
    Literal,
    Members,
    Negate,
    Node,
    Not,
    Or,
    Read,
    SetChange,
)
from lathe.lang.unparse import unparse

_NEAR: dict[str, CompareOp] = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}


def said(expression: Expression, tree: Node) -> Expression:
    """The expression with another tree, in the words of that."""
    return replace(expression, tree=tree, text=unparse(tree))


def off_by_one(expression: Expression) -> Iterator[tuple[str, Expression]]:
    """The expression with one number, or one comparison, off by one; durations are no numbers here."""
    for told, tree in _changes(expression.tree):
        yield told, said(expression, tree)


def _changes(node: Node) -> Iterator[tuple[str, Node]]:
    if node.type.kind == "time":
        return
    if isinstance(node, Literal) and type(node.value) is int:
        for value in (node.value - 1, node.value + 1):
            yield f"`{value}` for `{node.value}`", replace(node, value=value)
        return
    if isinstance(node, Compare) and node.op in _NEAR and not isinstance(node.right, Literal):
        changed = replace(node, op=_NEAR[node.op])
        yield f"`{unparse(changed)}` for `{unparse(node)}`", changed
    for child, put in _parts(node):
        for told, changed_child in _changes(child):
            yield told, put(changed_child)


def repeated(expression: Expression, target: str) -> Expression | None:
    """What assigning twice gives, one after the other; None if the second time changes nothing.

    A set to which a member is added twice is the set to which it is added once.
    """
    tree = expression.tree
    if tree.type.kind == "set":
        return None
    twice = _with_target(tree, target, tree)
    return None if twice == tree else said(expression, twice)


def _with_target(node: Node, target: str, value: Node) -> Node:
    """The node with a value in place of every reading of the field that is assigned."""
    if isinstance(node, Read) and node.scope == "field" and node.name == target:
        return value
    for index in range(len(list(_parts(node)))):
        child, put = list(_parts(node))[index]
        node = put(_with_target(child, target, value))
    return node


def branches(expression: Expression) -> Iterator[tuple[str, Expression]]:
    """One branch where the expression has two: what it gives if nobody asks."""
    tree = expression.tree
    if isinstance(tree, IfElse):
        for branch in (tree.then, tree.otherwise):
            yield f"`{unparse(branch)}` always", said(expression, branch)


def _parts(node: Node) -> Iterator[tuple[Node, Callable[[Node], Node]]]:
    """The direct parts of a node, each with what puts another in its place."""
    match node:
        case And() | Or():
            yield from _listed(node.operands, lambda parts: replace(node, operands=parts))
        case Call():
            yield from _listed(node.arguments, lambda parts: replace(node, arguments=parts))
        case Members():
            yield from _listed(node.items, lambda parts: replace(node, items=parts))
        case Not() | Negate():
            yield node.operand, lambda part: replace(node, operand=part)
        case Compare() | Arithmetic() | SetChange():
            yield node.left, lambda part: replace(node, left=part)
            yield node.right, lambda part: replace(node, right=part)
        case IfElse():
            yield node.condition, lambda part: replace(node, condition=part)
            yield node.then, lambda part: replace(node, then=part)
            yield node.otherwise, lambda part: replace(node, otherwise=part)


def _listed(
    parts: tuple[Node, ...], make: Callable[[tuple[Node, ...]], Node]
) -> Iterator[tuple[Node, Callable[[Node], Node]]]:
    def put_at(index: int) -> Callable[[Node], Node]:
        return lambda part: make((*parts[:index], part, *parts[index + 1 :]))

    for index, part in enumerate(parts):
        yield part, put_at(index)
