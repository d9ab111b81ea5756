"""Migrated states as terms: the initial states of a proof about the next version.

Every state that the old version's proved claims allow is taken, and what becomes of it under
`[migrate]`. What has no faithful term is left free within its type, so that more is taken than can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce

import z3

from lathe.check.algebra.build import Z3
from lathe.check.algebra.terms import Lowering, Mask, NotModelledError, Term, constant, within
from lathe.check.composed.ir import Formula
from lathe.check.composed.layout import Layout, Slot, Variable
from lathe.check.migration.pair import may_misfit
from lathe.frozen import frozen, mutable
from lathe.lang.expr import (
    And,
    Arithmetic,
    Call,
    Compare,
    IfElse,
    Literal,
    Negate,
    Node,
    Not,
    Or,
    Read,
    Special,
)
from lathe.lang.model import Blueprint, Field
from lathe.lang.types import Type
from lathe.machine.migrate import moved_state, same_kind


@frozen
class Start:
    """What may be assumed of an old state, and the new version's variables as terms over it.

    `fits` are conditions that must follow: that the value of a field of this name is one of its type.
    """

    assumed: tuple[Z3, ...]
    terms: dict[int, Term]
    fits: tuple[tuple[str, Z3], ...]

    def allows(self, claim: Formula, limit: int) -> bool:
        """Whether a claim about the new version holds of the image of every old state."""
        try:
            return self.implies(Lowering(self.terms, {}).truth(claim), limit)
        except NotModelledError:
            return False

    def implies(self, condition: Z3, limit: int) -> bool:
        """Whether a condition holds of the image of every old state."""
        solver = z3.SimpleSolver()
        solver.set("rlimit", limit)
        solver.add(*self.assumed, z3.Not(condition))
        return bool(solver.check() == z3.unsat)


@mutable
class _Maker:
    old: Layout
    new: Layout
    before: dict[int, Term]
    assumed: list[Z3]
    fits: list[tuple[str, Z3]]


def start_of(old: Layout, new: Layout, claims: Iterable[Formula]) -> Start:
    """The images of all states of one layout for which some claims hold, in the other.

    Where roles exclude each other otherwise than before, whoever held some may hold any.
    """
    before = {v.index: constant(v, ".before") for v in old.variables}
    assumed = [within(v, before[v.index]) for v in old.variables]
    assumed += _modelled(before, claims)
    maker = _Maker(old, new, before, assumed, [])
    known = {v.name: v for v in old.variables if v not in old.roles or old.role_sets == new.role_sets}
    terms = {v.index: _same(maker, v, known) for v in new.variables}
    slots = {slot.name: slot for slot in old.slots}
    for slot in new.slots:
        terms.update(_slot(maker, slots.get(slot.name), slot, terms))
    return Start(tuple(maker.assumed), terms, tuple(maker.fits))


def _modelled(before: dict[int, Term], claims: Iterable[Formula]) -> Iterator[Z3]:
    for claim in claims:
        try:
            yield Lowering(before, {}).truth(claim)
        except NotModelledError:
            continue


def _same(maker: _Maker, variable: Variable, known: dict[str, Variable]) -> Term:
    """A variable as it was, if it is the same; else any of its codes."""
    was = known.get(variable.name)
    if was is not None and (was.kind, was.size) == (variable.kind, variable.size):
        return maker.before[was.index]
    return _free(maker, variable)


def _free(maker: _Maker, variable: Variable) -> Term:
    term = constant(variable, ".moved")
    maker.assumed.append(within(variable, term))
    return term


def _slot(maker: _Maker, was: Slot | None, slot: Slot, same: dict[int, Term]) -> dict[int, Term]:
    """The variables of an entity: nobody is there where nobody was."""
    if was is None:
        return {v.index: _nothing(same[v.index]) for v in slot.variables()}
    found = {v.index: same[v.index] for v in slot.variables()}
    moved = slot.blueprint.migrate
    is_same_flight = [e.name for e in was.effects] == [e.name for e in slot.effects]
    if not is_same_flight or (moved is not None and moved.fields):
        kept = {slot.state.index, *(v.index for v in (*slot.fields.values(), *slot.ghosts.values()))}
        found |= {v.index: _free(maker, v) for v in slot.variables() if v.index not in kept}
    state = maker.before[was.state.index]
    found[slot.state.index] = _moved_state(was, slot, state)
    for name, variable in slot.fields.items():
        target = slot.blueprint.fields[name]
        try:
            found[variable.index] = _field(maker, was, variable, target, slot.blueprint)
        except NotModelledError:
            found[variable.index] = _free(maker, variable)
            maker.fits.append((name, z3.BoolVal(False)))
    for target in slot.blueprint.fields.values():
        if target.name not in slot.fields and may_misfit(was.blueprint, slot.blueprint, target):
            maker.fits.append((target.name, _unexplored(maker, was, target, slot.blueprint)))
    return {index: _unless_empty(state, term) for index, term in found.items()}


def _unexplored(maker: _Maker, was: Slot, target: Field, after: Blueprint) -> Z3:
    """That a value fits which nothing in the new version reads."""
    kind, moved = target.type, after.migrate
    reader = _Reader(maker, was, kind)
    try:
        entry = moved.fields.get(target.name) if moved is not None else None
        value = reader.read(target.name) if entry is None else reader.value(entry.tree)
    except NotModelledError:
        return z3.BoolVal(False)
    if kind.kind == "int" and not isinstance(value, Mask):
        return z3.And(value >= (kind.low or 0), value <= (kind.high or 0))
    if kind.kind in ("enum", "bool") and not isinstance(value, Mask):
        return z3.And(value >= 0, value < max(len(kind.members), 2 * (kind.kind == "bool")))
    return z3.BoolVal(False)


def _nothing(term: Term) -> Term:
    return Mask(tuple(z3.BoolVal(False) for _ in term.bits)) if isinstance(term, Mask) else z3.IntVal(0)


def _unless_empty(state: Term, term: Term) -> Term:
    if isinstance(term, Mask):
        return Mask(tuple(z3.And(state != 0, bit) for bit in term.bits))
    return z3.If(state != 0, term, 0)


def _moved_state(was: Slot, slot: Slot, state: Term) -> Z3:
    """The new state's code; where there is none, what a search has told of already, any code will do."""
    pairs = [(code, moved_state(slot.blueprint, name)) for code, name in enumerate(was.blueprint.states, 1)]
    codes = [(code, slot.state_code(name)) for code, name in pairs if name is not None]
    return reduce(lambda rest, pair: z3.If(state == pair[0], pair[1], rest), codes, z3.IntVal(0))


