"""`lathe schema`."""

from __future__ import annotations

import click

from lathe.cli import exitcode, output
from lathe.cli.command import command as make_command
from lathe.lang import schema

SCHEMAS = {
    "blueprint": schema.blueprint_schema,
    "app": schema.app_schema,
    "trace": schema.trace_schema,
    "gauge": schema.gauge_schema,
    "report": schema.report_schema,
}


@make_command("schema", examples=("lathe schema > blueprint.schema.json", "lathe schema report"))
@click.argument("kind", type=click.Choice(list(SCHEMAS)), default="blueprint")
def command(*, kind: str) -> int:
    """Print the JSON Schema of KIND: of the files that editors complete, or of what Lathe prints."""
    output.write(schema.render_schema(SCHEMAS[kind]()))
    return exitcode.DONE
