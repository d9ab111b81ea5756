"""Every view of the console as markdown, for `Accept: text/markdown`.

For agents, and for who has only `curl`: the same facts as on the page, without its looks, and the requests
with which to go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import quote, unquote

from lathe.api.wire.problem import Problem
from lathe.console.ask import Ask
from lathe.console.governed import GOVERNED
from lathe.console.review import REVIEW
from lathe.console.simulated import SIMULATED
from lathe.console.writing import rows, table, text, value
from lathe.lang.model import Json
from lathe.lang.render.escape import code, prose

Query = Mapping[str, str]
View = Callable[[Ask, Mapping[str, str], Query], Awaitable[list[str]]]

ROWS_LIMIT = 50
NEAR_LIMIT = 6
"""Views that are named to whoever asks for one that is not there."""


async def written(ask: Ask, path: str, query: Query) -> str:
    """The view at a path below `/console/`. Raises `Problem`: LR404.route if there is none, or the API's."""
    given = [unquote(part) for part in path.rstrip("/").split("/")]
    for pattern, view in VIEWS.items():
        params = _matched(pattern.split("/"), given)
        if params is not None:
            return "\n".join(await view(ask, params, query)) + "\n"
    near = [f"`{pattern}`" for pattern in VIEWS if pattern.split("/")[0] == given[0]][:NEAR_LIMIT]
    there = f"; there are {', '.join(near)}" if near else ""
    raise Problem("LR404.route", f"there is no view `{path[:200]}`{there}")


def _matched(pattern: Sequence[str], given: Sequence[str]) -> dict[str, str] | None:
    if len(pattern) != len(given):
        return None
    params = {}
    for name, part in zip(pattern, given, strict=True):
        if name.startswith(":"):
            params[name[1:]] = part
        elif name != part:
            return None
    return params


async def _overview(ask: Ask, params: Mapping[str, str], query: Query) -> list[str]:
    lines = ["# Overview"]
    items = rows(await ask.get("apps"))
    for item in items:
        lines += ["", f"## {code(text(item, 'app'))}", "", *_living(item)]
    return [*lines, "", "Events as they are committed: `GET /v1/events`."]


async def _app(ask: Ask, params: Mapping[str, str], query: Query) -> list[str]:
    item = await ask.get("apps", params["app"])
    assert isinstance(item, dict), "one app is an object"
    return [f"# {code(params['app'])}", "", *_living(item)]


def _living(item: Mapping[str, Json]) -> list[str]:
    """What lives of an app, by state, and what is overdue."""
    doc, app = text(item, "doc"), text(item, "app")
    lines = [prose(doc), ""] if doc else []
    body = [
        [
            value(one.get("plural")),
            value(state.get("state")),
            text(state, "count"),
            prose(text(state, "waits")),
        ]
        for one in rows(dict(item), "blueprints")
        for state in rows(one, "states")
    ]
    lines += table(["entities", "state", "count", "waits for"], body)
    overdue = rows(dict(item), "overdue")
    if overdue:
        late = [[value(o.get("entity")), value(o.get("name")), text(o, "due")] for o in overdue]
        lines += ["", "### Overdue", "", *table(["entity", "timer or effect", "due since"], late)]
    alerts = rows(dict(item), "alerts")
    if alerts:
        wrong = [[value(a.get("entity")), prose(text(a, "said")), text(a, "at")] for a in alerts]
        lines += ["", "### Alerts", "", *table(["entity", "what is wrong", "since"], wrong)]
    return [*lines, "", f"`GET /v1/apps/{quote(app)}` · version {value(item.get('digest'))}"]


