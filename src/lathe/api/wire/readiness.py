"""`/readyz`: whether the store commits. Concurrent requests share one probe, as each is a real commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

BETWEEN_SECONDS = 0.1
"""How long after one question the next is asked; whoever comes sooner waits for it."""


class Readiness:
    """The questions of one process. No answer is older than the question that it is given to, but by the time
    that the store takes.
    """

    def __init__(self, ping: Callable[[], Awaitable[None]]) -> None:
        self._ping = ping
        self._asking: asyncio.Task[None] | None = None
        self._last_seconds = float("-inf")

    async def check(self) -> None:
        """Returns if the store answers. Raises `StoreError`, as it does."""
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
    """Nobody may wait for it any more: what it failed with is no defect then."""
    if not asking.cancelled():
        asking.exception()
