"""OpenAPI 3.1 of what is loaded: each app's own routes, typed by its blueprints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lathe.api.entities.value_schema import value_schema
from lathe.api.openapi_common import (
    OF_COMMANDS,
    TEXT,
    answers,
    content,
    fixed,
    in_path,
    page,
    parameter,
    taking,
)
from lathe.api.wire.problem import PROBLEMS
from lathe.lang.model import Action, Blueprint, Field
from lathe.runtime.catalog import Live

VERSION = "3.1.0"
_TAKEN = ["id", "version", "visit", "at", "event"]
"""What whoever took an action is told in any case; the rest if it may be read."""


def openapi(lives: Iterable[Live]) -> dict[str, object]:
    """The document of these apps."""
    paths: dict[str, object] = {}
    always, named = fixed()
    schemas: dict[str, object] = {"Problem": _problem_schema(), "Event": {"type": "object"}, **named}
    for live in lives:
        for table in live.table.blueprints.values():
            blueprint = table.blueprint
            name = f"{live.app.name}.{blueprint.name}"
            schemas[name] = _entity_schema(blueprint)
            schemas[f"{name}.Taken"] = {**_entity_schema(blueprint), "required": _TAKEN}
            paths.update(_paths(live, blueprint, {"$ref": f"#/components/schemas/{name}"}))
    paths.update(always)
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
    got = answers({"200": content(entity, "the entity")}, 404)
    operation = {"summary": f"One {blueprint.name}.", "responses": got, "tags": tag}
    yield f"{base}/{{id}}", {"parameters": [in_path("id")], "get": operation}
    for what, (said, asked) in _OF_ENTITIES.items():
        pages = answers({"200": content(page({"type": "object"}), said)}, 404)
        operation = {"summary": said, "parameters": [*asked], "responses": pages, "tags": tag}
        yield f"{base}/{{id}}/{what}", {"parameters": [in_path("id")], "get": operation}
    said = "What happened to it, and to all that had a part, as a trace that can be taken again."
    told = answers({"200": content({"type": "object"}, said)}, 403, 409)
    operation = {"summary": said, "parameters": [_SINCE], "responses": told, "tags": tag}
    yield f"{base}/{{id}}/trace", {"parameters": [in_path("id")], "get": operation}
    if any(action.name != "create" for action in blueprint.actions.values()):
        yield f"{base}:take", {"post": {**_queueing(blueprint, entity), "tags": tag}}
    for action in blueprint.actions.values():
        if action.name != "create":
            operation = {**_acting(action, entity, status="200"), "tags": tag}
            operation["operationId"] = f"{blueprint.name}.{action.name}"
            yield f"{base}/{{id}}/{action.name}", {"parameters": [in_path("id")], "post": operation}


_SINCE = parameter(
    "since",
    {"type": "string", "format": "date-time"},
    "It begins at the last moment before at which nothing was in flight.",
)
_OF_ENTITIES: Mapping[str, tuple[str, tuple[Mapping[str, object], ...]]] = {
    "journal": (
        "What happened to it.",
        (
            parameter("after", {"type": "integer", "minimum": 0}, "Behind this revision."),
            parameter("limit", {"type": "integer", "minimum": 1, "maximum": 200}, "Entries of a page."),
        ),
    ),
    "actions": (
        "What may be taken now, and why not.",
        (parameter("explain", TEXT, "Why the caller may, or may not, take this one action."),),
    ),
    "visit": ("What runs and which timers are armed in this visit.", ()),
}
"""What is asked about one entity."""


def _queueing(blueprint: Blueprint, entity: dict[str, object]) -> dict[str, object]:
    """`:take`: an action on the first entity on which it is possible."""
    names = [name for name in blueprint.actions if name != "create"]
    body = {
        "type": "object",
        "properties": {
            "action": {"enum": names}, "where": TEXT, "sort": TEXT, "args": {"type": "object"}
        },
        "required": ["action"],
        "additionalProperties": False,
    }  # fmt: skip
    taken = content({"$ref": f"{entity['$ref']}.Taken"}, "taken, and durable")
    return {
        "summary": "Take an action on the first entity on which it is possible: a work queue.",
        "operationId": f"{blueprint.name}:take",
        "parameters": [
            parameter("Idempotency-Key", TEXT, "The same request is answered the same.", place="header"),
            parameter("Prefer", TEXT, "`wait=30`: how long to wait for one.", place="header"),
        ],
        "requestBody": taking(body, is_required=True),
        "responses": answers(
            {"200": taken, "204": {"description": "there is none, or none in time"}}, *OF_COMMANDS
        ),
    }


def _listing(blueprint: Blueprint, entity: dict[str, object]) -> dict[str, object]:
    return {
        "summary": blueprint.doc or f"Every {blueprint.name}.",
        "parameters": [
            parameter("state", TEXT, f"One or more of {', '.join(blueprint.states)}, with commas."),
            parameter("where", TEXT, "A filter in the expression language, over fields and `state`."),
            parameter("sort", TEXT, "`id`, `created`, `changed` or `state`; `-` before it turns it round."),
            parameter("limit", {"type": "integer", "minimum": 1, "maximum": 200}, "Rows of a page."),
            parameter("cursor", TEXT, "The `next` of the page before."),
        ],
        "responses": answers({"200": content(page(entity), "a page")}, 400, 422),
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
        "requestBody": taking(body, is_required=bool(body["required"])),
        "responses": answers({status: content(taken, "taken, and durable")}, *OF_COMMANDS),
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
