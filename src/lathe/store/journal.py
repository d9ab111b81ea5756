"""The hash chain of an entity's journal: what binds each entry to all before it.

`hash` = SHA-256 over the previous hash, the payload's hash and every other member, in canonical JSON. The
payload goes in by its hash alone, so that it can be erased and the chain still verifies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

import msgspec

from lathe.frozen import frozen
from lathe.store.records import GENESIS, Entry, Write

_encode = msgspec.json.Encoder().encode


@frozen
class Broken:
    """A place where a hash chain is broken: the revision, and what is wrong there."""

    entity: str
    revision: int
    why: str


def payload_hash(payload: bytes) -> bytes:
    """The hash under which a payload takes part in its chain."""
    return sha256(payload).digest()


def chained(previous: bytes, hashed: bytes, members: tuple[object, ...]) -> bytes:
    """The hash of an entry: `members` are those of `sealed`, in its order."""
    return sha256(previous + hashed + _encode(members)).digest()


def sealed(entry: Entry) -> bytes:
    """The hash that an entry must have, computed from the entry itself."""
    members = (
        entry.tenant, entry.app, entry.blueprint, entry.entity, entry.revision, entry.version, entry.visit,
        entry.state, entry.kind, entry.action, entry.by, entry.chain, entry.policies, entry.digest,
        entry.semantics, entry.step, entry.at_ms,
    )  # fmt: skip
    return chained(entry.previous, entry.payload_hash, members)


def breaks(entries: Iterable[Entry], *, previous: bytes = GENESIS, revision: int = 0) -> Iterator[Broken]:
    """Every place where the entries of one entity, by revision, do not form a chain."""
    for entry in entries:
        revision += 1
        if entry.revision != revision:
            yield Broken(entry.entity, revision, f"entry {revision} is missing, {entry.revision} follows")
            revision = entry.revision
        elif entry.previous != previous:
            yield Broken(entry.entity, revision, "it is not chained to the entry before it")
        if entry.payload is not None and payload_hash(entry.payload) != entry.payload_hash:
            yield Broken(entry.entity, revision, "its payload is not what was written")
        if sealed(entry) != entry.hash:
            yield Broken(entry.entity, revision, "its hash is not that of what it says")
        previous = entry.hash


def check_write(write: Write) -> None:
    """Assert an invariant of writes: their entries chain the head of each written entity from its base to its
    row, and nothing else.
    """
    heads = dict(write.bases)
    assert len(heads) == len(write.bases), "an entity has one base"
    for entry in write.entries:
        assert heads.get(entry.entity) == entry.previous, f"{entry.entity} is not chained to its base"
        heads[entry.entity] = entry.hash
    written = {row.id: row.head for row in write.entities}
    assert set(written) == {entry.entity for entry in write.entries}, "what is written is journaled"
    for name, head in written.items():
        assert heads[name] == head, f"the row of {name} is not that of its last entry"
