"""A faulty store: the memory store, with faults injected around every call.

It is the disk of a simulated world: processes come and go, what it committed stays. A group is written whole
or not at all, also where a process dies in the middle; what nobody was told of may be there or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from random import Random
from typing import Protocol, TypeVar

from lathe.sim.erasure import entries_of
from lathe.sim.leases import Leases, WatchedDuties
from lathe.sim.loop import POWER, Power, SimLoop, pause
from lathe.sim.menu import Menu
from lathe.sim.tables import Tables
from lathe.store.accept import ClaimKey
from lathe.store.audit import Change, DecisionRow
from lathe.store.base import Apply, FullError, UnavailableError, Written
from lathe.store.faults import Point
from lathe.store.memory import Key, MemoryStore
from lathe.store.records import Answer, EntityRow, Entry, Outgoing, Timer, Version, Write
from lathe.store.verify import Verification

T = TypeVar("T")

LATENCY_SECONDS = 0.002
"""How long a commit takes, on average."""
SLOW_SECONDS = 20.0
HOLD_SECONDS = 2.0
"""How long a commit is held back for somebody else's."""
LATE_SECONDS = 3.0
"""How late a commit may be that nobody knows of."""
FULL_SECONDS = 10.0
LOST = 0.3
"""How likely it is that a hint of what was written never comes."""
OLD_READ_SECONDS = 0.2
"""How old rows may be when whoever asked gets them."""


class Observer(Protocol):
    """Told of what is committed, in its order, in the moment in which it is."""

    def committed(self, write: Write) -> None:
        """A write was accepted."""

    def applied(self, version: Version, writes: Sequence[Write]) -> None:
        """A version was applied, and brought entities over."""

    def stored(self, tables: Tables) -> None:
        """What follows from the journal is this afterwards."""

    def archived(self, rows: Sequence[EntityRow], now: int) -> None:
        """Entities were moved out of the way at a moment."""

    def knows(self, who: str, *, is_known: bool) -> None:
        """Somebody is known from now on, or not any more."""

    def decided(self, rows: Sequence[DecisionRow]) -> None:
        """These decisions were made."""

    def erases(self, entity: str, revision: int) -> None:
        """An entity's journal was erased as far as this revision, which is its last by now."""

    def fail(self, cause: str, said: str) -> None:
        """Something must not be."""


