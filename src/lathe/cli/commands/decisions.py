"""`lathe decisions`."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import cast

import click
import httpx2

from lathe.cli import exitcode, files, output
from lathe.cli.client import given, run, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.commands.act import arguments_of
from lathe.cli.decision_text import decision_text, line_of
from lathe.cli.entities import Row, json_text, rows_of
from lathe.errors import UsageError
from lathe.lang.model import Json
from lathe.lang.units import read_duration
from lathe.machine.moment import rfc3339
from lathe.runtime.clock import SystemClock

WORK = ("list", "show", "approve", "deny", "ask", "withdraw")
STATES = ("open", "approved", "denied", "withdrawn", "used", "expired")


@make_command(
    "decisions",
    examples=(
        "lathe decisions approve 01m8… --digest sha256:3f0c…",
        "lathe decisions ask order/payments/01m8… refund amount=1 --reason 'arrived broken'",
    ),
)
@click.argument("work", type=click.Choice(WORK), default="list")
@click.argument("names", nargs=-1, metavar="[ID | APP/PLURAL[/ID] ACTION [NAME=VALUE]...]")
@click.option("--state", type=click.Choice(STATES), help="`list`: only these (default: open).")
@click.option("--all", "is_all", is_flag=True, help="`list`: whatever became of them.")
@click.option("--files", "folder", metavar="DIR", help="`show`: write what would be applied into a new DIR.")
@click.option("--digest", metavar="DIGEST", help="`approve`: what `show` printed: you approve what you saw.")
@click.option("--until", metavar="DURATION", help="`approve`: for so long, as `8h`, and not once.")
@click.option("--any-args", is_flag=True, help="With `--until`: whatever the arguments are.")
@click.option("--policy", is_flag=True, help="`approve`: as a standing policy, once the verifier admits it.")
@click.option("--note", default="", metavar="TEXT", help="`approve`, `deny`: why.")
@click.option("--reason", default="", metavar="TEXT", help="`ask`: why it should be.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@where_option
def command(
    *,
    work: str,
    names: tuple[str, ...],
    state: str | None,
    is_all: bool,
    folder: str | None,
    digest: str | None,
    until: str | None,
    any_args: bool,
    policy: bool,
    note: str,
    reason: str,
    as_json: bool,
    url: str | None,
    data: str | None,
) -> int:
    """List what waits for a decision, show one, approve or deny it; ask for one, or withdraw it.

    Only a person with the scope `decide` decides, and never what they ask for or what is asked in their name.
    """
    if work in ("show", "approve", "deny", "withdraw") and len(names) != 1:
        raise click.UsageError(f"`{work}` needs the ID of one decision")
    if work == "ask" and len(names) < 2:
        raise click.UsageError("`ask` needs what is asked: APP/PLURAL[/ID] ACTION [NAME=VALUE]...")
    if work == "approve" and digest is None:
        raise click.UsageError("`approve` needs `--digest`: `lathe decisions show ID` prints it")
    if folder is not None and work != "show":
        raise click.UsageError("`--files` is for `show`")
    if policy and until:
        raise click.UsageError("a policy has no end: give `--until` or `--policy`, not both")

    async def use(client: httpx2.AsyncClient) -> Json:
        path = f"/v1/decisions/{names[0]}" if names else "/v1/decisions"
        match work:
            case "list":
                wanted = state or (None if is_all else "open")
                asked = {"limit": "200"} | ({"state": wanted} if wanted else {})
                return told(await client.get("/v1/decisions", params=asked))
            case "show":
                return await _shown(client, path, with_files=folder is not None)
            case "approve":
                body = _approval(digest, until, note, any_args=any_args, as_policy=policy)
                return told(await client.post(f"{path}/approve", json=body))
            case "deny":
                return told(await client.post(f"{path}/deny", json={"note": note}))
            case "withdraw":
                return told(await client.post(f"{path}/withdraw"))
        return await _ask(client, names, reason)

    document = run(url, data, use)
    if folder is not None:
        files.write_new(folder, _files_of(cast(Row, document)))
    if as_json:
        output.data(json_text(document))
    elif work == "list":
        output.data("\n".join(map(line_of, rows_of(document))) or "nothing")
    else:
        output.data(decision_text(cast(Row, document)))
    return exitcode.DONE


async def _shown(client: httpx2.AsyncClient, path: str, *, with_files: bool) -> Json:
    """A decision; of an application with the files that are applied, by their sizes or whole."""
    found = cast(Row, told(await client.get(path)))
    if not found.get("apply"):
        return dict(found)
    answer = await client.get(f"{path}/files")
    if answer.status_code == 404 and not with_files:
        return dict(found)  # asked by a release that kept none
    kept = cast(Row, told(answer))
    if with_files:
        return dict(found) | {"files": kept["files"], "binary": kept["binary"]}
    return dict(found) | {"sizes": {name: len(data) for name, data in sorted(_files_of(kept).items())}}


def _files_of(row: Mapping[str, Json]) -> dict[str, bytes]:
    texts, binary = (
        cast(dict[str, str], row.get("files") or {}),
        cast(dict[str, str], row.get("binary") or {}),
    )
    if not texts and not binary:
        raise UsageError("what it asks for is no application: there are no files")
    whole = {name: text.encode() for name, text in texts.items()}
    return whole | {name: b64decode(text) for name, text in binary.items()}


def _approval(
    digest: str | None, until: str | None, note: str, *, any_args: bool, as_policy: bool
) -> dict[str, Json]:
    body: dict[str, Json] = {"how": "policy" if as_policy else "once", "digest": digest, "note": note}
    if until is not None:
        length = read_duration(until)
        if length is None:
            raise click.UsageError(f"`{until}` is no duration: write `30m`, `8h` or `30d`")
        body |= {"how": "until", "until": rfc3339(SystemClock().now_ms() + length)}
    return body | ({"args": "any"} if any_args else {})


async def _ask(client: httpx2.AsyncClient, names: tuple[str, ...], reason: str) -> Json:
    """Ask for an action, its arguments typed as the runtime's own document says."""
    place, action, *words = names
    parts = place.strip("/").removeprefix("v1/").split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise click.UsageError(f"`{place}` is no `APP/PLURAL` or `APP/PLURAL/ID`")
    app, plural = parts[:2]
    route = f"/v1/{app}/{plural}" if len(parts) == 2 else f"/v1/{app}/{plural}/{{id}}/{action}"
    schema = await arguments_of(client, route) if words else None
    body: dict[str, Json] = {"app": app, "plural": plural, "action": action, "reason": reason}
    body |= {"entity": parts[2]} if len(parts) == 3 else {}
    return told(await client.post("/v1/decisions", json={**body, "args": given(tuple(words), schema)}))
