"""The JSON Schema of `app.toml`."""

from __future__ import annotations

from lathe.lang.resolve import limits
from lathe.lang.schema.blueprint import property_definitions
from lathe.lang.schema.build import (
    BLUEPRINT_NAME,
    DOC,
    NAME,
    Schema,
    closed,
    document,
    entries,
    list_of,
    matching,
    ref,
)  # fmt: skip

FILE = "app.schema.json"


def app_schema() -> Schema:
    """The schema of `app.toml` (draft 7): what editors complete, explain and underline."""
    tables = {name: entries(name, ref(name)) for name in ("ghost", "invariant", "step", "sometimes")}
    roles = list_of(matching(NAME), minItems=2)
    top = closed(
        "app",
        {
            "app": matching(NAME),
            "doc": DOC,
            "role": entries("role", DOC),
            "exclusive": list_of(roles, maxItems=limits.EXCLUSIVE),
            "scope": _scope(),
            **tables,
        },
        required=["app"],
    )
    return document("Lathe app", top, property_definitions(states=False))


def _scope() -> Schema:
    scope = closed(
        "scope",
        {
            "principals": _up_to(limits.PRINCIPALS, least=1),
            "budget_states": _up_to(limits.BUDGET_STATES, least=1),
            "budget_seconds": {"type": "number", "exclusiveMinimum": 0, "maximum": limits.BUDGET_SECONDS},
        },
    )
    instances = {"description": "Instances of this blueprint.", **_up_to(limits.INSTANCES, least=0)}
    return {**scope, "patternProperties": {f"^{BLUEPRINT_NAME}$": instances}}


def _up_to(most: int, *, least: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}
