"""Bounds on the integers that an expression can yield: databases stop at 2^63, the language does not.

An expression that may go beyond is refused, instead of one database failing and the other one rounding.
"""

from __future__ import annotations

from lathe.errors import UsageError
from lathe.lang.expr import Arithmetic, Call, IfElse, Literal, Negate, Node, Quantifier, Read, children
from lathe.lang.types import INT_LIMIT as DECLARED_LIMIT

COUNT_LIMIT = 2**63 - 1
"""The integers that both databases represent exactly."""
TIME_LIMIT = 2**49
"""The milliseconds of any representable moment, and some more."""
MEMBERS_LIMIT = 2**16
"""Maximum members of a set without a declared maximum: more do not fit a row."""

Bounds = tuple[int, int]


def check_bounds(node: Node) -> None:
    """Reject an expression of which a part may exceed a database's integers. Raises `UsageError`."""
    _bounds(node)


def _bounds(node: Node) -> Bounds:
    """The minimum and maximum of a node's value; (0, 0) if it is no number. Visits every part."""
    low, high = _rule(node)
    if max(-low, high) > COUNT_LIMIT:
        raise UsageError("the numbers in a list's `where` may become too large for a database")
    return low, high


def _rule(node: Node) -> Bounds:
    match node:
        case Literal(value=int() as value):
            return int(value), int(value)
        case Read(type=kind) if kind.kind == "int":
            low = -DECLARED_LIMIT if kind.low is None else kind.low
            return low, DECLARED_LIMIT if kind.high is None else kind.high
        case Read(type=kind) if kind.kind == "time":
            return -TIME_LIMIT, TIME_LIMIT
        case Arithmetic():
            return _arithmetic(node, _bounds(node.left), _bounds(node.right))
        case Negate():
            low, high = _bounds(node.operand)
            return -high, -low
        case IfElse():
            _bounds(node.condition)
            return _hull(_bounds(node.then), _bounds(node.otherwise))
        case Call():
            return _call(node, [_bounds(x) for x in node.arguments])
        case Quantifier():
            return _quantifier(node)
    for part in children(node):
        _bounds(part)
    return 0, 0


def _hull(*parts: Bounds) -> Bounds:
    return min(low for low, _ in parts), max(high for _, high in parts)


def _arithmetic(node: Arithmetic, left: Bounds, right: Bounds) -> Bounds:
    if node.type.kind == "time":
        right = (1000 * right[0], 1000 * right[1])
    match node.op:
        case "+":
            return left[0] + right[0], left[1] + right[1]
        case "-":
            return left[0] - right[1], left[1] - right[0]
        case "*":
            corners = [a * b for a in left for b in right]
            return min(corners), max(corners)
        case "//":
            most = max(abs(left[0]), abs(left[1])) + 1
            return -most, most
        case "%":
            most = max(abs(right[0]), abs(right[1]))
            return -most, most


def _call(node: Call, parts: list[Bounds]) -> Bounds:
    if node.function == "len":
        return 0, MEMBERS_LIMIT
    low, high = _hull(*parts)
    return (0, max(abs(low), abs(high))) if node.function == "abs" else (low, high)


def _quantifier(node: Quantifier) -> Bounds:
    times = 1
    for loop in node.loops:
        _bounds(loop.source)
        if loop.condition is not None:
            _bounds(loop.condition)
        times *= loop.source.type.maximum or MEMBERS_LIMIT
    low, high = _bounds(node.body)
    return min(0, low * times), max(0, high * times)
