"""`lathe create`."""

from __future__ import annotations

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import given, run, split, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.commands.act import arguments_of
from lathe.cli.entities import entity_text, json_text
from lathe.lang.model import Json


@make_command(
    "create",
    examples=("lathe create rollout/rollouts replicas=3", "lathe create order/orders total=4 --json"),
)
@click.argument("place", metavar="APP/PLURAL")
@click.argument("words", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--key", metavar="TEXT", help="An idempotency key: asked again with it, the answer is the same."
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@where_option
def command(
    *, place: str, words: tuple[str, ...], key: str | None, as_json: bool, url: str | None, data: str | None
) -> int:
    """Create an entity, and print it."""
    app, plural = split(place, 2)
    headers = {} if key is None else {"idempotency-key": key}

    async def use(client: httpx2.AsyncClient) -> Json:
        path = f"/v1/{app}/{plural}"
        schema = await arguments_of(client, path) if words else None
        return told(await client.post(path, json=given(words, schema), headers=headers))

    document = run(url, data, use)
    output.data(json_text(document) if as_json else entity_text(document))
    return exitcode.DONE
