"""`lathe check --against URL`: the version that a runtime runs, and the entities that it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import httpx2

from lathe.agents.bodies import app_body
from lathe.check.reporting.report import Finding, Report
from lathe.cli import exitcode, files
from lathe.cli.client import run, told
from lathe.cli.entities import Row
from lathe.cli.exitcode import Stop
from lathe.cli.reading import read
from lathe.errors import Diagnostic
from lathe.lang import read_app
from lathe.lang.model import App, Json


def running(url: str, path: str) -> App:
    """What a runtime runs of the app at `path`. Raises `Stop`, `UnreadableError`."""
    return running_app(url, read(path).name)[0]


def running_app(url: str, name: str) -> tuple[App, str]:
    """What a runtime runs of the app of this name, and its digest. Raises `Stop`."""

    async def use(client: httpx2.AsyncClient) -> Json:
        return told(await client.get(f"/v1/blueprints/{name}/current"))

    version = run(url, None, use)
    assert isinstance(version, dict), "a version is an object"
    texts = cast(dict[str, str], version["files"])
    app = read_app({place: text.encode() for place, text in texts.items()}).app
    if app is None:
        raise Stop(f"what `{url}` runs of `{name}` cannot be read here", code=exitcode.UNAVAILABLE)
    return app, str(version["digest"])


def with_population(report: Report, url: str, path: str) -> Report:
    """The report, with everybody who lives now and would not fit; nothing is changed there."""
    body: dict[str, Json] = {**app_body(files.load(path).files), "confirm": None, "accept_bounds": True}

    async def use(client: httpx2.AsyncClient) -> Json:
        return told(await client.put("/v1/blueprints", json=body))

    answer = run(url, None, use)
    assert isinstance(answer, dict), "a plan is an object"
    plan = cast(Row, answer["plan"])
    app = read(path)
    found = [_finding(row, app) for row in cast(list[Row], plan["unfit"])]
    lived = sum(cast(int, row["count"]) for row in cast(list[Row], plan["population"]))
    said = f"entities that are made after this check: {lived} lived when it was made"
    return replace(
        report,
        verdict="refused" if found else report.verdict,
        findings=(*report.findings, *found),
        not_covered=(*report.not_covered, said),
    )


def _finding(row: Row, app: App) -> Finding:
    """One entity that lives and would not fit, at its blueprint."""
    blueprint = app.blueprints.get(str(row["blueprint"]))
    span = blueprint.span if blueprint is not None else app.span
    who = f"{row['blueprint']} {row['entity']} lives in `{row['state']}`"
    message = f"{who} and does not fit here: {row['why']}"
    return Finding(
        Diagnostic(str(row["code"]), "error", message, span, "say in `[migrate]` what becomes of it")
    )
