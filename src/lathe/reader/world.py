"""The second reader's state of a system: entities, their invocations, and ghosts.

Values: a set is a `frozenset`, a time milliseconds since the epoch (UTC), `json` its text, unset is None;
all else is an int, a bool or a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from lathe.frozen import frozen
from lathe.lang.model import Unique
from lathe.lang.types import Type

Member = int | bool | str | None
Value = Member | frozenset[Member]
Values = Mapping[str, Value]

Reason = Literal[
    "missing", "action", "state", "denied", "type", "guard", "range", "unset", "zero", "unique", "busy",
    "twice", "depth", "stale", "lost",
]  # fmt: skip
"""Why something is refused, in the words of the conformance vectors."""


class RefusedError(Exception):
    """A step that is not possible: why, and at whose action."""

    def __init__(self, reason: Reason, entity: str | None = None, action: str | None = None) -> None:
        super().__init__(f"{reason} ({entity or 'nobody'}, {action or 'no action'})")
        self.reason: Reason = reason
        self.entity = entity
        self.action = action


@frozen
class By:
    """Who acts: a `role` caller with its roles, or an effect, a timer, an entity or an inbound event."""

    kind: str
    name: str | None = None
    roles: frozenset[str] = frozenset()
    actor: str | None = None


@frozen
class Request:
    """One asking for an effect. `calls` are the targets of a `call` or `create`, with their arguments."""

    number: int
    effect: str
    visit: int
    phase: Literal["waiting", "started", "stopping", "late", "notice"]
    executed: bool
    fields: Values
    args: Values
    calls: tuple[tuple[str | None, Values], ...] = ()


@frozen
class Entity:
    """One entity. `requests` stand in the order in which they were asked for."""

    id: str
    blueprint: str
    state: str
    fields: Values
    ghosts: Values = field(default_factory=dict)
    visit: int = 0
    version: int = 0
    requests: tuple[Request, ...] = ()
    asked: int = 0


@frozen
class World:
    """Everything at one moment."""

    entities: Mapping[str, Entity] = field(default_factory=dict)
    ghosts: Values = field(default_factory=dict)


def fits(kind: Type, value: Value) -> Reason | None:
    """Why a place of this type cannot hold the value; None: it can."""
    if value is None:
        return "unset" if kind.kind in ("int", "bool", "enum") else None
    if isinstance(value, frozenset):
        if kind.kind != "set" or kind.element is None:
            return "type"
        if kind.maximum is not None and len(value) > kind.maximum:
            return "range"
        return "type" if any(m is None or fits(kind.element, m) is not None for m in value) else None
    if kind.kind == "bool" or isinstance(value, bool):
        return None if kind.kind == "bool" and isinstance(value, bool) else "type"
    if isinstance(value, int):
        if kind.kind == "int" and kind.low is not None and kind.high is not None:
            return None if kind.low <= value <= kind.high else "range"
        return None if kind.kind == "time" else "type"
    if kind.kind in ("int", "time", "set"):
        return "type"
    if kind.kind == "enum":
        return None if value in kind.members else "type"
    length = len(value.encode()) if kind.kind == "json" else len(value)
    return "range" if kind.maximum is not None and length > kind.maximum else None


def clamped(kind: Type, value: Value, before: Value) -> Value:
    """What a ghost holds once the value is written: ints stop at the ends, what does not fit is not taken."""
    if kind.kind == "int" and isinstance(value, int) and kind.low is not None and kind.high is not None:
        return max(kind.low, min(kind.high, value))
    return value if fits(kind, value) is None else before


def claim(unique: Unique, entity: Entity) -> tuple[Value, ...] | None:
    """What an entity holds of a unique: nothing in other states, or while a field of it is unset."""
    if unique.in_states and entity.state not in unique.in_states:
        return None
    held = tuple(entity.fields[name] for name in unique.fields)
    return held if all(value is not None for value in held) else None