def _field(maker: _Maker, was: Slot, variable: Variable, target: Field, after: Blueprint) -> Term:
    """The code of what a field becomes."""
    moved, before = after.migrate, was.blueprint
    source = before.fields.get(target.name)
    if moved is not None and target.name in moved.fields:
        return _coded(
            maker, variable, target, _Reader(maker, was, target.type).value(moved.fields[target.name].tree)
        )
    if source is None:
        code = maker.new.domains.code(target.type, target.default) if target.has_default else 0
        return (
            Mask(tuple(z3.BoolVal(bool(code >> i & 1)) for i in range(variable.width)))
            if (target.type.kind == "set")
            else z3.IntVal(code)
        )
    return _coded(maker, variable, target, _Reader(maker, was, target.type).read(target.name))


def _coded(maker: _Maker, variable: Variable, target: Field, value: Term) -> Term:
    """A value as the code that is stored, and that it must be one."""
    if isinstance(value, Mask):
        if len(value.bits) != variable.width:
            raise NotModelledError("a set of other members")
        return value
    low = target.type.low or 0 if target.type.kind == "int" else 0
    code = value - low
    maker.fits.append((target.name, within(variable, code)))
    return code


@frozen
class _Reader:
    """Expressions of `[migrate]` over the old version's terms: ints by value, all else by code."""

    maker: _Maker
    slot: Slot
    target: Type

    def read(self, name: str) -> Term:
        """An old field: by value or code, in the terms of the new type."""
        if name not in self.slot.fields:
            raise NotModelledError("a field that is not explored")
        kind, term = self.slot.blueprint.fields[name].type, self.maker.before[self.slot.fields[name].index]
        if kind.kind == "int":
            assert not isinstance(term, Mask), "an int is no set"
            return term + (kind.low or 0)
        if kind.kind == "enum":
            members = sorted(self.target.members)
            codes = [
                (i, members.index(m) if m in members else -1) for i, m in enumerate(sorted(kind.members))
            ]
            return reduce(lambda rest, pair: z3.If(term == pair[0], pair[1], rest), codes, z3.IntVal(-1))
        if kind.kind not in ("bool", "time") and not same_kind(kind, self.target):
            raise NotModelledError("a value of another kind")
        if kind.element is not None and kind.element != self.target.element:
            raise NotModelledError("a set of other members")
        return term

    def value(self, node: Node) -> Term:
        """A number, a bool as 1 or 0, or what a field holds."""
        match node:
            case Literal(value=bool() | int() as value):
                return z3.IntVal(int(value))
            case Literal(value=None) if self.target.kind not in ("int", "bool", "enum", "set"):
                return z3.IntVal(0)
            case Literal(value=str() as text) if self.target.kind == "enum" and text in self.target.members:
                return z3.IntVal(sorted(self.target.members).index(text))
            case Read(scope="old", name=name):
                return self.read(name)
            case IfElse(condition=condition, then=then, otherwise=otherwise):
                return z3.If(self.truth(condition), self.number(then), self.number(otherwise))
            case Arithmetic(op="+" | "-" | "*" as op, left=left, right=right):
                a, b = self.number(left), self.number(right)
                return a + b if op == "+" else a - b if op == "-" else a * b
            case Negate(operand=operand):
                return -self.number(operand)
            case Call(function="min" | "max" as function, arguments=arguments):
                is_min = function == "min"
                numbers = map(self.number, arguments)
                return reduce(lambda a, b: z3.If(a < b if is_min else a > b, a, b), numbers)
            case Compare() | And() | Or() | Not():
                return z3.If(self.truth(node), 1, 0)
        raise NotModelledError("an expression of another sort")

    def number(self, node: Node) -> Z3:
        value = self.value(node)
        if isinstance(value, Mask):
            raise NotModelledError("a set is read as a number")
        return value

    def truth(self, node: Node) -> Z3:
        """A condition."""
        match node:
            case And(operands=operands):
                return z3.And(*map(self.truth, operands))
            case Or(operands=operands):
                return z3.Or(*map(self.truth, operands))
            case Not(operand=operand):
                return z3.Not(self.truth(operand))
            case Compare(
                left=Special(name="old_state"), op="==" | "!=" as op, right=Literal(value=str() as name)
            ):
                return self._is_in(name, op)
            case Compare(op=op, left=left, right=right) if self._is_number(left) and self._is_number(right):
                a, b = self.number(left), self.number(right)
                found = {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}
                if op in found:
                    return found[op]
                raise NotModelledError("a comparison of another sort")
            case Read(scope="old", name=name) if self.slot.blueprint.fields[name].type.kind == "bool":
                return self.number(node) == 1
        raise NotModelledError("a condition of another sort")

    def _is_in(self, name: str, op: str) -> Z3:
        states = list(self.slot.blueprint.states)
        code = states.index(name) + 1 if name in states else -1
        here = self.maker.before[self.slot.state.index] == code
        return here if op == "==" else z3.Not(here)

    def _is_number(self, node: Node) -> bool:
        match node:
            case Literal(value=value):
                return isinstance(value, int)
            case Read(scope="old", name=name):
                found = self.slot.blueprint.fields.get(name)
                return found is not None and found.type.kind == "int"
            case Arithmetic() | Negate() | Call():
                return True
        return False
