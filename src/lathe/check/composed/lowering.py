"""Expressions as formulas: what `machine.evaluate` means, over the codes of a packed state.

A `Term` is a value with the conditions under which it is unset or has no value at all. Comparisons
with unset values, short circuits and failing arithmetic follow the machine's walk, node by node; the
tests compare the two on random blueprints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from math import prod

from lathe.check.bounds import MAX_BINDINGS, require
from lathe.check.composed import ir
from lathe.check.composed.domain import SCALARS
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import Layout, Slot, Variable
from lathe.frozen import frozen
from lathe.lang.expr import (
    And,
    Arithmetic,
    Call,
    Compare,
    Follow,
    IfElse,
    Literal,
    Loop,
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
from lathe.lang.types import Type
from lathe.machine.limits import FURTHEST_SECONDS


@frozen
class Term:
    """A value: an int itself, or a code. `none`: unset (only for kinds whose code cannot say so).

    `unset` and `zero` are the conditions under which evaluating it fails: for want of a value, or because
    of one (a division by zero, a time that is too far away).
    """

    value: Formula
    none: Formula = FALSE
    unset: Formula = FALSE
    zero: Formula = FALSE

    @property
    def fails(self) -> Formula:
        return ir.either(self.unset, self.zero)


@frozen
class Context:
    """Where an expression is read: the slot, its arguments, and what differs from the state.

    `known` exchanges variables for formulas (a state that is settled, a deadline that reads as
    unset, ghosts as they are by now), `unborn` are those that have no value yet; `captured` gives an
    invocation's own memory of its entity and arguments; `old` gives the variables as they were, for
    step properties.
    """

    layout: Layout
    slot: Slot | None = None
    args: Mapping[str, Term] = field(default_factory=dict)
    actor: Term = Term(FALSE)
    known: Mapping[int, Formula] = field(default_factory=dict)
    unborn: frozenset[int] = frozenset()
    old: Mapping[int, Formula] = field(default_factory=dict)
    captured: Mapping[str, Term] = field(default_factory=dict)
    item: Term = Term(FALSE)
    bound: Mapping[str, Term] = field(default_factory=dict)

    def read(self, variable: Variable) -> Formula:
        return self.known.get(variable.index, variable.formula)

    def read_old(self, variable: Variable) -> Formula:
        return self.old.get(variable.index, variable.formula)


def truth(term: Term) -> Formula:
    """The condition that a bool term is true (an unset one is not)."""
    return ir.both(ir.no(term.none), term.value)


def holds(node: Node, context: Context) -> Formula:
    """The condition that a property is true: one without a value is false."""
    term = lower(node, context)
    return ir.both(ir.no(term.fails), truth(term))


def is_unset(term: Term, kind: Type) -> Formula:
    """The condition that a term has no value."""
    if kind.kind == "none":
        return TRUE
    if kind.kind in SCALARS:
        return term.none
    return FALSE if kind.kind in ("set", "json") else ir.eq(term.value, FALSE)


def decoded(layout: Layout, kind: Type, code: Formula) -> Term:
    """A stored code as a term: ints by value, everything else as it is."""
    if kind.kind == "int":
        assert kind.low is not None, "a declared int has a range"
        return Term(ir.plus(code, ir.const(kind.low)))
    return Term(code)


def encoded(kind: Type, term: Term) -> Formula:
    """The code under which a value of this type is stored."""
    if kind.kind == "int":
        assert kind.low is not None, "a declared int has a range"
        return ir.plus(term.value, ir.const(-kind.low))
    return term.value


def fits(layout: Layout, kind: Type, term: Term) -> Formula:
    """The condition that a value which is not unset lies within the type's range or maximum."""
    if kind.kind == "int":
        assert kind.low is not None and kind.high is not None, "a declared int has a range"
        return ir.both(ir.le(ir.const(kind.low), term.value), ir.le(term.value, ir.const(kind.high)))
    if kind.kind == "set" and kind.maximum is not None:
        return ir.le(ir.count(term.value), ir.const(kind.maximum))
    if kind.kind == "text" and kind.maximum is not None:
        long = [i + 1 for i, text in enumerate(layout.domains.texts) if len(text) > kind.maximum]
        return ir.no(ir.either(*(ir.eq(term.value, ir.const(code)) for code in long)))
    return ir.TRUE


