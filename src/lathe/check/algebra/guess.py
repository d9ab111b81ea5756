"""Candidate lemmas: predicates that held in all states that a search has seen.

A guess costs nothing if it is wrong: induction drops it. What is guessed are the relations that
blueprints live by: what is in flight in which state, which values small data have there, and how
numbers compare (in the manner of Ernst and others, *Dynamically discovering likely program
invariants*, 2001).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from lathe.check.composed import ir
from lathe.check.composed.ir import Formula
from lathe.check.composed.layout import Layout, Slot, Variable

MOST_STATES = 4_000
MOST_TUPLES = 200
MOST_NUMBERS = 8
SMALL = 64


def guesses(small: Layout, states: Sequence[int], large: Layout) -> Iterator[Formula]:
    """Conditions over the large layout that hold, slot by slot, in all states seen of the small one."""
    step = max(len(states) // MOST_STATES, 1)
    seen = [states[i] for i in range(0, len(states), step)]
    for name in large.app.blueprints:
        rows = _Rows(small, name, seen)
        for slot in large.of(name):
            yield from rows.about(slot)


class _Rows:
    """What the entities of a blueprint looked like, by their state."""

    def __init__(self, layout: Layout, blueprint: str, states: list[int]) -> None:
        slots = layout.of(blueprint)
        self.names = [_local(v) for v in slots[0].variables()] if slots else []
        self.by_code: dict[int, set[tuple[int, ...]]] = {}
        for slot in slots:
            variables = slot.variables()
            for packed in states:
                values = tuple(v.read(packed) for v in variables)
                self.by_code.setdefault(values[0], set()).add(values)

    def about(self, slot: Slot) -> Iterator[Formula]:
        """The guesses for one slot."""
        variables = slot.variables()
        if [_local(v) for v in variables] != self.names:
            return
        for code in range(slot.state.size):
            rows = sorted(self.by_code.get(code, ()))
            here = ir.eq(slot.state.formula, ir.const(code))
            if not rows:
                yield ir.no(here)
                continue
            for claim in _claims(slot, variables, rows):
                yield ir.either(ir.no(here), claim)


def _local(variable: Variable) -> str:
    """The name of a variable within its slot."""
    return variable.name.partition(".")[2]


def _claims(slot: Slot, variables: list[Variable], rows: list[tuple[int, ...]]) -> Iterator[Formula]:
    """What all rows of one state have in common."""
    numbers = [i for i, v in enumerate(variables) if v.kind.kind == "int"]
    for position, variable in enumerate(variables[1:], 1):
        found = sorted({row[position] for row in rows})
        if variable.kind.kind in ("id", "ref", "text", "set"):
            if found == [0]:
                yield ir.eq(variable.formula, ir.FALSE)
            elif found[0] > 0 and variable.kind.kind != "set":
                yield ir.no(ir.eq(variable.formula, ir.FALSE))
        elif variable.size <= SMALL and len(found) < variable.size:
            yield _one_of(variable, found)
        elif variable.size > SMALL:
            yield from _bounds(variable, found)
    yield from _control(slot, variables, rows)
    yield from _relations(variables, numbers[:MOST_NUMBERS], rows)


def _one_of(variable: Variable, codes: list[int]) -> Formula:
    return ir.either(*(ir.eq(variable.formula, ir.const(code)) for code in codes))


def _bounds(variable: Variable, found: list[int]) -> Iterator[Formula]:
    if len(found) == 1:
        yield ir.eq(variable.formula, ir.const(found[0]))
    if found[0] > 0:
        yield ir.le(ir.const(1), variable.formula)
        yield ir.le(ir.const(found[0]), variable.formula)
    if found[-1] < variable.size - 1:
        yield ir.le(variable.formula, ir.const(found[-1]))


def _control(slot: Slot, variables: list[Variable], rows: list[tuple[int, ...]]) -> Iterator[Formula]:
    """What is in flight, taken together."""
    wanted = {v.index for v in (slot.run, slot.phase, slot.done, *slot.queue) if v is not None}
    wanted |= {v.index for v in (*slot.late.values(), *slot.notices.values())}
    places = [i for i, v in enumerate(variables) if v.index in wanted]
    if len(places) < 2:
        return
    seen = sorted({tuple(row[i] for i in places) for row in rows})
    if len(seen) <= MOST_TUPLES:
        yield ir.either(
            *(
                ir.both(
                    *(
                        ir.eq(variables[i].formula, ir.const(code))
                        for i, code in zip(places, values, strict=True)
                    )
                )
                for values in seen
            )
        )


def _relations(
    variables: list[Variable], numbers: list[int], rows: list[tuple[int, ...]]
) -> Iterator[Formula]:
    """How the numbers of an entity compare, and which is the sum of two others."""

    def value(i: int) -> Formula:
        return ir.plus(variables[i].formula, ir.const(variables[i].kind.low or 0))

    def seen(i: int, row: tuple[int, ...]) -> int:
        return row[i] + (variables[i].kind.low or 0)

    for a, b in combinations(numbers, 2):
        if all(seen(a, row) <= seen(b, row) for row in rows):
            yield ir.le(value(a), value(b))
        if all(seen(a, row) >= seen(b, row) for row in rows):
            yield ir.le(value(b), value(a))
    for total in numbers:
        for a, b in combinations([n for n in numbers if n != total], 2):
            if all(seen(a, row) + seen(b, row) == seen(total, row) for row in rows):
                yield ir.eq(ir.plus(value(a), value(b)), value(total))
