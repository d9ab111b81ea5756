"""Rows come into memory together, and those that another process has changed do not stay there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

import pytest
from tests.store.rows import APP, TENANT, introduction, turned, write

from lathe.runtime.cache import Cache
from lathe.runtime.loading import Loading
from lathe.sim.loop import SimLoop, run
from lathe.store.base import UnavailableError
from lathe.store.memory import MemoryStore
from lathe.store.records import EntityRow


class Asked(MemoryStore):
    """Writes down what was asked for; `fails` once."""

    def __init__(self, clock: Callable[[], int], *, is_shared: bool = True) -> None:
        super().__init__(clock, is_shared=is_shared)
        self.questions: list[list[str]] = []
        self.fails = False

    async def load(self, tenant: str, app: str, ids: Sequence[str]) -> dict[str, EntityRow]:
        self.questions.append(list(ids))
        await asyncio.sleep(0.01)
        if self.fails:
            self.fails = False
            raise UnavailableError("it is away")
        return await super().load(tenant, app, ids)


def with_two(
    check: Callable[[Asked, Cache, Loading], Coroutine[object, object, None]],
    *,
    is_shared: bool = True,
    in_order: bool = False,
) -> None:
    """A store with the entities a and b, and what reads from it; `in_order`: in a loop that does first what
    was asked for first.
    """

    async def main(loop: SimLoop | None = None) -> None:
        store = Asked(loop.now_ms if loop is not None else lambda: 0, is_shared=is_shared)
        await store.apply(introduction())
        await store.commit([write(turned(None, "a")), write(turned(None, "b"))])
        cache = Cache()
        loading = Loading(store, cache)
        store.on_written(loading.hear)
        running = asyncio.create_task(loading.run())
        await check(store, cache, loading)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    if in_order:
        asyncio.run(main())
    else:
        run(main, 1)


async def loaded(loading: Loading, *names: str) -> list[int | None]:
    """The revisions of entities that are asked for at once."""
    found = await asyncio.gather(*(loading.load(TENANT, APP, name) for name in names))
    return [None if held is None else held.revision for held in found]


async def changed(store: Asked, name: str) -> None:
    """Another process takes a step, and it is heard of."""
    row = (await MemoryStore.load(store, TENANT, APP, [name]))[name]
    (answer,) = await store.commit([write(turned(row))])
    assert answer.verdict == "accepted"
    await asyncio.sleep(0.1)


def test_what_is_asked_for_in_one_turn_is_one_question() -> None:
    async def check(store: Asked, cache: Cache, loading: Loading) -> None:
        assert await loaded(loading, "b", "a", "nobody", "a") == [1, 1, None, 1]
        assert store.questions == [["a", "b", "nobody"]]
        assert cache.committed((TENANT, APP, "nobody")) is None

    with_two(check, in_order=True)


def test_a_store_in_this_process_is_asked_for_each() -> None:
    async def check(store: Asked, cache: Cache, loading: Loading) -> None:
        assert await loaded(loading, "a", "b") == [1, 1]
        assert store.questions == [["a"], ["b"]]

    with_two(check, is_shared=False)


def test_what_the_store_raises_is_raised_for_all_and_not_kept() -> None:
    async def check(store: Asked, cache: Cache, loading: Loading) -> None:
        store.fails = True
        both = [loading.load(TENANT, APP, name) for name in ("a", "b")]
        found = await asyncio.gather(*both, return_exceptions=True)
        assert [type(one) for one in found] == [UnavailableError] * 2
        assert await loaded(loading, "a") == [1]

    with_two(check, in_order=True)


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_who_joined_a_question_gets_its_answer_though_who_put_it_is_gone(turns: int) -> None:
    async def check(store: Asked, cache: Cache, loading: Loading) -> None:
        first, second = (asyncio.create_task(loading.load(TENANT, APP, name)) for name in ("a", "b"))
        for _ in range(turns):
            await asyncio.sleep(0)
        first.cancel()
        held = await second
        assert held is not None
        assert held.entity.id == "b"
        assert first.cancelled()

    with_two(check)


def test_what_another_process_changes_is_read_again_once_for_each_use() -> None:
    async def check(store: Asked, cache: Cache, loading: Loading) -> None:
        key = (TENANT, APP, "a")
        await loaded(loading, "a")
        await changed(store, "a")
        assert cache.committed(key) is not None
        assert store.questions == [["a"], ["a"]]
        await changed(store, "a")
        assert key not in cache, "nobody has used it since"
        assert store.questions == [["a"], ["a"]]
        assert await loaded(loading, "a") == [3]
        cache.newest(key)
        await changed(store, "a")
        assert (held := cache.newest(key)) is not None
        assert held.revision == 4

    with_two(check)


def test_what_is_not_in_memory_is_nothing_to_hear_of() -> None:
    async def check(store: Asked, cache: Cache, loading: Loading) -> None:
        await changed(store, "a")
        loading.hear([(TENANT, APP, "a", 2), (TENANT, "other", "a", 9)])
        await asyncio.sleep(0.1)
        assert store.questions == []

    with_two(check)


def test_where_the_store_is_away_what_was_changed_stays_forgotten() -> None:
    async def check(store: Asked, cache: Cache, loading: Loading) -> None:
        await loaded(loading, "a")
        store.fails = True
        await changed(store, "a")
        assert (TENANT, APP, "a") not in cache
        await asyncio.sleep(5)
        assert await loaded(loading, "a") == [2]
        await changed(store, "a")
        assert (TENANT, APP, "a") in cache, "it is listened on"

    with_two(check)
