"""A request as Cedar is asked it, from plain data: who, in which roles, does what to what."""

from __future__ import annotations

from collections.abc import Mapping

from lathe.frozen import frozen
from lathe.lang.model import App, Blueprint
from lathe.lang.types import Type

Value = int | bool | str | None | frozenset["Value"]
Json = int | bool | str | list["Json"] | dict[str, "Json"]


@frozen
class Request:
    """Whether `principal` may take an action. `resource` is None for a creation.

    `principal` is a type and an id of the schema; `roles` count for a `Principal` alone. `attributes`
    are the fields and the `state` of the entity, `arguments` those of the action; None is unset.
    """

    principal: tuple[str, str]
    roles: frozenset[str]
    blueprint: str
    action: str
    resource: str | None
    attributes: Mapping[str, Value]
    arguments: Mapping[str, Value]


def asked(app: App, request: Request) -> dict[str, Json]:
    """The request itself."""
    blueprint = app.blueprints[request.blueprint]
    action = blueprint.actions.get(request.action)
    kinds = {a.name: a.type for a in action.arguments.values() if not a.secret} if action else {}
    context: dict[str, Json] = {"arg": _record(kinds, request.arguments)}
    return {
        "principal": _uid(*request.principal),
        "action": _uid("Action", f"{request.blueprint}.{request.action}"),
        "resource": _resource(request),
        "context": context,
    }


def entities(app: App, request: Request) -> list[Json]:
    """What Cedar has to know of the principal and of the entity."""
    roles: list[Json] = [_uid("Role", role) for role in sorted(request.roles)]
    parents = roles if request.principal[0] == "Principal" else []
    found: list[Json] = [{"uid": _uid(*request.principal), "attrs": {}, "parents": parents}]
    if request.resource is not None:
        kinds = _shown(app.blueprints[request.blueprint])
        attributes = _record(kinds, request.attributes)
        found.append({"uid": _resource(request), "attrs": attributes, "parents": []})
    return found


def _shown(blueprint: Blueprint) -> dict[str, Type]:
    fields = {f.name: f.type for f in blueprint.fields.values() if not f.secret}
    return {**fields, "state": Type("state", blueprint=blueprint.name)}


def _resource(request: Request) -> Json:
    is_new = request.resource is None
    return _uid("New", request.blueprint) if is_new else _uid(request.blueprint, request.resource or "")


def _uid(kind: str, name: str) -> dict[str, Json]:
    return {"type": kind, "id": name}


def _record(kinds: Mapping[str, Type], values: Mapping[str, Value]) -> dict[str, Json]:
    """The values that policies see: what is secret or has no type in Cedar is left out, and what is unset."""
    return {
        name: _json(kinds[name], value)
        for name, value in values.items()
        if value is not None and name in kinds and kinds[name].kind != "json"
    }


def _json(kind: Type, value: Value) -> Json:
    if isinstance(value, frozenset):
        assert kind.element is not None, "a set has an element type"
        return [_json(kind.element, member) for member in sorted(value, key=repr)]
    assert value is not None, "unset values are left out"
    if kind.kind in ("id", "ref"):
        return {"__entity": _uid("Principal" if kind.kind == "id" else kind.blueprint or "", str(value))}
    return value
