"""Effects, calls and timers in a simulated world."""

from __future__ import annotations

import asyncio

import pytest

from lathe.api.entities.view import entry
from lathe.effect.base import Attempt, Ending
from lathe.runtime.catalog import Live
from lathe.runtime.plan import Held
from lathe.sim.loop import SimLoop, run
from lathe.store.memory import MemoryStore

from .harness import Scripted, act, create, example, install, node_of, person, state_of
from .oracles import journal_replays

SEEDS = range(15)


async def settled(loop: SimLoop, seconds: float = 30.0) -> None:
    await asyncio.sleep(seconds)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_rollout_runs_to_its_end(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, example("rollout"))
        node = node_of(loop, store)
        await node.start()
        rollout = await create(node, app, "Rollout", replicas=3)
        await act(node, app, rollout, "start", image="broker:2")
        await settled(loop)
        assert await state_of(node, app, rollout) == "done"
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bad_end_is_the_error_action(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, example("rollout"))
        adapter = Scripted(patch=lambda attempt: Ending(ok=False, cause="refused", message="no"))
        node = node_of(loop, store, adapter)
        await node.start()
        rollout = await create(node, app, "Rollout", replicas=3)
        await act(node, app, rollout, "start", image="broker:2")
        await settled(loop)
        assert await state_of(node, app, rollout) == "failed"
        assert await store.next_due_ms() is None
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)


def test_the_journal_says_why_an_effect_ended_badly_and_not_what_the_other_side_said() -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, example("rollout"))
        ending = Ending(ok=False, cause="refused", message="500: s3cr3t", log="it answered 500" + "!" * 400)
        node = node_of(loop, store, Scripted(patch=lambda attempt: ending))
        await node.start()
        rollout = await create(node, app, "Rollout", replicas=3)
        await act(node, app, rollout, "start", image="broker:2")
        await settled(loop)
        entries = await store.history("main", app.name, rollout, after=0, limit=50)
        told = next(entry(None, one) for one in entries if one.kind == "end")
        assert told["cause"] == "refused"
        assert str(told["why"]).startswith("it answered 500") and len(str(told["why"])) == 300
        assert "s3cr3t" not in str(told)
        await node.stop()
        await journal_replays(store, app)

    run(main, 1)


def test_the_log_says_how_often_it_was_tried_and_where_and_the_journal_how_often() -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        often = {
            n: b.replace(b"[effect.patch]", b"[effect.patch]\nattempts = 3")
            for n, b in example("rollout").items()
        }
        app = await install(store, often)
        ending = Ending(ok=False, again=True, log="no connection", place="PUT k8s.example")
        logged: list[str] = []
        node = node_of(
            loop,
            store,
            Scripted(patch=lambda attempt: ending),
            report=lambda kind, outgoing, words: logged.append(f"{kind} {outgoing.effect} {words}"),
        )
        await node.start()
        rollout = await create(node, app, "Rollout", replicas=3)
        await act(node, app, rollout, "start", image="broker:2")
        await settled(loop)
        entries = await store.history("main", app.name, rollout, after=0, limit=50)
        told = next(entry(None, one) for one in entries if one.kind == "end")
        assert told["why"] == "no connection, after 3 attempts"
        assert logged == ["ended patch unreachable: no connection, after 3 attempts (PUT k8s.example)"]
        await node.stop()

    run(main, 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_timer_ends_the_visit_and_stops_its_effect(seed: int) -> None:
    stopped: list[str] = []

    async def hangs(attempt: Attempt) -> Ending:
        try:
            await asyncio.sleep(1_000_000)
        except asyncio.CancelledError:
            stopped.append(attempt.id)
            raise
        raise AssertionError

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        files = {n: b.replace(b'after = "15m"', b'after = "5s"') for n, b in example("rollout").items()}
        app = await install(store, files)
        node = node_of(loop, store, Scripted(patch=hangs))
        await node.start()
        rollout = await create(node, app, "Rollout", replicas=3)
        await act(node, app, rollout, "start", image="broker:2")
        await settled(loop, 4.0)
        assert await state_of(node, app, rollout) == "rolling"
        await settled(loop, 4.0)
        assert await state_of(node, app, rollout) == "failed"
        assert stopped
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_silent_worker_loses_its_invocation_to_another(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms, is_shared=True)
        app = await install(store, example("rollout"))

        async def hangs(attempt: Attempt) -> Ending:
            await asyncio.sleep(1_000_000)
            raise AssertionError

        first = node_of(loop, store, Scripted(patch=hangs), worker="first")
        await first.start()
        rollout = await create(first, app, "Rollout", replicas=3)
        await act(first, app, rollout, "start", image="broker:2")
        await settled(loop, 2.0)
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        await settled(loop, 1.0)
        second = node_of(loop, store, worker="second")
        await second.start()
        await settled(loop, 40.0)
        assert await state_of(second, app, rollout) == "done"
        await second.stop()
        await journal_replays(store, app)

    run(main, seed)


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_a_creation_is_named_by_the_row_that_it_is_decided_on(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before may be older: a lost acknowledgement leaves behind what was there before it."""

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, example("saga"))
        node = node_of(loop, store)
        await node.start()
        older = node.engine.read

        async def read(live: Live, entity: str) -> Held | None:
            await older(live, entity)
            return None

        monkeypatch.setattr(node.engine, "read", read)
        trip = await create(node, app, "Trip", person(app))
        await settled(loop)
        monkeypatch.setattr(node.engine, "read", older)
        assert await state_of(node, app, trip) == "booked"
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)


TWINS = {
    "seat.blueprint.toml": b"""
blueprint = "Seat"
[state]
open = { initial = true, run = "another" }
alone = { waits = "somebody comes" }
[field]
row = { type = "int", range = [0, 2], default = 0 }
[action]
create = { by = ["role:usher", "entity:Seat"], sets = ["row"] }
refused = { from = "open", to = "alone" }
[effect.another]
uses = "create"
error = "refused"
with = { blueprint = "Seat", args = { row = "row" } }
[unique]
one_of_a_row = { fields = ["row"] }
"""
}


def test_what_an_entity_holds_itself_refuses_nothing_of_its_own() -> None:
    """The creation is refused, because the caller holds the claim; its `error` is taken all the same."""

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, TWINS)
        node = node_of(loop, store)
        await node.start()
        seat = await create(node, app, "Seat")
        await settled(loop)
        assert await state_of(node, app, seat) == "alone"
        await node.stop()
        await journal_replays(store, app)

    run(main, 1)
