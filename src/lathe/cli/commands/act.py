"""`lathe act`."""

from __future__ import annotations

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import given, run, split, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.entities import entity_text, json_text
from lathe.lang.model import Json


@make_command(
    "act",
    examples=(
        "lathe act rollout/rollouts/01m8… start image=broker:2",
        "lathe act lease_queue/jobs/01m8… ack --visit 2",
    ),
)
@click.argument("place", metavar="APP/PLURAL/ID")
@click.argument("action")
@click.argument("words", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--visit", type=int, metavar="N", help="The visit that is meant: a later one refuses.")
@click.option(
    "--version", "wanted", type=int, metavar="N", help="The version that is meant: a later one refuses."
)
@click.option(
    "--key", metavar="TEXT", help="An idempotency key: asked again with it, the answer is the same."
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@where_option
def command(
    *,
    place: str,
    action: str,
    words: tuple[str, ...],
    visit: int | None,
    wanted: int | None,
    key: str | None,
    as_json: bool,
    url: str | None,
    data: str | None,
) -> int:
    """Take an action on one entity, and print it as it is afterwards."""
    app, plural, entity = split(place, 3)
    headers = {
        name: value
        for name, value in (
            ("if-visit", None if visit is None else str(visit)),
            ("if-match", None if wanted is None else f'"{wanted}"'),
            ("idempotency-key", key),
        )
        if value is not None
    }

    async def use(client: httpx2.AsyncClient) -> Json:
        schema = await arguments_of(client, f"/v1/{app}/{plural}/{{id}}/{action}") if words else None
        path = f"/v1/{app}/{plural}/{entity}/{action}"
        return told(await client.post(path, json=given(words, schema), headers=headers))

    document = run(url, data, use)
    output.data(json_text(document) if as_json else entity_text(document))
    return exitcode.DONE


async def arguments_of(client: httpx2.AsyncClient, path: str) -> Json:
    """The schema of a route's body, from the runtime's own document; None if there is no such route."""
    found = told(await client.get("/openapi.json"))
    steps = ("paths", path, "post", "requestBody", "content", "application/json", "schema")
    for step in steps:
        found = found.get(step) if isinstance(found, dict) else None
    return found
