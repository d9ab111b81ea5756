"""One branch of a step under construction: its path condition, and the update of each variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from lathe.check.composed import ir
from lathe.check.composed.ir import FALSE, TRUE, Formula
from lathe.check.composed.layout import Slot
from lathe.check.composed.lowering import Context, Term
from lathe.errors import Span
from lathe.frozen import frozen, mutable
from lathe.lang.model import Action, Principal


@frozen
class Fault:
    """Something that must never happen while checking: when, which code, where, about what."""

    condition: Formula
    code: str
    span: Span
    blueprint: str
    action: str | None
    subject: str


@frozen
class Take:
    """An action of one slot, to be taken in a branch.

    `fitting` is when the arguments fit, as far as it was settled when they were remembered.
    """

    slot: Slot
    action: Action
    args: Mapping[str, Term]
    by: Principal
    is_new: bool = False
    depth: int = 0
    fitting: Formula = TRUE


@frozen
class Part:
    """One slot's share of a branch. `target` is the state entered, None if the visit goes on."""

    slot: Slot
    action: Action
    by: Principal
    context: Context
    target: str | None
    is_new: bool


@mutable
class Branch:
    """One way that a step can go.

    `guard` says when the machine takes it. Of that, the search follows only what is `within` its
    bounds: the rest is cut, neither taken nor refused.
    """

    actor: Term
    known: dict[int, Formula]
    guard: list[Formula] = field(default_factory=list)
    updates: dict[int, Formula] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    pending: list[Take] = field(default_factory=list)
    within: list[Formula] = field(default_factory=list)
    unborn: frozenset[int] = frozenset()

    def copy(self) -> Branch:
        return Branch(
            self.actor,
            dict(self.known),
            list(self.guard),
            dict(self.updates),
            list(self.faults),
            list(self.parts),
            list(self.pending),
            list(self.within),
            self.unborn,
        )

    @property
    def accepted(self) -> Formula:
        """When the machine takes this way."""
        return ir.both(*self.guard)

    @property
    def condition(self) -> Formula:
        """When the search does."""
        return ir.both(*self.guard, *self.within)

    def require(self, *conditions: Formula) -> bool:
        """Add to the guard; tells whether the branch can still happen."""
        self.guard.extend(conditions)
        return not any(c == FALSE for c in conditions)

    def fail(
        self, condition: Formula, code: str, span: Span, part: tuple[str, str | None], subject: str
    ) -> None:
        """If the guard so far holds and `condition` does, that is a fault; the branch goes on without.

        It is one within the bounds of the search or beyond: a step that fails stores nothing beyond them.
        """
        if condition == FALSE:
            return
        reached = ir.both(self.accepted, condition)
        if reached != FALSE:
            self.faults.append(Fault(reached, code, span, part[0], part[1], subject))
        self.guard.append(ir.no(condition))
