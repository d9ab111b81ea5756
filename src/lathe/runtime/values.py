"""Conversion of values between JSON and the machine's representation.

Times are RFC 3339 outside and milliseconds inside; `json` is any JSON outside and its text inside; sets are
lists outside. Ranges and lengths are the machine's to judge: here only the kind of a value counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from lathe.lang.model import Argument, Json
from lathe.lang.types import Type
from lathe.machine.moment import FIRST_MS, LAST_MS, rfc3339
from lathe.machine.snapshot import Scalar, Value
from lathe.runtime.snapshot import encode_json

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)")
TIME_CHARACTERS_LIMIT = 40
JSON_DEPTH_LIMIT = 100
"""Maximum nesting of a `json`: it must be possible to send it back inside a list of entities."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidValueError(ValueError):
    """A value is not of its type. `name` is where it stands."""

    def __init__(self, name: str, wanted: str) -> None:
        super().__init__(f"`{name}` must be {wanted}")
        self.name = name


def arguments(declared: Mapping[str, Argument], given: Mapping[str, Json]) -> dict[str, Value]:
    """A caller's arguments as the machine's values; unknown names are left for the machine to refuse."""
    return {
        name: value_of(name, declared[name].type, data) if name in declared else ""
        for name, data in given.items()
    }


def value_of(name: str, kind: Type, data: Json) -> Value:
    """One value. Raises `InvalidValueError`."""
    if data is None:
        return None
    match kind.kind:
        case "json":
            return _json_text(name, data)
        case "set":
            return _set_of(name, kind, data)
        case "time":
            return _time_of(name, data)
        case "bool":
            if isinstance(data, bool):
                return data
            raise InvalidValueError(name, "true or false")
        case "int":
            if isinstance(data, int) and not isinstance(data, bool):
                return data
            raise InvalidValueError(name, "a whole number")
        case _:
            if not isinstance(data, str):
                raise InvalidValueError(name, "text")
            if "\0" in data:  # not every store can compare one
                raise InvalidValueError(name, "text without the character NUL")
            return data


def _json_text(name: str, data: Json) -> str:
    """Any JSON as its text. Raises `InvalidValueError` if it is too deep or too large to be sent back."""
    level, depth = [data], 0
    while level:
        depth += 1
        if depth > JSON_DEPTH_LIMIT:
            raise InvalidValueError(name, f"nested at most {JSON_DEPTH_LIMIT} deep")
        parts = [p for p in level if isinstance(p, (dict, list))]
        level = [one for part in parts for one in (part.values() if isinstance(part, dict) else part)]
    try:
        return encode_json(data).decode()
    except (OverflowError, ValueError):
        raise InvalidValueError(name, "JSON whose numbers fit 64 bits") from None


def _set_of(name: str, kind: Type, data: Json) -> Value:
    element = kind.element
    assert element is not None, "a set has an element type"
    if not isinstance(data, list):
        raise InvalidValueError(name, "a list")
    members: list[Scalar] = []
    for member in data:
        value = value_of(name, element, member)
        if value is None or isinstance(value, frozenset):
            raise InvalidValueError(name, "a list without nulls or lists in it")
        members.append(value)
    return frozenset(members)


def _time_of(name: str, data: Json) -> int:
    if not isinstance(data, str) or len(data) > TIME_CHARACTERS_LIMIT or not _TIME.fullmatch(data):
        raise InvalidValueError(name, "a time like 2026-01-31T12:00:00Z")
    try:
        moment = datetime.fromisoformat(data.upper().replace("Z", "+00:00"))
    except ValueError:
        raise InvalidValueError(name, "a time that exists") from None
    found = (moment - EPOCH) // timedelta(milliseconds=1)
    if not FIRST_MS <= found <= LAST_MS:
        raise InvalidValueError(name, "a time from year 1 to 9999, in UTC")
    return found


def json_of(kind: Type, value: Value) -> Json:
    """A value as JSON."""
    if value is None:
        return None
    if isinstance(value, frozenset):
        return [*sorted(value, key=lambda m: (type(m).__name__, m))]
    if kind.kind == "time" and isinstance(value, int):
        return rfc3339(value)
    if kind.kind == "json" and isinstance(value, str):
        parsed: Json = msgspec.json.decode(value)
        return parsed
    return value
