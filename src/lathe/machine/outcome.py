"""The result of a step: everything that changes, or the reason for a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from lathe.frozen import record
from lathe.machine.event import Caller, Event
from lathe.machine.snapshot import Entity, Invocation, Value, Values

Reason = Literal[
    "missing",  # the entity does not exist, or exists already
    "action",  # no such action
    "state",  # not from this state
    "denied",  # the caller may not
    "type",  # an argument is left out, unknown, or of another type
    "guard",  # `when` is false
    "range",  # a value leaves its range, or a set its maximum
    "unset",  # arithmetic with an unset value, or one stored where there must be one
    "zero",  # division by zero
    "unique",  # another entity holds the claim
    "busy",  # the effect is in flight in this visit
    "twice",  # an entity would take part twice in one joint step
    "depth",  # a joint step of more than eight levels
    "stale",  # the visit, invocation or timer that is meant is over
    "lost",  # an end for which no action is possible
]

REASONS: Mapping[Reason, str] = {
    "missing": "there is no such entity, or it exists already",
    "action": "there is no such action",
    "state": "it is not possible in this state",
    "denied": "this caller may not take it",
    "type": "its arguments do not fit",
    "guard": "its guard is false",
    "range": "a value would leave its range",
    "unset": "a value that is needed is unset",
    "zero": "it would divide by zero",
    "unique": "another entity holds the same unique value",
    "busy": "an effect that it asks for is still in flight",
    "twice": "an entity would take part twice",
    "depth": "the joint step is too deep",
    "stale": "what it is about is over",
    "lost": "no action is possible for this end",
}


@record
class Refusal:
    """Nothing happened. `entity` and `action` are where it was refused, which a joint step may hide."""

    reason: Reason
    entity: str | None
    action: str | None
    detail: str = ""

    def __str__(self) -> str:
        return self.detail or REASONS[self.reason]


@record
class Part:
    """One entity's share of a step. `before` is None for a new entity, `action` for none taken."""

    entity: str
    blueprint: str
    action: str | None
    by: Caller | None
    args: Values
    before: Entity | None
    after: Entity


@record
class Step:
    """Everything that one event changes, to be committed together or not at all.

    `written` holds each changed entity as it is afterwards, the one that the event is about first: those of
    `parts`, and others whose ghosts changed. `ghosts` are the app's, `requested` the invocations asked for,
    `reads` the entities that were looked up: the step holds only if all of them are still as they were.
    """

    event: Event
    parts: tuple[Part, ...]
    written: Mapping[str, Entity]
    ghosts: Mapping[str, Value]
    requested: tuple[tuple[str, Invocation], ...] = ()
    reads: frozenset[str] = field(default_factory=frozenset)
