"""What a run owes and what it promises, for exports: weak fairness by debts, `eventually` by states.

A debt is owed while one of its commands is possible. It is paid by taking one of them, or by what begins
a new visit, which has a timer and invocations of its own (`check.judge.liveness`).
"""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.composed import ir
from lathe.check.composed.command import Command
from lathe.check.composed.ir import Formula
from lathe.check.composed.layout import Slot
from lathe.check.composed.system import System
from lathe.check.judge.liveness import dues
from lathe.frozen import frozen
from lathe.lang.model import Eventually


@frozen
class Debt:
    """Something that does not stay possible for ever: the commands that owe it, those that let it lapse."""

    name: str
    owed_by: tuple[Command, ...]
    lapses_by: tuple[Command, ...]


@frozen
class Promise:
    """An `eventually` of one slot: whenever `start` holds, `goal` does, then or later."""

    prop: Eventually
    slot: Slot
    start: Formula
    goal: Formula

    @property
    def name(self) -> str:
        return f"{self.prop.name} of {self.slot.name}"


def debts(system: System) -> list[Debt]:
    """Everything that a run of the system can owe."""
    names, owed, paid = dues(system)
    found = []
    for number, name in enumerate(names):
        bit = 1 << number
        owes = tuple(c for c in system.commands if owed[c.index] & bit)
        lapses = tuple(c for c in system.commands if paid[c.index] & ~owed[c.index] & bit)
        found.append(Debt(name, owes, lapses))
    return found


def promises(system: System) -> Iterator[Promise]:
    """Every `eventually`, of every slot. An entity that is no longer there has arrived."""
    for slot in system.layout.slots:
        for prop in slot.blueprint.eventually.values():
            goal = [0, *(slot.state_code(name) for name in prop.to_states)]
            start = [slot.state_code(name) for name in prop.from_states]
            yield Promise(prop, slot, _among(slot, start), _among(slot, goal))


def _among(slot: Slot, codes: list[int]) -> Formula:
    return ir.either(*(ir.eq(slot.state.formula, ir.const(code)) for code in codes))
