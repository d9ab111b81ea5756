"""The part of the OpenAPI document that does not depend on which apps are loaded.

Bodies are described by the very types that they are read as.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec import Struct

from lathe.api.identity.tokens import RotateRequest
from lathe.api.review.blueprints import ApplyRequest, RollbackRequest
from lathe.api.review.checks import CheckRequest, ForkRequest, ReplayRequest
from lathe.api.review.decisions import STATES, ApproveRequest, AskRequest, DenyRequest
from lathe.api.review.simulations import CampaignRequest
from lathe.api.wire.problem import PROBLEMS
from lathe.frozen import frozen
from lathe.govern.principal import SCOPES
from lathe.govern.token_request import TokenRequest
from lathe.store.base import PAGE_LIMIT

Schema = Mapping[str, object]
REFERENCE = "#/components/schemas/Body.{name}"
PROBLEM: Schema = {"$ref": "#/components/schemas/Problem"}
ALWAYS = (400, 401, 404, 429, 500, 503)
"""Problems that any request may meet."""
OF_COMMANDS = (403, 409, 412, 413, 415, 422, 428, 507)
GOVERNED = (403, 409, 413, 415, 422)
"""Problems of what changes who may do what, or what is loaded."""

TEXT: Schema = {"type": "string"}
NAMES: Schema = {"type": "array", "items": TEXT}
NAMES_OR_ALL: Schema = {"anyOf": [NAMES, {"type": "null"}]}
TIME: Schema = {"type": "string", "format": "date-time"}
TIME_OR_NONE: Schema = {"anyOf": [TIME, {"type": "null"}]}
ANY: Schema = {"type": "object"}


def answers(good: Mapping[str, object], *bad: int) -> dict[str, object]:
    """The answers of an operation, with every problem that it may be answered with."""
    problem = {"application/problem+json": {"schema": PROBLEM}}
    told = sorted({*ALWAYS, *bad})
    others = {str(status): {"description": _meaning(status), "content": problem} for status in told}
    return {**good, **others, "default": {"description": "a problem", "content": problem}}


def _meaning(status: int) -> str:
    return "; ".join(said for code, said in PROBLEMS.items() if code.startswith(f"LR{status}"))


def content(schema: Schema, said: str, *, kind: str = "application/json") -> dict[str, object]:
    """An answer with a body."""
    return {"description": said, "content": {kind: {"schema": schema}}}


def page(item: Schema) -> dict[str, object]:
    """A page of a list."""
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": item}, "next": {}},
        "required": ["items"],
    }


def parameter(name: str, schema: Schema, said: str, *, place: str = "query") -> dict[str, object]:
    """A parameter of an operation that may be left out."""
    return {"name": name, "in": place, "schema": schema, "description": said}


def in_path(name: str) -> dict[str, object]:
    """A segment of a path."""
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


def taking(schema: Schema, *, is_required: bool = False) -> dict[str, object]:
    """The body that an operation takes."""
    return {"required": is_required, "content": {"application/json": {"schema": schema}}}


def _closed(properties: Mapping[str, Schema], *optional: str) -> dict[str, object]:
    needed = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": needed}


_DECIDED = ("decided_by", "decided", "how", "note", "applied")
_APPLYING = ("apply", "check", "changes")
_ACTING = ("plural", "blueprint", "entity", "action", "args", "roles", "nearest", "policies", "policy")
_DECISION = _closed(
    {
        "id": TEXT, "state": {"enum": [*STATES]}, "app": TEXT, "by": TEXT, "chain": NAMES, "reason": TEXT,
        "digest": TEXT, "asked": TIME, "expires": TIME, "version": {"type": ["string", "null"]},
        "apply": TEXT, "check": TEXT, "changes": {"type": "array", "items": ANY}, "plural": TEXT,
        "blueprint": TEXT, "entity": {"type": ["string", "null"]}, "action": TEXT, "args": ANY,
        "roles": NAMES, "nearest": {}, "policies": NAMES, "policy": TEXT, "decided_by": TEXT,
        "decided": TIME, "how": {"enum": ["once", "until", "policy", None]}, "note": TEXT,
        "applied": {"type": ["string", "null"]},
    },
    *_DECIDED, *_APPLYING, *_ACTING,
)  # fmt: skip
_KIND: Schema = {"enum": ["person", "agent", "service"]}
_SCOPES: Schema = {"type": "array", "items": {"enum": [*SCOPES]}}
_TOKEN = _closed(
    {
        "id": TEXT, "tenant": TEXT, "principal": TEXT, "kind": _KIND, "roles": NAMES, "scopes": _SCOPES,
        "apps": NAMES_OR_ALL, "actions": NAMES_OR_ALL, "parent": {"type": ["string", "null"]}, "made": TIME,
        "by": TEXT, "expires": TIME, "rotated": TIME_OR_NONE, "revoked": TIME_OR_NONE, "note": TEXT,
        "token": {"type": "string", "description": "Its text, told this once."},
        "warnings": {**NAMES, "description": "Roles and apps of a new token that nothing loaded knows."},
    },
    "token", "warnings",
)  # fmt: skip
_ME = _closed(
    {
        "principal": TEXT, "kind": _KIND, "tenant": TEXT, "roles": NAMES_OR_ALL, "scopes": _SCOPES,
        "apps": NAMES_OR_ALL, "actions": NAMES_OR_ALL, "chain": NAMES, "actor": TEXT,
        "token": {"type": ["string", "null"]}, "expires": TIME_OR_NONE,
    }
)  # fmt: skip
_LINE = _closed(
    {
        "number": {"type": "integer"}, "at": TIME, "tenant": TEXT, "kind": TEXT, "by": TEXT, "chain": NAMES,
        "subject": TEXT, "about": {}, "previous": TEXT, "hash": TEXT,
    }
)  # fmt: skip
SCHEMAS: Mapping[str, Schema] = {"Decision": _DECISION, "Token": _TOKEN, "Me": _ME, "AuditLine": _LINE}


def _named(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


@frozen
class Operation:
    """What one method of one path is. Its answer is JSON unless `kind` says otherwise."""

    said: str
    body: type[Struct] | None = None
    query: Sequence[Mapping[str, object]] = ()
    answer: Schema = ANY
    status: int = 200
    bad: tuple[int, ...] = ()
    kind: str = "application/json"
    also: Mapping[str, object] | None = None
    """Another good answer, by its status."""


_LIMIT = parameter("limit", {"type": "integer", "minimum": 1, "maximum": PAGE_LIMIT}, "Rows of a page.")
_APP = parameter("app", TEXT, "Only what is of this app.")
_SURVIVORS = Operation("Single changes that nothing would notice; up to a minute.")
_REPLAY = Operation("Take a trace again on the model: nothing is performed.", ReplayRequest)
_FORK = Operation(
    "Go on with a run by hand, on the model: where it leads, and what may happen next.", ForkRequest
)
_DESCRIPTION = Operation(
    "Graph, permissions, and what differs from another version.",
    query=(parameter("against", TEXT, "The version to compare with: `current` is the one in force."),),
)
_HELD = content(ANY, "held: a person decides first")

_VERSIONS: Mapping[str, Mapping[str, Operation]] = {
    "/v1/blueprints": {
        "get": Operation("Every app that is loaded."),
        "put": Operation("Plan an application, or make it.", ApplyRequest, bad=GOVERNED, also={"202": _HELD}),
    },
    "/v1/blueprints/{app}": {"get": Operation("Every application of an app, newest first.")},
    "/v1/blueprints/{app}/{digest}": {
        "get": Operation("A version's sources and report; `current`: the one in force.")
    },
    "/v1/blueprints/{app}/{digest}/description": {"get": _DESCRIPTION},
    "/v1/blueprints/{app}/{digest}/survivors": {"post": _SURVIVORS},
    "/v1/blueprints/{app}/{digest}/replay": {"post": _REPLAY},
    "/v1/blueprints/{app}/{digest}/fork": {"post": _FORK},
    "/v1/blueprints/{app}/rollback": {
        "post": Operation(
            "Make an older version current again.", RollbackRequest, bad=GOVERNED, also={"202": _HELD}
        )
    },
    "/v1/checks": {
        "get": Operation("The newest checks of this process.", query=(_APP,)),
        "post": Operation("Check files; nothing is loaded.", CheckRequest),
    },
    "/v1/checks/{id}": {"get": Operation("A check with its files and its report.")},
    "/v1/checks/{id}/description": {"get": _DESCRIPTION},
    "/v1/checks/{id}/survivors": {"post": _SURVIVORS},
    "/v1/checks/{id}/replay": {"post": _REPLAY},
    "/v1/checks/{id}/fork": {"post": _FORK},
    "/v1/simulations": {
        "get": Operation("The newest campaigns of simulated worlds.", query=(_APP,)),
        "post": Operation("Begin a campaign, of a version or of a check.", CampaignRequest, status=202),
    },
    "/v1/simulations/{id}": {"get": Operation("A campaign as far as it came.")},
    "/v1/simulations/{id}/cancel": {"post": Operation("End a campaign with what is known by now.")},
    "/v1/simulations/{id}/runs/{mix}/{seed}": {
        "get": Operation("One seed of a campaign, made small, with its trace.")
    },
}
_DECIDING = (403, 409, 413, 415, 422)
_GOVERNING: Mapping[str, Mapping[str, Operation]] = {
    "/v1/decisions": {
        "get": Operation(
            "The caller's own requests; of who decides, all that the token is for. Newest first.",
            query=(
                parameter("state", {"enum": [*STATES]}, "Only those in this state."),
                parameter("before", TEXT, "The `next` of the page before."),
                _LIMIT,
            ),
            answer=page(_named("Decision")),
        ),
        "post": Operation(
            "Ask for what was denied; the same request that is open already is answered again.",
            AskRequest, answer=_named("Decision"), status=201, bad=_DECIDING,
        ),
    },
    "/v1/decisions/{id}": {
        "get": Operation("What was asked, by whom, and what was decided.", answer=_named("Decision"))
    },
    "/v1/decisions/{id}/files": {
        "get": Operation(
            "The files of a held application, as they are applied once it is approved.", bad=(403,)
        )
    },
    "/v1/decisions/{id}/approve": {
        "post": Operation(
            "Let pass what was asked: once, for a time, or by a policy. A person who has no part in it.",
            ApproveRequest, answer=_named("Decision"), bad=_DECIDING,
        )
    },
    "/v1/decisions/{id}/deny": {
        "post": Operation(
            "Deny it, or take an approval back.", DenyRequest, answer=_named("Decision"), bad=_DECIDING
        )
    },
    "/v1/decisions/{id}/withdraw": {
        "post": Operation("Take one's own request back.", answer=_named("Decision"), bad=_DECIDING)
    },
    "/v1/me": {"get": Operation("Who the caller is.", answer=_named("Me"))},
    "/v1/tokens": {
        "get": Operation(
            "The tokens that the caller may handle, by id.",
            query=(
                parameter("after", TEXT, "The `next` of the page before."),
                parameter("tenant", TEXT, "Another tenant's, of the operators of `main`."),
                _LIMIT,
            ),
            answer=page(_named("Token")), bad=(403,),
        ),
        "post": Operation(
            "Make a token, or delegate a part of one; its text is in this answer, and in no other.",
            TokenRequest, answer=_named("Token"), status=201, bad=GOVERNED,
        ),
    },
    "/v1/tokens/{id}:rotate": {
        "post": Operation("Another secret for a token.", RotateRequest, answer=_named("Token"), bad=GOVERNED)
    },
    "/v1/tokens/{id}": {
        "delete": Operation(
            "End a token, and all that come from it, at once.", answer=_named("Token"), bad=GOVERNED
        )
    },
    "/v1/audit": {
        "get": Operation(
            "What was governed, oldest first: an operator's.",
            query=(parameter("after", {"type": "integer", "minimum": 0}, "Behind this number."), _LIMIT),
            answer=page(_named("AuditLine")), bad=(403,),
        )
    },
}  # fmt: skip
_LIVING: Mapping[str, Mapping[str, Operation]] = {
    "/v1/apps": {"get": Operation("What lives, by app, blueprint and state.", bad=(403,))},
    "/v1/apps/{app}": {"get": Operation("One app, with what its lists and forms need.", bad=(403,))},
    "/v1/events": {
        "get": Operation(
            "What happens, as server-sent events; with `Accept: application/json` a page, waited for.",
            query=(
                _APP,
                parameter("blueprint", TEXT, "Only entities of this blueprint."),
                parameter("entity", TEXT, "Only this entity."),
                parameter("after", {"type": "integer", "minimum": 0}, "Behind this event; else from now on."),
                _LIMIT,
                parameter("Last-Event-ID", {"type": "integer", "minimum": 0}, "As `after`.", place="header"),
            ),
            answer=_named("Event"), kind="text/event-stream", bad=(403,),
        )
    },
    "/v1/intents": {
        "get": Operation(
            "What was refused, counted by its shape: what users wished for.",
            query=({**_APP, "required": True},), answer=page(ANY), bad=(403,),
        )
    },
    "/healthz": {"get": Operation("The process answers.")},
    "/readyz": {"get": Operation("The process takes requests: its store answers, and it is not stopping.")},
    "/metrics": {"get": Operation("Figures for Prometheus.", answer=TEXT, kind="text/plain", bad=(403,))},
}  # fmt: skip
GROUPS: Mapping[str, Mapping[str, Mapping[str, Operation]]] = {
    "versions": _VERSIONS,
    "governance": _GOVERNING,
    "what lives": _LIVING,
}


def bodies() -> dict[type[Struct], tuple[str, Schema]]:
    """The types that bodies are read as: each one's component, by its name, and what it says."""
    kinds = {
        operation.body: None
        for group in GROUPS.values()
        for methods in group.values()
        for operation in methods.values()
        if operation.body is not None
    }
    references, components = msgspec.json.schema_components(
        [*kinds], ref_template=REFERENCE, schema_hook=lambda kind: {"description": "any JSON"}
    )
    prefix = REFERENCE.partition("{")[0]
    names = [str(reference["$ref"]).removeprefix(prefix) for reference in references]
    return {kind: (name, components[name]) for kind, name in zip(kinds, names, strict=True)}


