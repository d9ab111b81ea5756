"""`lathe list`."""

from __future__ import annotations

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import run, split, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.entities import json_text, list_text
from lathe.lang.model import Json


@make_command(
    "list",
    examples=(
        "lathe list rollout/rollouts --state rolling,verifying",
        "lathe list rollout/rollouts --where 'attempts > 1' --sort -changed",
    ),
)
@click.argument("place", metavar="APP/PLURAL")
@click.option("--state", metavar="STATES", help="Only these states, with commas.")
@click.option("--where", "filtered", metavar="EXPRESSION", help="A filter over fields, `state` and `id`.")
@click.option(
    "--sort", metavar="KEY", help="`id`, `created`, `changed` or `state`; `-` before it turns it round."
)
@click.option("--limit", type=int, metavar="N", help="Rows of a page, at most 200.")
@click.option("--cursor", metavar="TEXT", help="What the page before gave for the next one.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@where_option
def command(
    *,
    place: str,
    state: str | None,
    filtered: str | None,
    sort: str | None,
    limit: int | None,
    cursor: str | None,
    as_json: bool,
    url: str | None,
    data: str | None,
) -> int:
    """List entities, a page at a time."""
    path = "/v1/" + "/".join(split(place, 2))
    wanted = {"state": state, "where": filtered, "sort": sort, "limit": limit, "cursor": cursor}
    params = {name: str(value) for name, value in wanted.items() if value is not None}

    async def use(client: httpx2.AsyncClient) -> Json:
        return told(await client.get(path, params=params))

    document = run(url, data, use)
    output.data(json_text(document) if as_json else list_text(document))
    return exitcode.DONE
