"""`lathe apply`."""

from __future__ import annotations

from typing import cast

import click
import httpx2

from lathe.agents.bodies import app_body
from lathe.cli import exitcode, files, output
from lathe.cli.client import run, told, where_option
from lathe.cli.command import command as make_command
from lathe.cli.decision_text import held_text
from lathe.cli.entities import Row, json_text
from lathe.cli.findings import finding_lines
from lathe.lang.model import Json


@make_command(
    "apply", examples=("lathe apply examples/rollout", "lathe apply examples/rollout --confirm 3f0c…")
)
@click.argument("path", type=click.Path(), required=False)
@click.option(
    "--decision", metavar="ID", help="In place of PATH: what was held, byte by byte, once approved."
)
@click.option("--confirm", metavar="PLAN", help="Make exactly this plan.")
@click.option(
    "--yes", is_flag=True, help="Make whatever the plan is, if the app is admitted and everybody fits."
)
@click.option("--breaking", is_flag=True, help="Also if clients may break.")
@click.option("--accept-bounds", is_flag=True, help="Also if the verdict is unknown within named bounds.")
@click.option("--note", default="", metavar="TEXT", help="Why: kept with the version.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@where_option
def command(
    *,
    path: str | None,
    decision: str | None,
    confirm: str | None,
    yes: bool,
    breaking: bool,
    accept_bounds: bool,
    note: str,
    as_json: bool,
    url: str | None,
    data: str | None,
) -> int:
    """Check the app at PATH, show what loading it would do, and do it once that is confirmed."""
    if (path is None) == (decision is None):
        raise click.UsageError("name the PATH of an app, or a `--decision`")
    sent = app_body(files.load(path).files) if path is not None else {"decision": decision}
    again = output.clean(path) if path is not None else f"--decision {decision}"
    body: dict[str, Json] = {
        **sent,
        "confirm": confirm or ("any" if yes else None),
        "breaking": breaking,
        "accept_bounds": accept_bounds,
        "note": note,
    }

    async def use(client: httpx2.AsyncClient) -> Json:
        return told(await client.put("/v1/blueprints", json=body))

    document = run(url, data, use)
    assert isinstance(document, dict), "the answer is an object"
    if as_json:
        output.data(json_text(document))
    else:
        plan = cast(Row, document["plan"])
        output.data(plan_text(plan))
        for said in cast(list[str], document.get("warnings") or []):
            output.talk(output.clean(f"warning: {said}"))
        if "applied" in document:
            output.data(f"applied {document['applied']}, {rewritten(cast(int, document['moved']))}")
        elif document.get("decision"):
            output.data(held_text(cast(Row, document["decision"])))
        elif plan["possible"]:
            held = ", which then waits for a person" if document.get("held") else ""
            output.data(f"nothing has changed yet: `lathe apply {again} --confirm {plan['digest']}`{held}")
        else:
            output.data(refused_text(document, f"`lathe check {path}` says why" if path else ""))
    if document.get("decision"):
        return exitcode.DENIED
    possible = cast(Row, document["plan"])["possible"]
    return exitcode.DONE if possible else exitcode.FINDINGS


def rewritten(count: int) -> str:
    """How many entities a new version made another row of."""
    return f"{count} {'entity' if count == 1 else 'entities'} rewritten"


def refused_text(document: Row, elsewhere: str = "") -> str:
    """Why what was planned cannot be; `elsewhere` is where that is said, if it is not said here."""
    found = finding_lines(document.get("report"))
    is_said = bool(found or cast(Row, document["plan"])["unfit"])
    hint = f": {elsewhere}" if elsewhere and not is_said else ""
    return "\n".join([*found, f"nothing has changed{hint}"])


def plan_text(plan: Row) -> str:
    """A plan, as a person reads it before it is confirmed."""
    old = str(plan["old"] or "nothing")
    lines = [f"{plan['app']}: {plan['verdict']}; {old[:19]} → {str(plan['new'])[:19]}"]
    for change in cast(list[Row], plan["changes"]):
        marks = [word for word in ("breaking", "weaker") if change[word]]
        told_marks = f"  ({', '.join(marks)})" if marks else ""
        lines.append(f"  {change['what']} {change['path']}{told_marks}")
    living = [
        f"{row['count']} {row['blueprint']} {row['state']}" for row in cast(list[Row], plan["population"])
    ]
    if living:
        lines.append(f"  alive: {', '.join(living)}; {plan['moved']} would be rewritten")
    for row in cast(list[Row], plan["unfit"]):
        lines.append(f"  does not fit: {row['entity']} ({row['blueprint']} in {row['state']}): {row['why']}")
    return output.clean("\n".join(lines))
