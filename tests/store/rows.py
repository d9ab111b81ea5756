"""Rows and writes for the tests of stores: entities that only have a counter, properly chained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from lathe.store.base import Apply
from lathe.store.journal import payload_hash, sealed
from lathe.store.records import (
    GENESIS,
    Claim,
    EntityRow,
    Entry,
    Governing,
    Outgoing,
    Receipt,
    Timer,
    Version,
    Write,
)

TENANT, APP, BLUEPRINT = "acme", "shop", "Order"
DIGEST = "d" * 64
FIRST = Governing(DIGEST, 1)
FAR_MS = 4_000_000_000_000
"""A moment that no clock of a test reaches."""
SOON_MS = 60_000
"""A lease that outlasts a test."""


def version(digest: str = DIGEST, *, tenant: str = TENANT, app: str = APP, note: str = "") -> Version:
    return Version(tenant, app, digest, {"app.toml": b"x"}, b"{}", 5, "ann", note)


def introduction(*, tenant: str = TENANT, app: str = APP) -> Apply:
    """The first version of an app."""
    return Apply(version(tenant=tenant, app=app), None)


def body(**fields: object) -> bytes:
    return msgspec.json.encode({"fields": fields})


def turned(
    before: EntityRow | None,
    name: str = "",
    *,
    state: str = "open",
    fields: dict[str, object] | None = None,
    at_ms: int = 1_000,
    tenant: str = TENANT,
    app: str = APP,
    blueprint: str = BLUEPRINT,
    final: bool = False,
    payload: bytes = b'{"args":{}}',
) -> tuple[EntityRow, Entry]:
    """The entity after one more action, and the entry of it."""
    name = before.id if before is not None else name
    revision = before.revision + 1 if before is not None else 1
    previous = before.head if before is not None else GENESIS
    entry = Entry(
        tenant=tenant, app=app, blueprint=blueprint, entity=name, revision=revision, version=revision,
        visit=revision, state=state, kind="act", action="go", by="role:clerk", chain=("ann", "bot"),
        policies=("p1",), digest=DIGEST, semantics=1, step=f"{name}.{revision}", at_ms=at_ms, payload=payload,
        payload_hash=payload_hash(payload), previous=previous, hash=b"",
    )  # fmt: skip
    entry = replace(entry, hash=sealed(entry))
    row = EntityRow(
        tenant=tenant, app=app, blueprint=blueprint, id=name, state=state, visit=revision, version=revision,
        revision=revision, digest=DIGEST, body=body(**(fields or {"count": revision})), head=entry.hash,
        created_ms=before.created_ms if before is not None else at_ms, changed_ms=at_ms,
        final_ms=at_ms if final else None,
    )  # fmt: skip
    return row, entry


def write(
    *turns: tuple[EntityRow, Entry],
    governing: Governing = FIRST,
    reads: Sequence[tuple[str, bytes]] = (),
    **more: Any,
) -> Write:
    """One step of these entities, each built on the entry that its own is chained to."""
    first = turns[0][0] if turns else None
    return Write(
        tenant=first.tenant if first else TENANT,
        app=first.app if first else APP,
        digest=governing.digest,
        epoch=governing.epoch,
        entities=tuple(row for row, _ in turns),
        entries=tuple(entry for _, entry in turns),
        bases=(*((row.id, entry.previous) for row, entry in turns), *reads),
        **more,
    )


def claim(entity: str, key: str, unique: str = "number") -> Claim:
    return Claim(TENANT, APP, unique, key.encode(), entity)


def receipt(key: str, *, principal: str = "ann", expires_ms: int = FAR_MS) -> Receipt:
    return Receipt(TENANT, principal, key, b"asked", 200, b'{"a":1}', expires_ms)


def outgoing(
    entity: str, number: int = 1, *, phase: Any = "waiting", due_ms: int = 0, attempt: int = 0
) -> Outgoing:
    return Outgoing(
        TENANT, APP, BLUEPRINT, entity, number, "mail", 1, phase, DIGEST, due_ms, b'{"to":"x"}', attempt
    )


def timer(entity: str, name: str = "", *, due_ms: int = 0) -> Timer:
    return Timer(TENANT, APP, BLUEPRINT, entity, name, 1, 0, due_ms)
