"""Plain data as TOML text: tables of inline tables, as an author would write a blueprint."""

from __future__ import annotations

import json
from collections.abc import Mapping

Data = bool | int | str | list["Data"] | dict[str, "Data"]


def document(data: Mapping[str, Data]) -> str:
    """The text of a file: single values first, then one section for each table of entries."""
    lines = [f"{key} = {_inline(value)}" for key, value in data.items() if not isinstance(value, dict)]
    for key, table in data.items():
        if isinstance(table, dict) and table:
            lines += ["", f"[{key}]", *(f"{name} = {_inline(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def _inline(value: Data) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return json.dumps(value)
        case list():
            return "[" + ", ".join(map(_inline, value)) + "]"
        case dict():
            return "{ " + ", ".join(f"{name} = {_inline(item)}" for name, item in value.items()) + " }"
