"""The shapes of what has a type: fields, arguments, ghosts, members of sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from lathe.lang.resolve import limits
from lathe.lang.schema.build import (
    BLUEPRINT_NAME,
    BOOLEAN,
    DOC,
    Schema,
    choice,
    closed,
    list_of,
    matching,
    when,
)
from lathe.lang.types import INT_LIMIT

Section = Literal["field", "ghost", "argument", "member"]

TYPES = ("bool", "int", "enum", "text", "id", "ref", "set", "time", "json")
MEMBER_TYPES = ("enum", "id", "ref")

_INT: Schema = {"type": "integer", "minimum": -INT_LIMIT, "maximum": INT_LIMIT}
_PAIR = list_of(_INT, minItems=2, maxItems=2)
_MEMBER: Schema = {"type": "string", "minLength": 1, "maxLength": limits.MEMBER_LENGTH}
_MEMBERS: Schema = {**list_of(_MEMBER, minItems=1, maxItems=limits.ENUM_MEMBERS), "uniqueItems": True}

_SHAPES: Mapping[str, Mapping[str, Schema]] = {
    "bool": {"default": BOOLEAN},
    "int": {"default": _INT, "range": _PAIR, "explore": _PAIR},
    "enum": {"default": _MEMBER, "of": _MEMBERS},
    "text": {
        "default": {"type": "string"},
        "max": {"type": "integer", "minimum": 1, "maximum": limits.TEXT_CHARACTERS},
        "secret": BOOLEAN,
    },
    "id": {"default": {"type": "string"}},
    "ref": {"to": matching(BLUEPRINT_NAME)},
    "set": {
        "default": list_of({"type": "string"}),
        "of": {"$ref": "#/definitions/member"},
        "max": {"type": "integer", "minimum": 1, "maximum": limits.SET_MEMBERS},
    },
    "time": {},
    "json": {"max": {"type": "integer", "minimum": 1, "maximum": limits.JSON_BYTES}},
}
"""The keys of each type, besides `type`."""

_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "int": ("range",),
    "enum": ("of",),
    "ref": ("to",),
    "set": ("of",),
}
_FLAGS: Mapping[Section, tuple[str, ...]] = {
    "field": ("frozen",), "ghost": (), "argument": ("optional",), "member": (),
}  # fmt: skip
_WITHOUT: Mapping[Section, frozenset[str]] = {
    "field": frozenset(),
    "ghost": frozenset({"secret", "explore"}),
    "argument": frozenset(),
    "member": frozenset({"default", "max", "secret", "doc"}),
}
_OTHERWISE: Schema = {"additionalProperties": True}
"""A key whose shape depends on the type; Tombi wants to hear that it may be a table."""

_NEVER_UNSET = ("bool", "int", "enum")


def typed(section: Section) -> Schema:
    """A table whose `type` decides its other keys."""
    types = MEMBER_TYPES if section == "member" else TYPES
    flags = dict.fromkeys(_FLAGS[section], BOOLEAN)
    common = _without(section, {**flags, "doc": DOC})
    keys: dict[str, Schema] = {"type": choice(types)}
    for kind in types:
        for name, shape in _without(section, _SHAPES[kind]).items():
            keys[name] = shape if keys.get(name, shape) == shape else _OTHERWISE
    schema = closed(section, {**keys, **common}, required=["type"])
    schema["allOf"] = [when("type", kind, _variant(section, kind, common)) for kind in types]
    return schema


def _variant(section: Section, kind: str, common: Mapping[str, Schema]) -> Schema:
    own = _without(section, _SHAPES[kind])
    variant: Schema = {"propertyNames": {"enum": ["type", *own, *common]}}
    if own:
        variant["properties"] = {**own}
    required = _REQUIRED.get(kind, ())
    if section == "ghost" and kind in _NEVER_UNSET:
        required = (*required, "default")
    if required:
        variant["required"] = [*required]
    return variant


def _without(section: Section, keys: Mapping[str, Schema]) -> dict[str, Schema]:
    return {name: shape for name, shape in keys.items() if name not in _WITHOUT[section]}
