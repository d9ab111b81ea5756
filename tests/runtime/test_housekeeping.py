"""What a process does from time to time, in a simulated world: what it moves, what it keeps, how much."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.runtime.harness import TENANT, Admits, act, create, install, node_of

from lathe.runtime.engine import Committed
from lathe.runtime.housekeeping import Housekeeper
from lathe.runtime.intents import Intents
from lathe.runtime.monitor import Monitor
from lathe.runtime.node import Node
from lathe.runtime.swap import Swapper
from lathe.sim.loop import SimLoop, run
from lathe.store.base import UnavailableError
from lathe.store.faults import Point
from lathe.store.memory import MemoryStore
from lathe.store.records import Checkpoint
from lathe.store.verify import verify

LAMP = {
    "app.toml": b'app = "light"\n[role]\nann = "a"\n',
    "lamp.blueprint.toml": b"""
blueprint = "Lamp"
retain = "1h"
[state]
on = { initial = true, waits = "ann" }
off = { final = true }
[field]
turns = { type = "int", range = [0, 9], default = 0 }
[action]
create = { by = "role:ann" }
turn = { from = "on", by = "role:ann", when = "turns < 9", do = ["turns += 1"] }
end = { from = "on", to = "off", by = "role:ann" }
[invariant]
few_turns = "turns < 2"
""",
}
HOUR_SECONDS = 3_600


class Waiting(MemoryStore):
    """Adds a checkpoint only when its event says so, if it has one."""

    waits: list[asyncio.Event]

    async def add_checkpoint(self, checkpoint: Checkpoint, *, after: int) -> bool:
        if self.waits:
            await self.waits.pop().wait()
        return await super().add_checkpoint(checkpoint, after=after)


def house_of(node: Node, loop: SimLoop) -> Housekeeper:
    return Housekeeper(
        node.engine, Intents(loop), monitor_of(loop), key=b"k", failed=lambda work, error: None
    )


def monitor_of(loop: SimLoop) -> Monitor:
    return Monitor(lambda alert: None, now_ms=loop.now_ms, sampled=lambda: True)


def test_what_lives_stays_in_memory_when_others_are_archived() -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, LAMP)
        node = node_of(loop, store)
        await node.start()
        old, live = [await create(node, app, "Lamp") for _ in range(2)]
        await act(node, app, old, "end")
        loop.jump(2 * HOUR_SECONDS)
        await house_of(node, loop).archive()
        known = {name for name in (old, live) if (TENANT, "light", name) in node.engine.cache}
        assert known == {live}
        current = node.engine.catalog.live(TENANT, "light")
        assert await node.engine.read(current, old) is None
        assert isinstance(await act(node, app, live, "turn"), Committed)
        await node.stop()

    run(main, 1)


def test_checkpoints_of_two_processes_rest_on_one_another() -> None:
    """Both began at the same one, and the one that has come further is written last."""

    async def main(loop: SimLoop) -> None:
        store = Waiting(loop.now_ms, is_shared=True)
        store.waits = []
        app = await install(store, LAMP)
        nodes = [node_of(loop, store, worker=name) for name in ("one", "two")]
        for node in nodes:
            await node.start()
        lamp = await create(nodes[0], app, "Lamp")
        first, second = asyncio.Event(), asyncio.Event()
        binding = []
        for node, event in zip(nodes, (first, second), strict=True):
            store.waits = [event]
            binding.append(asyncio.create_task(house_of(node, loop).bind()))
            while store.waits:
                await asyncio.sleep(0)
            await act(nodes[0], app, lamp, "turn")
        for task, event in zip(binding, (first, second), strict=True):
            event.set()
            await task
        await house_of(nodes[1], loop).bind()
        assert [c.position for c in await store.checkpoints(limit=9)] == [3, 1]
        assert [broken async for broken in verify(store)] == []
        for node in nodes:
            await node.stop()

    run(main, 1)


def test_what_was_archived_is_not_told_any_more_though_the_store_never_said_so() -> None:
    class Unsaid:
        """The acknowledgement of an archive is lost."""

        async def reach(self, point: Point, method: str, group: object) -> None:
            if (point, method) == ("after", "archive"):
                raise UnavailableError("the connection was cut", maybe=True)

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms, faults=Unsaid())
        app = await install(store, LAMP)
        node = node_of(loop, store)
        await node.start()
        lamp = await create(node, app, "Lamp")
        await act(node, app, lamp, "end")
        loop.jump(2 * HOUR_SECONDS)
        house = Housekeeper(
            node.engine, Intents(loop), monitor_of(loop), key=b"k", failed=lambda work, error: None
        )
        with pytest.raises(UnavailableError):
            await house.archive()
        assert await node.engine.read(node.engine.catalog.live(TENANT, "light"), lamp) is None
        await node.stop()

    run(main, 1)


def test_a_monitor_keeps_the_properties_of_so_many_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lathe.runtime.monitor.WATCHED_LIMIT", 2)

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, LAMP)
        node = node_of(loop, store)
        await node.start()
        monitor = monitor_of(loop)
        lamp = await create(node, app, "Lamp")
        turns = [await act(node, app, lamp, "turn") for _ in range(2)]
        for digest in ("a", "b", "a", "c", "a"):
            for turn in turns:
                assert isinstance(turn, Committed)
                monitor(replace_live(turn, digest))
        assert [key[0] for key in monitor._watched] == ["c", "a"]
        assert [alert.name for alert in monitor.alerts] == ["few_turns"] * 5, "what was dropped is made anew"
        last = monitor.alerts[-1]
        assert (last.tenant, last.entity, last.action, last.version) == (TENANT, lamp, "turn", 3)
        assert last.said.startswith("`few_turns` is false after `turn`, version 3: "), last.said
        await node.stop()

    run(main, 1)


def replace_live(committed: Committed, digest: str) -> Committed:
    """The same step, of a version of this name."""
    live = replace(committed.live, digest=digest)
    return Committed(committed.step, committed.after, live, committed.write)


def test_retain_counts_from_the_end_of_an_entity_whatever_version_wrote_it_since() -> None:
    """The new version writes who ended before it; who it moves into a final state ends then."""
    lamp = LAMP["lamp.blueprint.toml"].decode()
    more = lamp.replace("[action]", 'marks = { type = "int", range = [0, 9], default = 0 }\n[action]')
    more += '[migrate]\nstate = { on = "off" }\n'
    newer = {**LAMP, "lamp.blueprint.toml": more.encode()}

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, LAMP)
        node = node_of(loop, store)
        await node.start()
        ended, live = [await create(node, app, "Lamp") for _ in range(2)]
        await act(node, app, ended, "end")
        loop.jump(HOUR_SECONDS * 2 // 3)
        swapper = Swapper(node.engine, Admits())
        judged = await swapper.judge(TENANT, newer, accept_bounds=True)
        applied = await swapper.apply(TENANT, newer, judged, confirm=None, by="ann", allow_breaking=True)
        assert applied.moved == 2
        loop.jump(HOUR_SECONDS * 2 // 3)
        await house_of(node, loop).archive()
        assert [*await store.load(TENANT, "light", [ended, live])] == [live]
        loop.jump(HOUR_SECONDS * 2 // 3)
        await house_of(node, loop).archive()
        assert [*await store.load(TENANT, "light", [ended, live])] == []
        await node.stop()

    run(main, 1)
