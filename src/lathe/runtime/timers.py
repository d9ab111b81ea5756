"""The timer worker: takes due timers' actions as soon as they are possible.

A timer whose action is refused stays due. It is tried again when its entity is written, and from time to time
in between, because a guard may read another entity.
"""

from __future__ import annotations

import asyncio

from lathe.errors import NotFoundError
from lathe.machine.event import Event, TimerFires
from lathe.machine.outcome import Refusal
from lathe.machine.snapshot import Entity
from lathe.runtime.backoff import Backoff, Failed, told_to_loop
from lathe.runtime.catalog import Live
from lathe.runtime.committer import OverloadedError
from lathe.runtime.engine import BusyError, Command, Committed, Engine, Refused
from lathe.runtime.outbox import POLL_SECONDS
from lathe.runtime.plan import Held
from lathe.runtime.waking import woken
from lathe.store.base import StoreError
from lathe.store.records import Timer

BATCH_LIMIT = 512
"""Timers leased with one query."""
LEASE_MS = 15_000
FIRST_WAIT_MS = 1_000
LONGEST_WAIT_MS = 60_000
"""How long a timer that is not possible waits before it is tried again, doubling."""

LEAST_SECONDS = 0.01
"""Minimum sleep if nothing is due."""
WAITS_LIMIT = 10_000
"""Timers whose back-off is remembered; beyond that the oldest restart it."""


class Timers:
    """The timer worker of this process. Run `run` in a task of its own; call `wake` when one may be due."""

    def __init__(
        self,
        engine: Engine,
        worker: str,
        *,
        lease_ms: int = LEASE_MS,
        batch: int = BATCH_LIMIT,
        failed: Failed = told_to_loop,
    ) -> None:
        self._failed = failed
        self._engine = engine
        self._worker = worker
        self._lease_ms = lease_ms
        self._batch = batch
        self._waits: dict[tuple[str, str, str, str, int], int] = {}
        self._wake = asyncio.Event()
        self._blocked: set[tuple[str, str, str]] = set()
        self._next_look_ms = 0
        self._is_closing = False
        engine.watch(self._notice)

    def wake(self) -> None:
        """Look for due timers soon."""
        self._wake.set()

    def close(self) -> None:
        """Start no more timers."""
        self._is_closing = True
        self._wake.set()

    def _notice(self, committed: Committed) -> None:
        """Look sooner if a step of this process armed an earlier timer, or may have freed one."""
        write = committed.write
        if not write.timers and not self._blocked:
            return
        if any(timer.due_ms < self._next_look_ms for timer in write.timers) or (
            self._blocked
            and any((write.tenant, write.app, row.id) in self._blocked for row in write.entities)
        ):
            self._wake.set()

    async def run(self) -> None:
        """Take the actions of due timers until `close`."""
        backoff = Backoff()
        while not self._is_closing:
            self._wake.clear()
            wait = POLL_SECONDS
            try:
                due = await self._engine.store.due_timers(
                    self._worker, limit=self._batch, lease_ms=self._lease_ms
                )
                backoff.reset()
                if due:
                    await asyncio.gather(*(self._fire(timer) for timer in due))
                    continue
                wait = await self._idle_seconds()
            except StoreError:
                wait = POLL_SECONDS
            except Exception as error:  # noqa: BLE001  a defect: told, and the other timers go on
                self._failed("timers", error)
                wait = backoff.next()
            self._next_look_ms = self._engine.clock.now_ms() + int(wait * 1000) + 1
            await woken(self._wake, wait)

    async def _idle_seconds(self) -> float:
        due = await self._engine.store.next_due_ms()
        if due is None:
            return POLL_SECONDS
        return min(max((due - await self._engine.store.now_ms()) / 1000, LEAST_SECONDS), POLL_SECONDS)

    async def _fire(self, timer: Timer) -> None:
        """Take the timer's action, or postpone it."""
        key = (timer.tenant, timer.app, timer.entity, timer.name, timer.armed_ms)

        def event(now: int) -> Event:
            return TimerFires(timer.entity, timer.name or None, now)

        def requires(live: Live, held: Held | None) -> Refusal | None:
            """A precondition that the timer is still armed: another process may have moved on."""
            if held is None or not _is_armed(live, timer, held.entity):
                return Refusal("stale", timer.entity, None)
            return None

        command = Command(
            tenant=timer.tenant,
            app=timer.app,
            entity=timer.entity,
            kind="timer",
            event=event,
            told={"timer": timer.name},
            by="timer",
            lease=(self._worker, timer.entity, timer.name),
            requires=requires,
        )
        try:
            result = await self._engine.execute(command)
        except (BusyError, OverloadedError, NotFoundError):
            result = None
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  a defect of this one: told, and it waits like one refused
            self._failed("timer", error)
            result = None
        if isinstance(result, Committed):
            self._waits.pop(key, None)
            self._blocked.discard(key[:3])
        elif result is None or isinstance(result, Refused):
            wait = self._waits.pop(key, FIRST_WAIT_MS)
            self._waits[key] = min(wait * 2, LONGEST_WAIT_MS)
            self._blocked.add(key[:3])
            if len(self._waits) > WAITS_LIMIT:
                oldest = next(iter(self._waits))
                del self._waits[oldest]
                self._blocked.discard(oldest[:3])
            now = await self._engine.store.now_ms()
            await self._engine.store.postpone_timer(self._worker, timer, until_ms=now + wait)


def _is_armed(live: Live, timer: Timer, entity: Entity) -> bool:
    if not timer.name:
        return entity.visit == timer.visit
    table = live.table.blueprints.get(entity.blueprint)
    deadline = table.blueprint.timers.get(timer.name) if table else None
    return deadline is not None and entity.fields.get(deadline.at) == timer.due_ms
