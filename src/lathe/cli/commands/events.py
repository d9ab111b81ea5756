"""`lathe events`."""

from __future__ import annotations

import json

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import run, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.entities import event_text


@make_command("events", examples=("lathe events", "lathe events --app rollout --after 0 --json"))
@click.option("--app", metavar="NAME", help="Only events of this app.")
@click.option(
    "--after", type=int, metavar="POSITION", help="Begin behind this position (default: from now on)."
)
@click.option("--count", type=int, metavar="N", help="Stop after this many.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@where_option
def command(
    *, app: str | None, after: int | None, count: int | None, as_json: bool, url: str | None, data: str | None
) -> int:
    """Follow what is committed, until Ctrl-C."""
    params = {} if app is None else {"app": app}
    if after is not None:
        params["after"] = str(after)
    left = count

    async def use(client: httpx2.AsyncClient) -> None:
        nonlocal left
        async with client.stream("GET", "/v1/events", params=params, timeout=None) as response:
            if not response.is_success:
                await response.aread()
                told(response)
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    text = line.removeprefix("data: ")
                    output.data(text if as_json else output.clean(event_text(json.loads(text))))
                    left = None if left is None else left - 1
                    if left == 0:
                        return

    try:
        run(url, data, use)
    except KeyboardInterrupt:
        return exitcode.DONE
    return exitcode.DONE
