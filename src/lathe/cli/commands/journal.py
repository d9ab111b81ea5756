"""`lathe journal`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import run, split, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.entities import Row, journal_text, json_text, rows_of
from lathe.errors import UsageError
from lathe.lang.model import Json
from lathe.lang.units import read_duration

TRACE = "trace"


@make_command(
    "journal",
    examples=(
        "lathe journal rollout/rollouts/01m8…",
        "lathe journal trace rollout/rollouts/01m8… > incident.json",
    ),
)
@click.argument("words", nargs=-1, required=True, metavar="[trace] APP/PLURAL/ID")
@click.option("--json", "as_json", is_flag=True, help="Print the entries as JSON.")
@click.option(
    "--since",
    metavar="T",
    help="Of `trace`: begin at the last moment before T (RFC 3339, or `2h` ago) with nothing in flight.",
)
@where_option
def command(
    *, words: tuple[str, ...], as_json: bool, since: str | None, url: str | None, data: str | None
) -> int:
    """Print everything that happened to an entity, oldest first.

    `trace` prints it, with all that had a part in it, as a trace (`lathe.trace/1`), which `lathe replay`
    takes again and `lathe gauge add` keeps. Secrets are not in it. Without --since it begins with their
    creation.
    """
    place = words[-1]
    if len(words) > 2 or (len(words) == 2 and words[0] != TRACE):
        raise UsageError("`journal` takes one `APP/PLURAL/ID`, after `trace` or alone")
    path = "/v1/" + "/".join(split(place, 3))
    if len(words) == 2:
        return _trace(path, since, url, data)
    if since is not None:
        raise UsageError("--since is for `journal trace`")

    async def use(client: httpx2.AsyncClient) -> list[Row]:
        found: list[Row] = []
        after: Json = 0
        while after is not None:
            page = told(await client.get(f"{path}/journal", params={"after": str(after), "limit": "200"}))
            assert isinstance(page, dict), "a page is an object"
            found += rows_of(page)
            after = page["next"]
        return found

    rows = run(url, data, use)
    output.data(json_text([dict(row) for row in rows]) if as_json else journal_text(rows))
    return exitcode.DONE


def _trace(path: str, since: str | None, url: str | None, data: str | None) -> int:
    """The trace on stdout, what its reader must know on stderr."""
    params = {} if since is None else {"since": _moment(since)}

    async def use(client: httpx2.AsyncClient) -> Json:
        return told(await client.get(f"{path}/trace", params=params))

    found = run(url, data, use)
    assert isinstance(found, dict), "an answer is an object"
    trace, notes = found["trace"], found["notes"]
    assert isinstance(trace, dict) and isinstance(notes, list), "as the API has it"
    output.data(json_text(trace))
    output.talk(f"{trace['length']} steps of {trace['app']} {trace['digest']}")
    for note in notes:
        output.talk(output.clean(f"note: {note}"))
    return exitcode.DONE


def _moment(text: str) -> str:
    """A moment as the API takes it: as given, or so long ago."""
    milliseconds = read_duration(text)
    if not milliseconds:
        return text
    return (datetime.now(UTC) - timedelta(milliseconds=milliseconds)).isoformat()
