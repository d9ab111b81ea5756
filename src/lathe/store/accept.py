"""Decides which writes of a group are compatible: one rule for every store.

A group holds the writes of many callers in the order in which they were decided. One that builds on a
refused one is refused with it, because the head that it needs is never written; the others are not
concerned. Pure: a store locks and reads the rows, asks here, and writes what was accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lathe.store.records import GENESIS, Answer, Claim, Governing, Write

EntityKey = tuple[str, str, str]
"""Tenant, app, entity."""
ClaimKey = tuple[str, str, str, bytes]
"""Tenant, app, unique, key."""
ReceiptKey = tuple[str, str, str]
"""Tenant, principal, key."""
LeaseKey = tuple[str, str, str, int | str]
"""Tenant, app, entity, and an invocation's number or a timer's name."""
DecisionKey = tuple[str, str]
"""Tenant, id."""


class Standing:
    """The store's state for everything that a group touches, updated as the group is decided.

    `heads` has the last hash of each entity that exists; `holders` the entity that holds a claim; `receipts`
    the keys in use; `leases` the worker whose lease runs; `decisions` the revision of those that are approved
    and in time.
    """

    __slots__ = ("decisions", "governing", "heads", "holders", "leases", "receipts")

    def __init__(
        self,
        *,
        governing: Mapping[tuple[str, str], Governing],
        heads: Mapping[EntityKey, bytes],
        holders: Mapping[ClaimKey, str],
        receipts: Iterable[ReceiptKey],
        leases: Mapping[LeaseKey, str],
        decisions: Mapping[DecisionKey, int] | None = None,
    ) -> None:
        self.governing = governing
        self.heads = dict(heads)
        self.holders = dict(holders)
        self.receipts = set(receipts)
        self.leases = leases
        self.decisions = dict(decisions or {})


def accept(group: Sequence[Write], standing: Standing) -> list[Answer]:
    """The verdict on each write of a group, given the store's state.

    Afterwards `standing` has the heads, holders and receipts that hold when the accepted are written.
    """
    return [_accept_one(write, standing) for write in group]


def _accept_one(write: Write, standing: Standing) -> Answer:
    tenant, app = write.tenant, write.app
    now = standing.governing.get((tenant, app))
    if now is None or (now.digest, now.epoch) != (write.digest, write.epoch):
        return Answer("governed", app)
    receipt = write.receipt
    if receipt is not None and (tenant, receipt.principal, receipt.key) in standing.receipts:
        return Answer("receipt", receipt.key)
    for name, head in write.bases:
        if standing.heads.get((tenant, app, name), GENESIS) != head:
            return Answer("stale", name)
    if write.lease is not None:
        worker, name, which = write.lease
        if standing.leases.get((tenant, app, name, which)) != worker:
            return Answer("lease", name)
    use = write.decision
    if use is not None and standing.decisions.get((tenant, use.id)) != use.revision:
        return Answer("decision", use.id)
    blocked = _blocked(write.claims, write.released, standing)
    if blocked is not None:
        return Answer("claimed", blocked)
    _write_down(write, standing)
    return Answer("accepted")


def _blocked(claims: tuple[Claim, ...], released: tuple[Claim, ...], standing: Standing) -> str | None:
    """The claim (`unique=key`) that another entity holds and does not release in this write, or that two
    entities of this write claim.
    """
    gone = {(claim_key(c), c.entity) for c in released}
    asked: dict[ClaimKey, str] = {}
    for claim in claims:
        key = claim_key(claim)
        holder = standing.holders.get(key)
        is_held = holder is not None and holder != claim.entity and (key, holder) not in gone
        if is_held or asked.setdefault(key, claim.entity) != claim.entity:
            return f"{claim.unique}={claim.key.decode()}"
    return None


def _write_down(write: Write, standing: Standing) -> None:
    """Update the state for the later writes of the group."""
    tenant, app = write.tenant, write.app
    for entity in write.entities:
        standing.heads[tenant, app, entity.id] = entity.head
    for claim in write.released:
        if standing.holders.get(claim_key(claim)) == claim.entity:
            del standing.holders[claim_key(claim)]
    for claim in write.claims:
        standing.holders[claim_key(claim)] = claim.entity
    if write.receipt is not None:
        standing.receipts.add((tenant, write.receipt.principal, write.receipt.key))
    if write.decision is not None and write.decision.is_once:
        del standing.decisions[tenant, write.decision.id]


def claim_key(claim: Claim) -> ClaimKey:
    """The key of a claim, without its holder."""
    return claim.tenant, claim.app, claim.unique, claim.key


Touched = tuple[dict[EntityKey, bool], set[ClaimKey], set[ReceiptKey], set[LeaseKey]]
"""Entities (True: written), claims, receipts, leases."""


def touched(group: Sequence[Write]) -> Touched:
    """The rows that a store must read and lock for a group."""
    entities: dict[EntityKey, bool] = {}
    claims: set[ClaimKey] = set()
    receipts: set[ReceiptKey] = set()
    leases: set[LeaseKey] = set()
    for write in group:
        for name, _ in write.bases:
            entities.setdefault((write.tenant, write.app, name), False)
        for row in write.entities:
            entities[write.tenant, write.app, row.id] = True
        claims.update(claim_key(c) for c in write.claims)
        claims.update(claim_key(c) for c in write.released)
        if write.receipt is not None:
            receipts.add((write.tenant, write.receipt.principal, write.receipt.key))
        if write.lease is not None:
            leases.add((write.tenant, write.app, *write.lease[1:]))
    return entities, claims, receipts, leases


def decided(group: Sequence[Write]) -> list[DecisionKey]:
    """The decisions that a group uses: a store locks them last, in this order."""
    return sorted({(write.tenant, write.decision.id) for write in group if write.decision is not None})
