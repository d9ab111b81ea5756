"""Formulas over packed integers: what the blueprint's expressions become before a search.

A formula is a nested tuple whose first item says what it is, so that formulas hash, compare and fold
for free. Variables hold codes from 0 to their size - 1; conditions are 0 or 1. The constructors fold
constants and use the variables' bounds, so that what cannot happen is never searched for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Formula = tuple[Any, ...]
"""`(operator, operand, …)`; leaves are `("c", int)`, `("v", index, size)`, `("p", name, low, high)`.

Plain tuples, because a system has tens of thousands of them and is built anew for every check.
"""

TRUE: Formula = ("c", 1)
FALSE: Formula = ("c", 0)


def const(value: int) -> Formula:
    """A number."""
    return ("c", int(value))


def var(index: int, size: int) -> Formula:
    """A variable of the layout, with codes 0 … size - 1."""
    return ("v", index, size)


def param(name: str, low: int, high: int) -> Formula:
    """A parameter of a command, chosen anew at each step."""
    return ("p", name, low, high)


def is_const(x: Formula) -> bool:
    """Whether a formula is a number."""
    return bool(x[0] == "c")


def bounds(x: Formula) -> tuple[int, int] | None:
    """The least and the largest value of a formula, where that is easily seen."""
    match x[0]:
        case "c":
            return (x[1], x[1])
        case "v":
            return (0, x[2] - 1)
        case "p":
            return (x[2], x[3])
        case "+" | "-":
            return _sum_bounds(x)
        case "?":
            a, b = bounds(x[2]), bounds(x[3])
            return (min(a[0], b[0]), max(a[1], b[1])) if a and b else None
        case "min" | "max":
            return _extreme_bounds(x)
        case "==" | "!=" | "<" | "<=" | "and" | "or" | "not" | "bit":
            return (0, 1)
        case _:
            return None


def _sum_bounds(x: Formula) -> tuple[int, int] | None:
    a, b = bounds(x[1]), bounds(x[2])
    if a is None or b is None:
        return None
    return (a[0] + b[0], a[1] + b[1]) if x[0] == "+" else (a[0] - b[1], a[1] - b[0])


def _extreme_bounds(x: Formula) -> tuple[int, int] | None:
    found = [bounds(y) for y in x[1:]]
    known = [f for f in found if f is not None]
    if len(known) < len(found):
        return None
    pick: Callable[[Iterable[int]], int] = min if x[0] == "min" else max
    return (pick(k[0] for k in known), pick(k[1] for k in known))


def plus(a: Formula, b: Formula) -> Formula:
    """The sum."""
    if is_const(a) and is_const(b):
        return const(a[1] + b[1])
    if a == FALSE:
        return b
    if b == FALSE:
        return a
    if is_const(b) and a[0] == "+" and is_const(a[2]):
        return plus(a[1], const(a[2][1] + b[1]))
    if is_const(a):
        return plus(b, a)
    return ("+", a, b)


def minus(a: Formula, b: Formula) -> Formula:
    """The difference."""
    if is_const(b):
        return plus(a, const(-b[1]))
    return FALSE if a == b else ("-", a, b)


def times(a: Formula, b: Formula) -> Formula:
    """The product."""
    return const(a[1] * b[1]) if is_const(a) and is_const(b) else ("*", a, b)


def divide(a: Formula, b: Formula) -> Formula:
    """Floor division; where the divisor is 0 the value does not matter (the step is refused)."""
    if is_const(b):
        if b[1] == 0:
            return FALSE
        return const(a[1] // b[1]) if is_const(a) else ("//", a, b)
    return ("//", a, b)


def modulo(a: Formula, b: Formula) -> Formula:
    """The remainder with the sign of the divisor; by 0 the value does not matter."""
    if is_const(b):
        if b[1] == 0:
            return FALSE
        return const(a[1] % b[1]) if is_const(a) else ("%", a, b)
    return ("%", a, b)


def eq(a: Formula, b: Formula) -> Formula:
    """Whether two values are equal."""
    if a == b:
        return TRUE
    if is_const(a) and is_const(b):
        return FALSE
    if is_const(a):
        a, b = b, a
    if is_const(b):
        if a[0] == "+" and is_const(a[2]):
            return eq(a[1], const(b[1] - a[2][1]))
        if a[0] == "?" and is_const(a[2]) and is_const(a[3]):
            return choose(a[1], eq(a[2], b), eq(a[3], b))
    reach_a, reach_b = bounds(a), bounds(b)
    if reach_a and reach_b and (reach_a[1] < reach_b[0] or reach_b[1] < reach_a[0]):
        return FALSE
    return ("==", a, b)


def lt(a: Formula, b: Formula) -> Formula:
    """Whether the first is less."""
    return _order("<", a, b)


def le(a: Formula, b: Formula) -> Formula:
    """Whether the first is not greater."""
    return _order("<=", a, b)


def _order(op: str, a: Formula, b: Formula) -> Formula:
    x, y = bounds(a), bounds(b)
    if x and y:
        strict = op == "<"
        if x[1] < y[0] or (not strict and x[1] <= y[0]):
            return TRUE
        if x[0] > y[1] or (strict and x[0] >= y[1]):
            return FALSE
    if a == b:
        return FALSE if op == "<" else TRUE
    return (op, a, b)


def no(a: Formula) -> Formula:
    """The negation of a condition."""
    if is_const(a):
        return FALSE if a[1] else TRUE
    return a[1] if a[0] == "not" else ("not", a)


def both(*items: Formula) -> Formula:
    """The conjunction, evaluated left to right."""
    kept: list[Formula] = []
    for item in items:
        for x in item[1] if item[0] == "and" else (item,):
            if is_const(x):
                if not x[1]:
                    return FALSE
            elif x not in kept:
                kept.append(x)
    if not kept:
        return TRUE
    return kept[0] if len(kept) == 1 else ("and", tuple(kept))


def either(*items: Formula) -> Formula:
    """The disjunction, evaluated left to right."""
    kept: list[Formula] = []
    for item in items:
        for x in item[1] if item[0] == "or" else (item,):
            if is_const(x):
                if x[1]:
                    return TRUE
            elif x not in kept:
                kept.append(x)
    if not kept:
        return FALSE
    return kept[0] if len(kept) == 1 else ("or", tuple(kept))


def choose(condition: Formula, a: Formula, b: Formula) -> Formula:
    """`a` where the condition holds, else `b`."""
    if is_const(condition):
        return a if condition[1] else b
    if a == b:
        return a
    if a == TRUE and b == FALSE:
        return condition
    if a == FALSE and b == TRUE:
        return no(condition)
    return ("?", condition, a, b)


def bit(mask: Formula, index: Formula) -> Formula:
    """Whether the mask has the bit of that index; the index must not be negative where this is read."""
    if is_const(mask) and is_const(index):
        return const(mask[1] >> index[1] & 1)
    return ("bit", mask, index)


def shifted(index: Formula) -> Formula:
    """The mask of one bit."""
    return const(1 << index[1]) if is_const(index) and index[1] >= 0 else ("1<<", index)


def union(a: Formula, b: Formula) -> Formula:
    """The members of both masks."""
    if is_const(a) and is_const(b):
        return const(a[1] | b[1])
    return ("|", a, b)


def without(a: Formula, b: Formula) -> Formula:
    """The members of the first mask that are not in the second."""
    if is_const(a) and is_const(b):
        return const(a[1] & ~b[1])
    return ("&~", a, b)


def count(mask: Formula) -> Formula:
    """How many members a mask has."""
    return const(mask[1].bit_count()) if is_const(mask) else ("#", mask)


def least(*items: Formula) -> Formula:
    """The least of some values."""
    return const(min(i[1] for i in items)) if all(map(is_const, items)) else ("min", *items)


def largest(*items: Formula) -> Formula:
    """The largest of some values."""
    return const(max(i[1] for i in items)) if all(map(is_const, items)) else ("max", *items)


def absolute(a: Formula) -> Formula:
    """The value without its sign."""
    return const(abs(a[1])) if is_const(a) else ("abs", a)


def leaves(x: Formula) -> set[Formula]:
    """The variables and parameters that a formula reads."""
    found: set[Formula] = set()
    waiting: list[Formula] = [x]
    while waiting:
        y = waiting.pop()
        if y[0] in ("v", "p"):
            found.add(y)
        elif y[0] in ("and", "or"):
            waiting.extend(y[1])
        elif y[0] != "c":
            waiting.extend(z for z in y[1:] if isinstance(z, tuple))
    return found


def replaced(x: Formula, values: Mapping[Formula, Formula]) -> Formula:
    """The formula with leaves exchanged, folded anew."""
    if x in values:
        return values[x]
    op = x[0]
    if op in ("c", "v", "p"):
        return x
    if op in ("and", "or"):
        return (both if op == "and" else either)(*(replaced(y, values) for y in x[1]))
    return _MAKE[op](*(replaced(y, values) for y in x[1:]))


_MAKE: dict[str, Callable[..., Formula]] = {
    "+": plus,
    "-": minus,
    "*": times,
    "//": divide,
    "%": modulo,
    "==": eq,
    "<": lt,
    "<=": le,
    "not": no,
    "?": choose,
    "bit": bit,
    "1<<": shifted,
    "|": union,
    "&~": without,
    "#": count,
    "min": least,
    "max": largest,
    "abs": absolute,
}

_TEXT = {
    "+": "({0}+{1})",
    "-": "({0}-{1})",
    "*": "({0}*{1})",
    "//": "({0}//({1} or 1))",
    "%": "({0}%({1} or 1))",
    "==": "({0}=={1})",
    "<": "({0}<{1})",
    "<=": "({0}<={1})",
    "not": "(not {0})",
    "?": "({1} if {0} else {2})",
    "bit": "({0}>>{1}&1)",
    "1<<": "(1<<{0})",
    "|": "({0}|{1})",
    "&~": "({0}&~{1})",
    "#": "({0}).bit_count()",
    "abs": "abs({0})",
}


def source(x: Formula) -> str:
    """The formula as Python text: variables are `v<index>`, parameters `p_<name>`."""
    op = x[0]
    match op:
        case "c":
            return str(x[1]) if x[1] >= 0 else f"({x[1]})"
        case "v":
            return f"v{x[1]}"
        case "p":
            return f"p_{x[1]}"
        case "and" | "or":
            return "(" + f" {op} ".join(source(y) for y in x[1]) + ")"
        case "min" | "max":
            return f"{op}({', '.join(source(y) for y in x[1:])})"
        case _:
            return _TEXT[op].format(*(source(y) for y in x[1:]))