def fixed() -> tuple[dict[str, object], dict[str, object]]:
    """The paths of these routes, and the schemas that they name."""
    known = bodies()
    paths = {
        path: _path(path, methods, tag, known)
        for tag, group in GROUPS.items()
        for path, methods in group.items()
    }
    schemas = {f"Body.{name}": schema for name, schema in known.values()}
    return dict(paths), {**schemas, **SCHEMAS}


def _path(
    path: str,
    methods: Mapping[str, Operation],
    tag: str,
    known: Mapping[type[Struct], tuple[str, Schema]],
) -> dict[str, object]:
    names = _names(path)
    found: dict[str, object] = {"parameters": [in_path(name) for name in names]} if names else {}
    for method, operation in methods.items():
        good = {str(operation.status): content(operation.answer, operation.said, kind=operation.kind)}
        told: dict[str, object] = {
            "summary": operation.said,
            "tags": [tag],
            "responses": answers({**good, **(operation.also or {})}, *operation.bad),
        }
        if operation.query:
            told["parameters"] = [*operation.query]
        if operation.body is not None:
            told["requestBody"] = taking({"$ref": REFERENCE.format(name=known[operation.body][0])})
        found[method] = told
    return found


def _names(path: str) -> list[str]:
    return [part[1:].partition("}")[0] for part in path.split("/") if part.startswith("{")]


def operations() -> Iterator[tuple[str, str]]:
    """Each path with each of its methods."""
    for group in GROUPS.values():
        for path, methods in group.items():
            yield from ((path, method) for method in methods)