def lower(node: Node, c: Context) -> Term:
    """The term of an expression."""
    match node:
        case Literal():
            return _literal(node, c)
        case Read():
            return _read(node, c)
        case Special():
            return _special(node, c)
        case Follow():
            return _follow(node, c)
        case Not(operand=operand):
            inner = lower(operand, c)
            return replace(inner, value=ir.no(truth(inner)), none=FALSE)
        case And(operands=operands):
            return _chain(operands, c, stops_on=False)
        case Or(operands=operands):
            return _chain(operands, c, stops_on=True)
        case Compare():
            return _compare(node, c)
        case Arithmetic():
            return _arithmetic(node, c)
        case Negate(operand=operand):
            return _numeric([(operand, c)], lambda xs: ir.minus(FALSE, xs[0]))
        case IfElse():
            return _if_else(node, c)
        case Members():
            return _members(node, c)
        case SetChange():
            return _set_change(node, c)
        case Call():
            return _call(node, c)
        case Population(blueprint=blueprint):
            return Term(_everybody(blueprint, c))
        case Quantifier():
            return _quantifier(node, c)


def _literal(node: Literal, c: Context) -> Term:
    if node.value is None:
        return Term(FALSE, none=TRUE)
    if isinstance(node.value, (bool, int)):
        return Term(ir.const(int(node.value)))
    kind = node.type
    if kind.kind == "state":
        return Term(ir.const(list(kind.members).index(node.value) + 1))
    return Term(ir.const(c.layout.domains.code(kind, node.value)))


def _read(node: Read, c: Context) -> Term:
    layout = c.layout
    match node.scope:
        case "arg":
            return c.captured.get(f"arg:{node.name}") or c.args.get(node.name) or Term(FALSE, none=TRUE)
        case "variable":
            return c.bound[node.name]
        case "item":
            return c.item
        case "app_ghost":
            return decoded(layout, node.type, c.read(layout.ghosts[node.name]))
        case "old_app_ghost":
            return decoded(layout, node.type, c.read_old(layout.ghosts[node.name]))
    slot = c.slot
    assert slot is not None, "an app has no fields"
    match node.scope:
        case "field":
            variable = slot.fields[node.name]
            none = TRUE if variable.index in c.unborn else FALSE
            kept = c.captured.get(f"field:{node.name}")
            return kept or replace(decoded(layout, node.type, c.read(variable)), none=none)
        case "old":
            return decoded(layout, node.type, c.read_old(slot.fields[node.name]))
        case "ghost":
            return decoded(layout, node.type, c.read(slot.ghosts[node.name]))
        case "old_ghost":
            return decoded(layout, node.type, c.read_old(slot.ghosts[node.name]))
    raise AssertionError(node.scope)


def _special(node: Special, c: Context) -> Term:
    match node.name:
        case "actor":
            return c.actor
        case "now":
            return Term(TRUE)
    assert c.slot is not None, "an app has no state"
    match node.name:
        case "state":
            return c.captured.get("state") or Term(c.read(c.slot.state))
        case "old_state":
            return Term(c.read_old(c.slot.state))
        case "self":
            return Term(ir.const(c.slot.index + 1))
        case "id":
            return Term(ir.const(c.layout.domains.code(node.type, c.slot.name)))
    raise AssertionError(node.name)


def _follow(node: Follow, c: Context) -> Term:
    base = lower(node.base, c)
    found, none = FALSE, ir.eq(base.value, FALSE)
    for slot in reversed(c.layout.of(node.base.type.blueprint or "")):
        here = ir.eq(base.value, ir.const(slot.index + 1))
        variable = _followed(node, slot)
        found = ir.choose(here, decoded(c.layout, node.type, c.read(variable)).value, found)
        if variable.index in c.unborn:
            none = ir.either(none, here)
    return Term(found, none if node.type.kind in SCALARS else FALSE, base.unset, base.zero)


def _followed(node: Follow, slot: Slot) -> Variable:
    """What the followed ref reads of one slot."""
    if node.what == "state":
        return slot.state
    return (slot.fields if node.what == "field" else slot.ghosts)[node.name]


def _chain(operands: tuple[Node, ...], c: Context, *, stops_on: bool) -> Term:
    """`and` / `or`, left to right: what comes later is looked at only if the earlier did not settle it."""
    unset, zero, reached = FALSE, FALSE, TRUE
    values: list[Formula] = []
    for operand in operands:
        term = lower(operand, c)
        unset = ir.either(unset, ir.both(reached, term.unset))
        zero = ir.either(zero, ir.both(reached, term.zero))
        values.append(truth(term))
        reached = ir.both(reached, ir.no(values[-1]) if stops_on else values[-1])
    return Term((ir.either if stops_on else ir.both)(*values), FALSE, unset, zero)


