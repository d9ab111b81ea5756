"""The laws of the contract, each against each store."""

from __future__ import annotations

import pytest
from tests.store import test_governed  # noqa: F401  its laws
from tests.store.contract import LAWS, Law
from tests.store.duties import full, replayed
from tests.store.stores import KINDS, Opening

from lathe.store.base import Store
from lathe.store.memory import MemoryStore


@pytest.mark.parametrize("check", LAWS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_the_law(kind: str, check: Law, opening: Opening) -> None:
    opening.run(kind, check)


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_store_dumps_another_takes_in(kind: str, opening: Opening) -> None:
    async def through(store: Store) -> None:
        await full(store)
        dumped = [row async for row in store.dump()]
        other = MemoryStore(lambda: 2_000_000_000_000)
        assert await other.restore(replayed(dumped)) == len(dumped)
        assert [row async for row in other.dump()] == dumped

    opening.run(kind, through)


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_takes_in_what_memory_dumps(kind: str, opening: Opening) -> None:
    async def through(store: Store) -> None:
        source = MemoryStore(lambda: 2_000_000_000_000)
        await full(source)
        dumped = [row async for row in source.dump()]
        assert await store.restore(replayed(dumped)) == len(dumped)
        # What was archived, and when, is the clock's; the rest is the same whoever keeps it.
        assert [row async for row in store.dump()] == dumped
        assert await store.position() == await source.position()

    opening.run(kind, through)
