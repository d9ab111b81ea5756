"""Commands in a simulated world: committed, refused, decided anew."""

from __future__ import annotations

import asyncio

import pytest

from lathe.runtime.engine import Committed, Refused
from lathe.sim.loop import SimLoop, run
from lathe.store.memory import MemoryStore

from .harness import act, create, example, install, node_of, state_of
from .oracles import journal_replays

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


GHOSTED = {
    "leaf.blueprint.toml": b"""
blueprint = "Leaf"
[state]
only = { initial = true, waits = "somebody marks it" }
[field]
stem = { type = "ref", to = "Leaf" }
[ghost]
marks = { type = "int", range = [0, 3], default = 0 }
[action]
create = { by = "role:hand" }
hang = { from = "only", by = "role:hand", sets = ["stem"] }
mark = { from = "only", by = "role:hand", ghost = ["stem.marks += 1"] }
"""
}


def test_the_first_entry_of_a_step_is_that_of_the_entity_that_it_is_about() -> None:
    """Also where another one is written for its ghosts alone: a replay takes the event from there."""

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, GHOSTED)
        node = node_of(loop, store)
        await node.start()
        stem = await create(node, app, "Leaf")
        leaf = await create(node, app, "Leaf")
        await act(node, app, leaf, "hang", stem=stem)
        result = await act(node, app, leaf, "mark")
        assert isinstance(result, Committed)
        assert [entry.entity for entry in result.write.entries] == [leaf, stem]
        await node.stop()
        await journal_replays(store, app)

    run(main, 1)
