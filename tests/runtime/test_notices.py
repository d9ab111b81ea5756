"""Notices of one effect do not wait for one another, and none is taken for another."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from msgspec import json

from lathe.effect.base import Attempt, Ending
from lathe.sim.loop import SimLoop, run
from lathe.store.base import UnavailableError
from lathe.store.memory import MemoryStore

from .harness import Scripted, act, create, install, node_of
from .oracles import journal_replays, whole_journal

SEEDS = range(15)
FILES = {
    "bell.blueprint.toml": b"""
blueprint = "Bell"
[state]
up = { initial = true, waits = "somebody rings" }
[field]
count = { type = "int", range = [0, 100], default = 0 }
[action]
create = { by = "role:user" }
ring = { from = "up", by = "role:user", args = { at = { type = "int", range = [0, 100] } }, run = "tell" }
[effect.tell]
uses = "emit"
with = { type = "rung", data = { at = "{arg.at}" } }
attempts = 5
backoff = "1s..2s"
"""
}


@pytest.mark.parametrize("seed", SEEDS)
def test_each_notice_is_told_once(seed: int) -> None:
    told: Counter[object] = Counter()

    async def main(loop: SimLoop) -> None:
        async def tells(attempt: Attempt) -> Ending:
            at = attempt.request["data"]["at"]  # type: ignore[index,call-overload]
            if at == 0 and attempt.number < 3:
                return Ending(ok=False, cause="unreachable", again=True)
            await asyncio.sleep(loop.random.random())
            told[at] += 1
            return Ending(ok=True)

        store = MemoryStore(loop.now_ms)
        app = await install(store, FILES)
        node = node_of(loop, store, Scripted(tell=tells))
        await node.start()
        bell = await create(node, app, "Bell")
        for at in range(5):
            await act(node, app, bell, "ring", at=at)
        await asyncio.sleep(120)
        assert told == dict.fromkeys(range(5), 1)
        entries = [e for e in await whole_journal(store) if e.kind == "notify"]
        emitted = [json.decode(e.payload or b"{}")["event"]["emitted"]["data"]["at"] for e in entries]
        assert sorted(emitted) == list(range(5))
        assert await store.next_due_ms() is None
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_has_happened_outside_is_not_done_again_for_a_store_that_pauses(seed: int) -> None:
    done: list[str] = []

    class Pauses:
        is_away = False

        async def reach(self, point: str, method: str, group: object) -> None:
            if self.is_away:
                raise UnavailableError("it pauses")

    async def main(loop: SimLoop) -> None:
        faults = Pauses()
        store = MemoryStore(loop.now_ms, faults=faults)

        async def once(attempt: Attempt) -> Ending:
            done.append(attempt.id)
            await asyncio.sleep(1)
            faults.is_away = True
            loop.call_later(3, lambda: setattr(faults, "is_away", False))
            return Ending(ok=True)

        app = await install(store, FILES)
        node = node_of(loop, store, Scripted(tell=once))
        await node.start()
        bell = await create(node, app, "Bell")
        await act(node, app, bell, "ring", at=1)
        await asyncio.sleep(60)
        assert len(done) == 1
        assert await store.next_due_ms() is None
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)
