"""`lathe rollback`."""

from __future__ import annotations

from typing import cast

import click
import httpx2

from lathe.cli import exitcode, output
from lathe.cli.client import run, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.commands.apply import plan_text
from lathe.cli.deciding import held_text
from lathe.cli.entities import Row, json_text, rows_of, table
from lathe.lang.model import Json


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
    """Make an older version of APP current again; without DIGEST, list its versions."""

    async def use(client: httpx2.AsyncClient) -> Json:
        if digest is None:
            return told(await client.get(f"/v1/blueprints/{app}"))
        body: dict[str, Json] = {"digest": digest, "confirm": "any" if yes else None, "note": note}
        return told(await client.post(f"/v1/blueprints/{app}/rollback", json=body))

    document = run(url, data, use)
    assert isinstance(document, dict), "the answer is an object"
    if as_json:
        output.data(json_text(document))
    elif digest is None:
        rows = [[str(r["digest"]), str(r["at"]), str(r["by"]), str(r["note"])] for r in rows_of(document)]
        output.data(output.clean(table([["version", "applied", "by", "note"], *rows])))
    else:
        output.data(plan_text(cast(Row, document["plan"])))
        if document.get("decision"):
            output.data(held_text(cast(Row, document["decision"])))
            return exitcode.DENIED
        said = (
            f"applied {document['applied']}"
            if "applied" in document
            else "nothing has changed yet: add `--yes`"
        )
        output.data(said)
    return exitcode.DONE
