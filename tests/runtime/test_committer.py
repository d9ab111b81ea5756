"""The one way to the store: a write that no store can take, a full queue, a queue that is over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from lathe.runtime import committer as committing
from lathe.runtime.committer import Committer, OverloadedError
from lathe.runtime.engine import Committed, Engine
from lathe.runtime.loading import held_of
from lathe.sim.loop import SimLoop, run
from lathe.store.base import UnstorableError
from lathe.store.memory import MemoryStore
from lathe.store.records import Answer, Write

from .harness import Scripted, act, create, example, install, node_of, person, state_of
from .oracles import journal_replays

SEEDS = range(10)


class Chokes:
    """Raises what no store should when a group has a write of one entity."""

    def __init__(self, error: Exception) -> None:
        self.entity = ""
        self._error = error

    async def reach(self, point: str, method: str, group: Sequence[Write]) -> None:
        await asyncio.sleep(0.001)
        if point == "before" and any(self.entity == row.id for write in group for row in write.entities):
            raise self._error


@pytest.mark.parametrize("error", [OverflowError("too large for a column"), UnstorableError("a NUL")])
@pytest.mark.parametrize("seed", SEEDS[:5])
def test_a_write_that_the_store_chokes_on_fails_alone(seed: int, error: Exception) -> None:
    async def main(loop: SimLoop) -> None:
        faults = Chokes(error)
        store = MemoryStore(loop.now_ms, faults=faults)
        app = await install(store, example("lease_queue"))
        node = node_of(loop, store)
        await node.start()
        jobs = [await create(node, app, "Job", work="{}") for _ in range(5)]
        faults.entity = jobs[2]
        found = await asyncio.gather(
            *(act(node, app, job, "take", person(app, f"w{job}")) for job in jobs), return_exceptions=True
        )
        said = [type(one).__name__ for one in found]
        assert said == [type(error).__name__ if job == faults.entity else "Committed" for job in jobs], found
        faults.entity = ""
        assert isinstance(await act(node, app, jobs[2], "take"), Committed)
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)


def test_after_its_end_nothing_waits_for_ever() -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, example("lease_queue"))
        node = node_of(loop, store)
        await node.start()
        job = await create(node, app, "Job", work="{}")
        await node.stop()
        with pytest.raises(OverloadedError):
            async with asyncio.timeout(1000):
                await act(node, app, job, "take")

    run(main, 0)


def test_who_waits_when_it_is_killed_is_cancelled() -> None:
    class Hangs:
        async def reach(self, point: str, method: str, group: Sequence[Write]) -> None:
            if method == "commit":
                await asyncio.sleep(1_000_000)

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms, faults=Hangs())
        app = await install(store, example("lease_queue"))
        node = node_of(loop, store)
        await node.start()
        making = [asyncio.create_task(create(node, app, "Job", work="{}")) for _ in range(3)]
        await asyncio.sleep(1)
        making.append(asyncio.create_task(create(node, app, "Job", work="{}")))
        await asyncio.sleep(1)
        killed = node.engine._task
        assert killed is not None
        killed.cancel()
        async with asyncio.timeout(10):
            found = await asyncio.gather(*making, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in found)

    run(main, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_queue_does_not_end_the_timers(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        files = {n: b.replace(b'after = "15m"', b'after = "5s"') for n, b in example("rollout").items()}
        app = await install(store, files)

        async def hangs(attempt: object) -> None:
            await asyncio.sleep(1_000_000)

        node = node_of(loop, store, Scripted(patch=hangs))
        await node.start()
        rollout = await create(node, app, "Rollout", replicas=3)
        await act(node, app, rollout, "start", image="x")
        await asyncio.sleep(2)
        monkeypatch.setattr(committing, "QUEUE_LIMIT", 0)
        await asyncio.sleep(6)
        assert await state_of(node, app, rollout) == "rolling"
        monkeypatch.setattr(committing, "QUEUE_LIMIT", 100)
        await asyncio.sleep(60)
        assert await state_of(node, app, rollout) == "failed"
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)


class LateReader(MemoryStore):
    """Reads whose answers arrive after what was committed in between."""

    late = 0.0

    async def load(self, tenant: str, app: str, ids: Sequence[str]):  # type: ignore[no-untyped-def]
        rows = await super().load(tenant, app, ids)
        if self.late:
            await asyncio.sleep(self.late)
        return rows


@pytest.mark.parametrize("seed", SEEDS)
def test_a_read_that_comes_back_late_hides_no_commit(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        store = LateReader(loop.now_ms)
        app = await install(store, example("lease_queue"))
        first = node_of(loop, store)
        await first.start()
        job = await create(first, app, "Job", work="{}")
        live = first.engine.catalog.live("main", app.name)
        first.engine.cache.forget_app("main", app.name)
        store.late = 1.0
        reading = asyncio.create_task(first.engine.read(live, job))
        await asyncio.sleep(0.1)
        store.late = 0.0
        assert isinstance(await act(first, app, job, "take"), Committed)
        await reading
        assert await state_of(first, app, job) == "leased"
        await first.stop()

    run(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_forgetting_what_is_queued_hides_no_commit(seed: int) -> None:
    """Archiving drops an app's entities from memory while others are being written."""

    class Slow:
        async def reach(self, point: str, method: str, group: Sequence[Write]) -> None:
            if method == "commit" and point == "before":
                await asyncio.sleep(1)

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms, faults=Slow())
        app = await install(store, example("lease_queue"))
        node = node_of(loop, store)
        await node.start()
        job = await create(node, app, "Job", work="{}")
        taking = asyncio.create_task(act(node, app, job, "take"))
        await asyncio.sleep(0.1)
        node.engine.cache.forget_app("main", app.name)
        await state_of(node, app, job)
        await taking
        assert await state_of(node, app, job) == "leased"
        await node.stop()

    run(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_memory_smaller_than_one_step_is_enough(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, example("order"))
        node = node_of(loop, store)
        node.engine.cache._limit = 0
        await node.start()
        live = node.engine.catalog.live("main", app.name)
        names = list(live.table.blueprints)
        assert names
        assert await node.engine.read(live, "nobody") is None
        await node.stop()

        app = await install(store, example("lease_queue"))
        node = node_of(loop, store)
        node.engine.cache._limit = 0
        await node.start()
        job = await create(node, app, "Job", work="{}")
        taken = await act(node, app, job, "take")
        assert isinstance(taken, Committed)
        rows = await store.load("main", app.name, [job])
        assert held_of(rows[job]).entity.state == "leased"
        await node.stop()

    run(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_refusal_comes_though_others_never_rest(seed: int) -> None:
    """A refused command waits for no end of what others queue on the same entity."""

    class Slow:
        async def reach(self, point: str, method: str, group: Sequence[Write]) -> None:
            if method == "commit" and point == "before":
                await asyncio.sleep(0.01)

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms, faults=Slow())
        files = {
            "tally.blueprint.toml": b"""
blueprint = "Tally"
[state]
open = { initial = true, waits = "anybody" }
[field]
count = { type = "int", range = [0, 1000000], default = 0 }
[action]
create = { by = "role:user" }
add = { from = "open", by = "role:user", do = ["count += 1"] }
never = { from = "open", by = "role:user", when = "count < 0" }
"""
        }
        app = await install(store, files)
        node = node_of(loop, store)
        await node.start()
        tally = await create(node, app, "Tally")
        is_over = False

        async def adds() -> None:
            while not is_over:
                await act(node, app, tally, "add")

        others = [asyncio.create_task(adds()) for _ in range(8)]
        await asyncio.sleep(0.1)
        async with asyncio.timeout(5):
            refused = await act(node, app, tally, "never")
        assert refused.refusal.reason == "guard"  # type: ignore[union-attr]
        is_over = True
        await asyncio.gather(*others)
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)


