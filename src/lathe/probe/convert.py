"""Values as JSON, and as the second reader represents them; written from the API's documentation alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from lathe.lang.model import Json
from lathe.lang.types import Type
from lathe.reader.world import Member, Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NotOfTypeError(ValueError):
    """JSON that is no value of the type, whatever its range."""


def taken_in(kind: Type, data: Json) -> Value:
    """A value from outside. Raises `NotOfTypeError`."""
    if data is None:
        return None
    if kind.kind == "json":
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    if kind.kind == "set" and kind.element is not None:
        if not isinstance(data, list):
            raise NotOfTypeError
        members: set[Member] = set()
        for one in data:
            member = taken_in(kind.element, one)
            if member is None or isinstance(member, frozenset):
                raise NotOfTypeError
            members.add(member)
        return frozenset(members)
    if kind.kind in ("int", "bool"):
        if isinstance(data, bool) != (kind.kind == "bool") or not isinstance(data, int):
            raise NotOfTypeError
        return data
    if not isinstance(data, str) or "\0" in data:
        raise NotOfTypeError
    return _moment(data) if kind.kind == "time" else data


def _moment(text: str) -> int:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise NotOfTypeError from None
    if found.tzinfo is None:
        raise NotOfTypeError
    return (found - EPOCH) // timedelta(milliseconds=1)


def told(kind: Type, value: Value) -> Json:
    """A value for the outside."""
    if isinstance(value, frozenset):
        return [*sorted(value, key=lambda m: (type(m).__name__, m))]
    if kind.kind == "time" and isinstance(value, int):
        moment = EPOCH + timedelta(milliseconds=value)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if kind.kind == "json" and isinstance(value, str):
        data: Json = json.loads(value)
        return data
    return value
