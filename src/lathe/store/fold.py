"""Folds the accepted writes of a group: each row once, as it is after all of them.

A store writes this down instead of one write after the other, so that the tenth action on an entity in a
group costs a journal entry and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lathe.store.accept import ClaimKey, EntityKey
from lathe.store.records import Answer, Claim, EntityRow, Entry, Outgoing, Receipt, Timer, Write

OutgoingKey = tuple[str, str, str, int]
"""Tenant, app, entity, number."""
TimerKey = tuple[str, str, str, str]
"""Tenant, app, entity, name."""


class Net:
    """Rows to write; None to delete a row. `entries` are in the order of decision, `decisions` the (tenant,
    id) of those used up, `held` the leases (worker, milliseconds) with which rows of `outgoing` are created.
    """

    __slots__ = ("decisions", "entities", "entries", "held", "outgoing", "receipts", "timers")

    def __init__(self) -> None:
        self.entities: dict[EntityKey, EntityRow] = {}
        self.entries: list[Entry] = []
        self.outgoing: dict[OutgoingKey, Outgoing | None] = {}
        self.timers: dict[TimerKey, Timer | None] = {}
        self.receipts: list[Receipt] = []
        self.held: dict[OutgoingKey, tuple[str, int]] = {}
        self.decisions: list[tuple[str, str]] = []


def net(group: Sequence[Write], answers: Sequence[Answer]) -> Net:
    """The rows to write for a group, of which `answers` has the verdicts."""
    total = Net()
    for write, answer in zip(group, answers, strict=True):
        if answer.verdict == "accepted":
            _add(total, write)
    return total


def _add(total: Net, write: Write) -> None:
    tenant, app = write.tenant, write.app
    for entity in write.entities:
        total.entities[tenant, app, entity.id] = entity
    total.entries += write.entries
    for name, number in write.ended:
        total.outgoing[tenant, app, name, number] = None
    for outgoing in write.outgoing:
        key = (tenant, app, outgoing.entity, outgoing.number)
        total.outgoing[key] = outgoing
        if write.holds is not None and outgoing.phase == "notice":
            total.held[key] = write.holds
    for name, timer_name in write.disarmed:
        total.timers[tenant, app, name, timer_name] = None
    for timer in write.timers:
        total.timers[tenant, app, timer.entity, timer.name] = timer
    if write.receipt is not None:
        total.receipts.append(write.receipt)
    if write.decision is not None and write.decision.is_once:
        total.decisions.append((tenant, write.decision.id))


def written(group: Sequence[Write], answers: Sequence[Answer]) -> list[tuple[str, str, str, int]]:
    """Tenant, app, id and revision of the accepted entities of a group."""
    rows = net(group, answers).entities.values()
    return [(row.tenant, row.app, row.id, row.revision) for row in rows]


def changed_claims(
    before: Mapping[ClaimKey, str], after: Mapping[ClaimKey, str]
) -> tuple[list[Claim], list[Claim], list[Claim]]:
    """The new claims, those with another holder now, and the released ones, each by key."""
    new, moved = [], []
    for key, entity in sorted(after.items()):
        if key not in before:
            new.append(Claim(*key, entity))
        elif before[key] != entity:
            moved.append(Claim(*key, entity))
    gone = [Claim(*key, entity) for key, entity in sorted(before.items()) if key not in after]
    return new, moved, gone
