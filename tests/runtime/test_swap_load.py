"""A swap while everybody writes: it comes through, nobody fails, and nobody is left where nothing is."""

from __future__ import annotations

import asyncio

import pytest

from lathe.lang import digest
from lathe.runtime.engine import Committed, Refused
from lathe.runtime.swap import RefusedSwap, Swapper
from lathe.sim.loop import SimLoop, run
from lathe.store.memory import MemoryStore

from .harness import TENANT, Admits, act, create, install, node_of, read
from .oracles import journal_replays

SEEDS = range(3)
COUNTER = """
blueprint = "Counter"
[state]
open = { initial = true, waits = "somebody" }
aside = { waits = "somebody" }
shut = { final = true }
[field]
total = { type = "int", range = [0, 1000000], default = 0 }
[action]
create = { by = "role:clerk" }
add = { from = "open", by = "role:clerk", do = ["total += 1"] }
leave = { from = "open", to = "aside", by = "role:clerk" }
close = { from = ["open", "aside"], to = "shut", by = "role:clerk" }
"""
MORE = COUNTER.replace("[action]", 'marks = { type = "int", range = [0, 9], default = 0 }\n[action]')
FEWER = (
    COUNTER.replace('aside = { waits = "somebody" }\n', "")
    .replace('leave = { from = "open", to = "aside", by = "role:clerk" }\n', "")
    .replace('["open", "aside"]', '"open"')
)


def files(text: str) -> dict[str, bytes]:
    return {"counter.blueprint.toml": text.encode()}


class Slow(MemoryStore):
    """A store that takes its time to find, so that much happens between two pages and the commit."""

    async def find(self, query):  # type: ignore[no-untyped-def]
        await asyncio.sleep(0.05)
        return await super().find(query)


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_entities_that_are_written_all_the_time_are_brought_over(seed: int, is_shared: bool) -> None:
    async def main(loop: SimLoop) -> None:
        store = Slow(loop.now_ms, is_shared=is_shared)
        app = await install(store, files(COUNTER))
        nodes = [node_of(loop, store, worker=str(n)) for n in range(2 if is_shared else 1)]
        for node in nodes:
            await node.start()
        names = [await create(nodes[0], app, "Counter") for _ in range(20)]
        is_over = False
        taken = 0

        async def writes(number: int) -> None:
            nonlocal taken
            while not is_over:
                node = nodes[number % len(nodes)]
                found = await act(node, app, loop.random.choice(names), "add")
                assert isinstance(found, Committed), found
                taken += 1
                await asyncio.sleep(0.001)

        writing = [asyncio.create_task(writes(n)) for n in range(6)]
        await asyncio.sleep(0.5)
        swapper = Swapper(nodes[0].engine, Admits())
        for text in (MORE, COUNTER, MORE):
            judged = await swapper.judge(TENANT, files(text), accept_bounds=True)
            applied = await swapper.apply(
                TENANT, files(text), judged, confirm=None, by="ann", allow_breaking=True
            )
            assert (applied.moved, applied.tries) == (20, 1)
            await asyncio.sleep(0.2)
        is_over = True
        await asyncio.gather(*writing)
        live = nodes[0].engine.catalog.live(TENANT, app.name)
        assert live.digest == digest(read(files(MORE)))
        total = 0
        for name in names:
            held = await nodes[0].engine.read(live, name)
            assert held is not None
            total += int(str(held.entity.fields["total"]))
        assert total == taken > 100
        for node in nodes:
            await node.stop()
        await journal_replays(store, app, read(files(MORE)))

    run(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_who_moves_where_nothing_will_be_keeps_the_swap_away(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        store = Slow(loop.now_ms)
        app = await install(store, files(COUNTER))
        node = node_of(loop, store)
        await node.start()
        names = [await create(node, app, "Counter") for _ in range(5)]
        swapper = Swapper(node.engine, Admits())
        judged = await swapper.judge(TENANT, files(FEWER), accept_bounds=True)

        async def leaves() -> None:
            await asyncio.sleep(0.075)  # the plan is made; the entities are being looked at
            assert isinstance(await act(node, app, names[2], "leave"), Committed)

        leaving = asyncio.create_task(leaves())
        with pytest.raises(RefusedSwap, match=names[2]):
            await swapper.apply(TENANT, files(FEWER), judged, confirm=None, by="ann", allow_breaking=True)
        await leaving
        assert node.engine.catalog.live(TENANT, app.name).digest == digest(app)
        assert not isinstance(await act(node, app, names[2], "close"), Refused)
        await node.stop()

    run(main, seed)
