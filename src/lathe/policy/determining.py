"""The ids of the policies that determined a decision, as the journal records them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lathe.lang.model import Action
from lathe.machine.event import Caller
from lathe.machine.snapshot import Entity, Value
from lathe.machine.step import matches
from lathe.policy.implied import permit_id

KEPT_LIMIT = 65_536
"""Callers of actions whose permits are kept; when there are as many, they are found anew."""

Determining = Callable[[Action, Entity, Caller, Mapping[str, Value]], tuple[str, ...]]
"""The ids of the policies that let a caller take an action; none where it may not."""


def determining_by_roles() -> Determining:
    """By `by` alone: the permits of all that a caller is. They are kept, since they read nothing else."""
    kept: dict[tuple[object, ...], tuple[str, ...]] = {}

    def determining(
        action: Action, entity: Entity, caller: Caller, args: Mapping[str, Value]
    ) -> tuple[str, ...]:
        key = (entity.blueprint, action.name, caller.kind, caller.name, caller.roles)
        found = kept.get(key)
        if found is None:
            if len(kept) >= KEPT_LIMIT:
                kept.clear()
            every = (p for p in action.admits if matches(p, caller))
            ids = sorted(permit_id(entity.blueprint, action.name, p) for p in every)
            found = kept[key] = tuple(ids)
        return found

    return determining
