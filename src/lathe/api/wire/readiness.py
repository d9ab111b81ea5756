"""`/readyz`: whether the store commits. Concurrent requests share one probe, as each is a real commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

BETWEEN_SECONDS = 0.1
"""Minimum time between two probes; requests in between share the next one."""


class Readiness:
    """Shares probes between requests. A result is never older than the request that it answers, apart from
    the store's own delay.
    """

    def __init__(self, ping: Callable[[], Awaitable[None]]) -> None:
        self._ping = ping
        self._asking: asyncio.Task[None] | None = None
        self._last_seconds = float("-inf")

    async def check(self) -> None:
        """Return if the store answers. Raises `StoreError`."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(), name="readiness")
            self._asking.add_done_callback(_look_at)
        await asyncio.shield(self._asking)

    async def _ask(self) -> None:
        clock = asyncio.get_running_loop().time
        wait_seconds = self._last_seconds + BETWEEN_SECONDS - clock()
        if wait_seconds > 0:
            await asyncio.sleep(wait_seconds)
        self._last_seconds = clock()
        await self._ping()


def _look_at(asking: asyncio.Task[None]) -> None:
    """Retrieve a probe's exception, which nobody may be waiting for."""
    if not asking.cancelled():
        asking.exception()
