"""`lathe rollback`."""

from __future__ import annotations

from typing import cast

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import run, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.commands.apply import plan_text, refused_text
from lathe.cli.decision_text import held_text
from lathe.cli.entities import Row, json_text, rows_of, table
from lathe.errors import UsageError
from lathe.lang.model import Json

FORWARD = "an older version stays as it was: to go back, apply its files as a new one, with a `[migrate]`"
DIGEST_FORM = "sha256:" + "0" * 64


@make_command("rollback", examples=("lathe rollback rollout", "lathe rollback rollout sha256:3f0c… --yes"))
@click.argument("app")
@click.argument("digest", required=False)
@click.option("--yes", is_flag=True, help="Make it current, if everybody who lives now fits.")
@click.option("--note", default="", metavar="TEXT", help="Why: kept with the version.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@where_option
def command(
    *, app: str, digest: str | None, yes: bool, note: str, as_json: bool, url: str | None, data: str | None
) -> int:
    """Make an older version of APP current again; without DIGEST, list its versions.

    Of a DIGEST the first characters do, as `lathe dev` prints them.
    """

    async def use(client: httpx2.AsyncClient) -> Json:
        if digest is None:
            return told(await client.get(f"/v1/blueprints/{app}"))
        body: dict[str, Json] = {
            "digest": await whole(client, app, digest),
            "confirm": "any" if yes else None,
            "note": note,
        }
        return told(await client.post(f"/v1/blueprints/{app}/rollback", json=body))

    document = run(url, data, use)
    assert isinstance(document, dict), "the answer is an object"
    if as_json:
        output.data(json_text(document))
    elif digest is None:
        output.data(output.clean(listed(document)))
    else:
        output.data(plan_text(cast(Row, document["plan"])))
        if document.get("decision"):
            output.data(held_text(cast(Row, document["decision"])))
            return exitcode.DENIED
        if "applied" in document:
            output.data(f"applied {document['applied']}")
        elif cast(Row, document["plan"])["possible"]:
            output.data("nothing has changed yet: add `--yes`")
        else:
            output.data(f"{refused_text(document)}\n{FORWARD}")
            return exitcode.FINDINGS
    return exitcode.DONE


def listed(document: Row) -> str:
    """The versions, newest first; the newest row of the one in force says so."""
    lines = [["version", "", "applied", "by", "note"]]
    current: Json = document["digest"]
    for row in rows_of(dict(document)):
        is_current = row["digest"] == current
        current = None if is_current else current
        mark = "in force" if is_current else ""
        lines.append([str(row["digest"]), mark, str(row["at"]), str(row["by"]), str(row["note"])])
    return table(lines)


async def whole(client: httpx2.AsyncClient, app: str, beginning: str) -> str:
    """The digest that begins so, if one alone does. Raises `UsageError`."""
    if len(beginning) == len(DIGEST_FORM):
        return beginning
    versions = rows_of(told(await client.get(f"/v1/blueprints/{app}")))
    short = beginning.removeprefix("sha256:")
    known = dict.fromkeys(str(row["digest"]) for row in versions)
    found = [digest for digest in known if short and digest.removeprefix("sha256:").startswith(short)]
    if len(found) > 1:
        raise UsageError(f"`{beginning[:80]}` begins {len(found)} versions of `{app[:80]}`: give more of it")
    return found[0] if found else beginning