def test_the_queue_is_bounded() -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        engine = Engine(store, loop, None)  # type: ignore[arg-type]
        found = Committer(store, lambda write, answer: None)
        write = Write("main", "a", "", 1, (), (), ())
        for _ in range(committing.QUEUE_LIMIT):
            found.submit(write)
        with pytest.raises(OverloadedError):
            found.submit(write)
        assert engine.committer.depth == 0

    run(main, 0)


def test_a_group_takes_in_what_is_queued_until_the_store_looks_at_it() -> None:
    class Slow:
        async def reach(self, point: str, method: str, group: Sequence[Write]) -> None:
            if method == "commit":
                await asyncio.sleep(1)

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms, faults=Slow())
        app = await install(store, example("lease_queue"))
        node = node_of(loop, store)
        await node.start()
        making = []
        for _ in range(5):
            making.append(asyncio.create_task(create(node, app, "Job", work="{}")))
            await asyncio.sleep(0.1)
        assert node.engine.committer.depth == 5
        await asyncio.sleep(0.7)
        assert node.engine.committer.depth == 0, "it is looked at, and closed"
        making.append(asyncio.create_task(create(node, app, "Job", work="{}")))
        await asyncio.gather(*making)
        assert (node.engine.committer.groups, node.engine.committer.writes) == (2, 6)
        await node.stop()
        await journal_replays(store, app)

    run(main, 0)


