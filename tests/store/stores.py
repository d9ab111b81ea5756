"""Stores for the tests, by kind: opened, empty, closed again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.store.server import Server

from lathe.store.base import Store
from lathe.store.memory import MemoryStore
from lathe.store.postgres import PostgresStore
from lathe.store.sqlite import SqliteStore

KINDS = ("memory", "sqlite", "postgres")
_numbers = count(1)
NOW_MS = 1_900_000_000_000


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