class SimStore(MemoryStore):
    """The store of a simulated world. It knows which process calls by `POWER`."""

    def __init__(self, loop: SimLoop, menu: Menu, observer: Observer, *, seed: int, is_shared: bool) -> None:
        self._leases = Leases(loop.now_ms, observer.fail)
        super().__init__(loop.now_ms, is_shared=is_shared)
        self._loop = loop
        self._menu = menu
        self._observer = observer
        self._random = Random(f"{seed}/store")
        self._full_until = 0.0
        self._held: list[tuple[frozenset[str], asyncio.Future[None]]] = []
        self._told: list[tuple[Power | None, Callable[[], None]]] = []
        self._told_governed: list[tuple[Power | None, Callable[[], None]]] = []
        self._told_written: list[tuple[Power | None, Callable[[Sequence[Written]], None]]] = []
        self._hints = Random(f"{seed}/hints")
        self.crash: Callable[[Power], None] = lambda power: None
        """Pulls the plug of a process."""
        self._last: tuple[Write, ...] = ()
        self._is_applying = False

    # What is seen of it.

    def _empty(self) -> None:
        super()._empty()
        self._duties: WatchedDuties = WatchedDuties(self._leases)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Listeners of a process that died hear nothing any more."""
        self._told = [(power, one) for power, one in self._told if power is None or not power.is_cut]
        self._told.append((POWER.get(), listener))

    def on_governed(self, listener: Callable[[], None]) -> None:
        """Likewise."""
        self._told_governed = [one for one in self._told_governed if one[0] is None or not one[0].is_cut]
        self._told_governed.append((POWER.get(), listener))

    def on_written(self, listener: Callable[[Sequence[Written]], None]) -> None:
        """Likewise."""
        self._told_written = [one for one in self._told_written if one[0] is None or not one[0].is_cut]
        self._told_written.append((POWER.get(), listener))

    def _tell_written(self, written: Sequence[Written]) -> None:
        """A hint for the others, which may be lost."""
        for power, listener in self._told_written:
            is_there = power is None or not power.is_cut
            if is_there and power is not POWER.get() and self._hints.random() >= LOST:
                self._loop.call_soon(listener, written, context=Context())

    def _tell(self) -> None:
        self._tell_each(self._told)

    def _tell_governed(self) -> None:
        self._tell()
        self._tell_each(self._told_governed)

    def _tell_each(self, told: list[tuple[Power | None, Callable[[], None]]]) -> None:
        for power, listener in told:
            if power is None or not power.is_cut:
                self._loop.call_soon(listener, context=Context())

    def commit_now(self, group: Sequence[Write]) -> list[Answer]:
        """Commit, and let the observer see what was accepted."""
        answers = super().commit_now(group)
        changed: set[str] = set()
        has_beside = False
        for write, answer in zip(group, answers, strict=True):
            if answer.verdict == "accepted":
                self._observer.committed(write)
                changed.update(entry.entity for entry in write.entries)
                has_beside |= bool(
                    write.outgoing or write.ended or write.timers or write.disarmed or write.claims
                    or write.released
                )  # fmt: skip
        if has_beside:
            self._observer.stored(self._tables())
        self._release(changed)
        return answers

    def apply_now(self, change: Apply) -> Answer:
        """Apply, and let the observer see it, with the writes that it came to."""
        self._last = ()
        self._is_applying = True
        answer = super().apply_now(change)
        self._is_applying = False
        if answer.verdict == "accepted":
            self._observer.applied(change.version, self._last)
            self._observer.stored(self._tables())
        return answer

    def _tables(self) -> Tables:
        return Tables(*self._duties.rows(), {key[2:]: entity for key, entity in self._claims.items()})

    def _write(
        self,
        group: Sequence[Write],
        answers: Sequence[Answer],
        before: dict[ClaimKey, str],
        after: dict[ClaimKey, str],
    ) -> None:
        self._last = tuple(group)
        for write, answer in zip(group, answers, strict=True):
            if answer.verdict != "accepted":
                continue
            self._leases.committed(write)
            now = self._governing.get((write.tenant, write.app))
            if now is not None and write.epoch != now.epoch and not self._is_applying:
                said = f"a write of epoch {write.epoch} was taken in epoch {now.epoch}"
                self._observer.fail("governed", said)
        super()._write(group, answers, before, after)

    def _archive(self, rows: Sequence[EntityRow]) -> list[str]:
        moved = super()._archive(rows)
        if moved:
            self._observer.archived(rows, self._loop.now_ms())
            self._observer.stored(self._tables())
            self._leases.forgets(moved)
        return moved

    def _govern(self, change: Change) -> bool:
        is_made = super()._govern(change)
        if is_made and change.decisions:
            self._observer.decided(change.decisions)
        return is_made

    def _erase(self, key: Key) -> int:
        erased = super()._erase(key)
        self._observer.erases(key[2], len(self._histories[key]))
        return erased

    def names(self) -> list[str]:
        """Every entity that there ever was, the archived ones among them."""
        return sorted(name for _, _, name in self._histories)

    def exported(self) -> list[Entry]:
        """Every entry of an export."""
        return [*entries_of(self._dumped())]

    def verified(self) -> str:
        """What is wrong with the store as a whole, its archive among it; or nothing."""
        verification = Verification()
        try:
            wrong = [broken for table, data in self._dumped() for broken in verification.feed(table, data)]
            wrong += list(verification.finish())
        finally:
            verification.close()
        return f"{wrong[0].entity} revision {wrong[0].revision}: {wrong[0].why}" if wrong else ""

    async def know(self, who: str, *, is_known: bool) -> None:
        """Somebody is known from now on, or not any more; whatever was decided before is decided anew."""

        def change() -> None:
            self._govern(Change((), raised=tuple(sorted({tenant for tenant, _ in self._governing}))))
            self._observer.knows(who, is_known=is_known)

        await self._changing("govern", change)
        self._tell_governed()

    def install(self, version: Version) -> None:
        """Make the first version current, before the world begins."""
        answer = super().apply_now(Apply(version, None))
        assert answer.verdict == "accepted", "an empty store takes the first version"

    def journal(self) -> list[Entry]:
        """Every entry, by position."""
        return [self._journal[position] for position in sorted(self._journal)]

    def is_quiet(self) -> bool:
        """Whether no invocation is open and no timer due."""
        now = self._loop.now_ms()
        return not self._duties.all_outgoing() and all(t.due_ms > now for t in self._duties.all_timers())

    def next_timer_ms(self) -> int | None:
        """When the next timer is due."""
        return min((timer.due_ms for timer in self._duties.all_timers()), default=None)

    def overdue_now(self, tenant: str, app: str, *, before_ms: int) -> list[Timer | Outgoing]:
        """What has been due since before then; nothing goes wrong here."""
        return self._duties.overdue(tenant, app, before_ms=before_ms, limit=1_000)

    def _release(self, changed: set[str]) -> None:
        """Let go of the commits that waited for somebody to change one of these."""
        waiting, self._held = self._held, []
        for names, future in waiting:
            if names.isdisjoint(changed):
                self._held.append((names, future))
            elif not future.done():
                future.set_result(None)

    # What goes wrong.

    async def _reach(self, point: Point, method: str, group: Sequence[Write] = ()) -> None:
        """See `Faults.reach`: in its place, because every call comes this way."""
        if point == "before":
            return await self._before(method, group)
        if point == "after":
            return await self._after(method)
        self._check_world()
        if self._menu.strikes("slow"):
            await asyncio.sleep(self._random.random() * SLOW_SECONDS / 4)
        else:
            await pause()
        if self._menu.strikes("away"):
            raise UnavailableError("the connection was cut")
        return None

    async def _changing(self, method: str, change: Callable[[], T]) -> T:
        """See `MemoryStore`."""
        await self._before(method, ())
        result = change()
        await self._after(method)
        return result

    def _check_world(self) -> None:
        if self._loop.is_over:
            raise UnavailableError("the world has ended")

    async def load(self, tenant: str, app: str, ids: Sequence[str]) -> dict[str, EntityRow]:
        """Rows as they are now, which may come when they are not so any more."""
        rows = await super().load(tenant, app, ids)
        if self._menu.strikes("old_read"):
            await asyncio.sleep(self._random.random() ** 2 * OLD_READ_SECONDS)
        return rows

    async def _before(self, method: str, group: Sequence[Write]) -> None:
        self._check_world()
        menu, random = self._menu, self._random
        if menu.strikes("slow"):
            await asyncio.sleep(random.random() ** 3 * SLOW_SECONDS)
        elif method == "commit":  # without a look at the group: it is open until the store has
            await asyncio.sleep(random.expovariate(1 / LATENCY_SECONDS))
        else:
            await pause()
        if menu.strikes("away"):
            raise UnavailableError("the connection was cut")
        if menu.strikes("full"):
            self._full_until = self._loop.time() + random.random() * FULL_SECONDS
        if self._loop.time() < self._full_until and not menu.is_closed:
            raise FullError("the disk is full")
        if method != "commit":
            return
        if self.is_shared and menu.strikes("hold"):
            await self._hold(group)
        if menu.strikes("brink"):
            await self._wait_for_brink(group)
        if self.is_shared and menu.strikes("late"):
            late = random.random() * LATE_SECONDS
            self._loop.call_later(late, self._land, group, context=Context())
            raise UnavailableError("the connection was cut during a commit", maybe=True)
        if menu.strikes("crash_before"):
            await self._die()

    async def _after(self, method: str) -> None:
        self._check_world()
        if method == "commit" and self._menu.strikes("crash_after"):
            await self._die()
        if self._menu.strikes("lost"):
            raise UnavailableError("the connection was cut", maybe=True)

    def _land(self, group: Sequence[Write]) -> None:
        """A commit that was under way when its connection was cut."""
        if not self._loop.is_over:
            self.commit_now(group)
            self._tell()

    async def _hold(self, group: Sequence[Write]) -> None:
        """Wait until another process has written to what this group is about, or for a while."""
        names = frozenset(name for write in group for name, _ in write.bases)
        future: asyncio.Future[None] = self._loop.create_future()
        self._held.append((names, future))
        await asyncio.wait([future], timeout=self._random.random() * HOLD_SECONDS)

    async def _wait_for_brink(self, group: Sequence[Write]) -> None:
        """Wait until the lease of a write is about to end, or has just ended."""
        leased = next((write.lease for write in group if write.lease is not None), None)
        left_ms = self._leases.left_ms(leased[1:]) if leased is not None else 0
        if left_ms:
            await asyncio.sleep((left_ms + self._random.choice((-1, 0, 1)) + 0.5) / 1000)

    async def _die(self) -> None:
        """The process that calls is gone; nothing of it goes on."""
        power = POWER.get()
        if power is not None:
            self.crash(power)
            await self._loop.create_future()
