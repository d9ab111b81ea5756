"""`lathe token`."""

from __future__ import annotations

from typing import cast

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import run, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.entities import Row, json_text
from lathe.lang.model import Json
from lathe.lang.units import read_duration

WORK = ("create", "list", "rotate", "revoke", "me")


@make_command(
    "token",
    examples=(
        "lathe token create ann --kind person --role clerk",
        "lathe token create bot --part --role clerk --app order --expires 8h",
    ),
)
@click.argument("work", type=click.Choice(WORK))
@click.argument("name", required=False)
@click.option(
    "--kind", type=click.Choice(("person", "agent", "service")), default="agent", show_default=True,
    help="What the principal is: only a person may decide.",
)  # fmt: skip
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role that it holds; repeatable.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help="`operator`, `apply`, `decide` or `metrics`; repeatable.",
)
@click.option("--app", "apps", multiple=True, metavar="APP", help="Only this app; repeatable.")
@click.option(
    "--action", "actions", multiple=True, metavar="ACTION",
    help="Only this action, or BLUEPRINT.ACTION; `read` is one; repeatable.",
)  # fmt: skip
@click.option("--expires", metavar="DURATION", help="As `8h` or `30d` (default: 30 days, at most 400).")
@click.option("--part", is_flag=True, help="A part of the token that asks: its principal acts for yours.")
@click.option("--parent", metavar="ID", help="A part of the token of this id instead.")
@click.option("--tenant", metavar="NAME", help="Another tenant: for operators of `main`.")
@click.option("--note", default="", metavar="TEXT", help="What it is for.")
@click.option("--overlap", metavar="DURATION", help="`rotate`: how long the secret before counts on.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@where_option
def command(
    *,
    work: str,
    name: str | None,
    kind: str,
    roles: tuple[str, ...],
    scopes: tuple[str, ...],
    apps: tuple[str, ...],
    actions: tuple[str, ...],
    expires: str | None,
    part: bool,
    parent: str | None,
    tenant: str | None,
    note: str,
    overlap: str | None,
    as_json: bool,
    url: str | None,
    data: str | None,
) -> int:
    """Make a token for the principal NAME, list tokens, rotate or revoke the one of an id, or say who I am.

    A new token is printed once, alone on stdout; only its hash is kept.
    """
    if work in ("create", "rotate", "revoke") and name is None:
        raise click.UsageError(f"`{work}` needs a NAME" if work == "create" else f"`{work}` needs an ID")
    body: dict[str, Json] = {"principal": name, "kind": kind, "note": note}
    limits = {"roles": roles, "scopes": scopes, "apps": apps, "actions": actions}
    body |= {key: list(given) for key, given in limits.items() if given}
    body |= {"parent": "self" if part else parent} if part or parent else {}
    body |= {"expires_in": _seconds(expires)} if expires else {}
    body |= {"tenant": tenant} if tenant else {}

    async def use(client: httpx2.AsyncClient) -> Json:
        match work:
            case "create":
                return told(await client.post("/v1/tokens", json=body))
            case "rotate":
                asked = {"overlap": _seconds(overlap)} if overlap else {}
                return told(await client.post(f"/v1/tokens/{name}:rotate", json=asked))
            case "revoke":
                return told(await client.delete(f"/v1/tokens/{name}"))
            case "me":
                return told(await client.get("/v1/me"))
        return await _all(client, tenant)

    document = run(url, data, use)
    if as_json:
        output.data(json_text(document))
    elif work == "list":
        for row in cast(list[Row], document):
            output.data(_line(row))
    elif work == "me":
        for key, value in cast(Row, document).items():
            said = "none" if value is None and key in ("token", "expires") else _said(value)
            output.data(output.clean(f"{key}: {said}"))
    else:
        row = cast(Row, document)
        output.talk(_line(row))
        for said in cast(list[str], row.get("warnings") or []):
            output.talk(output.clean(f"warning: {said}"))
        if "token" in row:
            output.data(str(row["token"]))
    return exitcode.DONE


async def _all(client: httpx2.AsyncClient, tenant: str | None) -> Json:
    """Every token, page after page."""
    found: list[Json] = []
    after: str | None = ""
    while after is not None:
        asked = {"after": after, "limit": "200"} | ({"tenant": tenant} if tenant else {})
        page = cast(Row, told(await client.get("/v1/tokens", params=asked)))
        found += cast(list[Json], page["items"])
        after = cast("str | None", page["next"])
    return found


def _line(row: Row) -> str:
    """A token as a line: its id, whose it is, what it may, until when."""
    held = [*cast(list[str], row["roles"]), *cast(list[str], row["scopes"])]
    limits = [f"only {_said(row[key])}" for key in ("apps", "actions") if row[key] is not None]
    over = f"revoked {row['revoked']}" if row["revoked"] else f"until {row['expires']}"
    part = f"  part of {row['parent']}" if row["parent"] else ""
    words = f"{row['id']}  {row['principal']} ({row['kind']})  {', '.join(held) or 'no role'}"
    return output.clean("  ".join([words, *limits, over]) + part)


def _said(value: Json) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "every one" if value is None else str(value)


def _seconds(text: str) -> int:
    found = read_duration(text)
    if found is None:
        raise click.UsageError(f"`{text}` is no duration: write `30m`, `8h` or `30d`")
    return found // 1_000
