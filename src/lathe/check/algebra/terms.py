"""Formulas as Z3 terms: numbers and codes as integers, sets as one condition for each member."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import TypeAlias

import z3

from lathe.check.algebra import build
from lathe.check.algebra.build import (
    Z3,
    at_most,
    both,
    choice,
    difference,
    either,
    equal,
    integer,
    less,
    negation,
    product,
    total,
)  # fmt: skip
from lathe.check.composed.ir import Formula, bounds
from lathe.check.composed.layout import Variable
from lathe.errors import LatheError
from lathe.frozen import frozen
from lathe.lang.types import Type

_COMPARED: Mapping[str, Callable[[Z3, Z3], Z3]] = {"==": equal, "<": less, "<=": at_most}
_CONDITIONS = frozenset({"==", "<", "<=", "and", "or", "not"})
_MASKS = frozenset({"1<<", "|", "&~"})


class NotModelledError(LatheError, ValueError):
    """A formula that has no faithful counterpart; what reads it is not proved."""


@frozen
class Mask:
    """A set of codes: for each member, whether it is in it."""

    bits: tuple[Z3, ...]


Term: TypeAlias = "Z3 | Mask"
Names = Mapping[int, Term]
"""The term of each variable, by its index."""


def is_mask(kind: Type) -> bool:
    """Whether a variable of this type is a set."""
    return kind.kind == "set"


def constant(variable: Variable, suffix: str = "") -> Term:
    """A free term for a variable, named after it."""
    name = f"{variable.name}{suffix}"
    if is_mask(variable.kind):
        return Mask(tuple(z3.Bool(f"{name}.{i}") for i in range(variable.width)))
    return z3.Int(name)


def within(variable: Variable, term: Term) -> Z3:
    """That a term is one of the variable's codes."""
    if isinstance(term, Mask):
        return build.TRUE
    return both(at_most(integer(0), term), less(term, integer(variable.size)))


class Lowering:
    """Formulas over given terms for variables and parameters."""

    def __init__(self, variables: Names, parameters: Mapping[str, Term]) -> None:
        self._variables = variables
        self._parameters = parameters

    def truth(self, x: Formula) -> Z3:
        """A condition."""
        match x.op:
            case "c":
                return build.TRUE if x.value else build.FALSE
            case "not":
                return negation(self.truth(x.args[0]))
            case "and":
                return both(*map(self.truth, x.args))
            case "or":
                return either(*map(self.truth, x.args))
            case "?":
                return choice(*map(self.truth, x.args))
            case "bit":
                return self._has(x.args[0], x.args[1])
            case "==" | "<" | "<=":
                return self._compared(x)
        return negation(equal(self.number(x), integer(0)))

    def _compared(self, x: Formula) -> Z3:
        left, right = (self.term(y) for y in x.args)
        if isinstance(left, Mask) or isinstance(right, Mask):
            if x.op != "==":
                raise NotModelledError("sets are compared for equality alone")
            a, b = _alike(left, right)
            return both(*(equal(p, q) for p, q in zip(a, b, strict=True)))
        return _COMPARED[x.op](left, right)

    def _has(self, mask: Formula, index: Formula) -> Z3:
        bits, where = self.mask(mask), self.number(index)
        return either(*(both(bit, equal(where, integer(i))) for i, bit in enumerate(bits)))

    def term(self, x: Formula) -> Term:
        """A value: a set where it is one, a number otherwise."""
        if x.op == "v":
            return self._variables[x.value]
        if x.op == "p":
            return self._parameters[x.name]
        if x.op in _MASKS:
            return Mask(self.mask(x))
        if x.op == "?":
            then, other = self.term(x.args[1]), self.term(x.args[2])
            if isinstance(then, Mask) or isinstance(other, Mask):
                return Mask(self.mask(x))
        return self.number(x)

    def mask(self, x: Formula) -> tuple[Z3, ...]:
        """A set, as the condition of each of its possible members."""
        match x.op:
            case "c":
                return tuple(
                    build.TRUE if x.value >> i & 1 else build.FALSE for i in range(x.value.bit_length())
                )
            case "v" | "p":
                found = self._variables[x.value] if x.op == "v" else self._parameters[x.name]
                if not isinstance(found, Mask):
                    raise NotModelledError("a number is read as a set")
                return found.bits
            case "1<<":
                where = self.number(x.args[0])
                return tuple(equal(where, integer(i)) for i in range(_most(x.args[0]) + 1))
            case "|" | "&~":
                a, b = _alike(Mask(self.mask(x.args[0])), Mask(self.mask(x.args[1])))
                join: Callable[[Z3, Z3], Z3] = either if x.op == "|" else lambda p, q: both(p, negation(q))
                return tuple(join(p, q) for p, q in zip(a, b, strict=True))
            case "?":
                condition = self.truth(x.args[0])
                a, b = _alike(Mask(self.mask(x.args[1])), Mask(self.mask(x.args[2])))
                return tuple(choice(condition, p, q) for p, q in zip(a, b, strict=True))
        raise NotModelledError(f"`{x.op}` is no set")

    def number(self, x: Formula) -> Z3:
        """An integer."""
        match x.op:
            case "c":
                return integer(x.value)
            case "v" | "p":
                found = self._variables[x.value] if x.op == "v" else self._parameters[x.name]
                if isinstance(found, Mask):
                    raise NotModelledError("a set is read as a number")
                return found
            case "?":
                return choice(self.truth(x.args[0]), self.number(x.args[1]), self.number(x.args[2]))
            case "#":
                return total(*(choice(bit, integer(1), integer(0)) for bit in self.mask(x.args[0])))
        if x.op in _CONDITIONS or x.op == "bit":
            return choice(self.truth(x), integer(1), integer(0))
        return self._arithmetic(x, [self.number(y) for y in x.args])

    def _arithmetic(self, x: Formula, terms: list[Z3]) -> Z3:
        match x.op:
            case "+":
                return total(terms[0], terms[1])
            case "-":
                return difference(terms[0], terms[1])
            case "*":
                return product(terms[0], terms[1])
            case "min" | "max":
                is_min = x.op == "min"
                return reduce(lambda a, b: choice(less(a, b) if is_min else less(b, a), a, b), terms)
            case "abs":
                zero = integer(0)
                return choice(less(terms[0], zero), difference(zero, terms[0]), terms[0])
            case "//" | "%" if x.args[1].op == "c" and x.args[1].value > 0:
                return terms[0] / terms[1] if x.op == "//" else terms[0] % terms[1]
        raise NotModelledError(f"`{x.op}` by what may be negative")


def _most(index: Formula) -> int:
    """The largest value of an index of a member."""
    reach = bounds(index)
    if reach is None or reach[1] > 1024:
        raise NotModelledError("a member of a set that may be any")
    return max(reach[1], 0)


def _alike(left: Term, right: Term) -> tuple[tuple[Z3, ...], tuple[Z3, ...]]:
    """Two sets with a condition for the same members; the number 0 is the empty set."""
    a, b = (t.bits if isinstance(t, Mask) else _numbered(t) for t in (left, right))
    missing = len(b) - len(a)
    off = build.FALSE
    return a + (off,) * missing, b + (off,) * -missing


def _numbered(term: Z3) -> tuple[Z3, ...]:
    """A constant mask that was lowered as a number."""
    if not z3.is_int_value(term):
        raise NotModelledError("a number is compared with a set")
    value = term.as_long()
    return tuple(build.TRUE if value >> i & 1 else build.FALSE for i in range(value.bit_length()))
