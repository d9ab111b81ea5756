"""`lathe intents`."""

from __future__ import annotations

from typing import cast

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import run, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.entities import Row, json_text, rows_of
from lathe.lang.model import Json

SAID = {
    "denied": "the caller may not",
    "state": "not possible in this state",
    "guard": "its guard is false",
    "action": "there is no such action",
    "unique": "the value is held by another",
    "range": "a value would leave its range",
    "joint": "what is taken with it refuses",
}


@make_command("intents", examples=("lathe intents rollout", "lathe intents --json"))
@click.argument("app", required=False, metavar="[APP]")
@click.option("--json", "as_json", is_flag=True, help="Print the answers as JSON, by app.")
@where_option
def command(*, app: str | None, as_json: bool, url: str | None, data: str | None) -> int:
    """Print what was asked for and refused, the most frequent first, and what would allow it.

    Refusals are counted by their shape: blueprint, action, state and reason. Of all apps, or of one. A server
    writes its counts down every few seconds.
    """

    async def use(client: httpx2.AsyncClient) -> dict[str, list[Row]]:
        names = [app] if app is not None else await _apps(client)
        return {name: rows_of(told(await client.get("/v1/intents", params={"app": name}))) for name in names}

    found = run(url, data, use)
    if as_json:
        output.data(json_text({name: [dict(row) for row in rows] for name, rows in found.items()}))
        return exitcode.DONE
    lines = [line for name, rows in found.items() for row in rows for line in _lines(name, row)]
    output.data(output.clean("\n".join(lines)) or "nothing was refused")
    return exitcode.DONE


async def _apps(client: httpx2.AsyncClient) -> list[str]:
    page: Json = told(await client.get("/v1/apps"))
    return [str(row["app"]) for row in rows_of(page)]


def _lines(app: str, row: Row) -> list[str]:
    """One shape: how often, what was wished for and why not; what would allow it; when, and of whom."""
    where = f" in {row['state']}" if row["state"] else ""
    clause = f": {row['clause']}" if row["clause"] else ""
    reason = str(row["reason"])
    times = cast(int, row["count"])
    example = f", of {row['example']}" if row["example"] else ""
    return [
        f"{times:6}  {app}: {row['action']} of {row['blueprint']}{where}  {SAID.get(reason, reason)}{clause}",
        f"        {row['help']}",
        f"        last {row['last']}{example}",
    ]
