"""How a worker sleeps: until it is woken, or until a time-out."""

from __future__ import annotations

import asyncio


async def woken(wake: asyncio.Event, seconds: float) -> None:
    """Wait for `wake`, which a time-out sets as well.

    For a worker that looks at everything again, whatever woke it: `asyncio.timeout` cancels and catches, and
    costs three times as much.
    """
    alarm = asyncio.get_running_loop().call_later(seconds, wake.set)
    try:
        await wake.wait()
    finally:
        alarm.cancel()
