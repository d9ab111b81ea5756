"""Serializability: every step must rest on the rows just before it in the journal's order.

The journal has what was written. What was read is only in the write, as heads (`Write.bases`), and in the
store's table of claims; both are compared with the history in the order of the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from lathe.machine.outcome import Step
from lathe.machine.snapshot import Entity, MemoryWorld, claim_of
from lathe.machine.table import Table
from lathe.runtime.snapshot import encode_json
from lathe.store.records import Write

Claimed = tuple[str, bytes]
"""A unique's name with its blueprint's, and the values that are claimed."""


def misread(write: Write, head_of: Callable[[str], bytes]) -> str:
    """What a write rests on that is not so at its place, by the last entry of each before it; or nothing."""
    for name, head in write.bases:
        if head_of(name) != head:
            return f"{write.entries[0].step} rests on {name} as it is not any more"
    return ""


def unread(write: Write, outcome: Step) -> str:
    """What the machine reads or writes, and a write was not made to rest on; or nothing."""
    left_out = sorted({*outcome.reads, *outcome.written} - {name for name, _ in write.bases})
    return f"{write.entries[0].step} does not rest on {', '.join(left_out)}" if left_out else ""


class Claims:
    """Who holds which unique value, by the steps in their order."""

    def __init__(self) -> None:
        self.held: dict[Claimed, str] = {}

    def step(self, table: Table, before: MemoryWorld, outcome: Step) -> tuple[str, str]:
        """Take a step: let go first, then claim. Gives the unique that two hold then, and what is wrong."""
        gone: list[Claimed] = []
        made: list[tuple[Claimed, str]] = []
        for entity in outcome.written.values():
            if table.blueprints[entity.blueprint].blueprint.unique:
                old = before.get(entity.id)
                was, now = set(claims_of(table, old)) if old else set(), set(claims_of(table, entity))
                gone += sorted(was - now)
                made += [(claim, entity.id) for claim in sorted(now - was)]
        for claim in gone:
            self.held.pop(claim, None)
        for claim, entity_id in made:
            other = self.held.setdefault(claim, entity_id)
            if other != entity_id:
                return claim[0], f"{entity_id} and {other} both hold `{claim[0]}`"
        return "", ""

    def forget(self, gone: Collection[str]) -> None:
        """Entities are archived: what they claimed is free."""
        self.held = {claim: entity for claim, entity in self.held.items() if entity not in gone}

    def begin(self, table: Table, world: MemoryWorld) -> None:
        """All claims of a world, as a version that takes over sees them."""
        self.held = {claim: entity.id for entity in world for claim in claims_of(table, entity)}


def claims_of(table: Table, entity: Entity) -> Iterator[Claimed]:
    """What an entity claims."""
    blueprint = table.blueprints[entity.blueprint].blueprint
    for unique in blueprint.unique.values():
        claim = claim_of(unique, entity)
        if claim is not None:
            yield f"{blueprint.name}.{unique.name}", encode_json(tuple(claim))
