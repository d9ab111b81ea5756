"""Who may see an entity: by its blueprint's `read`, by policies, or by an action that the caller may take."""

from __future__ import annotations

from lathe.machine.evaluate import Frame, holds
from lathe.machine.event import Caller
from lathe.machine.step import matches
from lathe.machine.table import BlueprintTable
from lathe.runtime.catalog import Live
from lathe.runtime.plan import Held


class _Nothing:
    """A world without other entities: for guards that read none."""

    def __init__(self, live: Live) -> None:
        self.ghosts = live.table.ghosts

    def get(self, entity: str) -> None:
        return None

    def population(self, blueprint: str) -> tuple[str, ...]:
        return ()

    def holder(self, blueprint: str, unique: object, claim: object, besides: object) -> None:
        return None


def needs_entity(live: Live, table: BlueprintTable) -> bool:
    """Whether read access depends on the entity, and not on the caller alone."""
    rule = table.blueprint.read
    return live.may_read is not None or (rule is not None and rule.when is not None)


def may_read_some(live: Live, table: BlueprintTable, caller: Caller) -> bool:
    """Whether a caller may read any entity at all, as far as that depends on the caller."""
    rule = table.blueprint.read
    if live.may_read is not None:
        return True
    if rule is None:
        takers = (principal for r in table.rules.values() for principal in r.action.by)
        return caller.kind == "effect" or any(matches(principal, caller) for principal in takers)
    return any(matches(principal, caller) for principal in rule.by)


def may_read(live: Live, table: BlueprintTable, held: Held | None, caller: Caller) -> bool:
    """Whether a caller may get, list and follow an entity: by `read`, or because it may act on it.

    `held` may be None only where `needs_entity` says that nothing depends on it.
    """
    rule = table.blueprint.read
    if live.may_read is not None:
        allowed = held is not None and live.may_read(held.entity, caller)
    else:
        allowed = may_read_some(live, table, caller)
    if not allowed or rule is None or rule.when is None:
        return allowed
    if held is None:
        return False
    entity = held.entity
    return holds(rule.when.tree, Frame(_Nothing(live), entity, entity.fields, {}, actor=caller.actor))


def is_told(live: Live, table: BlueprintTable, held: Held | None, caller: Caller) -> bool:
    """Whether the caller of an action is shown the entity after it. `held` is as in `may_read`.

    What comes in from outside is no role: it is told no more than `read` or a policy says.
    """
    if live.may_read is None and table.blueprint.read is None:
        return caller.kind != "inbound"  # it has just taken an action here
    return may_read(live, table, held, caller)
