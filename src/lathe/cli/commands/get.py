"""`lathe get`."""

from __future__ import annotations

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import run, split, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.entities import entity_text, json_text, rows_of, table
from lathe.lang.model import Json


@make_command(
    "get", examples=("lathe get rollout/rollouts/01m8…", "lathe get rollout/rollouts/01m8… --actions")
)
@click.argument("place", metavar="APP/PLURAL/ID")
@click.option("--actions", is_flag=True, help="What may be done with it now, and why not the rest.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@where_option
def command(*, place: str, actions: bool, as_json: bool, url: str | None, data: str | None) -> int:
    """Print one entity."""
    path = "/v1/" + "/".join(split(place, 3)) + ("/actions" if actions else "")

    async def use(client: httpx2.AsyncClient) -> Json:
        return told(await client.get(path))

    document = run(url, data, use)
    if as_json:
        output.data(json_text(document))
    elif actions:
        rows = [
            [str(row["action"]), "yes" if row["possible"] else "no", str(row.get("why", ""))]
            for row in rows_of(document)
        ]
        output.data(output.clean(table([["action", "now", "why not"], *rows])))
    else:
        output.data(entity_text(document))
    return exitcode.DONE
