"""Typing of operators: which operand types fit, and what a quoted literal means beside the other operand."""

from __future__ import annotations

import re
from typing import Literal as Lit

from lathe.errors import Span
from lathe.lang.expr import (
    Arithmetic,
    ArithmeticOp,
    Compare,
    CompareOp,
    Follow,
    IfElse,
    Literal,
    Members,
    Negate,
    Node,
    Not,
    Read,
    SetChange,
    Special,
)
from lathe.lang.lookup import Context, closest
from lathe.lang.tokens import trouble
from lathe.lang.types import INT, TEXT, UNKNOWN, Type
from lathe.lang.typing_rules import (
    ELEMENTS,
    EMPTY_SET,
    LOOSE,
    MAY_BE_UNSET,
    TAKES_QUOTED,
    described,
    element_of,
    is_comparable,
    is_loose,
    join,
    quoted,
    set_of,
)


def settle(context: Context, node: Node) -> Node:
    """Quoted text that nothing decides about is text."""
    return adapt(context, node, set_of(TEXT) if node.type.kind == "set" else TEXT)


def adapt(context: Context, node: Node, target: Type) -> Node:
    """The node with its quoted texts and empty sets typed as the target asks; others stay as they are.

    Raises ExpressionError: LT104 for a text that is no state, LT102 for one that is no member.
    What cannot be adapted is returned as it is, for the caller to compare the types.
    """
    if not is_loose(node.type):
        return node
    match node:
        case Literal(value=str() as value):
            return _quoted(context, node, value, target)
        case IfElse():
            then, otherwise = adapt(context, node.then, target), adapt(context, node.otherwise, target)
            return if_else(context, node.condition, then, otherwise, span=node.span)
        case Members() if target.kind == "set":
            element = element_of(target)
            items = tuple(adapt(context, item, element) for item in node.items)
            return Members(items, set_of(element if element != LOOSE else TEXT), node.span)
        case Members() if target.kind == "unknown":
            return adapt(context, node, set_of(TEXT))
        case SetChange() if target.kind == "set":
            left = adapt(context, node.left, target)
            right = adapt(
                context, node.right, target if node.right.type.kind == "set" else element_of(target)
            )
            return SetChange(node.op, left, right, target, node.span)
    return node


def _quoted(context: Context, node: Literal, value: str, target: Type) -> Node:
    if target.kind in ("enum", "state"):
        if value not in target.members:
            _no_member(context, node, value, target)
        return Literal(value, target, node.span)
    if target.kind in TAKES_QUOTED:
        return Literal(value, TEXT if target.kind in ("unknown", "text") else Type(target.kind), node.span)
    return Literal(value, TEXT, node.span)


def _no_member(context: Context, node: Literal, value: str, target: Type) -> None:
    guess = closest(value, target.members)
    edit = context.edit(node, _requoted(context.text(node), guess)) if guess is not None else None
    cure = f"did you mean '{guess}'?" if guess is not None else f"there are {quoted(target.members)}"
    if target.kind == "state":
        message = (
            f"{target.blueprint} has no state '{value}'"
            if target.blueprint
            else f"there is no state '{value}'"
        )
        raise trouble("LT104", message, node.span, cure=cure, edit=edit)
    raise trouble("LT102", f"'{value}' is not {described(target)}", node.span, cure=cure, edit=edit)


def _requoted(written: str, value: str) -> str:
    quote = written[:1] or "'"
    return f"{quote}{value}{quote}"


def compare(context: Context, op: str, left: Node, right: Node, span: Span) -> Node:
    """One comparison. `op` is as written, `not in` and `is not` included. Raises LT102, LT103."""
    match op:
        case "in":
            return _contains(context, left, right, span)
        case "not in":
            return Not(_contains(context, left, right, span), span)
        case "is" | "is not":
            if not (_is_none(left) or _is_none(right)):
                cure = f"write `{'==' if op == 'is' else '!='}`"
                raise trouble("LT103", f"`{op}` compares with None only", span, cure=cure)
            found = _unset(context, left, right, span)
            return found if op == "is" else Not(found, span)
        case "==" | "!=" if _is_none(left) or _is_none(right):
            found = _unset(context, left, right, span)
            return found if op == "==" else Not(found, span)
        case "==" | "!=":
            return _equal(context, op, left, right, span)
        case "<" | "<=" | ">" | ">=":
            return _order(context, op, left, right, span)
    raise AssertionError(op)


def _is_none(node: Node) -> bool:
    return isinstance(node, Literal) and node.value is None


