"""Formulas as numpy text: what `ir.source` is for one state, for columns of them.

Conditions become boolean arrays, everything else 64-bit integers. What a short circuit keeps Python from
evaluating is evaluated here and thrown away, so nothing may fault: divisors are never 0, shifts never
negative, and a formula whose values could leave 63 bits is refused beforehand (`is_small`).
"""

from __future__ import annotations

from lathe.check.ir import Formula

_CONDITIONS = frozenset({"==", "<", "<=", "and", "or", "not"})
_LIMIT = 1 << 61

_TEXT = {
    "+": "({0} + {1})",
    "-": "({0} - {1})",
    "*": "({0} * {1})",
    "//": "np.floor_divide({0}, nonzero({1}))",
    "%": "np.mod({0}, nonzero({1}))",
    "==": "({0} == {1})",
    "<": "({0} < {1})",
    "<=": "({0} <= {1})",
    "bit": "(({0} >> natural({1})) & 1)",
    "1<<": "np.left_shift(1, natural({0}))",
    "|": "({0} | {1})",
    "&~": "({0} & ~{1})",
    "#": "members({0})",
    "abs": "np.abs({0})",
}


def number_text(x: Formula, prefix: str = "v") -> str:
    """The text of a formula's values; variables are `{prefix}{index}`, parameters `p_{name}`."""
    match x.op:
        case "c":
            return str(x.value) if x.value >= 0 else f"({x.value})"
        case "v":
            return f"{prefix}{x.value}"
        case "p":
            return f"p_{x.name}"
        case "?":
            condition = truth_text(x.args[0], prefix)
            return (
                f"np.where({condition}, {number_text(x.args[1], prefix)}, {number_text(x.args[2], prefix)})"
            )
        case "min" | "max":
            name = "np.minimum" if x.op == "min" else "np.maximum"
            text = number_text(x.args[0], prefix)
            for other in x.args[1:]:
                text = f"{name}({text}, {number_text(other, prefix)})"
            return text
    if x.op in _CONDITIONS:
        return f"({truth_text(x, prefix)} * 1)"
    return _TEXT[x.op].format(*(number_text(y, prefix) for y in x.args))


def truth_text(x: Formula, prefix: str = "v") -> str:
    """The text of a condition."""
    match x.op:
        case "c":
            return str(bool(x.value))
        case "not":
            return f"np.logical_not({truth_text(x.args[0], prefix)})"
        case "and" | "or":
            sign = " & " if x.op == "and" else " | "
            return "(" + sign.join(truth_text(y, prefix) for y in x.args) + ")"
        case "?":
            parts = (truth_text(x.args[0], prefix), *(truth_text(y, prefix) for y in x.args[1:]))
            return f"np.where({', '.join(parts)})"
    if x.op in _CONDITIONS:
        return _TEXT[x.op].format(*(number_text(y, prefix) for y in x.args))
    return f"({number_text(x, prefix)} != 0)"


def is_small(x: Formula) -> bool:
    """Whether every value that turns up on the way fits a 64-bit integer, with room to spare."""
    return _reach(x) is not None


def _reach(x: Formula) -> tuple[int, int] | None:
    """The least and the largest value; None if it, or anything below it, may be too large."""
    match x.op:
        case "c":
            found: tuple[int, int] = (x.value, x.value)
        case "v":
            found = (0, x.high)
        case "p":
            found = (x.value, x.high)
        case _:
            below = [_reach(y) for y in x.args]
            parts = [b for b in below if b is not None]
            if len(parts) < len(below):
                return None
            found = _combined(x.op, parts)
    return found if found[0] > -_LIMIT and found[1] < _LIMIT else None


def _combined(op: str, parts: list[tuple[int, int]]) -> tuple[int, int]:
    first, last = parts[0], parts[-1]
    hull = (min(low for low, _ in parts), max(high for _, high in parts))
    match op:
        case "+":
            return (first[0] + last[0], first[1] + last[1])
        case "-":
            return (first[0] - last[1], first[1] - last[0])
        case "*":
            corners = [a * b for a in first for b in last]
            return (min(corners), max(corners))
        case "//" | "%" | "abs" | "min" | "max" | "&~":
            largest = max(abs(hull[0]), abs(hull[1]))
            return (-largest, largest)
        case "?":
            return (min(first[0], last[0], parts[1][0]), max(parts[1][1], last[1]))
        case "|":
            return (0, (1 << max(hull[1], 0).bit_length()) - 1)
        case "1<<":
            return (0, 1 << min(max(first[1], 0), 100))
        case "#":
            return (0, 64)
        case _:
            return (0, 1)
