"""What a worker does about an exception that nobody expected: it is told, and the worker goes on, later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 60.0

Failed = Callable[[str, Exception], None]
"""Told which work failed with what."""


def told_to_loop(work: str, error: Exception) -> None:
    """Hand a failure to the event loop, as a task's that nobody waits for: a simulated run ends in it."""
    context = {"message": f"`{work}` failed", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)


class Backoff:
    """Waits that double while something keeps failing."""

    def __init__(self, first_seconds: float = FIRST_SECONDS) -> None:
        self._first = first_seconds
        self._seconds = first_seconds

    def next(self) -> float:
        """How many seconds to wait now."""
        seconds = self._seconds
        self._seconds = min(seconds * 2, LONGEST_SECONDS)
        return seconds

    def reset(self) -> None:
        """It went well."""
        self._seconds = self._first
