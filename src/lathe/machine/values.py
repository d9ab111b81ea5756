"""Which values a type admits, and how a ghost saturates at its bounds."""

from __future__ import annotations

from typing import Literal

from lathe.lang.types import Type
from lathe.machine.snapshot import Value

Misfit = Literal["range", "type", "unset"]

NEVER_UNSET = frozenset({"bool", "int", "enum"})
"""Fields of these kinds always have a value."""


def misfit(kind: Type, value: Value) -> Misfit | None:
    """Why a field of this type cannot hold `value`; None if it can."""
    if value is None:
        return "unset" if kind.kind in NEVER_UNSET else None
    if kind.kind == "int":
        return _misfit_int(kind, value)
    match kind.kind:
        case "bool":
            return None if isinstance(value, bool) else "type"
        case "enum":
            return None if value in kind.members else "type"
        case "set":
            return _misfit_set(kind, value)
        case "time":
            return None if isinstance(value, int) and not isinstance(value, bool) else "type"
        case "text" | "json":
            return _misfit_text(kind, value)
        case _:
            return None if isinstance(value, str) else "type"


def _misfit_int(kind: Type, value: Value) -> Misfit | None:
    if not isinstance(value, int) or isinstance(value, bool):
        return "type"
    assert kind.low is not None and kind.high is not None, "a declared int has a range"
    return None if kind.low <= value <= kind.high else "range"


def _misfit_set(kind: Type, value: Value) -> Misfit | None:
    if not isinstance(value, frozenset):
        return "type"
    if kind.maximum is not None and len(value) > kind.maximum:
        return "range"
    assert kind.element is not None, "a set has an element type"
    element = kind.element
    return "type" if any(m is None or misfit(element, m) for m in value) else None


def _misfit_text(kind: Type, value: Value) -> Misfit | None:
    if not isinstance(value, str):
        return "type"
    size = len(value.encode()) if kind.kind == "json" else len(value)
    return "range" if kind.maximum is not None and size > kind.maximum else None


def saturated(kind: Type, value: Value, before: Value) -> Value:
    """What a ghost holds after `value` is written: ints stop at their ends, full sets stay."""
    if kind.kind == "int" and isinstance(value, int):
        assert kind.low is not None and kind.high is not None, "a declared int has a range"
        return min(max(value, kind.low), kind.high)
    return before if misfit(kind, value) else value
