"""A database thread: it owns a connection, runs jobs in order, and hands results to the event loop.

The loop never waits on the database, and the thread does nothing but what it is given.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
C = TypeVar("C")

Job = Callable[[], None]


class Worker(Generic[C]):
    """Runs jobs one after another on what `connect` gave. `translate` makes of errors what is told."""

    def __init__(self, name: str, translate: Callable[[Exception], Exception]) -> None:
        self._translate = translate
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._connection: C | None = None

    async def start(self, connect: Callable[[], C]) -> None:
        """Begin, with a connection that the thread itself opens. Raises what `connect` does."""
        self._thread.start()

        def opened() -> None:
            self._connection = connect()

        try:
            await self._submit(opened)
        except BaseException:
            self._jobs.put(None)
            raise

    async def call(self, job: Callable[[C], T]) -> T:
        """What `job` returns, given the connection."""
        return await self.submit(job)

    def submit(self, job: Callable[[C], T]) -> asyncio.Future[T]:
        """The same, begun at once, whenever it is awaited."""

        def on_connection() -> T:
            assert self._connection is not None, "jobs come after the start"
            return job(self._connection)

        return self._submit(on_connection)

    def _submit(self, job: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - whoever waits gets it
                told = self._translate(error)
                told.__cause__ = error if told is not error else error.__cause__
                _tell(loop, lambda: _fail(future, told))
            else:
                _tell(loop, lambda: _settle(future, result))

        self._jobs.put(run)
        return future

    async def stop(self, close: Callable[[C], None]) -> None:
        """Do what was submitted, close the connection, end the thread."""
        if self._connection is not None:
            await self.call(close)
            self._connection = None
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _tell(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    if not loop.is_closed():  # nobody waits any more
        loop.call_soon_threadsafe(callback)


def _settle(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[T], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
