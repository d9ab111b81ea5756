"""Formulas over packed integers: what the blueprint's expressions become before a search.

Variables hold codes from 0 to their size - 1; conditions are 0 or 1. The constructors fold constants
and use the variables' bounds, so that what cannot happen is never searched for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple


class Formula(NamedTuple):
    """An operator and what it is applied to; a tuple, because a system has tens of thousands of them.

    Leaves: `c` (the number `value`), `v` (the variable with index `value`, codes 0 to `high`),
    `p` (the parameter `name`, from `value` to `high`).
    """

    op: str
    args: tuple[Formula, ...] = ()
    value: int = 0
    high: int = 0
    name: str = ""


TRUE = Formula("c", value=1)
FALSE = Formula("c", value=0)


def const(value: int) -> Formula:
    """A number."""
    return Formula("c", (), int(value))


def var(index: int, size: int) -> Formula:
    """A variable of the layout, with codes 0 … size - 1."""
    return Formula("v", (), index, size - 1)


def param(name: str, low: int, high: int) -> Formula:
    """A parameter of a command, chosen anew at each step."""
    return Formula("p", (), low, high, name)


def is_const(x: Formula) -> bool:
    """Whether a formula is a number."""
    return x.op == "c"


def bounds(x: Formula) -> tuple[int, int] | None:
    """The least and the largest value of a formula, where that is easily seen."""
    match x.op:
        case "c":
            return (x.value, x.value)
        case "v":
            return (0, x.high)
        case "p":
            return (x.value, x.high)
        case "+" | "-":
            return _sum_bounds(x)
        case "?":
            a, b = bounds(x.args[1]), bounds(x.args[2])
            return (min(a[0], b[0]), max(a[1], b[1])) if a and b else None
        case "min" | "max":
            return _extreme_bounds(x)
        case "==" | "<" | "<=" | "and" | "or" | "not" | "bit":
            return (0, 1)
        case _:
            return None


def _sum_bounds(x: Formula) -> tuple[int, int] | None:
    a, b = bounds(x.args[0]), bounds(x.args[1])
    if a is None or b is None:
        return None
    return (a[0] + b[0], a[1] + b[1]) if x.op == "+" else (a[0] - b[1], a[1] - b[0])


def _extreme_bounds(x: Formula) -> tuple[int, int] | None:
    found = [bounds(y) for y in x.args]
    known = [f for f in found if f is not None]
    if len(known) < len(found):
        return None
    pick: Callable[[Iterable[int]], int] = min if x.op == "min" else max
    return (pick(k[0] for k in known), pick(k[1] for k in known))


def _both_const(a: Formula, b: Formula) -> bool:
    return a.op == "c" and b.op == "c"


def plus(a: Formula, b: Formula) -> Formula:
    """The sum."""
    if _both_const(a, b):
        return const(a.value + b.value)
    if a == FALSE:
        return b
    if b == FALSE:
        return a
    if is_const(b) and a.op == "+" and is_const(a.args[1]):
        return plus(a.args[0], const(a.args[1].value + b.value))
    if is_const(a):
        return plus(b, a)
    return Formula("+", (a, b))


def minus(a: Formula, b: Formula) -> Formula:
    """The difference."""
    if is_const(b):
        return plus(a, const(-b.value))
    return FALSE if a == b else Formula("-", (a, b))


def times(a: Formula, b: Formula) -> Formula:
    """The product."""
    return const(a.value * b.value) if _both_const(a, b) else Formula("*", (a, b))


def divide(a: Formula, b: Formula) -> Formula:
    """Floor division; where the divisor is 0 the value does not matter (the step is refused)."""
    if is_const(b):
        if b.value == 0:
            return FALSE
        return const(a.value // b.value) if is_const(a) else Formula("//", (a, b))
    return Formula("//", (a, b))


def modulo(a: Formula, b: Formula) -> Formula:
    """The remainder with the sign of the divisor; by 0 the value does not matter."""
    if is_const(b):
        if b.value == 0:
            return FALSE
        return const(a.value % b.value) if is_const(a) else Formula("%", (a, b))
    return Formula("%", (a, b))


def eq(a: Formula, b: Formula) -> Formula:
    """Whether two values are equal."""
    if a == b:
        return TRUE
    if _both_const(a, b):
        return FALSE
    if is_const(a):
        a, b = b, a
    if is_const(b):
        if a.op == "+" and is_const(a.args[1]):
            return eq(a.args[0], const(b.value - a.args[1].value))
        if a.op == "?" and _both_const(a.args[1], a.args[2]):
            return choose(a.args[0], eq(a.args[1], b), eq(a.args[2], b))
    reach_a, reach_b = bounds(a), bounds(b)
    if reach_a and reach_b and (reach_a[1] < reach_b[0] or reach_b[1] < reach_a[0]):
        return FALSE
    return Formula("==", (a, b))


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
    return Formula(op, (a, b))


def no(a: Formula) -> Formula:
    """The negation of a condition."""
    if is_const(a):
        return FALSE if a.value else TRUE
    return a.args[0] if a.op == "not" else Formula("not", (a,))


def both(*items: Formula) -> Formula:
    """The conjunction, evaluated left to right."""
    kept: list[Formula] = []
    for item in items:
        for x in item.args if item.op == "and" else (item,):
            if is_const(x):
                if not x.value:
                    return FALSE
            elif x not in kept:
                kept.append(x)
    if not kept:
        return TRUE
    return kept[0] if len(kept) == 1 else Formula("and", tuple(kept))


def either(*items: Formula) -> Formula:
    """The disjunction, evaluated left to right."""
    kept: list[Formula] = []
    for item in items:
        for x in item.args if item.op == "or" else (item,):
            if is_const(x):
                if x.value:
                    return TRUE
            elif x not in kept:
                kept.append(x)
    if not kept:
        return FALSE
    return kept[0] if len(kept) == 1 else Formula("or", tuple(kept))


def choose(condition: Formula, a: Formula, b: Formula) -> Formula:
    """`a` where the condition holds, else `b`."""
    if is_const(condition):
        return a if condition.value else b
    if a == b:
        return a
    if a == TRUE and b == FALSE:
        return condition
    if a == FALSE and b == TRUE:
        return no(condition)
    return Formula("?", (condition, a, b))


def bit(mask: Formula, index: Formula) -> Formula:
    """Whether the mask has the bit of that index; the index must not be negative where this is read."""
    if _both_const(mask, index):
        return const(mask.value >> index.value & 1) if index.value >= 0 else FALSE
    return Formula("bit", (mask, index))


def shifted(index: Formula) -> Formula:
    """The mask of one bit."""
    return const(1 << index.value) if is_const(index) and index.value >= 0 else Formula("1<<", (index,))


def union(a: Formula, b: Formula) -> Formula:
    """The members of both masks."""
    if _both_const(a, b):
        return const(a.value | b.value)
    return Formula("|", (a, b))


def without(a: Formula, b: Formula) -> Formula:
    """The members of the first mask that are not in the second."""
    if _both_const(a, b):
        return const(a.value & ~b.value)
    return Formula("&~", (a, b))


def count(mask: Formula) -> Formula:
    """How many members a mask has."""
    return const(mask.value.bit_count()) if is_const(mask) else Formula("#", (mask,))


def least(*items: Formula) -> Formula:
    """The least of some values."""
    return const(min(i.value for i in items)) if all(map(is_const, items)) else Formula("min", items)


def largest(*items: Formula) -> Formula:
    """The largest of some values."""
    return const(max(i.value for i in items)) if all(map(is_const, items)) else Formula("max", items)


def absolute(a: Formula) -> Formula:
    """The value without its sign."""
    return const(abs(a.value)) if is_const(a) else Formula("abs", (a,))


def leaves(x: Formula) -> set[Formula]:
    """The variables and parameters that a formula reads."""
    found: set[Formula] = set()
    waiting = [x]
    while waiting:
        y = waiting.pop()
        if y.op in ("v", "p"):
            found.add(y)
        else:
            waiting.extend(y.args)
    return found


def variables(*formulas: Formula) -> set[int]:
    """The indexes of the variables that some formulas read."""
    return {leaf.value for x in formulas for leaf in leaves(x) if leaf.op == "v"}


def parameters(*formulas: Formula) -> set[str]:
    """The names of the parameters that some formulas read."""
    return {leaf.name for x in formulas for leaf in leaves(x) if leaf.op == "p"}


def conjuncts(x: Formula) -> tuple[Formula, ...]:
    """The parts of a conjunction; a formula that is none is its own only part."""
    return x.args if x.op == "and" else (x,)


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
    match x.op:
        case "c":
            return str(x.value) if x.value >= 0 else f"({x.value})"
        case "v":
            return f"v{x.value}"
        case "p":
            return f"p_{x.name}"
        case "and" | "or":
            return "(" + f" {x.op} ".join(source(y) for y in x.args) + ")"
        case "min" | "max":
            return f"{x.op}({', '.join(source(y) for y in x.args)})"
        case _:
            return _TEXT[x.op].format(*(source(y) for y in x.args))


_MADE: dict[str, Callable[..., Formula]] = {
    "+": plus,
    "-": minus,
    "*": times,
    "//": divide,
    "%": modulo,
    "==": eq,
    "<": lt,
    "<=": le,
    "not": no,
    "and": both,
    "or": either,
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


def rebuilt(x: Formula, args: Iterable[Formula]) -> Formula:
    """The formula with other arguments, made anew, so that what is known by now is folded."""
    return _MADE[x.op](*args)


def settled(x: Formula, known: Mapping[int, int]) -> Formula:
    """The formula where some variables, by index, are known to have a value."""
    match x.op:
        case "v":
            return const(known[x.value]) if x.value in known else x
        case "c" | "p":
            return x
        case _:
            return rebuilt(x, (settled(y, known) for y in x.args))


def chosen(x: Formula, picked: Mapping[str, int]) -> Formula:
    """The formula where parameters, by name, have a value."""
    match x.op:
        case "p":
            return const(picked[x.name]) if x.name in picked else x
        case "c" | "v":
            return x
        case _:
            return rebuilt(x, (chosen(y, picked) for y in x.args))
