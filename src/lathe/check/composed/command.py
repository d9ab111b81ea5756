"""Commands: every step that a system of a scope can take, as guarded updates of packed states.

A `Command` knows what it stands for, so that a path through packed states can be told as a run of
the machine's events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from lathe.check.composed.branch import Fault
from lathe.check.composed.ir import Formula
from lathe.check.composed.layout import Slot
from lathe.frozen import frozen, mutable
from lathe.lang.model import Principal
from lathe.lang.types import Type
from lathe.machine.trace import EventKind

Kind = EventKind | str
RECYCLE = "recycle"
"""A slot whose entity is final and out of reach falls empty: no event of the system."""

BAD_MESSAGE = "bad_message"
"""The parameter that stands for the message of a bad end."""


@frozen
class Param:
    """Something chosen anew at each step. `kind` None: the caller's identity, by its code."""

    name: str
    codes: tuple[int, ...]
    kind: Type
    argument: str | None
    sampled: bool = False


@frozen
class Share:
    """One slot's part in a command: which action it takes, and the state that it enters, if any."""

    slot: Slot
    action: str
    by: Principal
    target: str | None
    is_new: bool


@frozen
class Label:
    """What a command stands for: the event, whom it happens to, who does it."""

    event: str
    slot: Slot
    by: Principal
    action: str | None = None
    effect: str | None = None
    deadline: str | None = None
    is_ok: bool | None = None
    cause: str | None = None
    again: bool = False
    made: tuple[Slot, ...] = ()


@mutable
class Command:
    """A guarded update. `state` is the state code that it needs of its slot (None: any but empty)."""

    label: Label
    state: int | None
    guard: Formula
    updates: Mapping[int, Formula]
    params: tuple[Param, ...] = ()
    shares: tuple[Share, ...] = ()
    faults: tuple[Fault, ...] = ()
    checks: list[tuple[str, Formula]] = field(default_factory=list)
    index: int = -1

    @property
    def is_committed(self) -> bool:
        """Whether it counts as a step of a trace."""
        has_action = bool(self.shares)
        return has_action and self.label.event in ("create", "act", "timer", "end", "deliver", "notify")

    @property
    def is_internal(self) -> bool:
        """Whether the system does it by itself: timers, effects and calls, but no outsider."""
        return self.label.by.kind in ("effect", "timer", "entity") and self.label.event != RECYCLE

    @property
    def is_fair(self) -> bool:
        """Whether some outsider promised to take it while it stays possible."""
        if self.label.event != "act" or self.label.action is None:
            return False
        return self.label.slot.blueprint.actions[self.label.action].fair
