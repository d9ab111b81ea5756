"""One process of the runtime: engine and workers, started and stopped together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from lathe.effect.base import Performer
from lathe.runtime.backoff import Failed, told_to_loop
from lathe.runtime.cache import ENTITIES_LIMIT
from lathe.runtime.clock import Clock, Ids
from lathe.runtime.engine import Engine
from lathe.runtime.outbox import Lookups, Outbox, Report, Settings
from lathe.runtime.timers import Timers
from lathe.store.base import Store

HEARD_SECONDS = 0.05
"""How soon effects and timers requested by other processes are looked for."""


class Node:
    """The running parts of a process. `start` returns once commands are accepted; `stop` once accepted ones
    are durable.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        *,
        performers: Mapping[str, Performer],
        lookups: Lookups,
        settings: Settings,
        report: Report = lambda kind, outgoing, words: None,
        failed: Failed = told_to_loop,
        cached: int = ENTITIES_LIMIT,
    ) -> None:
        self.store = store
        self.performers = performers
        self.engine = Engine(store, clock, ids, failed=failed, cached=cached)
        self.outbox = Outbox(self.engine, performers, lookups, settings, report, failed)
        self.timers = Timers(self.engine, settings.worker, lease_ms=settings.lease_ms, failed=failed)
        self._tasks: list[asyncio.Task[None]] = []
        self._waking: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Load the current versions, then start effects and timers."""
        await self.engine.start()
        if self.store.is_shared:
            self.store.on_change(self._hear)
        self._tasks = [
            asyncio.create_task(self.outbox.run(), name="outbox"),
            asyncio.create_task(self.timers.run(), name="timers"),
        ]

    @property
    def failure(self) -> BaseException | None:
        """The exception that ended a worker; always a defect."""
        ended = (task.exception() for task in self._tasks if task.done() and not task.cancelled())
        return next((error for error in ended if error is not None), None)

    def _hear(self) -> None:
        """Somebody has committed. A process looks after its own steps itself, so that this need not be soon:
        of all that is heard in a short while one look is enough.
        """
        if self._waking is None:
            self._waking = asyncio.get_running_loop().call_later(HEARD_SECONDS, self._wake)

    def _wake(self) -> None:
        self._waking = None
        self.outbox.wake()
        self.timers.wake()

    def close(self) -> None:
        """Start no more effects and timers; running ones may finish."""
        self.outbox.close()
        self.timers.close()

    async def stop(self) -> None:
        """Drain running effects, commit what is queued, close connections."""
        self.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.engine.stop()
        for performer in self.performers.values():
            await performer.close()
