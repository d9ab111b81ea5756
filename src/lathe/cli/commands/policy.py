"""`lathe policy`."""

from __future__ import annotations

import json
from typing import cast

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import given, reasons, run, split, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.commands.act import arguments_of
from lathe.cli.entities import Row, json_text, rows_of


@make_command(
    "policy",
    examples=(
        "lathe policy why expense/expenses/01m8… approve",
        "lathe policy why expense/expenses/01m8… pay cash=true --roles accountant",
    ),
)
@click.argument("work", type=click.Choice(("why",)))
@click.argument("place", metavar="APP/PLURAL/ID")
@click.argument("action")
@click.argument("words", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--roles", metavar="ROLE,...", help="In these of your roles alone (an operator's are all of the app's)."
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@where_option
def command(
    *,
    work: str,
    place: str,
    action: str,
    words: tuple[str, ...],
    roles: str | None,
    as_json: bool,
    url: str | None,
    data: str | None,
) -> int:
    """Say whether you may take an action, and by which policies, or why not; it is not taken.

    Who asks is who shows the token: `--token-file` asks for somebody else. States and guards are not asked,
    `lathe get` shows those. Exit 0 if you may, 4 if not.
    """
    app, plural, entity = split(place, 3)

    async def use(client: httpx2.AsyncClient) -> Row:
        schema = await arguments_of(client, f"/v1/{app}/{plural}/{{id}}/{action}") if words else None
        asked = {"explain": action}
        asked |= {"roles": roles} if roles is not None else {}
        asked |= {"args": json.dumps(given(words, schema))} if words else {}
        page = told(await client.get(f"/v1/{app}/{plural}/{entity}/actions", params=asked))
        assert isinstance(page, dict), "a page is an object"
        return rows_of(page)[0]

    row = run(url, data, use)
    output.data(json_text(dict(row)) if as_json else output.clean(why_text(row)))
    return exitcode.DONE if row["permitted"] else exitcode.DENIED


def why_text(row: Row) -> str:
    """An explanation, one policy a line, its clauses below."""
    if row["permitted"]:
        policies = cast(list[str], row["policies"])
        return "\n".join([f"`{row['action']}` is permitted by", *(f"  {name}" for name in policies)])
    return "\n".join([f"`{row['action']}` is denied", *(f"  {reason}" for reason in reasons(row))])
