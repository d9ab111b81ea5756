"""The simulator's pages as markdown: campaigns, one campaign, one failed run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from lathe.console.ask import Ask
from lathe.console.review import told_trace
from lathe.console.writing import rows, table, text, value
from lathe.lang.model import Json
from lathe.lang.render.escape import code, prose
from lathe.lang.render.words import count
from lathe.machine.tracejson import from_json

Params = Mapping[str, str]
Row = dict[str, Json]


async def _campaigns(ask: Ask, params: Params, query: Params) -> list[str]:
    app = {"app": query["app"]} if "app" in query else {}
    body = []
    for one in rows(await ask.get("simulations", query=app)):
        progress = _object(one, "progress")
        told = [text(progress, "seeds"), text(progress, "steps"), text(progress, "failed"), text(one, "at")]
        body.append([value(one["id"]), value(one["app"]), text(one, "state"), *told])
    head = ["id", "app", "state", "seeds", "steps", "failed", "at"]
    lines = ["# Simulator", "", "Campaigns, the newest first.", "", *table(head, body), ""]
    return [*lines, "Begin one: `POST /v1/simulations` `{app, seeds, seconds, mix, seed}`, or `{check, …}`."]


async def _campaign(ask: Ask, params: Params, query: Params) -> list[str]:
    one = cast(Row, await ask.get("simulations", params["id"]))
    progress = _object(one, "progress")
    lines = [f"# A campaign of {code(text(one, 'app'))}: {text(one, 'state')}", ""]
    if one.get("said"):
        lines += [prose(text(one, "said")), ""]
    if progress:
        lines += [*_speed(progress), ""]
    for cause in rows(progress, "causes"):
        first = rows(cause, "runs")[0]
        seeds = count(int(text(cause, "count")), "seed")
        lines += [
            f"- **{text(cause, 'cause')}** {seeds}: {prose(text(cause, 'said'))}",
            f"  Repeat it: `lathe sim FOLDER --seed {first['seed']} --mix {first['mix']}`; "
            f"its run: `runs/{first['mix']}/{first['seed']}` below this address.",
        ]
    base = f"/v1/simulations/{params['id']}"
    return [*lines, "", f"As data: `GET {base}`. End it: `POST {base}/cancel`."]


def _speed(progress: Row) -> list[str]:
    seconds = float(text(progress, "seconds")) or 1.0
    rate, times = (float(text(progress, name)) / seconds for name in ("steps", "virtual_seconds"))
    seeds = count(int(text(progress, "seeds")), "seed")
    lived = f"{times:,.0f} times as fast as life"
    return [f"{seeds}, {rate:,.0f} steps a second, {lived}, {text(progress, 'failed')} failed."]


async def _fork(ask: Ask, params: Params, query: Params) -> list[str]:
    run = f"/v1/simulations/{params['id']}/runs/{params['mix']}/{params['seed']}"
    return [
        "# What if",
        "",
        "In a browser this goes on with the run by hand, on the model alone.",
        f"Here: the trace of `GET {run}`, and `POST …/fork` `{{trace, at, take}}` of its version or check.",
    ]


async def _run(ask: Ask, params: Params, query: Params) -> list[str]:
    found = cast(Row, await ask.get("simulations", params["id"], "runs", params["mix"], params["seed"]))
    title = f"# Seed {params['seed']}, {params['mix']}"
    violation = _object(found, "violation")
    if not violation:
        return [title, "", "Nothing is found."]
    said = f"**{text(violation, 'cause')}** {prose(text(violation, 'said'))}"
    line = f"`lathe sim FOLDER --seed {found['seed']} --mix {found['mix']}`"
    return [title, "", said, "", *told_trace(from_json(found["trace"])), "", f"Repeat it: {line}"]


def _object(row: Mapping[str, Json], name: str) -> Row:
    found = row.get(name)
    return found if isinstance(found, dict) else {}


SIMULATED = {
    "simulations": _campaigns,
    "simulations/:id": _campaign,
    "simulations/:id/runs/:mix/:seed": _run,
    "simulations/:id/runs/:mix/:seed/fork": _fork,
}
"""Each view's path below `/console/`, as `views.js` has it."""
