"""OpenAPI 3.1 of what is loaded: each app's own routes, typed by its blueprints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lathe.api.problem import PROBLEMS
from lathe.lang.model import Action, Blueprint, Field
from lathe.lang.types import Type
from lathe.runtime.catalog import Live

VERSION = "3.1.0"
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}


_TAKEN = ["id", "version", "visit", "at", "event"]
"""What whoever took an action is told in any case; the rest if it may be read."""
_ALWAYS = (400, 401, 404, 429, 500, 503)
"""Problems that any request may meet."""
_OF_COMMANDS = (403, 409, 412, 413, 415, 422, 428, 507)


def openapi(lives: Iterable[Live]) -> dict[str, object]:
    """The document of these apps."""
    paths: dict[str, object] = {}
    schemas: dict[str, object] = {"Problem": _problem_schema(), "Event": {"type": "object"}}
    for live in lives:
        for table in live.table.blueprints.values():
            blueprint = table.blueprint
            name = f"{live.app.name}.{blueprint.name}"
            schemas[name] = _entity_schema(blueprint)
            schemas[f"{name}.Taken"] = {**_entity_schema(blueprint), "required": _TAKEN}
            paths.update(_paths(live, blueprint, {"$ref": f"#/components/schemas/{name}"}))
    paths.update(_versions())
    return {
        "openapi": VERSION,
        "info": {
            "title": "Lathe",
            "version": "1",
            "description": "Derived from the blueprints that are loaded.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _paths(live: Live, blueprint: Blueprint, entity: dict[str, object]) -> Iterator[tuple[str, object]]:
    base = f"/v1/{live.app.name}/{blueprint.plural}"
    tag = [f"{live.app.name}: {blueprint.name}"]
    collection: dict[str, object] = {"get": {**_listing(blueprint, entity), "tags": tag}}
    create = blueprint.actions.get("create")
    if create is not None:
        operation = _acting(create, entity, status="201")
        collection["post"] = {**operation, "operationId": f"{blueprint.name}.create", "tags": tag}
    yield base, collection
    got = _answers({"200": _content(entity, "the entity")}, 404)
    operation = {"summary": f"One {blueprint.name}.", "responses": got, "tags": tag}
    yield f"{base}/{{id}}", {"parameters": [_ID], "get": operation}
    for what, said in (
        ("journal", "What happened to it."),
        ("actions", "What may be taken now, and why not."),
        ("visit", "What runs and which timers are armed in this visit."),
    ):
        pages = _answers({"200": _content(_page({"type": "object"}), said)}, 404)
        yield (
            f"{base}/{{id}}/{what}",
            {"parameters": [_ID], "get": {"summary": said, "responses": pages, "tags": tag}},
        )
    said = "What happened to it, and to all that had a part, as a trace that can be taken again."
    yield (
        f"{base}/{{id}}/trace",
        {
            "parameters": [_ID, _SINCE],
            "get": {
                "summary": said,
                "responses": _answers({"200": _content({"type": "object"}, said)}, 403, 404, 409),
                "tags": tag,
            },
        },
    )
    for action in blueprint.actions.values():
        if action.name != "create":
            operation = {**_acting(action, entity, status="200"), "tags": tag}
            operation["operationId"] = f"{blueprint.name}.{action.name}"
            yield f"{base}/{{id}}/{action.name}", {"parameters": [_ID], "post": operation}


_SINCE = {
    "name": "since",
    "in": "query",
    "schema": {"type": "string", "format": "date-time"},
    "description": "It begins at the last moment before at which nothing was in flight.",
}
_FILES = {"type": "object", "additionalProperties": {"type": "string"}, "description": "Texts by path."}
_BINARY = {**_FILES, "description": "Modules by path, in base64."}
_CONFIRM = {"type": ["string", "null"], "description": "A plan's digest, or `any`; without, a plan is made."}
_ASKED = {"files": _FILES, "binary": _BINARY, "accept_bounds": {"type": "boolean"}}
_Operation = tuple[str, Mapping[str, object]]
_SURVIVORS: _Operation = ("Single changes that nothing would notice; up to a minute.", {})
_REPLAY: _Operation = (
    "Take a trace again on the model: nothing is performed.",
    {"trace": {"type": "object"}},
)
_FORK: _Operation = (
    "Go on with a run by hand, on the model: where it leads, and what may happen next.",
    {
        "trace": {"type": "object"},
        "at": {"type": ["integer", "null"], "description": "How many of its events are kept; all without."},
        "take": {"type": "array", "items": {"type": "object"}, "description": "The steps taken then."},
    },
)
_MADE: dict[str, object] = {"confirm": _CONFIRM, "breaking": {"type": "boolean"}, "note": {"type": "string"}}
_CAMPAIGN: dict[str, object] = {
    "app": {"type": "string", "description": "An app that is loaded; or `check`."},
    "digest": {"type": "string", "description": "Which version of it: `current` is the one in force."},
    "check": {"type": "string"},
    "seed": {"type": "integer", "description": "The first seed."},
    "seeds": {"type": ["integer", "null"], "description": "How many seeds of each mix."},
    "seconds": {"type": ["number", "null"], "description": "How long at most."},
    "mix": {"enum": ["calm", "moderate", "chaos", "all"]},
}
_LOOKED: Mapping[str, Mapping[str, _Operation]] = {
    "/v1/blueprints": {
        "get": ("Every app that is loaded.", {}),
        "put": (
            "Plan an application, or make it.",
            {**_ASKED, **_MADE, "check": {"type": "string", "description": "In place of files: a check."}},
        ),
    },
    "/v1/blueprints/{app}": {"get": ("Every application of an app, newest first.", {})},
    "/v1/blueprints/{app}/{digest}": {
        "get": ("A version's sources and report; `current`: the one in force.", {})
    },
    "/v1/blueprints/{app}/{digest}/description": {
        "get": ("Graph, permissions, and what differs from the version `against`.", {})
    },
    "/v1/blueprints/{app}/{digest}/survivors": {"post": _SURVIVORS},
    "/v1/blueprints/{app}/{digest}/replay": {"post": _REPLAY},
    "/v1/blueprints/{app}/{digest}/fork": {"post": _FORK},
    "/v1/blueprints/{app}/rollback": {
        "post": ("Make an older version current again.", {"digest": {"type": "string"}, **_MADE})
    },
    "/v1/checks": {
        "get": ("The newest checks of this process.", {}),
        "post": ("Check files; nothing is loaded.", _ASKED),
    },
    "/v1/checks/{id}": {"get": ("A check with its files and its report.", {})},
    "/v1/checks/{id}/description": {
        "get": ("Graph, permissions, and what differs from the version `against`.", {})
    },
    "/v1/checks/{id}/survivors": {"post": _SURVIVORS},
    "/v1/checks/{id}/replay": {"post": _REPLAY},
    "/v1/checks/{id}/fork": {"post": _FORK},
    "/v1/simulations": {
        "get": ("The newest campaigns of simulated worlds.", {}),
        "post": ("Begin a campaign, of a version or of a check.", _CAMPAIGN),
    },
    "/v1/simulations/{id}": {"get": ("A campaign as far as it came.", {})},
    "/v1/simulations/{id}/cancel": {"post": ("End a campaign with what is known by now.", {})},
    "/v1/simulations/{id}/runs/{mix}/{seed}": {"get": ("One seed, made small, with its trace.", {})},
}
"""What is asked about versions and checks: by path and method what it is, and the members of its body."""


def _versions() -> Iterator[tuple[str, object]]:
    for path, methods in _LOOKED.items():
        found: dict[str, object] = {}
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        if names:
            found["parameters"] = [{**_ID, "name": name} for name in names]
        for method, (said, members) in methods.items():
            answers = _answers({"200": _content({"type": "object"}, said)}, 404)
            operation: dict[str, object] = {"summary": said, "tags": ["versions"], "responses": answers}
            if members:
                schema = {"type": "object", "properties": dict(members), "additionalProperties": False}
                operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
            found[method] = operation
        yield path, found


def _listing(blueprint: Blueprint, entity: dict[str, object]) -> dict[str, object]:
    def parameter(name: str, schema: Mapping[str, object], said: str) -> dict[str, object]:
        return {"name": name, "in": "query", "schema": schema, "description": said}

    text = {"type": "string"}
    return {
        "summary": blueprint.doc or f"Every {blueprint.name}.",
        "parameters": [
            parameter("state", text, f"One or more of {', '.join(blueprint.states)}, with commas."),
            parameter("where", text, "A filter in the expression language, over fields and `state`."),
            parameter("sort", text, "`id`, `created`, `changed` or `state`; `-` before it turns it round."),
            parameter("limit", {"type": "integer", "minimum": 1, "maximum": 200}, "Rows of a page."),
            parameter("cursor", text, "The `next` of the page before."),
        ],
        "responses": _answers({"200": _content(_page(entity), "a page")}, 400, 422),
    }


def _acting(action: Action, entity: dict[str, object], *, status: str) -> dict[str, object]:
    header: dict[str, object] = {"in": "header", "schema": {"type": "string"}}
    parameters: list[dict[str, object]] = [
        {"name": name, **header} for name in ("Idempotency-Key", "If-Match", "If-Visit")
    ]
    if action.fenced:
        parameters[-1] = {**parameters[-1], "required": True}
    arguments = action.arguments.values()
    body = {
        "type": "object",
        "properties": {a.name: value_schema(a.type) for a in arguments},
        "required": [a.name for a in arguments if not (a.optional or a.has_default)],
        "additionalProperties": False,
    }
    by = ", ".join(map(str, action.by)) or "nobody outside"
    taken = {"$ref": f"{entity['$ref']}.Taken"}
    return {
        "summary": action.doc or f"Take `{action.name}`.",
        "description": f"Open to {by}.",
        "parameters": parameters,
        "requestBody": {
            "required": bool(body["required"]),
            "content": {"application/json": {"schema": body}},
        },
        "responses": _answers({status: _content(taken, "taken, and durable")}, *_OF_COMMANDS),
    }


def _answers(good: dict[str, object], *bad: int) -> dict[str, object]:
    problem = {"application/problem+json": {"schema": _PROBLEM}}
    told = sorted({*_ALWAYS, *bad})
    others = {str(status): {"description": _meaning(status), "content": problem} for status in told}
    return {**good, **others, "default": {"description": "a problem", "content": problem}}


def _meaning(status: int) -> str:
    return "; ".join(said for code, said in PROBLEMS.items() if code.startswith(f"LR{status}"))


def _content(schema: Mapping[str, object], said: str) -> dict[str, object]:
    return {"description": said, "content": {"application/json": {"schema": schema}}}


def _page(item: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": item}, "next": {}},
        "required": ["items"],
    }


def _entity_schema(blueprint: Blueprint) -> dict[str, object]:
    shown = [f for f in blueprint.fields.values() if not f.secret]
    fields = {
        "type": "object",
        "properties": {f.name: _nullable(value_schema(f.type), f) for f in shown},
        "required": [f.name for f in shown],
    }
    properties = {
        "id": {"type": "string"},
        "state": {"enum": [*blueprint.states]},
        "version": {"type": "integer", "minimum": 1},
        "visit": {"type": "integer", "minimum": 1},
        "fields": fields,
        "at": {"type": "string", "format": "date-time"},
        "event": {"type": "string"},
    }
    required = ["id", "state", "version", "visit", "fields", "at"]
    found: dict[str, object] = {"type": "object", "properties": properties, "required": required}
    return {**found, "description": blueprint.doc} if blueprint.doc else found


def _nullable(schema: dict[str, object], field: Field) -> dict[str, object]:
    if field.type.kind in ("bool", "int", "enum", "set"):
        return schema
    return {"anyOf": [schema, {"type": "null"}]}


def value_schema(kind: Type) -> dict[str, object]:
    """The JSON Schema of a value as it is sent and told."""
    match kind.kind:
        case "bool":
            return {"type": "boolean"}
        case "int":
            return {"type": "integer", "minimum": kind.low, "maximum": kind.high}
        case "enum":
            return {"enum": [*kind.members]}
        case "time":
            return {"type": "string", "format": "date-time"}
        case "json":
            return {}
        case "set":
            assert kind.element is not None, "a set has an element type"
            bound = {} if kind.maximum is None else {"maxItems": kind.maximum}
            return {"type": "array", "items": value_schema(kind.element), "uniqueItems": True, **bound}
        case _:
            return (
                {"type": "string"} if kind.maximum is None else {"type": "string", "maxLength": kind.maximum}
            )


def _problem_schema() -> dict[str, object]:
    return {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"enum": [*PROBLEMS]},
            "detail": {"type": "string"},
        },
        "required": ["type", "title", "status", "code"],
    }
