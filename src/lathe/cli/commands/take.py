"""`lathe take`."""

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
    "take",
    examples=("lathe take lease_queue/jobs take", "lathe take lease_queue/jobs take --wait 30"),
)
@click.argument("place", metavar="APP/PLURAL")
@click.argument("action")
@click.argument("words", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--where", "filtered", default="", metavar="EXPRESSION", help="A filter over fields.")
@click.option("--sort", default="created", metavar="KEY", help="In which order they are tried.")
@click.option(
    "--wait", type=click.IntRange(0, 60), default=0, metavar="SECONDS", help="Wait for one to come."
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@where_option
def command(
    *,
    place: str,
    action: str,
    words: tuple[str, ...],
    filtered: str,
    sort: str,
    wait: int,
    as_json: bool,
    url: str | None,
    data: str | None,
) -> int:
    """Take an action on the first entity on which it is possible; exit code 6 if there is none."""
    app, plural = split(place, 2)
    denied: list[str] = []

    async def use(client: httpx2.AsyncClient) -> Json:
        schema = await arguments_of(client, f"/v1/{app}/{plural}/{{id}}/{action}") if words else None
        body: dict[str, Json] = {
            "action": action, "where": filtered, "sort": sort, "args": given(words, schema),
        }  # fmt: skip
        headers = {"prefer": f"wait={wait}"}
        answer = await client.post(f"/v1/{app}/{plural}:take", json=body, headers=headers)
        denied.append(answer.headers.get("lathe-denied", ""))
        return told(answer)

    document = run(url, data, use)
    if document is None:
        output.talk("there is none")
        if denied[0]:
            which = f"{place}/{output.clean(denied[0])} {action}"
            output.talk(f"{which} would fit, but you may not: `lathe decisions ask {which}` asks a person")
        return exitcode.NOT_FOUND
    output.data(json_text(document) if as_json else entity_text(document))
    return exitcode.DONE
