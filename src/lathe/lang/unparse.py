"""An expression tree back as text: one spelling for each meaning, with as few brackets as it needs."""

from __future__ import annotations

from lathe.lang.expr import (
    And,
    Arithmetic,
    Call,
    Compare,
    Follow,
    IfElse,
    Literal,
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

_LOOSEST = 0
_IF, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _UNARY, _ATOM = range(1, 10)

_PREFIX = {"arg": "arg.", "old": "old.", "old_ghost": "old.", "old_app_ghost": "old."}


def unparse(node: Node) -> str:
    """The text of a tree; reading it again gives the same tree."""
    return _text(node, _LOOSEST)


def _text(node: Node, around: int) -> str:
    text, strength = _spell(node)
    return f"({text})" if strength < around else text


def _spell(node: Node) -> tuple[str, int]:
    match node:
        case Literal(value=value):
            return repr(value), _ATOM if not isinstance(value, int) or value >= 0 else _UNARY
        case Read(scope=scope, name=name):
            return _PREFIX.get(scope, "") + name, _ATOM
        case Special(name=name):
            return "old.state" if name == "old_state" else name, _ATOM
        case Follow(base=base, name=name):
            return f"{_text(base, _ATOM)}.{name}", _ATOM
        case Population(blueprint=blueprint):
            return blueprint, _ATOM
        case Not(operand=Compare(op="in" | "is" as op) as inner):
            word = "not in" if op == "in" else "is not"
            return f"{_text(inner.left, _SUM)} {word} {_group(inner.right)}", _COMPARE
        case Not(operand=operand):
            return f"not {_text(operand, _NOT)}", _NOT
        case And(operands=operands):
            return " and ".join(_text(o, _NOT) for o in operands), _AND
        case Or(operands=operands):
            return " or ".join(_text(o, _AND) for o in operands), _OR
        case Compare(op="in", left=left, right=right):
            return f"{_text(left, _SUM)} in {_group(right)}", _COMPARE
        case Compare(op=op, left=left, right=right):
            return f"{_text(left, _SUM)} {op} {_text(right, _SUM)}", _COMPARE
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            return f"{_text(then, _OR)} if {_text(condition, _OR)} else {_text(otherwise, _IF)}", _IF
        case _:
            return _spell_value(node)


def _group(node: Node) -> str:
    """The right side of `in` or `is`: several members as a tuple, as most authors write them."""
    if isinstance(node, Members) and len(node.items) > 1:
        return f"({', '.join(_text(i, _IF) for i in node.items)})"
    return _text(node, _SUM)


def _spell_value(node: Node) -> tuple[str, int]:
    match node:
        case Arithmetic(op=op, left=left, right=right) | SetChange(op=op, left=left, right=right):
            mine = _SUM if op in "+-" else _PRODUCT
            return f"{_text(left, mine)} {op} {_text(right, mine + 1)}", mine
        case Negate(operand=operand):
            return f"-{_text(operand, _UNARY)}", _UNARY
        case Members(items=items):
            listed = ", ".join(_text(i, _IF) for i in items)
            return (f"{{{listed}}}" if items else "set()"), _ATOM
        case Call(function=function, arguments=arguments):
            return f"{function}({', '.join(_text(a, _IF) for a in arguments)})", _ATOM
        case Quantifier(function=function, body=body, loops=loops):
            text = _text(body, _IF)
            for loop in loops:
                text += f" for {loop.variable} in {_text(loop.source, _OR)}"
                if loop.condition is not None:
                    text += f" if {_text(loop.condition, _OR)}"
            return f"{function}({text})", _ATOM
    raise AssertionError(type(node))
