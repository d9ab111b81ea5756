"""DNS look-ups on threads of their own, bounded in time and shared fairly between apps.

The system's resolver cannot be told to stop: a name for which nobody answers holds its thread for half a
minute. So nobody else's work waits for these threads, an app holds only some of them, and who asks waits no
longer than `LOOK_UP_SECONDS`. No process waits for them to end.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, deque
from contextlib import suppress
from ipaddress import ip_address
from threading import Thread

from lathe.frozen import frozen

THREADS_LIMIT = 128
"""Concurrent look-ups."""
APP_LIMIT = 8
"""Concurrent look-ups of one app."""
WAITING_LIMIT = 1_000
"""Queued look-ups of one app."""
LOOK_UP_SECONDS = 10.0
"""Time-out of a look-up, queueing included: enough for a second DNS server."""


class UnansweredError(OSError):
    """The look-up timed out, or too many are queued."""


@frozen
class _LookUp:
    """A look-up of a name for an app, and those that wait for it."""

    app: str
    name: str
    port: int
    found: asyncio.Future[list[str]]


class Resolver:
    """Runs look-ups on threads, started on demand, one for each look-up."""

    def __init__(
        self,
        *,
        threads: int = THREADS_LIMIT,
        each: int = APP_LIMIT,
        waiting: int = WAITING_LIMIT,
        seconds: float = LOOK_UP_SECONDS,
    ) -> None:
        self._threads = threads
        self._each = each
        self._limit = waiting
        self._seconds = seconds
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[_LookUp]] = {}
        """Queues by app; among apps with equally many look-ups running, the first is next."""

    async def look_up(self, app: str, name: str, port: int) -> list[str]:
        """The addresses of a name, in the system's order; of an address, itself.

        Raises `UnansweredError`, `OSError` as the system does, `ValueError` for what can be no name.
        """
        literal = _literal(name)
        if literal is not None:
            return [literal]
        waiting = self._waiting.setdefault(app, deque())
        if len(waiting) >= self._limit:
            raise UnansweredError(f"`{app}` looks up more than {self._limit} names")
        asked = _LookUp(app, name, port, asyncio.get_running_loop().create_future())
        waiting.append(asked)
        self._begin()
        try:
            async with asyncio.timeout(self._seconds):
                return await asked.found
        except TimeoutError:
            raise UnansweredError(f"`{name}` was not found within {self._seconds:g} seconds") from None
        finally:
            self._forget(asked)

    def _forget(self, asked: _LookUp) -> None:
        """Drop a look-up that nobody waits for; a running one ends by itself."""
        waiting = self._waiting.get(asked.app)
        if waiting is not None and asked in waiting:
            waiting.remove(asked)
            if not waiting:
                del self._waiting[asked.app]

    def _begin(self) -> None:
        """Start queued look-ups while there are threads: first for the app with the fewest."""
        while self._running.total() < self._threads:
            free = [app for app in self._waiting if self._running[app] < self._each]
            if not free:
                return
            app = min(free, key=self._running.__getitem__)
            waiting = self._waiting.pop(app)
            asked = waiting.popleft()
            if waiting:
                self._waiting[app] = waiting  # behind the others
            self._running[app] += 1
            loop = asyncio.get_running_loop()
            thread = Thread(target=self._find, args=(loop, asked), name="lathe name", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system has no room for one more
                self._ended(asked, OSError(str(error)))

    def _find(self, loop: asyncio.AbstractEventLoop, asked: _LookUp) -> None:
        """Ask the system, on a thread."""
        found: list[str] | Exception
        try:
            entries = socket.getaddrinfo(asked.name, asked.port, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except Exception as error:  # noqa: BLE001  whoever asked is told
            found = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._ended, asked, found)

    def _ended(self, asked: _LookUp, found: list[str] | Exception) -> None:
        self._running[asked.app] -= 1
        if not self._running[asked.app]:
            del self._running[asked.app]
        if not asked.found.done():
            if isinstance(found, Exception):
                asked.found.set_exception(found)
            else:
                asked.found.set_result(found)
        self._begin()


def _literal(name: str) -> str | None:
    """The address that a name is literally, in canonical form."""
    try:
        return str(ip_address(name))
    except ValueError:
        return None