def _if_else(node: IfElse, c: Context) -> Term:
    condition, then, other = lower(node.condition, c), lower(node.then, c), lower(node.otherwise, c)
    picked = truth(condition)
    return Term(
        ir.choose(picked, then.value, other.value),
        ir.choose(picked, then.none, other.none),
        ir.either(condition.unset, ir.choose(picked, then.unset, other.unset)),
        ir.either(condition.zero, ir.choose(picked, then.zero, other.zero)),
    )


def _compare(node: Compare, c: Context) -> Term:
    if node.op == "in":
        return _contains(node, c)
    left, right = lower(node.left, c), lower(node.right, c)
    unset, zero = ir.either(left.unset, right.unset), ir.either(left.zero, right.zero)
    a, b = is_unset(left, node.left.type), is_unset(right, node.right.type)
    match node.op:
        case "is":
            value = a
        case "==" | "!=":
            value = _equal(left, right, a, b)
            value = value if node.op == "==" else ir.no(value)
        case "<":
            value = ir.both(ir.no(a), ir.no(b), ir.lt(left.value, right.value))
        case "<=":
            value = ir.both(ir.no(a), ir.no(b), ir.le(left.value, right.value))
        case ">":
            value = ir.both(ir.no(a), ir.no(b), ir.lt(right.value, left.value))
        case ">=":
            value = ir.both(ir.no(a), ir.no(b), ir.le(right.value, left.value))
    return Term(value, FALSE, unset, zero)


def _equal(left: Term, right: Term, left_unset: Formula, right_unset: Formula) -> Formula:
    same = ir.eq(left.value, right.value)
    if left_unset == FALSE and right_unset == FALSE:
        return same
    both_set = ir.both(ir.no(left_unset), ir.no(right_unset), same)
    return ir.either(both_set, ir.both(left_unset, right_unset))


def _contains(node: Compare, c: Context) -> Term:
    left = lower(node.left, c)
    is_set = ir.no(is_unset(left, node.left.type))
    if isinstance(node.right, Members):
        items = [(item, lower(item, c)) for item in node.right.items]
        equal = [ir.both(ir.no(is_unset(t, item.type)), ir.eq(left.value, t.value)) for item, t in items]
        terms = [left, *(t for _, t in items)]
        return Term(ir.both(is_set, ir.either(*equal)), FALSE, *_failures(terms))
    if isinstance(node.right, Population):
        return Term(is_set, FALSE, left.unset, left.zero)
    group = lower(node.right, c)
    index = _member_index(node.left.type, left.value)
    return Term(ir.both(is_set, ir.bit(group.value, index)), FALSE, *_failures([left, group]))


def _failures(terms: list[Term]) -> tuple[Formula, Formula]:
    return ir.either(*(t.unset for t in terms)), ir.either(*(t.zero for t in terms))


def _member_index(kind: Type, code: Formula) -> Formula:
    return code if kind.kind in SCALARS else ir.plus(code, ir.const(-1))


def _numeric(operands: list[tuple[Node, Context]], make: Callable[[list[Formula]], Formula]) -> Term:
    """Arithmetic: an unset operand has no value."""
    terms = [lower(node, c) for node, c in operands]
    missing = ir.either(*(is_unset(t, n.type) for t, (n, _) in zip(terms, operands, strict=True)))
    unset, zero = _failures(terms)
    return Term(make([t.value for t in terms]), FALSE, ir.either(unset, missing), zero)


def _arithmetic(node: Arithmetic, c: Context) -> Term:
    operands = [(node.left, c), (node.right, c)]
    if node.type.kind == "time":
        return _moment(node, c)
    match node.op:
        case "+":
            return _numeric(operands, lambda xs: ir.plus(*xs))
        case "-":
            return _numeric(operands, lambda xs: ir.minus(*xs))
        case "*":
            return _numeric(operands, lambda xs: ir.times(*xs))
    made = _numeric(operands, lambda xs: (ir.divide if node.op == "//" else ir.modulo)(*xs))
    by_zero = ir.both(ir.no(made.fails), ir.eq(lower(node.right, c).value, FALSE))
    return replace(made, zero=ir.either(made.zero, by_zero))


def _moment(node: Arithmetic, c: Context) -> Term:
    """A time is set or unset; one that is too far away has no value."""
    made = _numeric([(node.left, c), (node.right, c)], lambda xs: TRUE)
    seconds, furthest = lower(node.right, c).value, ir.const(FURTHEST_SECONDS)
    is_far = ir.either(ir.lt(furthest, seconds), ir.lt(ir.plus(seconds, furthest), FALSE))
    return replace(made, zero=ir.either(made.zero, ir.both(ir.no(made.fails), is_far)))


