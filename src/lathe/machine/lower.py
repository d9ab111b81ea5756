"""Expressions compiled to Python functions for the runtime, with the meaning of `machine.evaluate`.

The function is built from the checked tree, never from the author's text. It takes a `Frame` with
its fields and arguments, so that the common reads are one dictionary look-up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from lathe.lang.expr import (
    And,
    Arithmetic,
    Call,
    Compare,
    Follow,
    IfElse,
    Literal,
    Loop,
    Members,
    Negate,
    Node,
    Not,
    Or,
    Population,
    Quantifier,
    Read,
    SetChange,
    Special,
)
from lathe.machine.evaluate import EvaluationError, Frame, follow, later, members, number
from lathe.machine.snapshot import Value, Values

Compiled = Callable[[Frame, Values, Values], Value]


def _divide(left: Value, right: Value, *, modulo: bool) -> int:
    numerator, divisor = number(left), number(right)
    if divisor == 0:
        raise EvaluationError("zero")
    return numerator % divisor if modulo else numerator // divisor


def _contains(element: Value, group: Value) -> bool:
    return element is not None and element in cast(frozenset[Value], group)


def _ordered(left: Value, op: str, right: Value) -> bool:
    if not isinstance(left, int) or not isinstance(right, int):
        return False
    if op == "<":
        return left < right
    if op == "<=":
        return left <= right
    return left > right if op == ">" else left >= right


_GLOBALS = {
    "__builtins__": {},
    "all": all,
    "any": any,
    "sum": sum,
    "min": min,
    "max": max,
    "abs": abs,
    "len": len,
    "frozenset": frozenset,
    "later": later,
    "number": number,
    "members": members,
    "follow": follow,
    "divide": _divide,
    "contains": _contains,
    "ordered": _ordered,
}

_READS = {
    "field": "f[{0!r}]",
    "arg": "a.get({0!r})",
    "ghost": "x.ghosts[{0!r}]",
    "app_ghost": "x.app_ghosts[{0!r}]",
    "old": "x.old.fields[{0!r}]",
    "old_ghost": "x.old.ghosts[{0!r}]",
    "old_app_ghost": "x.old_app_ghosts[{0!r}]",
    "variable": "v_{0}",
    "item": "x.item",
}

_SPECIALS = {
    "actor": "x.actor",
    "now": "x.now",
    "state": "x.entity.state",
    "old_state": "x.old.state",
    "id": "x.entity.id",
    "self": "x.entity.id",
}

_TRUTHS = (Compare, Not, And, Or)


def lower(node: Node) -> Compiled:
    """The function of an expression. Raises `EvaluationError` when called, as `evaluate` does."""
    code = compile(f"lambda x, f, a: {_source(node)}", "<expression>", "eval")
    return cast(Compiled, eval(code, dict(_GLOBALS)))


def _truth(node: Node) -> str:
    text = _source(node)
    is_truth = isinstance(node, _TRUTHS) or (isinstance(node, Quantifier) and node.function != "sum")
    return text if is_truth else f"({text} is True)"


def _number(node: Node) -> str:
    """An operand of arithmetic: unset values are stopped here, unless they cannot occur."""
    if isinstance(node, (Literal, Arithmetic, Negate, Call)) or _is_plain(node):
        return _source(node)
    return f"number({_source(node)})"


def _is_plain(node: Node) -> bool:
    """Whether a value can never be unset: int ghosts. A field without a default is, until it is created."""
    return isinstance(node, Read) and node.type.kind == "int" and node.scope in ("ghost", "app_ghost")


def _source(node: Node) -> str:
    match node:
        case Literal(value=value):
            return repr(value)
        case Read(scope=scope, name=name):
            return _READS[scope].format(name)
        case Special(name=name):
            return _SPECIALS[name]
        case Follow(base=base, what=what, name=name):
            found = f"follow(x.world, {_source(base)}, {what!r}, {name!r})"
            return f"members({found})" if node.type.kind == "set" else found
        case Not(operand=operand):
            return f"(not {_truth(operand)})"
        case And(operands=operands):
            return "(" + " and ".join(_truth(o) for o in operands) + ")"
        case Or(operands=operands):
            return "(" + " or ".join(_truth(o) for o in operands) + ")"
        case Compare():
            return _compare(node)
        case Arithmetic():
            return _arithmetic(node)
        case Negate(operand=operand):
            return f"(-{_number(operand)})"
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            return f"({_source(then)} if {_truth(condition)} else {_source(otherwise)})"
        case Members(items=items):
            listed = "".join(_source(i) + ", " for i in items)
            return f"frozenset([m for m in ({listed}) if m is not None])"
        case SetChange(op=op, left=left, right=right):
            sign = "|" if op == "+" else "-"
            return f"(members({_source(left)}) {sign} members({_source(right)}))"
        case Call():
            return _call(node)
        case Population(blueprint=blueprint):
            return f"frozenset(x.world.population({blueprint!r}))"
        case Quantifier():
            return _quantifier(node)


def _compare(node: Compare) -> str:
    left, right = _source(node.left), _source(node.right)
    match node.op:
        case "==" | "!=":
            return f"({left} {node.op} {right})"
        case "is":
            return f"({left} is None)"
        case "in":
            return f"contains({left}, {right})"
    plain = all(isinstance(n, (Literal, Arithmetic, Negate)) or _is_plain(n) for n in (node.left, node.right))
    return f"({left} {node.op} {right})" if plain else f"ordered({left}, {node.op!r}, {right})"


def _arithmetic(node: Arithmetic) -> str:
    left, right = _number(node.left), _number(node.right)
    if node.type.kind == "time":
        return f"later({left}, {right})" if node.op == "+" else f"later({left}, -{right})"
    if node.op in ("//", "%"):
        return f"divide({left}, {right}, modulo={node.op == '%'})"
    return f"({left} {node.op} {right})"


def _call(node: Call) -> str:
    if node.function == "len":
        return f"len(members({_source(node.arguments[0])}))"
    return f"{node.function}({', '.join(_number(n) for n in node.arguments)})"


def _quantifier(node: Quantifier) -> str:
    body = _number(node.body) if node.function == "sum" else _truth(node.body)
    return f"{node.function}([{body}{''.join(_loop(loop) for loop in node.loops)}])"


def _loop(loop: Loop) -> str:
    source = loop.source
    if isinstance(source, Population):
        elements = f"x.world.population({source.blueprint!r})"
    else:
        elements = f"members({_source(source)})"
    condition = "" if loop.condition is None else f" if {_truth(loop.condition)}"
    return f" for v_{loop.variable} in {elements}{condition}"
