"""Steps that no client takes: invocations, deliveries, notices, and recycling of slots."""

from __future__ import annotations

from collections.abc import Iterator

from lathe.check.composed.command import Command
from lathe.check.composed.delivery import deliveries_of, notices
from lathe.check.composed.invocation import invocations
from lathe.check.composed.layout import Layout, Slot
from lathe.check.composed.recycle import recycling


def internal_commands(layout: Layout, slot: Slot) -> Iterator[Command]:
    """Everything about the effects of one slot, and its recycling."""
    for effect in slot.effects:
        yield from (invocations if effect.target is None else deliveries_of)(layout, slot, effect)
    for name in slot.notices:
        yield from notices(layout, slot, slot.blueprint.effects[name])
    yield from recycling(layout, slot)
