"""Counts refused requests by kind, with what would have had to hold.

A shape is (blueprint, action, state, reason, clause): the condition of its guard that was false, or the
action that was taken with it and refused. Counts are kept in memory and written down from time to time:
losing the last seconds of them to a crash loses nobody's work.
"""

from __future__ import annotations

from lathe.machine.outcome import Refusal
from lathe.runtime.catalog import Live
from lathe.runtime.clock import Clock
from lathe.runtime.plan import Held
from lathe.store.base import Store
from lathe.store.records import Intent

SHAPES_LIMIT = 1_000
"""Kinds held between two writes to the store; further new ones are not counted."""
CLAUSE_CHARACTERS_LIMIT = 200

Shape = tuple[str, str, str, str, str, str, str]

WISHES = frozenset({"action", "state", "denied", "guard", "range", "unique"})
"""Reasons that tell something about the blueprint; an invalid body only tells about its caller."""
JOINT = "joint"
"""The reason of a refusal by another entity of a joint step."""


class Intents:
    """Counts refusals in one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[Shape, Intent] = {}

    def note(
        self,
        live: Live,
        blueprint: str,
        action: str,
        held: Held | None,
        refusal: Refusal,
        condition: str = "",
    ) -> None:
        """Count one refusal."""
        if refusal.reason not in WISHES:
            return
        rule = live.table.blueprints[blueprint].rules.get(action)
        reason, clause = str(refusal.reason), ""
        if not _is_its(action, held, refusal):
            reason, clause = JOINT, f"{refusal.action}: {refusal.reason}"
        elif reason == "guard" and rule is not None and rule.action.when is not None:
            clause = (condition or rule.action.when.text)[:CLAUSE_CHARACTERS_LIMIT]
        state = held.entity.state if held is not None else ""
        shape = (live.tenant, live.app.name, blueprint, action[:48], state, reason, clause)
        now = self._clock.now_ms()
        known = self._counts.get(shape)
        if known is None and len(self._counts) >= SHAPES_LIMIT:
            return
        count, first = (known.count, known.first_ms) if known is not None else (0, now)
        example = held.entity.id if held is not None else ""
        self._counts[shape] = Intent(*shape, count + 1, first, now, example)

    async def write_down(self, store: Store) -> int:
        """Add the counts to the store's; returns the number of kinds."""
        counts, self._counts = self._counts, {}
        if counts:
            await store.count_intents(list(counts.values()))
        return len(counts)


def _is_its(action: str, held: Held | None, refusal: Refusal) -> bool:
    """Whether the refusal is of the requested action, not of one taken with it."""
    is_there = held is None or refusal.entity in (None, held.entity.id)
    return is_there and refusal.action in (None, action)
