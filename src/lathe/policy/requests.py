"""A Cedar authorization request built from plain data: principal, roles, action, resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lathe.frozen import frozen
from lathe.lang.model import Blueprint
from lathe.lang.types import Type
from lathe.machine.event import Caller

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


def action_entity(blueprint: str, action: str) -> dict[str, Json]:
    """An action, which is in the group of its blueprint's."""
    name = uid("Action", f"{blueprint}.{action}")
    return {"uid": name, "attrs": {}, "parents": [uid("Action", blueprint)]}


def principal_entity(principal: tuple[str, str], roles: Iterable[str]) -> dict[str, Json]:
    """Who acts, in the roles that it holds: what acts by itself has none."""
    held: list[Json] = [uid("Role", role) for role in sorted(roles)]
    return {"uid": uid(*principal), "attrs": {}, "parents": held if principal[0] == "Principal" else []}


def shown(blueprint: Blueprint) -> dict[str, Type]:
    """What policies see of an entity, by name."""
    fields = {f.name: f.type for f in blueprint.fields.values() if not f.secret}
    return {**fields, "state": Type("state", blueprint=blueprint.name)}


def uid(kind: str, name: str) -> dict[str, Json]:
    """An entity's type and id."""
    return {"type": kind, "id": name}


def record(kinds: Mapping[str, Type], values: Mapping[str, Value]) -> dict[str, Json]:
    """The values of these attributes as Cedar takes them; unset ones are left out."""
    return {
        name: _json(kind, value) for name, kind in kinds.items() if (value := values.get(name)) is not None
    }


def _json(kind: Type, value: Value) -> Json:
    if isinstance(value, frozenset):
        assert kind.element is not None, "a set has an element type"
        return [_json(kind.element, member) for member in sorted(value, key=repr)]
    assert value is not None, "unset values are left out"
    if kind.kind in ("id", "ref"):
        return {"__entity": uid("Principal" if kind.kind == "id" else kind.blueprint or "", str(value))}
    return value


def principal_to(blueprint: str, caller: Caller) -> tuple[str, str]:
    """The principal of the schema that a caller is, to the entities of a blueprint."""
    match caller.kind:
        case "role":
            return "Principal", caller.actor or ""
        case "timer":
            return "Timer", blueprint
        case "entity":
            return "Entity", caller.name or ""
        case "effect":
            return "Effect", f"{blueprint}.{caller.name}"
        case _:
            return "Inbound", f"{blueprint}.{caller.name}"
