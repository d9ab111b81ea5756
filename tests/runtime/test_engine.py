"""Commands in a simulated world: committed, refused, decided anew."""

from __future__ import annotations

import asyncio

import pytest

from lathe.runtime.engine import Committed, Refused
from lathe.sim.loop import SimLoop, run
from lathe.store.memory import MemoryStore

from .harness import act, create, example, install, node_of, state_of

SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_action_is_committed_with_its_journal(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, example("lease_queue"))
        node = node_of(loop, store)
        await node.start()
        job = await create(node, app, "Job", work="{}")
        taken = await act(node, app, job, "take")
        assert isinstance(taken, Committed)
        assert await state_of(node, app, job) == "leased"
        entries = await store.history("main", app.name, job)
        assert [e.kind for e in entries] == ["create", "act"]
        await node.stop()

    run(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_many_at_once_one_is_taken(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, example("lease_queue"))
        node = node_of(loop, store)
        await node.start()
        job = await create(node, app, "Job", work="{}")
        results = await asyncio.gather(*(act(node, app, job, "take") for _ in range(10)))
        assert sum(isinstance(r, Committed) for r in results) == 1
        refused = [r for r in results if isinstance(r, Refused)]
        assert {r.refusal.reason for r in refused} == {"state"}
        await node.stop()

    run(main, seed)
