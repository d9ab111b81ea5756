"""A cached remote document that is refreshed in the background; a slow source delays only those who cannot do
without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

REFRESH_SECONDS = 10.0
"""Minimum time between two fetches."""
PATIENCE_SECONDS = 1.0
"""How long callers wait that could do with the cached document: revocations should arrive."""


class Refreshing:
    """Shares one fetch between all callers. `ask` raises no expected exception; `seconds` is a monotonic
    clock.
    """

    def __init__(
        self, ask: Callable[[], Coroutine[object, object, None]], seconds: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._next = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._patient_until = 0.0

    async def look(self, *, is_needed: bool) -> None:
        """Fetch, unless that was done a moment ago. Callers that need the result wait for it, others for
        `PATIENCE_SECONDS`.
        """
        clock = asyncio.get_running_loop().time
        if self._asking is None or self._asking.done():
            if self._seconds() < self._next:
                return
            self._asking = asyncio.create_task(self._asked(), name="issuer")
            self._patient_until = clock() + PATIENCE_SECONDS
        left_seconds = None if is_needed else max(0.0, self._patient_until - clock())
        done, _ = await asyncio.wait([self._asking], timeout=left_seconds)
        for one in done:
            one.result()

    async def _asked(self) -> None:
        self.rest()
        await self._ask()
        self.rest()

    def rest(self) -> None:
        """Note that the document was fetched just now."""
        self._next = self._seconds() + REFRESH_SECONDS

    async def close(self) -> None:
        """Cancel a fetch in progress."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
