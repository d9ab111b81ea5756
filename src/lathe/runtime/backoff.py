"""Unexpected exceptions in workers: each is reported, and the worker retries with exponential backoff."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 60.0

Failed = Callable[[str, Exception], None]
"""Reports a failure: which work, and the exception."""


def told_to_loop(work: str, error: Exception) -> None:
    """Pass a failure to the event loop's exception handler; a simulated run ends with it."""
    context = {"message": f"`{work}` failed", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)


async def repeat(seconds: float, work: Callable[[], Awaitable[object]], failed: Failed) -> None:
    """Repeat some work for ever, with back-off while it fails; each failure is reported."""
    backoff = Backoff(seconds)
    wait = seconds
    while True:
        await asyncio.sleep(wait)
        try:
            await work()
            backoff.reset()
            wait = seconds
        except Exception as error:  # noqa: BLE001  told, whatever it is; this work and the rest go on
            failed(work.__name__, error)
            wait = max(seconds, backoff.next())


class Backoff:
    """Exponential back-off."""

    def __init__(self, first_seconds: float = FIRST_SECONDS) -> None:
        self._first = first_seconds
        self._seconds = first_seconds

    def next(self) -> float:
        """The seconds to wait now."""
        seconds = self._seconds
        self._seconds = min(seconds * 2, LONGEST_SECONDS)
        return seconds

    def reset(self) -> None:
        """Reset after a success."""
        self._seconds = self._first
