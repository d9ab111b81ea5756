"""JSON Schemas: of the files that authors write, for editors, and of what Lathe prints, for tools.

They are data made from one table of keys; `PUBLISHED` names the files under `docs/reference/schemas`
that must equal them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from lathe.lang.schema.app import FILE as APP_FILE, app_schema
from lathe.lang.schema.blueprint import FILE as BLUEPRINT_FILE, blueprint_schema
from lathe.lang.schema.build import Schema
from lathe.lang.schema.records import (
    GAUGE_FILE,
    REPORT_FILE,
    TRACE_FILE,
    gauge_schema,
    report_schema,
    trace_schema,
)  # fmt: skip

PUBLISHED: Mapping[str, Callable[[], Schema]] = {
    BLUEPRINT_FILE: blueprint_schema,
    APP_FILE: app_schema,
    TRACE_FILE: trace_schema,
    GAUGE_FILE: gauge_schema,
    REPORT_FILE: report_schema,
}
"""Each schema by the name of its file."""


def render_schema(schema: Schema) -> str:
    """The text of a schema's file: JSON, two spaces, keys in reading order, a line end at the end."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


__all__ = [
    "APP_FILE", "BLUEPRINT_FILE", "GAUGE_FILE", "PUBLISHED", "REPORT_FILE", "TRACE_FILE", "Schema",
    "app_schema", "blueprint_schema", "gauge_schema", "render_schema", "report_schema", "trace_schema",
]  # fmt: skip
