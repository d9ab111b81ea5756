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
"""Entities kept in memory; the one unused for longest gives way."""


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
    """Takes in what the store says of an entity; `is_used`: because somebody needs it."""

    def __call__(self, held: Held | None, *, is_used: bool = True) -> None: ...


@dataclass(slots=True)
class _Reading:
    """`count` readers ask the store for an entity; `overtaken` grows whenever what they get may be old."""

    count: int = 0
    overtaken: int = 0


class Cache:
    """What is known of entities. Everything in it may be forgotten at any time but while it is pending."""

    def __init__(self, limit: int = ENTITIES_LIMIT) -> None:
        self._limit = limit
        self._slots: dict[Key, _Slot] = {}
        self._queued: dict[int, list[tuple[Key, _Slot, Held]]] = {}
        self._readings: dict[Key, _Reading] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: Key) -> bool:
        """Whether it is known what is committed of it."""
        slot = self._slots.get(key)
        return slot is not None and slot.is_sure

    def newest(self, key: Key) -> Held | None:
        """The entity with all that is queued. Raises `KeyError` if it is not known."""
        slot = self._slots[key]
        slot.is_used = True
        return slot.newest

    def committed(self, key: Key) -> Held | None:
        """The entity as it is durable. Raises `KeyError` if it is not known."""
        slot = self._slots[key]
        if not slot.is_sure:
            raise KeyError(key)
        return slot.committed

    def is_pending(self, keys: Iterable[Key]) -> bool:
        """Whether something queued could still be refused that one of them builds on."""
        return any((slot := self._slots.get(key)) is not None and slot.pending for key in keys)

    @contextmanager
    def reading(self, key: Key) -> Iterator[Learn]:
        """While the store is asked for an entity: gives what takes in the answer.

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
        """Take in what the store says now, unless something newer is queued already."""
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
        """Drop what is not queued, so that it is read again."""
        for key in keys:
            slot = self._slots.get(key)
            if slot is not None and not slot.pending:
                del self._slots[key]

    def outdate(self, key: Key, revision: int) -> bool:
        """Forget what is known of an entity if it is older than this revision, which is committed; whether it
        was used. While something is queued it stays, and its commit will show.
        """
        slot = self._slots.get(key)
        if slot is None or slot.pending:
            return False
        if slot.committed is not None and slot.committed.revision >= revision:
            return False
        del self._slots[key]
        return slot.is_used

    def drop(self, keys: Iterable[Key]) -> None:
        """Drop these, also what is queued: it is settled all the same, and nothing builds on it."""
        for key in keys:
            self._slots.pop(key, None)
            self._overtake(key)

    def forget_app(self, tenant: str, app: str) -> None:
        """Drop all of an app, likewise."""
        self.drop([key for key in (*self._slots, *self._readings) if key[:2] == (tenant, app)])

    def _overtake(self, key: Key) -> None:
        """What is being read of an entity may be old once it comes."""
        reading = self._readings.get(key)
        if reading is not None:
            reading.overtaken += 1

    def queue(self, planned: Planned, before: Mapping[str, Held | None]) -> None:
        """Decisions build on a write from now on, though it is not committed.

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
        """A queued write is over: committed, or dropped with all that was built on it."""
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
    """Whether something newer is known already."""
    return held is not None and known is not None and held.revision < known.revision
