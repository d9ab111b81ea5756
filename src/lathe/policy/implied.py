"""`by` and `read` as Cedar permits. Guards are not policies: the machine decides them."""

from __future__ import annotations

from collections.abc import Iterator

from lathe.frozen import frozen
from lathe.lang.model import App, Blueprint, Principal
from lathe.policy.schema import quoted


@frozen
class ImpliedPermit:
    """A permit that `by` or `read` gives: its id, the action that it opens, its text, whose role."""

    id: str
    action: str
    text: str
    role: str | None = None


def permits(app: App) -> tuple[ImpliedPermit, ...]:
    """Every permit that the blueprints themselves give, in their order."""
    return tuple(p for blueprint in app.blueprints.values() for p in _of_blueprint(blueprint))


def _of_blueprint(blueprint: Blueprint) -> Iterator[ImpliedPermit]:
    for action in blueprint.actions.values():
        for principal in action.admits:
            yield _permit(blueprint, action.name, principal)
    for principal in readers(blueprint):
        yield _permit(blueprint, "read", principal)


def readers(blueprint: Blueprint) -> tuple[Principal, ...]:
    """Who may read: those whom `read` names, or else every role with an action here."""
    if blueprint.read is not None:
        return blueprint.read.by
    every = {p for a in blueprint.actions.values() for p in a.by if p.kind in ("role", "any")}
    return tuple(sorted(every, key=str))


def permit_id(blueprint: str, action: str, principal: Principal) -> str:
    """What the permit that `by` gives to a principal is called."""
    return f"by:{blueprint}.{action}:{principal}"


def _permit(blueprint: Blueprint, action: str, principal: Principal) -> ImpliedPermit:
    name = f"{blueprint.name}.{action}"
    who = _scope(blueprint, principal)
    text = f"permit({who}, action == Action::{quoted(name)}, resource);"
    role = principal.name if principal.kind == "role" else None
    return ImpliedPermit(permit_id(blueprint.name, action, principal), name, text, role)


def _scope(blueprint: Blueprint, principal: Principal) -> str:
    """The head of a permit: whom it is for."""
    match principal.kind:
        case "any":
            return "principal is Principal"
        case "role":
            return f"principal in Role::{quoted(principal.name or '')}"
        case "timer":
            return f"principal == Timer::{quoted(blueprint.name)}"
        case "entity":
            return f"principal == Entity::{quoted(principal.name or '')}"
        case "effect":
            return f"principal == Effect::{quoted(f'{blueprint.name}.{principal.name}')}"
        case _:
            return f"principal == Inbound::{quoted(f'{blueprint.name}.{principal.name}')}"
