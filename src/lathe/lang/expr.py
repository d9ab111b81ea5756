"""The expression tree: what the text of an expression means once it is parsed, named and typed.

Nodes are plain data. `lang.parse` makes them, `machine.evaluate` walks them, `machine.lower` and
`check.composed.ground` turn them into functions and formulas. Chained comparisons are already an `And` of
single ones; `a += b` is already `a = a + b`; `not in` is a negated `in`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Literal as Lit

from lathe.errors import Span
from lathe.frozen import frozen
from lathe.lang.types import BOOL, Type

NO_SPAN = Span("", 1, 1, 1, 1)

ReadScope = Lit["field", "ghost", "app_ghost", "arg", "old", "old_ghost", "old_app_ghost", "variable", "item"]
SpecialName = Lit["state", "old_state", "id", "self", "actor", "now"]
CompareOp = Lit["==", "!=", "<", "<=", ">", ">=", "in", "is"]
ArithmeticOp = Lit["+", "-", "*", "//", "%"]


@frozen
class Literal:
    """An int, a bool, `None`, or quoted text (then `type` says: text, id, enum or state)."""

    value: int | bool | str | None
    type: Type
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Read:
    """A named value: a field, ghost, argument, comprehension variable (a ref or member) or `item`."""

    scope: ReadScope
    name: str
    type: Type
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Special:
    """`state`, `old.state`, `id`, `self` (a ref to this entity), `actor`, `now`."""

    name: SpecialName
    type: Type
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Follow:
    """`ref.name`: the state, a field or a ghost of the entity that `base` refers to (unset: None)."""

    base: Node
    what: Lit["field", "ghost", "state"]
    name: str
    type: Type
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Not:
    operand: Node
    span: Span = field(default=NO_SPAN, compare=False)
    type: Type = BOOL


@frozen
class And:
    operands: tuple[Node, ...]
    span: Span = field(default=NO_SPAN, compare=False)
    type: Type = BOOL


@frozen
class Or:
    operands: tuple[Node, ...]
    span: Span = field(default=NO_SPAN, compare=False)
    type: Type = BOOL


@frozen
class Compare:
    """One comparison. `is` compares with `None` only. The right side of `in` is a `Members` or a set."""

    op: CompareOp
    left: Node
    right: Node
    span: Span = field(default=NO_SPAN, compare=False)
    type: Type = BOOL


@frozen
class Arithmetic:
    """Exact integers; `//` and `%` floor. With `time` on the left, `+` adds seconds."""

    op: ArithmeticOp
    left: Node
    right: Node
    type: Type
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Negate:
    operand: Node
    type: Type
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class IfElse:
    condition: Node
    then: Node
    otherwise: Node
    type: Type
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Members:
    """A tuple or set display (`('a', 'b')`, `{x, y}`, `set()`); its type is a set of its elements."""

    items: tuple[Node, ...]
    type: Type
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class SetChange:
    """`s + x` or `s - x` on a set: adds or removes a member or the members of another set."""

    op: Lit["+", "-"]
    left: Node
    right: Node
    type: Type
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Call:
    """`len(set)`, `min(a, b, …)`, `max(a, b, …)`, `abs(a)`."""

    function: Lit["len", "min", "max", "abs"]
    arguments: tuple[Node, ...]
    type: Type
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Population:
    """A blueprint's name in a property: the set of its entities."""

    blueprint: str
    type: Type
    span: Span = field(default=NO_SPAN, compare=False)


@frozen
class Loop:
    """`for variable in source if condition`. `condition` is None when there is none."""

    variable: str
    source: Node
    condition: Node | None


@frozen
class Quantifier:
    """`all(body for … )`, `any(…)`, `sum(…)`: every element is looked at, whatever the others say."""

    function: Lit["all", "any", "sum"]
    body: Node
    loops: tuple[Loop, ...]
    type: Type
    span: Span = field(default=NO_SPAN, compare=False)


Node = (
    Literal
    | Read
    | Special
    | Follow
    | Not
    | And
    | Or
    | Compare
    | Arithmetic
    | Negate
    | IfElse
    | Members
    | SetChange
    | Call
    | Population
    | Quantifier
)


@frozen
class Expression:
    """A typed tree with the author's own text and its place."""

    tree: Node
    text: str
    span: Span = field(default=NO_SPAN, compare=False)


def children(node: Node) -> tuple[Node, ...]:
    """The direct sub-expressions of a node, left to right."""
    match node:
        case And(operands=items) | Or(operands=items):
            return items
        case Members(items=items) | Call(arguments=items):
            return items
        case Not(operand=x) | Negate(operand=x):
            return (x,)
        case Compare() | Arithmetic() | SetChange():
            return (node.left, node.right)
        case IfElse():
            return (node.condition, node.then, node.otherwise)
        case Follow(base=base):
            return (base,)
        case Quantifier():
            parts: list[Node] = []
            for loop in node.loops:
                parts.append(loop.source)
                if loop.condition is not None:
                    parts.append(loop.condition)
            return (*parts, node.body)
        case _:
            return ()


def walk(node: Node) -> tuple[Node, ...]:
    """The node and everything below it, parents first."""
    found: list[Node] = []
    waiting = [node]
    while waiting:
        current = waiting.pop()
        found.append(current)
        waiting.extend(reversed(children(current)))
    return tuple(found)
