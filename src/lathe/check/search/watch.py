"""What the search checks at each step: faults, and step properties that a command violates."""

from __future__ import annotations

from lathe.check.composed import ir
from lathe.check.composed.command import Command
from lathe.check.composed.ir import Formula
from lathe.check.composed.system import System
from lathe.errors import Span
from lathe.frozen import frozen


@frozen
class Watch:
    """Something to look out for while stepping: a fault, or a step property that a command breaks."""

    command: Command
    condition: Formula
    code: str
    subject: int | str
    is_fault: bool

    @property
    def place(self) -> tuple[str, Span | str]:
        """What is looked out for, wherever it happens: the code, and the assignment or property."""
        if self.is_fault:
            return self.code, self.command.faults[int(self.subject)].span
        return self.code, str(self.subject)


def watches(system: System) -> list[Watch]:
    """All faults and step checks of a system, numbered as `Graph.hits` has them."""
    found: list[Watch] = []
    for command in system.commands:
        for position, fault in enumerate(command.faults):
            found.append(Watch(command, fault.condition, fault.code, position, True))
        for name, broken in command.checks:
            found.append(Watch(command, ir.both(command.guard, broken), "LT402", name, False))
    return found
