"""Debts of weak fairness: which a command pays, and which end unpaid with it.

A debt is a slot and the kind of step that fairness owes it; it is owed while that step stays enabled (see
`liveness`).
"""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.composed.command import Command
from lathe.check.composed.layout import Slot

Debt = tuple[Slot, str]


def debt_of(command: Command) -> Debt | None:
    """What a command pays off, if that is owed."""
    label = command.label
    if label.event == "timer":
        return label.slot, f"timer {label.deadline or ''}"
    if label.event in ("start", "deliver", "stop", "end"):
        return label.slot, label.event
    if label.event == "notify" and label.slot.blueprint.effects[label.effect or ""].target is not None:
        return label.slot, f"notify {label.effect}"
    return (label.slot, f"fair {label.action}") if command.is_fair else None


def paid_by(command: Command) -> Iterator[Debt]:
    """What a command pays, and what is over with it: the timer and invocations of each visit that it ends."""
    own = debt_of(command)
    if own is not None:
        yield own
    for share in command.shares:
        if share.target is not None:
            yield from ((share.slot, what) for what in ("timer ", "start", "deliver", "end"))