async def _entities(ask: Ask, params: Mapping[str, str], query: Query) -> list[str]:
    app, plural = params["app"], params["plural"]
    asked = {name: query[name] for name in ("state", "where", "sort", "cursor") if query.get(name)}
    found = await ask.get(app, plural, query={"limit": str(ROWS_LIMIT), **asked})
    items = rows(found)
    names = list(dict.fromkeys(name for item in items for name in _object(item, "fields")))
    body = [
        [value(i["id"]), value(i["state"]), *(value(_object(i, "fields").get(name)) for name in names)]
        for i in items
    ]
    lines = [f"# {code(plural)} of {code(app)}", ""]
    lines += [f"{name}: {code(text)}" for name, text in asked.items() if name != "cursor"]
    lines += ["", *table(["id", "state", *names], body)]
    cursor = found.get("next") if isinstance(found, dict) else None
    if cursor is not None:
        lines += ["", f"There are more: add `cursor={quote(str(cursor))}`."]
    return [*lines, "", f"`GET /v1/{quote(app)}/{quote(plural)}?state=&where=&sort=&limit=&cursor=`"]


async def _entity(ask: Ask, params: Mapping[str, str], query: Query) -> list[str]:
    at = params["app"], params["plural"], params["id"]
    found = await ask.get(*at)
    assert isinstance(found, dict), "an entity is an object"
    journal = rows(await ask.get(*at, "journal", query={"limit": "200"}))
    actions = rows(await ask.get(*at, "actions"))
    base = "/v1/" + "/".join(quote(part, safe="") for part in at)
    fields = [[code(name), value(held)] for name, held in _object(found, "fields").items()]
    lines = [
        f"# {code(params['id'])}",
        "",
        f"{code(params['app'])} · {code(params['plural'])} · state {value(found['state'])}, visit "
        f"{found['visit']}, version {found['version']}, changed {found['at']}",
        "",
        *table(["field", "value"], fields),
        "",
        "## Actions",
        "",
    ]
    body = [
        [
            code(text(a, "action")),
            "yes" if a.get("possible") else "no",
            ", ".join(f"{code(name)}: {_kind(kind)}" for name, kind in _object(a, "args").items()),
            prose(text(a, "why")),
        ]
        for a in actions
    ]
    lines += [*table(["action", "now", "arguments", "why not"], body), "", f"`POST {base}/ACTION`", ""]
    lines += [
        "## Journal",
        "",
        *table(["when", "what", "state", "by", "changes"], [_event(e) for e in journal]),
    ]
    return lines


def _kind(kind: Json) -> str:
    if not isinstance(kind, dict):
        return ""
    return text(kind, "type") + ("" if kind.get("required") else ", may be left out")


def _event(event: Mapping[str, Json]) -> list[str]:
    what = text(event, "action") or " ".join(
        part for part in (text(event, "kind"), text(event, "effect"), text(event, "timer")) if part
    )
    changes = [
        f"{code(name)} {value(pair[0])} → {value(pair[1])}"
        for name, pair in _object(event, "changes").items()
        if name != "state" and isinstance(pair, list) and len(pair) == 2
    ]
    by = text(event, "actor") or text(event, "by")
    why = ": ".join(part for part in (text(event, "cause"), text(event, "why")) if part)
    return [
        text(event, "time"),
        code(what) + (f" {prose(why)}" if why else ""),
        value(event.get("state")),
        value(by or None),
        ", ".join(changes),
    ]


def _object(row: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    found = row.get(name)
    return found if isinstance(found, dict) else {}


async def _intents(ask: Ask, params: Mapping[str, str], query: Query) -> list[str]:
    items = rows(await ask.get("intents", query={"app": params["app"]}))
    body = [
        [text(i, "count"), value(i["blueprint"]), value(i["action"]), value(i["state"]), value(i["reason"]),
         value(i.get("clause") or None), value(i.get("example") or None), prose(text(i, "help"))]
        for i in items
    ]  # fmt: skip
    head = ["count", "blueprint", "action", "state", "reason", "clause", "example", "what would allow it"]
    return [f"# Intents of {code(params['app'])}", "", "Refusals, counted by shape.", "", *table(head, body)]


VIEWS: dict[str, View] = {
    "": _overview,
    "apps/:app": _app,
    "apps/:app/entities/:plural": _entities,
    "apps/:app/entities/:plural/:id": _entity,
    "apps/:app/intents": _intents,
    **GOVERNED,
    **REVIEW,
    **SIMULATED,
}
"""Each view's path below `/console/`, as the router has it."""
