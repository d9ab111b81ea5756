"""Stores for the tests, by kind: opened, empty, closed again."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from tests.store.server import Server

from lathe.store.base import Store, StoreError
from lathe.store.memory import MemoryStore
from lathe.store.postgres.store import PostgresStore
from lathe.store.sqlite.store import SqliteStore

KINDS = ("memory", "sqlite", "postgres")
_numbers = count(1)
NOW_MS = 1_900_000_000_000


class Place:
    """Where one store after another is opened; `crash` leaves what a process or server that is killed leaves.

    A PostgreSQL has a clock of its own.
    """

    def __init__(self, opening: Opening, kind: str, clock: Callable[[], int]) -> None:
        self._opening = opening
        self._clock = clock
        self._kind = kind
        self._schema = f"s{next(_numbers)}"
        self._folder = opening.folder / "data"
        self._crashed: list[Store] = []

    def store(self) -> Store:
        """The store that is there, not opened."""
        if self._kind == "sqlite":
            return SqliteStore(self._folder, clock=self._clock)
        return PostgresStore(self._opening.server().url, schema=self._schema)

    async def crash(self, store: Store) -> None:
        """The store is not closed: SQLite's files are taken as they are, the server ends at once."""
        if self._kind == "sqlite":
            taken = self._folder.with_name(f"{self._folder.name}x")
            shutil.copytree(self._folder, taken)
            self._folder = taken
            self._crashed.append(store)
            return
        server = self._opening.server()
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        await asyncio.to_thread(server.start)
        with suppress(StoreError):
            await store.close()

    async def leave(self) -> None:
        """Let go of what crashed."""
        for store in self._crashed:
            await store.close()


class Opening:
    """Opens an empty store of a kind and runs something on it, in a loop of its own."""

    def __init__(self, folder: Path, server: Callable[[], Server]) -> None:
        self.folder = folder
        self.server = server
        self.loop = asyncio.new_event_loop()

    def make(self, kind: str) -> Store:
        if kind == "sqlite":
            return SqliteStore(self.folder / "data")
        if kind == "postgres":
            return PostgresStore(self.server().url, schema=f"s{next(_numbers)}")
        return MemoryStore(lambda: NOW_MS)

    def place(self, kind: str, clock: Callable[[], int]) -> Place:
        """An empty place for a store on disk."""
        return Place(self, kind, clock)

    @contextmanager
    def kept(self, kind: str) -> Iterator[Store]:
        """An open store, as long as this lasts."""
        store = self.make(kind)
        self.loop.run_until_complete(store.open())
        try:
            yield store
        finally:
            self.loop.run_until_complete(store.close())

    def run(self, kind: str, check: Callable[[Store], Awaitable[None]]) -> None:
        """Run something on an open store."""
        with self.kept(kind) as store:

            async def checked() -> None:
                await check(store)

            self.loop.run_until_complete(checked())