def _unset(context: Context, left: Node, right: Node, span: Span) -> Compare:
    node, none = (right, left) if _is_none(left) else (left, right)
    kind = node.type.kind
    may_be_unset = kind in MAY_BE_UNSET or (
        (isinstance(node, Follow) or (isinstance(node, Read) and node.scope == "arg")) and kind != "set"
    )
    if is_loose(node.type) or not may_be_unset:
        cure = f"write `len({context.text(node)}) == 0`" if kind == "set" else ""
        raise trouble("LT102", f"{context.told(node)}, which is never unset", span, cure=cure)
    return Compare("is", node, none, span)


def _equal(context: Context, op: CompareOp, left: Node, right: Node, span: Span) -> Node:
    if right.type.kind in TAKES_QUOTED and not is_loose(right.type):
        left = adapt(context, left, right.type)
    elif left.type.kind in TAKES_QUOTED and not is_loose(left.type):
        right = adapt(context, right, left.type)
    if left.type.kind == right.type.kind == "set":
        _incomparable(context, left, right, span)
    left, right = _settled(context, left), _settled(context, right)
    if not is_comparable(left.type, right.type):
        _incomparable(context, left, right, span)
    return Compare(op, left, right, span)


def _settled(context: Context, node: Node) -> Node:
    return settle(context, node) if is_loose(node.type) else node


def _incomparable(context: Context, left: Node, right: Node, span: Span) -> None:
    cure = ""
    kinds = {left.type.kind, right.type.kind}
    empty = [
        other for one, other in ((left, right), (right, left)) if isinstance(one, Members) and not one.items
    ]
    if empty:
        cure = f"write `len({context.text(empty[0])}) == 0`"
    elif kinds == {"set"}:
        cure = "compare members: `all(x in b for x in a)`"
    elif kinds == {"time"}:
        cure = "times are set or unset: a `[timer]` tells when one has come"
    elif kinds == {"bool", "int"}:
        cure = "a condition stands for itself: write `x` or `not x`"
    elif kinds == {"text", "id"} and isinstance(left, Read) != isinstance(right, Read):
        cure = "a field that holds who acted has the type `id`"
    elif kinds == {"enum"}:
        cure = _one_enum(left.type, right.type)
    if left.type == right.type:
        message = f"{context.told(left)}, which cannot be compared"
    else:
        message = f"{context.told(left)}, and {context.told(right)}"
    raise trouble("LT102", message, span, cure=cure)


def _order(context: Context, op: CompareOp, left: Node, right: Node, span: Span) -> Node:
    for node in (left, right):
        if node.type.kind not in ("int", "unknown"):
            cure = (
                "times are set or unset: a `[timer]` tells when one has come"
                if node.type.kind == "time"
                else ""
            )
            cure = f"write `len({context.text(node)})`" if node.type.kind == "set" else cure
            if isinstance(node, Literal) and re.fullmatch(r"-?[0-9]+", str(node.value)):
                cure = f"write `{node.value}`, without quotes"
            message = f"`{op}` compares ints, and {context.told(node)}"
            context.fail("LT102", message, node, cure=cure)
    return Compare(op, left, right, span)


def _contains(context: Context, left: Node, right: Node, span: Span) -> Compare:
    if right.type.kind not in ("set", "unknown"):
        cure = "write `==`, or list what it may be: `in ('a', 'b')`"
        if right.type.kind == "text":
            cure = "text has no parts; compare the whole with `==`"
        message = f"`in` looks into sets and lists, and {context.told(right)}"
        context.fail("LT102", message, right, cure=cure)
    if _is_none(left):
        context.fail("LT102", "`None` is in nothing", left, cure="write `x is None`")
    if is_loose(right.type) and not is_loose(left.type):
        is_empty = right.type == EMPTY_SET
        right = adapt(
            context, right, set_of(left.type if is_empty or left.type.kind in TAKES_QUOTED else TEXT)
        )
    elif is_loose(left.type):
        left = adapt(context, left, element_of(right.type) if not is_loose(right.type) else TEXT)
        right = _settled(context, right)
    empty = isinstance(right, Members) and not right.items
    if left.type.kind not in ELEMENTS or not (empty or is_comparable(left.type, element_of(right.type))):
        message = f"{context.told(left)}, and {context.told(right)}"
        raise trouble("LT102", message, span, cure=_one_enum(left.type, element_of(right.type)))
    return Compare("in", left, right, span)


def _one_enum(left: Type, right: Type) -> str:
    """What keeps two enums from being compared, if that is what both are."""
    if {left.kind, right.kind} != {"enum"}:
        return ""
    apart = tuple(m for m in (*left.members, *right.members) if (m in left.members) != (m in right.members))
    return f"let both enums have the same members: {quoted(apart)} is in one of them alone"


