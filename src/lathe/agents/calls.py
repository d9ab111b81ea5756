"""What each tool does: a request to the runtime as the caller, or a check; the answer is a short text."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import cast
from urllib.parse import quote

import httpx2

from lathe.agents import telling
from lathe.agents.bodies import app_body
from lathe.agents.guide import guide
from lathe.agents.telling import Row
from lathe.agents.tools import BY_NAME
from lathe.api.wire.problem import PROBLEMS
from lathe.errors import LatheError
from lathe.frozen import frozen
from lathe.gate import codes
from lathe.lang.model import Json

Files = Mapping[str, bytes]

EVENTS_SHOWN = 50
WAIT_SECONDS_LIMIT = 30
ANSWER_CHARACTERS_LIMIT = 24_000
"""An answer beyond this is cut, and says so: a list is read page by page."""


class CallError(Exception):
    """A tool that cannot do what was asked, said so that the next try can."""


Judge = Callable[[Files, bool], Awaitable[Row]]
"""Checks files, with their bounds accepted or not, and answers the report."""


@frozen
class Workshop:
    """What the tools work with.

    `client` reaches the runtime in the caller's name. `load` reads the app in a folder, where there are
    folders: over HTTP there are none.
    """

    client: httpx2.AsyncClient
    load: Callable[[str], Files] | None
    judge: Judge


@frozen
class Answer:
    """What a tool answers; `is_error` where the runtime refused or the call makes no sense."""

    text: str
    is_error: bool = False


def by_runtime(client: httpx2.AsyncClient) -> Judge:
    """A judge that asks the runtime."""

    async def judge(files: Files, accept_bounds: bool) -> Row:
        body: dict[str, Json] = {**app_body(files), "accept_bounds": accept_bounds}
        return cast(Row, (await _told(client, "POST", "/v1/checks", body=body))["report"])

    return judge


async def call(workshop: Workshop, name: str, arguments: Row) -> Answer:
    """Run a tool. What goes wrong is an answer too: nothing is raised for what an agent may have caused."""
    tool = BY_NAME.get(name)
    if tool is None:
        return Answer(f"there is no tool `{name}`; there are {', '.join(BY_NAME)}", is_error=True)
    unknown = sorted(set(arguments) - set(tool.properties))
    missing = [word for word in tool.required if arguments.get(word) in (None, "")]
    if unknown or missing:
        said = f"`{unknown[0]}` is no argument of `{name}`" if unknown else f"`{name}` needs `{missing[0]}`"
        return Answer(f"{said}; it takes {', '.join(tool.properties)}", is_error=True)
    try:
        text = await _CALLS[name](workshop, arguments)
    except CallError as error:
        return Answer(str(error), is_error=True)
    except LatheError as error:
        return Answer(str(error), is_error=True)
    except UnicodeEncodeError as error:
        return Answer(f"what stands before position {error.end} of a text is no character", is_error=True)
    except httpx2.TransportError:
        said = f"no runtime answers at {workshop.client.base_url}"
        return Answer(f"{said}\nnext: start `lathe dev FOLDER`; `check` and `explain` work without", True)
    if len(text) > ANSWER_CHARACTERS_LIMIT:
        text = f"{text[:ANSWER_CHARACTERS_LIMIT]}\n… cut here: ask for less"
    return Answer(text)


async def _check(workshop: Workshop, asked: Row) -> str:
    return telling.report(await workshop.judge(_files(workshop, asked), bool(asked.get("accept_bounds"))))


async def _explain(_: Workshop, asked: Row) -> str:
    topic = str(asked["topic"]).strip().strip("`")
    if topic.lower() in ("language", "lathe", "guide"):
        return guide()
    if topic.upper() in codes.codes():
        return codes.page(topic.upper())
    if topic in PROBLEMS:
        return f"{topic}: {PROBLEMS[topic]}"
    raise CallError(f"`{topic[:80]}` is no code; findings have LTnnn, refusals LRnnn.word, or ask `language`")


async def _diff(workshop: Workshop, asked: Row) -> str:
    return telling.plan(await _put(workshop, asked, {"accept_bounds": True}))


async def _apply(workshop: Workshop, asked: Row) -> str:
    body: dict[str, Json] = {
        k: v for k, v in asked.items() if k not in ("path", "files") and v not in (None, "")
    }
    if "decision" not in body:
        return telling.plan(await _put(workshop, asked, body))
    if asked.get("path") or asked.get("files"):
        raise CallError("give `decision` or files: what was approved are the files that were kept with it")
    return telling.plan(await _told(workshop.client, "PUT", "/v1/blueprints", body=body))


async def _put(workshop: Workshop, asked: Row, body: Row) -> Row:
    found = app_body(_files(workshop, asked))
    return await _told(workshop.client, "PUT", "/v1/blueprints", body={**found, **body})


async def _list(workshop: Workshop, asked: Row) -> str:
    if not asked.get("plural"):
        return telling.apps(await _told(workshop.client, "GET", "/v1/blueprints"))
    if not asked.get("app"):
        raise CallError("`list` of a collection needs `app` too")
    query = {k: str(v) for k, v in asked.items() if k not in ("app", "plural") and v not in (None, "")}
    return telling.page(await _told(workshop.client, "GET", _path(asked, "app", "plural"), query=query))


async def _get(workshop: Workshop, asked: Row) -> str:
    found = await _told(workshop.client, "GET", _path(asked, "app", "plural", "id"))
    return f"{telling.entity(found)}\nsince {found['at']}"


async def _actions(workshop: Workshop, asked: Row) -> str:
    if asked.get("id"):
        path = f"{_path(asked, 'app', 'plural', 'id')}/actions"
        return telling.possible(telling.rows((await _told(workshop.client, "GET", path))["items"]))
    document = await _told(workshop.client, "GET", "/openapi.json")
    start = _path(asked, "app", "plural")
    lines = []
    for path, operations in cast(Mapping[str, Row], document["paths"]).items():
        operation = operations.get("post")
        if not isinstance(operation, dict) or not (path == start or path.startswith(f"{start}/{{id}}/")):
            continue
        name = "create" if path == start else path.rpartition("/")[2]
        said = operation.get("description") or ""
        lines.append(f"{name}{telling.schema(operation)} {said}".rstrip())
    if not lines:
        raise CallError(f"nothing is loaded at {start}\nnext: `list` shows what is")
    return "\n".join([*lines, "next: `act`; with `id`, `actions` tells what is possible now"])


async def _act(workshop: Workshop, asked: Row) -> str:
    args = asked.get("args") or {}
    if not isinstance(args, dict):
        raise CallError("`args` is an object: names and values")
    action, headers = str(asked["action"]), {}
    for name, header in (("key", "idempotency-key"), ("visit", "if-visit")):
        if asked.get(name) is not None:
            headers[header] = _header(asked, name)
    if asked.get("version") is not None:
        headers["if-match"] = f'"{_header(asked, "version")}"'
    start = _path(asked, "app", "plural")
    if asked.get("id"):
        path = f"{_path(asked, 'app', 'plural', 'id')}/{quote(action, safe='')}"
        found = await _told(workshop.client, "POST", path, body=args, headers=headers)
    elif action == "create":
        found = await _told(workshop.client, "POST", start, body=args, headers=headers)
    else:
        headers["prefer"] = f"wait={_seconds(asked)}"
        body: dict[str, Json] = {"action": action, "where": asked.get("where") or "", "args": args}
        found = await _told(workshop.client, "POST", f"{start}:take", body=body, headers=headers)
        if "id" not in found:
            return telling.none_taken(found.get("denied"), action)
    return f"{telling.entity(found)}\nnext: `actions` with this id tells what is possible now"


async def _events(workshop: Workshop, asked: Row) -> str:
    if asked.get("id"):
        query = {k: str(asked[k]) for k in ("after", "limit") if asked.get(k) is not None}
        path = f"{_path(asked, 'app', 'plural', 'id')}/journal"
        found = await _told(workshop.client, "GET", path, query=query)
        more = f"\nnext: more `after: {found['next']}`" if found.get("next") else ""
        return telling.events(telling.rows(found["items"])) + more
    query = {
        "after": str(_whole(asked.get("after"), 0, "after")),
        "limit": str(min(_whole(asked.get("limit"), EVENTS_SHOWN, "limit"), EVENTS_SHOWN)),
    }
    if asked.get("app"):
        query["app"] = str(asked["app"])
    headers = {"accept": "application/json", "prefer": f"wait={_seconds(asked)}"}
    found = await _told(workshop.client, "GET", "/v1/events", query=query, headers=headers)
    return f"{telling.events(telling.rows(found['items']))}\nnext: later ones `after: {found['next']}`"


async def _decisions(workshop: Workshop, asked: Row) -> str:
    if asked.get("ask"):
        return telling.held(await _told(workshop.client, "POST", "/v1/decisions", body=asked["ask"]))
    if asked.get("id"):
        found = await _told(workshop.client, "GET", f"/v1/decisions/{quote(str(asked['id']), safe='')}")
        return telling.held(found)
    query = {"state": str(asked["state"])} if asked.get("state") else {}
    items = telling.rows((await _told(workshop.client, "GET", "/v1/decisions", query=query))["items"])
    return "\n".join(telling.held(item) for item in items) or "nothing waits for a decision"


async def _told(
    client: httpx2.AsyncClient,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Json = None,
    headers: Mapping[str, str] | None = None,
) -> Row:
    """What the runtime answers. Raises `CallError` with a refusal in words."""
    told = dict(headers or {})
    content = None
    if body is not None:
        content, told["content-type"] = json.dumps(body).encode(), "application/json"
    response = await client.request(method, path, params=dict(query or {}), headers=told, content=content)
    if response.status_code == 204:
        return {"denied": response.headers["lathe-denied"]} if "lathe-denied" in response.headers else {}
    document = _json(response)
    if not response.is_success:
        raise CallError(telling.problem(document, response.status_code))
    return cast(Row, document)


def _json(response: httpx2.Response) -> Json:
    try:
        found: Json = response.json()
    except ValueError:
        raise CallError(f"what answers is no runtime: {response.status_code}, and no JSON") from None
    return found


def _path(asked: Row, *names: str) -> str:
    return "/v1/" + "/".join(quote(str(asked[name]), safe="") for name in names)


def _header(asked: Row, name: str) -> str:
    """An argument that goes in a header."""
    text = str(asked[name])
    if not (text.isascii() and text.isprintable()):
        raise CallError(f"`{name}` holds letters, digits and signs of ASCII alone")
    return text


def _files(workshop: Workshop, asked: Row) -> Files:
    files, path = asked.get("files"), asked.get("path")
    if isinstance(files, dict) and files and all(isinstance(text, str) for text in files.values()):
        return {name: cast(str, text).encode() for name, text in files.items()}
    if isinstance(path, str) and path and workshop.load is not None:
        return workshop.load(path)
    if path and workshop.load is None:
        raise CallError("there are no folders here: give `files`, texts by name (`task.blueprint.toml`)")
    raise CallError("give `path`, an app's folder, or `files`, texts by name (`task.blueprint.toml`)")


def _seconds(asked: Row) -> int:
    return min(_whole(asked.get("wait"), 0, "wait"), WAIT_SECONDS_LIMIT)


def _whole(found: Json, default: int, name: str) -> int:
    if found is None:
        return default
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise CallError(f"`{name}` is a whole number, 0 or more")
    return found


_CALLS: Mapping[str, Callable[[Workshop, Row], Awaitable[str]]] = {
    "check": _check,
    "explain": _explain,
    "diff": _diff,
    "apply": _apply,
    "list": _list,
    "get": _get,
    "actions": _actions,
    "act": _act,
    "events": _events,
    "decisions": _decisions,
}
