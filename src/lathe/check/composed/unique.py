"""`unique` as a condition: a step is refused if it would let two entities hold the same claim."""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.composed import ir
from lathe.check.composed.branch import Branch
from lathe.check.composed.domain import SCALARS
from lathe.check.composed.ir import FALSE, Formula
from lathe.check.composed.layout import Layout, Slot, Variable
from lathe.check.composed.lowering import Term
from lathe.lang.model import Unique


def require_unique(layout: Layout, branch: Branch) -> None:
    """Add to a finished branch that no part of it takes a claim that another entity holds afterwards."""
    for part in branch.parts:
        for unique in part.slot.blueprint.unique.values():
            if not _touches(branch, part.slot, unique):
                continue
            mine = _claims(branch, part.slot, unique)
            for other in layout.of(part.slot.blueprint.name):
                if other is not part.slot and mine != FALSE:
                    theirs = _claims(branch, other, unique)
                    branch.require(ir.no(ir.both(mine, theirs, _agree(branch, part.slot, other, unique))))


def collisions(layout: Layout) -> Iterator[tuple[Unique, Slot, Formula]]:
    """When an entity and another of its blueprint hold the same claim, which no step lets happen."""
    here = Branch(Term(FALSE), {})
    for slot in layout.slots:
        for unique in slot.blueprint.unique.values():
            for other in layout.of(slot.blueprint.name)[: slot.index]:
                both = ir.both(_claims(here, slot, unique), _claims(here, other, unique))
                yield unique, slot, ir.both(both, _agree(here, slot, other, unique))


def _touches(branch: Branch, slot: Slot, unique: Unique) -> bool:
    """Whether the branch changes anything that the claim is made of."""
    variables = [slot.state, *(slot.fields[f] for f in unique.fields)]
    return any(v.index in branch.updates for v in variables)


def _after(branch: Branch, variable: Variable) -> Formula:
    unchanged = branch.known.get(variable.index, variable.formula)
    return branch.updates.get(variable.index, unchanged)


def _claims(branch: Branch, slot: Slot, unique: Unique) -> Formula:
    """Whether an entity makes the claim: it is in one of the states, and everything is set."""
    state = _after(branch, slot.state)
    if unique.in_states:
        here = ir.either(*(ir.eq(state, ir.const(slot.state_code(s))) for s in unique.in_states))
    else:
        here = ir.no(ir.eq(state, FALSE))
    optional = [slot.fields[f] for f in unique.fields if slot.fields[f].kind.kind not in (*SCALARS, "set")]
    return ir.both(here, *(ir.no(ir.eq(_after(branch, v), FALSE)) for v in optional))


def _agree(branch: Branch, slot: Slot, other: Slot, unique: Unique) -> Formula:
    pairs = [(slot.fields[f], other.fields[f]) for f in unique.fields]
    return ir.both(*(ir.eq(_after(branch, a), _after(branch, b)) for a, b in pairs))
