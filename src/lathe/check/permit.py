"""Who may, as the machine is told it: `by` alone, or `by` and the policies of the app's files.

Runs that are shown, replayed and kept are taken on the machine with the permit of their app, so that
forbids and permits count there as in the search.
"""

from __future__ import annotations

from collections.abc import Mapping

from lathe.lang.model import Action, App
from lathe.machine.event import Caller
from lathe.machine.snapshot import Entity, Value
from lathe.machine.step import Permit, admitted


def permit_of(app: App) -> Permit:
    """Whether an action of an app may be taken by a caller; an app without policies loads nothing for it."""
    if not app.policies:
        return admitted
    from lathe.check.policies import policed  # only here: it loads cedarpy

    decider = policed(app).decider

    def permit(action: Action, entity: Entity, caller: Caller, args: Mapping[str, Value]) -> bool:
        found = decider.slice(entity.blueprint, action.name)
        if not found.policies:
            return admitted(action, entity, caller, args)
        seen = {**entity.fields, "state": entity.state}
        return found.decide(principal_of(entity, caller), caller.roles, entity.id, seen, args).allowed

    return permit


def principal_of(entity: Entity, caller: Caller) -> tuple[str, str]:
    """The principal of the schema that a caller is, to an entity."""
    match caller.kind:
        case "role":
            return "Principal", caller.actor or ""
        case "timer":
            return "Timer", entity.blueprint
        case "entity":
            return "Entity", caller.name or ""
        case "effect":
            return "Effect", f"{entity.blueprint}.{caller.name}"
        case _:
            return "Inbound", f"{entity.blueprint}.{caller.name}"
