"""Notices of one effect do not wait for one another, and none is taken for another."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from msgspec import json

from lathe.effect.base import Attempt, Ending
from lathe.lang.model import Json
from lathe.sim.loop import SimLoop, run
from lathe.store.base import UnavailableError
from lathe.store.memory import MemoryStore
from lathe.store.records import Write

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
        assert await _emitted(store) == list(range(5))
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


class Prompted(Scripted):
    """An adapter that has nothing to do for a notice, unless it is the one of `at`."""

    def __init__(self, at: int = -1) -> None:
        super().__init__()
        self._at = at

    def at_once(self, request: Mapping[str, Json]) -> Ending | None:
        data = request["data"]
        assert isinstance(data, dict)
        return None if data["at"] == self._at else Ending(ok=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_notice_for_which_there_is_nothing_to_do_is_told_at_once_and_once(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        store, performer = MemoryStore(loop.now_ms), Prompted(at=3)
        app = await install(store, FILES)
        node = node_of(loop, store, performer)
        await node.start()
        await asyncio.sleep(1)
        bells = [await create(node, app, "Bell") for _ in range(3)]
        begun = loop.time()
        await asyncio.gather(*(act(node, app, bells[at % 3], "ring", at=at) for at in range(7)))
        while len(await _emitted(store)) < 7:
            await asyncio.sleep(0)
        assert loop.time() == begun, "nothing was waited for"
        assert [attempt.request["data"] for attempt in performer.attempts] == [{"at": 3}]
        assert await _emitted(store) == list(range(7))
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_notice_that_is_told_at_once_outlives_a_store_that_fails(seed: int) -> None:
    class Fails:
        at = ""

        async def reach(self, point: str, method: str, group: Sequence[Write]) -> None:
            if point == self.at and method == "commit" and all(w.entries[0].kind == "notify" for w in group):
                raise UnavailableError("it fails", maybe=point == "after")

    async def main(loop: SimLoop) -> None:
        faults = Fails()
        store = MemoryStore(loop.now_ms, faults=faults)
        app = await install(store, FILES)
        node = node_of(loop, store, Prompted())
        await node.start()
        await asyncio.sleep(1)
        bell = await create(node, app, "Bell")
        faults.at = loop.random.choice(["before", "after"])
        for at in range(5):
            await act(node, app, bell, "ring", at=at)
        await asyncio.sleep(loop.random.random() * 3)
        faults.at = ""
        await asyncio.sleep(120)
        assert await _emitted(store) == list(range(5))
        assert node.outbox.running == 0
        assert await store.next_due_ms() is None
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)


async def _emitted(store: MemoryStore) -> list[int]:
    """What the notices that were told say, in order."""
    entries = [e for e in await whole_journal(store) if e.kind == "notify"]
    return sorted(json.decode(e.payload or b"{}")["event"]["emitted"]["data"]["at"] for e in entries)
