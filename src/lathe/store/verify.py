"""Verifies a whole store: every hash chain, every head, every checkpoint.

Fed with what `dump` gives, in its order, so that it is one moment of the store. It keeps the head of each
entity in memory, and the hash of each entry in a file. Whoever replays the journal through the machine is
handed each entry.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from hashlib import sha256

from lathe.store.base import Store
from lathe.store.journal import Broken, breaks
from lathe.store.records import GENESIS, Checkpoint, EntityRow, Entry
from lathe.store.spool import Hashes
from lathe.store.tables import ArchivedRow, decode_row

Key = tuple[str, str, str]


def _nothing(entry: Entry | EntityRow) -> None:
    """Nobody replays."""


class Verification:
    """Feed every row, then ask for what only the whole shows."""

    def __init__(
        self, each: Callable[[Entry], None] = _nothing, row: Callable[[EntityRow], None] = _nothing
    ) -> None:
        self._each = each
        self._row = row
        self._rows: dict[Key, tuple[int, bytes]] = {}
        self._ends: dict[Key, tuple[int, bytes]] = {}
        self._hashes = Hashes()
        self._checkpoints: list[Checkpoint] = []
        self.entries = 0

    def feed(self, table: str, data: bytes) -> Iterator[Broken]:
        """Take in one row; what is wrong with it."""
        row = decode_row(table, data)
        match row:
            case EntityRow():
                self._rows[row.tenant, row.app, row.id] = row.revision, row.head
                self._row(row)
            case ArchivedRow(row=old):
                self._rows[old.tenant, old.app, old.id] = old.revision, old.head
                self._row(old)
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
        if entry.position and not self._hashes.put(entry.position, entry.hash):
            yield Broken(entry.entity, entry.revision, f"another entry stands at position {entry.position}")
        self._each(entry)

    def finish(self) -> Iterator[Broken]:
        """What is wrong between the tables."""
        for key, row in self._rows.items():
            if self._ends.get(key, (0, GENESIS)) != row:
                yield Broken(key[2], row[0], "the entity is not what its journal adds up to")
        for key, (revision, _) in self._ends.items():
            if key not in self._rows:
                yield Broken(key[2], revision, "the journal has an entity that is not there")
        yield from self._roots()

    def _roots(self) -> Iterator[Broken]:
        """A checkpoint whose entries were swept with their archive cannot be told any more."""
        root, position = bytes(32), 0
        for checkpoint in self._checkpoints:
            wanted = self._root_after(root, position, checkpoint.position)
            if wanted is not None and wanted != checkpoint.root:
                yield Broken(
                    "", checkpoint.position, f"the checkpoint at {checkpoint.position} does not hold"
                )
            root, position = checkpoint.root, checkpoint.position

    def _root_after(self, root: bytes, after: int, last: int) -> bytes | None:
        """A checkpoint's root, from the one before and the hashes of the entries since, in order of position.

        None if an entry is not there.
        """
        digest = sha256(root)
        for hashes in self._hashes.between(after, last):
            if hashes is None:
                return None
            digest.update(hashes)
        return digest.digest()

    def close(self) -> None:
        """Let go of the file."""
        self._hashes.close()


async def verify(
    store: Store,
    each: Callable[[Entry], None] = _nothing,
    row: Callable[[EntityRow], None] = _nothing,
) -> AsyncIterator[Broken]:
    """Everything that is wrong with a store; `each` is given every entry, an entity's in their order.

    `row` is given every entity.
    """
    verification = Verification(each, row)
    try:
        async for table, data in store.dump():
            for broken in verification.feed(table, data):
                yield broken
        for broken in verification.finish():
            yield broken
    finally:
        verification.close()
