"""`lathe schema`."""

from __future__ import annotations

import click

from lathe.cli import exitcode, output
from lathe.cli.command import command as make_command
from lathe.lang import schema
from lathe.lang.model import Json


def config_schema() -> dict[str, Json]:
    """The JSON Schema of `lathe.toml`."""
    from lathe.runtime.config import schema as of_config  # late: the others need no runtime

    return of_config()


SCHEMAS = {
    "blueprint": schema.blueprint_schema,
    "app": schema.app_schema,
    "trace": schema.trace_schema,
    "gauge": schema.gauge_schema,
    "report": schema.report_schema,
    "config": config_schema,
}


@make_command(
    "schema",
    examples=(
        "lathe schema > blueprint.schema.json",
        "lathe schema config > lathe.schema.json",
    ),
)
@click.argument("kind", type=click.Choice(list(SCHEMAS)), default="blueprint")
def command(*, kind: str) -> int:
    """Print the JSON Schema of KIND: of the files that editors complete, or of what Lathe prints or reads."""
    output.write(schema.render_schema(SCHEMAS[kind]()))
    return exitcode.DONE
