"""The store in memory, which simulations trust, does what the real ones do: the same random sequences of
operations, conflicts among them, give the same answers and leave the same rows, also over a restart.

`LATHE_ALIKE_SEEDS=500 pytest tests/store/test_alike.py` compares more of them.
"""

from __future__ import annotations

import asyncio
import os

import pytest
from tests.store.alike import Sequencing, begin, everything
from tests.store.contract import settled
from tests.store.stores import NOW_MS, Opening

from lathe.store.base import Store
from lathe.store.memory import MemoryStore

SEEDS = int(os.environ.get("LATHE_ALIKE_SEEDS", "8"))
STEPS = 80
RESTART = 0.03
"""How likely it is, at each step, that the store is opened again, after it was closed or has crashed."""
CRASH = 0.5


async def later(store: Store) -> None:
    """Until the store's own clock has gone on: a lease that ran out is due since then."""
    if store.name == "postgres":
        now = await store.now_ms()
        while await store.now_ms() == now:
            await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_real_store_does_what_the_one_in_memory_does(kind: str, seed: int, opening: Opening) -> None:
    moment = [NOW_MS]

    def clock() -> int:
        return moment[0]

    place = opening.place(kind, clock)

    async def main() -> None:
        memory = MemoryStore(clock)
        store = place.store()
        asking = Sequencing(seed, memory)
        await store.open()
        try:
            await begin(memory)
            await begin(store)
            for number in range(STEPS):
                asked = await asking.next()
                wanted = await asked.does(memory)
                found = await asked.does(store)
                assert found == wanted, f"seed {seed}, step {number}: {asked.name}"
                moment[0] += 1
                await later(store)
                if asking.draw() < RESTART:
                    if asking.draw() < CRASH:
                        await place.crash(store)
                    else:
                        await store.close()
                    store = place.store()
                    await store.open()
            await settled(store, await memory.position())
            assert await everything(store) == await everything(memory), f"seed {seed}: what is left"
        finally:
            await store.close()
            await place.leave()

    opening.loop.run_until_complete(main())
