"""`lathe events`."""

from __future__ import annotations

import asyncio
import json
from typing import cast

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import run, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.entities import Row, event_text
from lathe.cli.exitcode import Stop

WAIT_SECONDS = 20
"""For how long a runtime holds a request open while nothing happens."""
AGAIN_SECONDS = 1.0
"""Between two tries to reach a runtime that is gone."""


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
    """Follow what is committed, until Ctrl-C.

    When the runtime is gone for a while, it goes on where it broke off.
    """

    async def use(client: httpx2.AsyncClient) -> None:
        follower = _Follower(client, app)
        position, left = await follower.first(after), count
        while left is None or left > 0:
            items, position = await follower.behind(position, left)
            for row in items:
                output.data(_compact(row) if as_json else output.clean(event_text(row)))
            left = None if left is None else left - len(items)

    try:
        run(url, data, use)
    except KeyboardInterrupt:
        return exitcode.DONE
    return exitcode.DONE


def _compact(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


class _Follower:
    """Asks for page after page; once it was answered, a runtime that is gone is waited for."""

    def __init__(self, client: httpx2.AsyncClient, app: str | None) -> None:
        self._client = client
        self._asked = {} if app is None else {"app": app}

    async def first(self, after: int | None) -> int:
        """The position to begin behind: the one that is given, or where the journal ends now."""
        asked = {"after": str(after)} if after is not None else {}
        page = await self._page(asked | {"limit": "1"}, wait_seconds=0)
        return after if after is not None else cast(int, page["next"])

    async def behind(self, position: int, most: int | None) -> tuple[list[Row], int]:
        """The next events, if there are any before long, and the position to go on from."""
        limit = {} if most is None else {"limit": str(min(most, 200))}
        clock = asyncio.get_running_loop().time
        is_told = False
        while True:
            asked = clock()
            try:
                page = await self._page({"after": str(position)} | limit, wait_seconds=WAIT_SECONDS)
            except (httpx2.TransportError, Stop) as error:
                if isinstance(error, Stop) and error.code != exitcode.UNAVAILABLE:
                    raise
                if not is_told:
                    output.talk("the runtime does not answer: going on from here when it does")
                is_told = True
            else:
                if page["items"] or clock() - asked > AGAIN_SECONDS:
                    return cast(list[Row], page["items"]), cast(int, page["next"])
            await asyncio.sleep(AGAIN_SECONDS)  # it is gone, or about to stop: then it lets nobody wait

    async def _page(self, asked: dict[str, str], *, wait_seconds: int) -> Row:
        headers = {"accept": "application/json", "prefer": f"wait={wait_seconds}"}
        return cast(
            Row, told(await self._client.get("/v1/events", params=self._asked | asked, headers=headers))
        )
