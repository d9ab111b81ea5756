"""Whether a whole store is what was written: every chain, every head, every checkpoint.

Fed with what `dump` gives, in its order, so that it is one moment of the store. It keeps the head of each
entity and the hash of each entry. Whoever replays the journal through the machine is handed each entry.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import sha256

from lathe.store.base import Store
from lathe.store.journal import Broken, breaks
from lathe.store.records import GENESIS, Checkpoint, EntityRow, Entry
from lathe.store.tables import ArchivedRow, decode_row

Key = tuple[str, str, str]


def root_after(root: bytes, hashes: bytes) -> bytes:
    """A checkpoint's root, from the one before and the hashes of the entries since, in order of position."""
    return sha256(root + hashes).digest()


def _nothing(entry: Entry) -> None:
    """Nobody replays."""


class Verification:
    """Feed every row, then ask for what only the whole shows."""

    def __init__(self, each: Callable[[Entry], None] = _nothing) -> None:
        self._each = each
        self._rows: dict[Key, EntityRow] = {}
        self._archived: set[Key] = set()
        self._ends: dict[Key, tuple[int, bytes]] = {}
        self._hashes: dict[int, bytes] = {}
        self._checkpoints: list[Checkpoint] = []
        self.entries = 0

    def feed(self, table: str, data: bytes) -> Iterator[Broken]:
        """Take in one row; what is wrong with it."""
        row = decode_row(table, data)
        match row:
            case EntityRow():
                self._rows[row.tenant, row.app, row.id] = row
            case ArchivedRow():
                key = (row.row.tenant, row.row.app, row.row.id)
                self._rows[key] = row.row
                self._archived.add(key)
            case Checkpoint():
                self._checkpoints.append(row)
            case Entry():
                yield from self._entry(row)

    def _entry(self, entry: Entry) -> Iterator[Broken]:
        key = (entry.tenant, entry.app, entry.entity)
        revision, previous = self._ends.get(key, (0, GENESIS))
        yield from breaks([entry], previous=previous, revision=revision)
        self._ends[key] = (entry.revision, entry.hash)
        self.entries += 1
        if entry.position:
            if entry.position in self._hashes:
                yield Broken(
                    entry.entity, entry.revision, f"another entry stands at position {entry.position}"
                )
            self._hashes[entry.position] = entry.hash
        self._each(entry)

    def finish(self) -> Iterator[Broken]:
        """What is wrong between the tables."""
        for key, row in self._rows.items():
            revision, head = self._ends.get(key, (0, GENESIS))
            if (revision, head) != (row.revision, row.head):
                yield Broken(row.id, row.revision, "the entity is not what its journal adds up to")
        for key, (revision, _) in self._ends.items():
            if key not in self._rows:
                yield Broken(key[2], revision, "the journal has an entity that is not there")
        yield from self._roots()

    def _roots(self) -> Iterator[Broken]:
        """A checkpoint whose entries were swept with their archive cannot be told any more."""
        root, position = bytes(32), 0
        for checkpoint in self._checkpoints:
            between = [self._hashes.get(p) for p in range(position + 1, checkpoint.position + 1)]
            known = [h for h in between if h is not None]
            if len(known) == len(between) and root_after(root, b"".join(known)) != checkpoint.root:
                yield Broken(
                    "", checkpoint.position, f"the checkpoint at {checkpoint.position} does not hold"
                )
            root, position = checkpoint.root, checkpoint.position


async def verify(store: Store, each: Callable[[Entry], None] = _nothing) -> AsyncIterator[Broken]:
    """Everything that is wrong with a store; `each` is given every entry, an entity's in their order."""
    verification = Verification(each)
    async for table, data in store.dump():
        for broken in verification.feed(table, data):
            yield broken
    for broken in verification.finish():
        yield broken
