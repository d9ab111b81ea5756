"""The entity cache: each entity as committed, and as it will be once queued writes are committed.

A decision is made on the newest state, so that several actions of one entity share a group; a read is
served from the committed one. What a refused write would have made is dropped, and read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from lathe.runtime.plan import Held, Planned
from lathe.store.records import Answer, Write

Key = tuple[str, str, str]
"""Tenant, app, entity."""

ENTITIES_LIMIT = 100_000
"""Entities kept in memory; the least recently used is evicted."""


@dataclass(slots=True)
class _Slot:
    """`newest` and `committed` are None where there is no such entity. `pending` writes are queued.

    `is_sure`: `committed` is what the store says. A write that was decided on a row which was overtaken, and
    so not kept, does not make it so. `is_used`: somebody decided on it, or asked for it, since it came.
    """

    newest: Held | None
    committed: Held | None
    pending: int = 0
    is_sure: bool = True
    is_used: bool = True


class Learn(Protocol):
    """Stores a loaded entity; `is_used`: a decision or request needed it."""

    def __call__(self, held: Held | None, *, is_used: bool = True) -> None: ...


@dataclass(slots=True)
class _Reading:
    """`count` loads of an entity are in progress; `overtaken` is incremented whenever their result may be
    stale.
    """

    count: int = 0
    overtaken: int = 0


class Cache:
    """The cache. Any entry may be evicted unless a write on it is pending."""

    def __init__(self, limit: int = ENTITIES_LIMIT) -> None:
        self._limit = limit
        self._slots: dict[Key, _Slot] = {}
        self._queued: dict[int, list[tuple[Key, _Slot, Held]]] = {}
        self._readings: dict[Key, _Reading] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: Key) -> bool:
        """Whether the committed row is cached."""
        slot = self._slots.get(key)
        return slot is not None and slot.is_sure

    def newest(self, key: Key) -> Held | None:
        """The entity with queued writes applied. Raises `KeyError` if it is not cached."""
        slot = self._slots[key]
        slot.is_used = True
        return slot.newest

    def committed(self, key: Key) -> Held | None:
        """The committed entity. Raises `KeyError` if it is not cached."""
        slot = self._slots[key]
        if not slot.is_sure:
            raise KeyError(key)
        return slot.committed

    def is_pending(self, keys: Iterable[Key]) -> bool:
        """Whether any of these entities rests on a queued write, which could still be refused."""
        return any((slot := self._slots.get(key)) is not None and slot.pending for key in keys)

    @contextmanager
    def reading(self, key: Key) -> Iterator[Learn]:
        """Context of a load from the store: yields the function that stores the result.

        An answer that was overtaken is not kept: a write was settled meanwhile, or the app forgotten, so that
        the row may be one from before.
        """
        reading = self._readings.setdefault(key, _Reading())
        reading.count += 1
        began = reading.overtaken

        def learn(held: Held | None, *, is_used: bool = True) -> None:
            if reading.overtaken == began:
                self.learn(key, held, is_used=is_used)

        try:
            yield learn
        finally:
            reading.count -= 1
            if not reading.count:
                del self._readings[key]

    def learn(self, key: Key, held: Held | None, *, is_used: bool = True) -> None:
        """Store a loaded row, unless a newer one is queued."""
        slot = self._slots.pop(key, None)
        if slot is not None and slot.pending:
            if not slot.is_sure:
                slot.committed, slot.is_sure = held, True
            self._slots[key] = slot
            return
        self._slots[key] = _Slot(held, held, is_used=is_used)
        while len(self._slots) > self._limit and self._forget_one():
            pass

    def _forget_one(self) -> bool:
        for key, slot in self._slots.items():
            if not slot.pending:
                del self._slots[key]
                return True
        return False

    def forget(self, keys: Iterable[Key]) -> None:
        """Evict entries without queued writes, so that they are read again."""
        for key in keys:
            slot = self._slots.get(key)
            if slot is not None and not slot.pending:
                del self._slots[key]

    def outdate(self, key: Key, revision: int) -> bool:
        """Evict an entity if it is older than this committed revision; returns whether it was used. With
        queued writes it stays: their commit will tell.
        """
        slot = self._slots.get(key)
        if slot is None or slot.pending:
            return False
        if slot.committed is not None and slot.committed.revision >= revision:
            return False
        del self._slots[key]
        return slot.is_used

    def drop(self, keys: Iterable[Key]) -> None:
        """Evict these, with their queued writes, which are still settled but which nothing builds on."""
        for key in keys:
            self._slots.pop(key, None)
            self._overtake(key)

    def forget_app(self, tenant: str, app: str) -> None:
        """Evict all entities of an app in the same way."""
        self.drop([key for key in (*self._slots, *self._readings) if key[:2] == (tenant, app)])

    def _overtake(self, key: Key) -> None:
        """Mark loads of an entity that are in progress as possibly stale."""
        reading = self._readings.get(key)
        if reading is not None:
            reading.overtaken += 1

    def queue(self, planned: Planned, before: Mapping[str, Held | None]) -> None:
        """Let decisions build on a write from now on, before it is committed.

        `before` is what it was decided on: of what is not kept any more, nobody knows whether it still is so.
        """
        write = planned.write
        made: list[tuple[Key, _Slot, Held]] = []
        for name, held in planned.after.items():
            key = (write.tenant, write.app, name)
            slot = self._slots.get(key)
            if slot is None:
                known = before.get(name)
                slot = self._slots[key] = _Slot(known, known, is_sure=known is None)
            slot.newest = held
            slot.pending += 1
            made.append((key, slot, held))
        self._queued[id(write)] = made

    def settle(self, write: Write, answer: Answer | None) -> None:
        """A queued write is settled: committed, or dropped with all writes built on it."""
        is_committed = answer is not None and answer.verdict == "accepted"
        for key, slot, held in self._queued.pop(id(write), ()):
            slot.pending -= 1
            self._overtake(key)
            current = self._slots.get(key)
            if is_committed:
                slot.committed, slot.is_sure = held, True
                if current is not None and current is not slot and not _is_older(held, current.committed):
                    current.committed, current.is_sure = held, True
                    if not current.pending:
                        current.newest = held
            elif current is slot:
                del self._slots[key]
        if not is_committed:
            self.forget((write.tenant, write.app, name) for name, _ in write.bases)


def _is_older(held: Held | None, known: Held | None) -> bool:
    """Whether a newer row is known already."""
    return held is not None and known is not None and held.revision < known.revision
