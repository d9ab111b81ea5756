"""The JSON Schema of a blueprint file, and the shapes it shares with `app.toml`."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.lang.adapters import ADAPTERS, Adapter
from lathe.lang.resolve import limits
from lathe.lang.resolve.triggers import METHODS, SCHEMES
from lathe.lang.schema.adapters import EXPRESSIONS, any_settings, variants
from lathe.lang.schema.build import (
    BLUEPRINT_NAME,
    BOOLEAN,
    DOC,
    DURATION,
    EXPRESSION,
    NAME,
    PRINCIPAL,
    TEXT,
    Schema,
    choice,
    closed,
    document,
    entries,
    list_of,
    matching,
    one_or_many,
    ref,
    table_of,
)  # fmt: skip
from lathe.lang.schema.keys import KEYS
from lathe.lang.schema.typed import typed

FILE = "blueprint.schema.json"

_NAME = matching(NAME)
_STATES = one_or_many(_NAME)
_PRINCIPAL = matching(PRINCIPAL)
_BY = one_or_many(_PRINCIPAL)
_PLACE = matching(rf"(body(\.[A-Za-z0-9_$-]+)+|query\.[A-Za-z0-9_.~-]+|header\.[A-Za-z0-9-]+|path\.{NAME})")
_ASSIGNMENT = matching(rf"\s*{NAME}\s*[+\-]?=[\s\S]+")
_GHOST_ASSIGNMENT = matching(rf"\s*((arg\s*\.\s*)?{NAME}\s*\.\s*)?{NAME}\s*[+\-]?=[\s\S]+")


def blueprint_schema(adapters: Mapping[str, Adapter] = ADAPTERS) -> Schema:
    """The schema of `*.blueprint.toml` (draft 7): what editors complete, explain and underline.

    It knows the keys, names and shapes; what refers to what is for level 0. `adapters` are those that
    an effect may use.
    """
    entry_tables = (
        "state", "field", "ghost", "action", "timer", "effect", "inbound",
        "invariant", "step", "sometimes", "eventually", "unique", "cannot",
    )  # fmt: skip
    tables = {name: entries(name, ref(name)) for name in entry_tables}
    tables["action"] |= {"properties": {"create": ref("create")}, "required": ["create"]}
    top = closed(
        "blueprint",
        {
            "blueprint": matching(BLUEPRINT_NAME),
            "doc": DOC,
            "plural": matching(rf"[a-z][a-z0-9_-]{{0,{limits.NAME_LENGTH}}}"),
            "read": {"anyOf": [_PRINCIPAL, list_of(_PRINCIPAL), _read()]},
            "retain": matching(DURATION),
            **tables,
            "migrate": _migrate(),
        },
        required=["blueprint", "state", "action"],
    )
    return document("Lathe blueprint", top, {**property_definitions(states=True), **_definitions(adapters)})


def property_definitions(*, states: bool) -> dict[str, Schema]:
    """What a blueprint and an app have in common: ghosts and properties, held in `states` or not."""
    shapes = {"that": EXPRESSION, "when": EXPRESSION, "doc": DOC}
    if states:
        shapes["in"] = _STATES
    properties: dict[str, Schema] = {
        name: {
            "description": KEYS["blueprint"][name],
            "anyOf": [EXPRESSION, BOOLEAN, closed(name, shapes, required=["that"])],
        }
        for name in ("invariant", "step", "sometimes")
    }
    return {"ghost": typed("ghost"), "member": typed("member"), **properties}


def _definitions(adapters: Mapping[str, Adapter]) -> dict[str, Schema]:
    action = _action()
    eventually = {"from": _STATES, "to": _STATES, "doc": DOC}
    unique = {"fields": one_or_many(_NAME), "in": _STATES, "doc": DOC}
    cannot = {"role": _NAME, "do": one_or_many(_NAME), "when": EXPRESSION, "doc": DOC}
    return {
        "state": _state(),
        "field": typed("field"),
        "argument": typed("argument"),
        "action": closed("action", action),
        "create": closed("action", {k: v for k, v in action.items() if k not in ("from", "to", "to_if")}),
        "also": _also(),
        "timer": closed("timer", {"at": _NAME, "then": _NAME, "doc": DOC}, required=["at", "then"]),
        "effect": _effect(adapters),
        "inbound": _inbound(),
        "eventually": closed("eventually", eventually, required=["from", "to"]),
        "unique": closed("unique", unique, required=["fields"]),
        "cannot": closed("cannot", cannot, required=["role", "do"]),
    }


def _read() -> Schema:
    return closed("read", {"by": _BY, "when": EXPRESSION, "doc": DOC})


def _state() -> Schema:
    shapes = {
        "initial": BOOLEAN,
        "final": BOOLEAN,
        "run": one_or_many(_NAME),
        "after": matching(DURATION),
        "then": _NAME,
        "waits": DOC,
        "doc": DOC,
    }
    return {**closed("state", shapes), "dependencies": {"after": ["then"], "then": ["after"]}}


def _action() -> dict[str, Schema]:
    return {
        "from": one_or_many(matching(rf"(\*|{NAME})")),
        "to": _NAME,
        "to_if": EXPRESSION,
        "by": _BY,
        "when": EXPRESSION,
        "sets": list_of(_NAME),
        "args": table_of(ref("argument"), pattern=NAME),
        "do": list_of(_ASSIGNMENT),
        "run": one_or_many(_NAME),
        "also": list_of(ref("also"), maxItems=limits.ALSO),
        "fenced": BOOLEAN,
        "fair": BOOLEAN,
        "ghost": list_of(_GHOST_ASSIGNMENT),
        "doc": DOC,
    }


def _also() -> Schema:
    shapes = {"on": EXPRESSION, "action": _NAME, "args": EXPRESSIONS, "when": EXPRESSION, "doc": DOC}
    return closed("also", shapes, required=["on", "action"])


def _effect(adapters: Mapping[str, Adapter]) -> Schema:
    shapes: dict[str, Schema] = {
        "uses": choice(sorted(adapters)),
        "with": any_settings(adapters),
        "ok": _NAME,
        "error": _NAME,
        "timeout": matching(DURATION),
        "attempts": {"type": "integer", "minimum": 1, "maximum": limits.ATTEMPTS},
        "backoff": matching(rf"{DURATION}\.\.{DURATION}"),
        "idempotent": BOOLEAN,
        "world": list_of(_GHOST_ASSIGNMENT),
        "late": BOOLEAN,
        "doc": DOC,
    }
    return {**closed("effect", shapes, required=["uses"]), "allOf": [*variants(adapters)]}


def _inbound() -> Schema:
    shapes: dict[str, Schema] = {
        "path": TEXT,
        "method": choice(METHODS),
        "signed": closed(
            "signed",
            {"scheme": choice(SCHEMES), "secret": matching("[A-Za-z_][A-Za-z0-9_]{0,63}")},
            required=["scheme", "secret"],
        ),
        "once": _PLACE,
        "find": {**table_of(_PLACE), "minProperties": 1, "maxProperties": 1},
        "action": _NAME,
        "args": table_of(_PLACE),
        "doc": DOC,
    }
    return closed("inbound", shapes, required=["path", "action"])


def _migrate() -> Schema:
    states = table_of(_NAME, pattern=NAME)
    return closed("migrate", {"state": states, "field": EXPRESSIONS, "doc": DOC})
