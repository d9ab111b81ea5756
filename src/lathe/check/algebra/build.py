"""Z3's terms, made quickly: over its C interface, for conditions and integers that are known to be such.

The operators of `z3` look for a common sort of what they join, in Python: ten times the cost of the term.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, TypeAlias

import z3

Z3: TypeAlias = Any
"""A term of z3, which has no types of its own."""

_CONTEXT = z3.main_ctx()
_REF = _CONTEXT.ref()

TRUE: Z3 = z3.BoolVal(True)
FALSE: Z3 = z3.BoolVal(False)


@cache
def integer(value: int) -> Z3:
    """A constant."""
    return z3.IntVal(value)


def both(*conditions: Z3) -> Z3:
    """All of some conditions."""
    return (
        conditions[0] if len(conditions) == 1 else _joined(z3.Z3_mk_and, conditions) if conditions else TRUE
    )


def either(*conditions: Z3) -> Z3:
    """At least one of some conditions."""
    return (
        conditions[0] if len(conditions) == 1 else _joined(z3.Z3_mk_or, conditions) if conditions else FALSE
    )


def negation(condition: Z3) -> Z3:
    """Not so."""
    return z3.BoolRef(z3.Z3_mk_not(_REF, condition.ast), _CONTEXT)


def implied(condition: Z3, then: Z3) -> Z3:
    """The second wherever the first."""
    return z3.BoolRef(z3.Z3_mk_implies(_REF, condition.ast, then.ast), _CONTEXT)


def equal(left: Z3, right: Z3) -> Z3:
    """Two conditions or two integers that are the same."""
    return z3.BoolRef(z3.Z3_mk_eq(_REF, left.ast, right.ast), _CONTEXT)


def less(left: Z3, right: Z3) -> Z3:
    """One integer below another."""
    return z3.BoolRef(z3.Z3_mk_lt(_REF, left.ast, right.ast), _CONTEXT)


def at_most(left: Z3, right: Z3) -> Z3:
    """One integer not above another."""
    return z3.BoolRef(z3.Z3_mk_le(_REF, left.ast, right.ast), _CONTEXT)


def choice(condition: Z3, then: Z3, other: Z3) -> Z3:
    """One of two terms of the same sort."""
    made = z3.Z3_mk_ite(_REF, condition.ast, then.ast, other.ast)
    kind = z3.BoolRef if isinstance(then, z3.BoolRef) else z3.ArithRef
    return kind(made, _CONTEXT)


def total(*terms: Z3) -> Z3:
    """The sum of some integers."""
    return _number(z3.Z3_mk_add, terms) if terms else integer(0)


def difference(left: Z3, right: Z3) -> Z3:
    """One integer less another."""
    return _number(z3.Z3_mk_sub, (left, right))


def product(left: Z3, right: Z3) -> Z3:
    """The product of two integers."""
    return _number(z3.Z3_mk_mul, (left, right))


def add(solver: Z3, conditions: Iterable[Z3]) -> None:
    """Tell a solver some conditions."""
    for condition in conditions:
        z3.Z3_solver_assert(_REF, solver.solver, condition.ast)


def check(solver: Z3, assumed: Sequence[Z3]) -> Z3:
    """Ask a solver, with some switches on: `z3.sat`, `z3.unsat` or `z3.unknown`."""
    said = z3.Z3_solver_check_assumptions(_REF, solver.solver, len(assumed), _array(assumed))
    return z3.CheckSatResult(said)


def _joined(make: Callable[..., Z3], conditions: Sequence[Z3]) -> Z3:
    return z3.BoolRef(make(_REF, len(conditions), _array(conditions)), _CONTEXT)


def _number(make: Callable[..., Z3], terms: Sequence[Z3]) -> Z3:
    return z3.ArithRef(make(_REF, len(terms), _array(terms)), _CONTEXT)


def _array(terms: Iterable[Z3]) -> Z3:
    asts = [term.ast for term in terms]
    return (z3.Ast * len(asts))(*asts)
