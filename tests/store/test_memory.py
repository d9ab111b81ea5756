"""The memory store's faults: where they strike, and what is left after them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from tests.store.rows import APP, TENANT, introduction, turned, write

from lathe.store.base import FullError, UnavailableError
from lathe.store.faults import Point
from lathe.store.memory import MemoryStore
from lathe.store.records import Write

Strike = Callable[[MemoryStore], Awaitable[None]]


class Once:
    """One fault at one point of one method."""

    def __init__(self, point: Point, method: str, strike: Strike) -> None:
        self.at = (point, method)
        self.strike = strike
        self.store: MemoryStore | None = None

    async def reach(self, point: Point, method: str, group: Sequence[Write]) -> None:
        if (point, method) == self.at and self.store is not None:
            store, self.store = self.store, None
            await self.strike(store)


async def struck(once: Once) -> MemoryStore:
    store = MemoryStore(lambda: 1, faults=once)
    await store.apply(introduction())
    once.store = store
    return store


async def lose_it(store: MemoryStore) -> None:
    raise UnavailableError("the acknowledgement was lost", maybe=True)


async def fill_the_disk(store: MemoryStore) -> None:
    raise FullError("no room")


async def write_first(store: MemoryStore) -> None:
    assert [a.verdict for a in store.commit_now([write(turned(None, "a", state="theirs"))])] == ["accepted"]


async def take_long(store: MemoryStore) -> None:
    await asyncio.sleep(0)


def test_a_lost_acknowledgement_is_a_commit_all_the_same() -> None:
    async def run() -> None:
        store = await struck(Once("after", "commit", lose_it))
        with pytest.raises(UnavailableError) as caught:
            await store.commit([write(turned(None, "a"))])
        assert caught.value.maybe
        assert "a" in await store.load(TENANT, APP, ["a"])

    asyncio.run(run())


def test_a_full_disk_commits_nothing() -> None:
    async def run() -> None:
        store = await struck(Once("before", "commit", fill_the_disk))
        with pytest.raises(FullError):
            await store.commit([write(turned(None, "a"))])
        assert await store.load(TENANT, APP, ["a"]) == {}
        assert [a.verdict for a in await store.commit([write(turned(None, "a"))])] == ["accepted"]

    asyncio.run(run())


def test_a_conflicting_writer_comes_first() -> None:
    async def run() -> None:
        store = await struck(Once("before", "commit", write_first))
        assert [a.verdict for a in await store.commit([write(turned(None, "a"))])] == ["stale"]
        assert (await store.load(TENANT, APP, ["a"]))["a"].state == "theirs"

    asyncio.run(run())


def test_a_slow_commit_is_not_seen_before_it_is_done() -> None:
    async def run() -> None:
        store = await struck(Once("before", "commit", take_long))
        slow = asyncio.ensure_future(store.commit([write(turned(None, "a"))]))
        await asyncio.sleep(0)
        assert await store.load(TENANT, APP, ["a"]) == {}
        await slow
        assert "a" in await store.load(TENANT, APP, ["a"])

    asyncio.run(run())


def test_a_read_fails_where_it_is_told_to() -> None:
    async def run() -> None:
        store = await struck(Once("read", "load", lose_it))
        with pytest.raises(UnavailableError):
            await store.load(TENANT, APP, ["a"])

    asyncio.run(run())


def test_a_write_that_is_not_chained_to_its_base_is_our_own_mistake() -> None:
    async def run() -> None:
        store = MemoryStore(lambda: 1)
        await store.apply(introduction())
        row, _ = turned(None, "a")
        with pytest.raises(AssertionError):
            await store.commit([write(turned(row), reads=[("a", bytes(32))])])

    asyncio.run(run())