def members(context: Context, items: list[Node], span: Span) -> Members:
    """A tuple or set display: its items have one type, which the first typed one gives."""
    element = next((item.type for item in items if not is_loose(item.type)), LOOSE if items else UNKNOWN)
    typed: list[Node] = []
    for item in items:
        if _is_none(item):
            context.fail(
                "LT102", "`None` is no member of anything", item, cure="write `x is None or x in (…)`"
            )
        if item.type.kind not in ELEMENTS:
            context.fail("LT102", f"{context.told(item)}, which is no member", item)
        item = adapt(context, item, element) if element != LOOSE else item
        joined = join(element, item.type)
        if joined is None or is_loose(item.type) != (element == LOOSE):
            message = f"{context.told(item)}, and other members are {described(element)}"
            context.fail("LT102", message, item)
        element = joined if element != LOOSE else LOOSE
        typed.append(item)
    return Members(tuple(typed), set_of(element), span)


def negate(context: Context, operand: Node, span: Span) -> Node:
    """Unary minus; of a number it is the negative number."""
    _int(context, "-", operand)
    if isinstance(operand, Literal) and isinstance(operand.value, int):
        return Literal(-operand.value, INT, span)
    return Negate(operand, INT, span)


def arithmetic(context: Context, op: ArithmeticOp, left: Node, right: Node, span: Span) -> Node:
    """`+ - * // %`: on ints, `+` of seconds to `now`, `+` and `-` on sets. Raises LT102."""
    if op in ("+", "-") and (
        left.type.kind == "set" or (left.type.kind == "unknown" and right.type.kind == "set")
    ):
        return _set_change(context, "+" if op == "+" else "-", left, right, span)
    if "time" in (left.type.kind, right.type.kind):
        return _later(context, op, left, right, span)
    _int(context, op, left)
    _int(context, op, right)
    if op in ("//", "%") and isinstance(right, Literal) and right.value == 0:
        raise trouble(
            "LT103",
            f"`{op} 0` divides by zero, so it never has a value",
            span,
            cure="divide by another number",
        )
    return Arithmetic(op, left, right, INT, span)


def _int(context: Context, op: str, node: Node) -> None:
    if node.type.kind in ("int", "unknown"):
        return
    cure = ""
    if node.type.kind == "bool":
        cure = f"write `(1 if {context.text(node)} else 0)`"
    elif node.type.kind == "text":
        cure = "there is no putting together of text"
    elif node.type.kind == "set":
        cure = f"write `len({context.text(node)})`"
    context.fail("LT102", f"`{op}` is for ints, and {context.told(node)}", node, cure=cure)


def _later(context: Context, op: ArithmeticOp, left: Node, right: Node, span: Span) -> Node:
    base = left
    while isinstance(base, Arithmetic):
        base = base.left
    if not (isinstance(base, Special) and base.name == "now" and op == "+"):
        cure = (
            "write `now + SECONDS`"
            if "now" in (context.text(left), context.text(right))
            else "a time is set from `now`"
        )
        raise trouble("LT102", "of times there is only `now + SECONDS`", span, cure=cure)
    _int(context, "+", right)
    return Arithmetic("+", left, right, left.type, span)


def _set_change(context: Context, op: Lit["+", "-"], left: Node, right: Node, span: Span) -> Node:
    if is_loose(left.type) and not is_loose(right.type):
        left = adapt(context, left, right.type if right.type.kind == "set" else set_of(right.type))
    element = element_of(left.type)
    if right.type.kind == "set":
        right = adapt(context, right, left.type) if not is_loose(left.type) else right
        fitting = join(left.type, right.type) is not None
    else:
        right = adapt(context, right, element)
        fitting = right.type.kind in ELEMENTS and is_comparable(element, right.type)
    if not fitting:
        message = f"{context.told(left)}, and {context.told(right)}"
        raise trouble("LT102", message, span)
    return SetChange(op, left, right, left.type, span)


def if_else(context: Context, condition: Node, then: Node, otherwise: Node, *, span: Span) -> Node:
    """`then if condition else otherwise`: both of one type. Raises LT102."""
    joined = join(then.type, otherwise.type)
    if joined is None and (_is_none(then) or _is_none(otherwise)):
        other = otherwise if _is_none(then) else then
        raise trouble("LT102", f"{context.told(other)}, which is never unset", span)
    if joined is None:
        message = f"{context.told(then)}, and {context.told(otherwise)}"
        raise trouble("LT102", message, span, cure="both sides of `if … else` have one type")
    if not is_loose(joined):
        then, otherwise = adapt(context, then, joined), adapt(context, otherwise, joined)
    return IfElse(condition, then, otherwise, joined, span)