def _members(node: Members, c: Context) -> Term:
    mask = FALSE
    terms = [lower(item, c) for item in node.items]
    for item, term in zip(node.items, terms, strict=True):
        one = ir.shifted(_member_index(item.type, term.value))
        mask = ir.union(mask, ir.choose(is_unset(term, item.type), FALSE, one))
    return Term(mask, FALSE, *_failures(terms))


def _set_change(node: SetChange, c: Context) -> Term:
    left, right = lower(node.left, c), lower(node.right, c)
    mask = right.value
    if node.right.type.kind != "set":
        one = ir.shifted(_member_index(node.right.type, right.value))
        mask = ir.choose(is_unset(right, node.right.type), FALSE, one)
    value = ir.union(left.value, mask) if node.op == "+" else ir.without(left.value, mask)
    return Term(value, FALSE, *_failures([left, right]))


def _everybody(blueprint: str, c: Context) -> Formula:
    """The mask of the entities that there are."""
    mask = FALSE
    for slot in c.layout.of(blueprint):
        is_there = ir.no(ir.eq(c.read(slot.state), FALSE))
        mask = ir.union(mask, ir.choose(is_there, ir.const(1 << slot.index), FALSE))
    return mask


def _call(node: Call, c: Context) -> Term:
    if node.function == "len":
        inner = lower(node.arguments[0], c)
        return replace(inner, value=ir.count(inner.value))
    operands = [(a, c) for a in node.arguments]
    match node.function:
        case "min":
            return _numeric(operands, lambda xs: ir.least(*xs))
        case "max":
            return _numeric(operands, lambda xs: ir.largest(*xs))
        case _:
            return _numeric(operands, lambda xs: ir.absolute(xs[0]))


def _elements(loop: Loop, c: Context) -> Iterator[tuple[Formula, Term, Term]]:
    """Every element that the source may hold: the condition that it does, and its value."""
    source = loop.source
    if isinstance(source, Population):
        for slot in c.layout.of(source.blueprint):
            yield ir.no(ir.eq(c.read(slot.state), FALSE)), Term(ir.const(slot.index + 1)), Term(FALSE)
        return
    group = lower(source, c)
    element = source.type.element
    assert element is not None, "a set has an element type"
    offset = 0 if element.kind in SCALARS else 1
    for index in range(c.layout.domains.members(source.type)):
        value = ir.const(index + offset)
        member = decoded(c.layout, element, value) if element.kind == "int" else Term(value)
        yield ir.bit(group.value, ir.const(index)), member, group


def _bindings(loops: tuple[Loop, ...], c: Context, given: Formula) -> Iterator[tuple[Formula, Context, Term]]:
    """Every way to bind the variables: when it applies, the context, and how getting there fails."""
    if not loops:
        yield given, c, Term(FALSE)
        return
    loop = loops[0]
    for present, element, group in _elements(loop, c):
        inner = replace(c, bound={**c.bound, loop.variable: element})
        here = ir.both(given, present)
        condition = lower(loop.condition, inner) if loop.condition is not None else Term(TRUE)
        unset = ir.either(ir.both(given, group.unset), ir.both(here, condition.unset))
        zero = ir.either(ir.both(given, group.zero), ir.both(here, condition.zero))
        for found, context, way in _bindings(loops[1:], inner, ir.both(here, truth(condition))):
            yield found, context, Term(FALSE, FALSE, ir.either(unset, way.unset), ir.either(zero, way.zero))


def _size(loop: Loop, c: Context) -> int:
    if isinstance(loop.source, Population):
        return len(c.layout.of(loop.source.blueprint))
    return c.layout.domains.members(loop.source.type)


def _quantifier(node: Quantifier, c: Context) -> Term:
    unset, zero = FALSE, FALSE
    values: list[Formula] = []
    require(prod(_size(loop, c) for loop in node.loops), MAX_BINDINGS, "a comprehension")
    for given, inner, way in _bindings(node.loops, c, TRUE):
        body = lower(node.body, inner)
        missing = is_unset(body, node.body.type) if node.function == "sum" else FALSE
        unset = ir.either(unset, way.unset, ir.both(given, ir.either(body.unset, missing)))
        zero = ir.either(zero, way.zero, ir.both(given, body.zero))
        if node.function == "sum":
            values.append(ir.choose(given, body.value, FALSE))
        elif node.function == "all":
            values.append(ir.either(ir.no(given), truth(body)))
        else:
            values.append(ir.both(given, truth(body)))
    if node.function == "sum":
        total = FALSE
        for value in values:
            total = ir.plus(total, value)
        return Term(total, FALSE, unset, zero)
    combined = (ir.both if node.function == "all" else ir.either)(*values)
    return Term(combined, FALSE, unset, zero)
