"""The settings under `with`, from what the adapters declare."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.lang.adapters import Adapter, SettingKind, SettingSpec
from lathe.lang.schema.build import BLUEPRINT_NAME, NAME, TEXT, Schema, list_of, matching, table_of, when
from lathe.lang.schema.keys import KEYS

EXPRESSIONS = table_of({"type": ["string", "integer", "boolean"]})
"""Arguments for another entity's action: an expression, or a number or truth value as it is."""

_NOT_INTERNAL = frozenset({"timeout", "attempts", "backoff", "late"})
_NOT_NOTICE = frozenset({"ok", "error"})

_SHAPES: Mapping[SettingKind, Schema] = {
    "text": TEXT,
    "url": TEXT,
    "word": TEXT,
    "choice": TEXT,
    "texts": list_of(TEXT, minItems=1),
    "hosts": list_of(TEXT),
    "choices": list_of(TEXT),
    "count": {"type": "integer", "minimum": 1},
    "text_table": table_of(TEXT),
    "json": {"additionalProperties": True},
    "takes": table_of(matching(r"(body(\.[A-Za-z0-9_$-]+)*|header\.[A-Za-z0-9-]+)"), pattern=NAME),
    "module": TEXT,
    "expression": TEXT,
    "expression_table": EXPRESSIONS,
    "blueprint": matching(BLUEPRINT_NAME),
    "action": matching(NAME),
    "set_field": matching(NAME),
}


def variants(adapters: Mapping[str, Adapter]) -> list[Schema]:
    """For each adapter, which keys an effect that uses it has, and the shape of its `with`."""
    return [when("uses", name, _variant(adapter)) for name, adapter in sorted(adapters.items())]


def any_settings(adapters: Mapping[str, Adapter]) -> Schema:
    """The settings of all adapters, loosely: editors explain and complete what stands outside `then`."""
    docs: dict[str, dict[str, None]] = {}
    for _, adapter in sorted(adapters.items()):
        for name, spec in adapter.settings.items():
            docs.setdefault(name, {})[spec.doc] = None
    described: Schema = {
        name: {"description": " ".join(told), "additionalProperties": True} for name, told in docs.items()
    }
    return {"type": "object", "additionalProperties": True, "properties": described}


def _variant(adapter: Adapter) -> Schema:
    barred = _NOT_INTERNAL if adapter.is_internal else _NOT_NOTICE if adapter.is_notice else frozenset()
    variant: Schema = {"properties": {"with": _settings(adapter)}}
    if barred:
        variant["propertyNames"] = {"enum": [key for key in KEYS["effect"] if key not in barred]}
    if any(spec.required for spec in adapter.settings.values()):
        variant["required"] = ["with"]
    return variant


def _settings(adapter: Adapter) -> Schema:
    schema: Schema = {
        "type": "object",
        "description": adapter.doc,
        "additionalProperties": False,
        "properties": {name: _setting(spec) for name, spec in adapter.settings.items()},
    }
    required = [name for name, spec in adapter.settings.items() if spec.required]
    if required:
        schema["required"] = [*required]
    return schema


def _setting(spec: SettingSpec) -> Schema:
    schema = {"description": spec.doc, **_SHAPES[spec.kind]}
    if spec.kind == "choices":
        schema["items"] = {**TEXT, "enum": list(spec.choices)}
    elif spec.choices:
        schema["enum"] = list(spec.choices)
    if spec.most:
        schema["maximum"] = spec.most
    if spec.default is not None:
        schema["default"] = spec.default
    return schema
