"""Workers that meet what nobody expected tell of it and go on; a drain lets effects end and leases go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lathe.effect.base import Attempt, Ending
from lathe.runtime.backoff import LONGEST_SECONDS, Backoff
from lathe.runtime.housekeeping import SWEEP_SECONDS, Housekeeper
from lathe.runtime.intents import Intents
from lathe.runtime.monitor import Monitor
from lathe.runtime.outbox import DRAIN_SECONDS, LEASE_MS
from lathe.sim.loop import SimLoop, run
from lathe.store.memory import MemoryStore

from .harness import Scripted, act, create, example, install, node_of, state_of

SEEDS = range(5)


class Failing:
    """Fails some calls of a method of a store with what no store raises."""

    def __init__(self, store: MemoryStore, name: str, times: int) -> None:
        self._call = getattr(store, name)
        self.left = times
        setattr(store, name, self)

    async def __call__(self, *given: Any, **named: Any) -> Any:
        if self.left > 0:
            self.left -= 1
            raise ValueError("unexpected")
        return await self._call(*given, **named)


@pytest.mark.parametrize("seed", SEEDS)
def test_effects_and_timers_go_on_after_a_defect(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        files = {n: b.replace(b'after = "15m"', b'after = "5s"') for n, b in example("rollout").items()}
        app = await install(store, files)
        told: list[str] = []

        async def hangs(attempt: Attempt) -> Ending:
            await asyncio.sleep(1_000_000)
            raise AssertionError

        node = node_of(loop, store, Scripted(patch=hangs))
        failed = lambda work, error: told.append(work)  # noqa: E731
        node.outbox._failed = node.timers._failed = failed
        Failing(store, "lease", 3)
        Failing(store, "due_timers", 3)
        await node.start()
        rollout = await create(node, app, "Rollout", replicas=3)
        await act(node, app, rollout, "start", image="broker:2")
        await asyncio.sleep(30)
        assert await state_of(node, app, rollout) == "failed"
        assert told.count("outbox") == told.count("timers") == 3
        await node.stop()

    run(main, seed)


def test_housekeeping_goes_on_after_a_defect() -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        node = node_of(loop, store)
        await node.start()
        told: list[str] = []
        housekeeper = Housekeeper(
            node.engine,
            Intents(loop),
            Monitor(lambda alert: None, now_ms=loop.now_ms, sampled=lambda: True),
            key=b"k" * 32,
            failed=lambda work, error: told.append(work),
        )
        sweeping = Failing(store, "sweep", 2)
        housekeeper.start()
        await asyncio.sleep(10 * SWEEP_SECONDS)
        assert told == ["sweep", "sweep"] and sweeping.left == 0
        swept = store.sweep
        assert isinstance(swept, Failing)
        await housekeeper.stop()
        await node.stop()

    run(main, 1)


def test_waits_double_up_to_a_bound() -> None:
    backoff = Backoff(1.0)
    waits = [backoff.next() for _ in range(9)]
    assert waits[:4] == [1, 2, 4, 8] and waits[-1] == LONGEST_SECONDS
    backoff.reset()
    assert backoff.next() == 1.0


@pytest.mark.parametrize("seed", SEEDS)
def test_what_runs_may_end_while_the_process_stops(seed: int) -> None:
    async def slow(attempt: Attempt) -> Ending:
        await asyncio.sleep(DRAIN_SECONDS / 2)
        return Ending(ok=True)

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, example("rollout"))
        adapter = Scripted(patch=slow)
        node = node_of(loop, store, adapter)
        await node.start()
        rollout = await create(node, app, "Rollout", replicas=3)
        await act(node, app, rollout, "start", image="broker:2")
        await asyncio.sleep(1)
        await node.stop()
        assert await state_of(node, app, rollout) == "verifying"
        assert [a.effect for a in adapter.attempts] == ["patch"]  # and nothing new is begun

    run(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_cut_off_is_taken_up_by_another_at_once(seed: int) -> None:
    async def hangs(attempt: Attempt) -> Ending:
        await asyncio.sleep(1_000_000)
        raise AssertionError

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms, is_shared=True)
        app = await install(store, example("rollout"))
        first = node_of(loop, store, Scripted(patch=hangs), worker="first")
        await first.start()
        rollout = await create(first, app, "Rollout", replicas=3)
        await act(first, app, rollout, "start", image="broker:2")
        await asyncio.sleep(1)
        second = node_of(loop, store, worker="second")
        await second.start()
        begun = loop.time()
        await first.stop()
        assert DRAIN_SECONDS <= loop.time() - begun < DRAIN_SECONDS + 1
        await asyncio.sleep(LEASE_MS / 1000 / 3)
        assert await state_of(second, app, rollout) == "done"
        await second.stop()

    run(main, seed)
