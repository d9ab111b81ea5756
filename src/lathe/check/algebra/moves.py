"""The commands of a system as terms: when one can be taken, and what it makes of the variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import z3

from lathe.check.algebra import build
from lathe.check.algebra.build import Z3, at_most, both, choice, either, equal, integer, negation
from lathe.check.algebra.terms import Lowering, Mask, Term
from lathe.check.composed.command import Command, Param
from lathe.frozen import frozen


@frozen
class Move:
    """What must hold before a command is taken, and what each changed variable becomes.

    `given` are the parts of its parameters.
    """

    guard: Z3
    after: Mapping[int, Term]
    given: tuple[Z3, ...]


def move(command: Command, names: Mapping[int, Term], suffix: str = "") -> Move:
    """A command over some names. Raises NotModelledError if it has no faithful counterpart."""
    given = {p.name: parameter(p, suffix) for p in command.params}
    lowering = Lowering(names, {name: term for name, (term, _) in given.items()})
    fits = [fit for _, fit in given.values()]
    guard = both(lowering.truth(command.guard), *fits, stands(command, names))
    after = {i: _padded(names[i], lowering.term(f)) for i, f in command.updates.items()}
    return Move(guard, after, tuple(part for term, _ in given.values() for part in flat(term)))


def stands(command: Command, names: Mapping[int, Term]) -> Z3:
    """That the entity is in the state that a command needs of it."""
    here = equal(names[command.label.slot.state.index], integer(command.state or 0))
    return here if command.state is not None else negation(here)


def parameter(param: Param, suffix: str = "") -> tuple[Term, Z3]:
    """A free parameter, and that it is one of those that may be given, sampled or not."""
    low = param.kind.low or 0 if param.kind.kind == "int" and param.argument else 0
    name = f"given.{param.name}{suffix}"
    if param.kind.kind == "set":
        bits = tuple(z3.Bool(f"{name}.{i}") for i in range(max(param.codes).bit_length()))
        most = param.kind.maximum
        count = build.total(*(choice(bit, integer(1), integer(0)) for bit in bits))
        return Mask(bits), build.TRUE if most is None else at_most(count, integer(most))
    term = z3.Int(name)
    codes = [code + low for code in param.codes]
    if param.sampled or codes == list(range(codes[0], codes[-1] + 1)):
        return term, both(at_most(integer(min(codes)), term), at_most(term, integer(max(codes))))
    return term, either(*(equal(term, integer(code)) for code in codes))


def flat(term: Term) -> Iterator[Z3]:
    """A number, or the conditions that a set is made of."""
    if isinstance(term, Mask):
        yield from term.bits
    else:
        yield term


def _padded(own: Term, term: Term) -> Term:
    """What is stored in a variable; a set with a condition for each of the variable's members."""
    if not isinstance(own, Mask):
        return term
    missing = len(own.bits) - len(bits := _bits(term))
    return Mask((*bits, *(build.FALSE for _ in range(missing)))[: len(own.bits)])


def _bits(term: Term) -> tuple[Z3, ...]:
    """A set, also where a constant stands for one."""
    if isinstance(term, Mask):
        return term.bits
    value = term.as_long() if z3.is_int_value(term) else None
    if value is None:
        raise AssertionError("a set is stored as a set")
    return tuple(build.TRUE if value >> i & 1 else build.FALSE for i in range(value.bit_length()))
