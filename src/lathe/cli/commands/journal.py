"""`lathe journal`."""

from __future__ import annotations

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import run, split, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.entities import Row, journal_text, json_text, rows_of
from lathe.lang.model import Json


@make_command(
    "journal",
    examples=("lathe journal rollout/rollouts/01m8…", "lathe journal rollout/rollouts/01m8… --json"),
)
@click.argument("place", metavar="APP/PLURAL/ID")
@click.option("--json", "as_json", is_flag=True, help="Print the entries as JSON.")
@where_option
def command(*, place: str, as_json: bool, url: str | None, data: str | None) -> int:
    """Print everything that happened to an entity, oldest first."""
    path = "/v1/" + "/".join(split(place, 3)) + "/journal"

    async def use(client: httpx2.AsyncClient) -> list[Row]:
        found: list[Row] = []
        after: Json = 0
        while after is not None:
            page = told(await client.get(path, params={"after": str(after), "limit": "200"}))
            assert isinstance(page, dict), "a page is an object"
            found += rows_of(page)
            after = page["next"]
        return found

    rows = run(url, data, use)
    output.data(json_text([dict(row) for row in rows]) if as_json else journal_text(rows))
    return exitcode.DONE
