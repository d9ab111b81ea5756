"""The decider as the `permit` callback of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lathe.lang.model import Action
from lathe.machine.event import Caller
from lathe.machine.snapshot import Entity, Value
from lathe.machine.step import Permit, admitted
from lathe.policy.determining import Determining, determining_by_roles
from lathe.policy.engine import Decider, Decision, Slice
from lathe.policy.requests import principal_to


def permit_by(decider: Decider) -> Permit:
    """Whether an action may be taken by a caller: by `by` alone where no policy concerns it."""

    def permit(action: Action, entity: Entity, caller: Caller, args: Mapping[str, Value]) -> bool:
        found = decider.slice(entity.blueprint, action.name)
        if not found.policies:
            return admitted(action, entity, caller, args)
        return _decided(found, entity, caller, args).allowed

    return permit


def forbidden_by(decider: Decider) -> Permit:
    """Whether an action that a caller may not take is forbidden to it, and not merely permitted by nobody.

    What could not be evaluated counts as forbidden.
    """

    def forbidden(action: Action, entity: Entity, caller: Caller, args: Mapping[str, Value]) -> bool:
        found = decider.slice(entity.blueprint, action.name)
        if not found.policies:
            return False
        decision = _decided(found, entity, caller, args)
        return not decision.allowed and bool(decision.policies or decision.errors)

    return forbidden


def determining_by(decider: Decider) -> Determining:
    """The ids of the policies that let a caller take an action: those of the decision, which is kept."""
    by_roles = determining_by_roles()

    def determining(
        action: Action, entity: Entity, caller: Caller, args: Mapping[str, Value]
    ) -> tuple[str, ...]:
        found = decider.slice(entity.blueprint, action.name)
        if not found.policies:
            return by_roles(action, entity, caller, args)
        decision = _decided(found, entity, caller, args)
        return decision.policies if decision.allowed else ()

    return determining


READ = "read"
"""The action of the schema that a get, a list and a stream are."""

MayRead = Callable[[Entity, Caller], bool]


def reader_by(decider: Decider) -> MayRead:
    """Whether a caller may read an entity, by `read` and the policies beside it; not by `read`'s `when`."""

    def may_read(entity: Entity, caller: Caller) -> bool:
        return _decided(decider.slice(entity.blueprint, READ), entity, caller, {}).allowed

    return may_read


def _decided(found: Slice, entity: Entity, caller: Caller, args: Mapping[str, Value]) -> Decision:
    """What a slice decides of a caller, over the entity as it is."""
    seen = {**entity.fields, "state": entity.state}
    return found.decide(principal_of(entity, caller), caller.roles, entity.id, seen, args)


def principal_of(entity: Entity, caller: Caller) -> tuple[str, str]:
    """The principal of the schema that a caller is, to an entity."""
    return principal_to(entity.blueprint, caller)