class Eager(MemoryStore):
    """A store with a thread of its own, as it were: it begins when it is asked, and takes `seconds`."""

    begins_at_once = True

    def __init__(self, loop: SimLoop) -> None:
        super().__init__(loop.now_ms)
        self.seconds = 0.001
        self.committer = Committer(self, lambda write, answer: None)
        self.begun: list[int] = []
        """How many writes were queued when it was asked."""

    def commit(self, group: Sequence[Write]) -> asyncio.Task[list[Answer]]:  # type: ignore[override]
        self.begun.append(self.committer.depth)
        return asyncio.create_task(self._answers(group))

    async def _answers(self, group: Sequence[Write]) -> list[Answer]:
        taken = [*group]
        await asyncio.sleep(self.seconds)
        return [Answer("accepted") for _ in taken]


def _write(number: int) -> Write:
    return Write("main", "a", f"{number}", 1, (), (), ())


def test_a_group_is_begun_once_half_of_what_is_under_way_is_queued() -> None:
    async def main(loop: SimLoop) -> None:
        store = Eager(loop)
        running = asyncio.create_task(store.committer.run())
        await asyncio.sleep(0.1)

        async def asked_when(count: int) -> list[int]:
            """Queue so many in one turn; how many there were each time that the store was asked."""
            store.begun.clear()
            answers = await asyncio.gather(*[store.committer.submit(_write(n)) for n in range(count)])
            assert [answer.verdict for answer in answers] == ["accepted"] * count
            return [*store.begun]

        assert await asked_when(32) == [committing.EARLY_WRITES], "nothing is known yet"
        assert await asked_when(32) == [16]
        assert await asked_when(32) == [16]
        assert await asked_when(7) == [7], "so few are not worth a group of their own"
        store.seconds = 2 * committing.EARLY_SECONDS
        assert await asked_when(32) == [16]
        assert await asked_when(32) == [32], "the store takes longer than the rest of the turn"
        store.committer.close()
        await running

    run(main, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_group_that_is_begun_and_that_nobody_waits_for_yet_is_told_of_the_end(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        store = Eager(loop)
        running = asyncio.create_task(store.committer.run())
        await asyncio.sleep(0.1)
        waiting = [store.committer.submit(_write(n)) for n in range(32)]
        running.cancel()
        async with asyncio.timeout(10):
            found = await asyncio.gather(*waiting, return_exceptions=True)
        assert store.begun == [committing.EARLY_WRITES]
        assert all(isinstance(one, asyncio.CancelledError) for one in found)

    run(main, seed)
