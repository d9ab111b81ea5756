"""Expressions put into words: `attempts < 3` becomes "`attempts` is below 3".

What would read worse than the author's own text is left as that text.
"""

from __future__ import annotations

from lathe.lang.expr import Arithmetic, Expression, Literal, Members, Node, Read, SetChange
from lathe.lang.render._grammar import clause, members, noun
from lathe.lang.render.escape import code

PHRASE_MAX = 180
NESTING_MAX = 2
"""A phrase with more characters, or deeper parentheses, is shown as the author wrote it."""


def condition(expression: Expression) -> str:
    """A bool expression as a clause, or the author's text as code."""
    return _readable(clause(expression.tree).text, expression)


def value(expression: Expression) -> str:
    """Any expression as a noun, or the author's text as code."""
    return _readable(noun(expression.tree).text, expression)


def change(target: str, expression: Expression) -> str:
    """An assignment as something that is done: "raises `attempts` by 1"."""
    return _readable(_change(target, expression.tree), expression, f"sets {code(target)} to ")


def _readable(text: str, expression: Expression, before: str = "") -> str:
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if len(text) > PHRASE_MAX or deepest > NESTING_MAX:
        return before + code(expression.text)
    return text


def _change(target: str, tree: Node) -> str:
    name = code(target)
    match tree:
        case Literal(value=None):
            return f"clears {name}"
        case Members(items=()):
            return f"empties {name}"
        case Arithmetic(
            op="+" | "-", left=Read(scope="field" | "ghost" | "app_ghost", name=read), right=by
        ) if read == target and by.type.kind == "int" and tree.type.kind == "int":
            return f"{'raises' if tree.op == '+' else 'lowers'} {name} by {noun(by).text}"
        case SetChange(op="+", left=Read(name=read), right=item) if _is_own(tree.left, read, target):
            return f"adds {members(item)} to {name}"
        case SetChange(op="-", left=Read(name=read), right=item) if _is_own(tree.left, read, target):
            return f"removes {members(item)} from {name}"
        case _:
            return f"sets {name} to {noun(tree).text}"


def _is_own(read: Node, name: str, target: str) -> bool:
    """Whether an int or a set is changed by what it was."""
    is_own = isinstance(read, Read) and read.scope in ("field", "ghost", "app_ghost")
    return is_own and name == target and read.type.kind in ("int", "set")
