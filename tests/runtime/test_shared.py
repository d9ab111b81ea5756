"""Two processes over one store: what one of them knows may be out of date, what it answers may not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lathe.lang import digest
from lathe.machine.event import Act, Caller
from lathe.runtime.conformance import told_of
from lathe.runtime.engine import Command, Committed, Result
from lathe.runtime.node import Node
from lathe.runtime.swap import Swapper
from lathe.sim.loop import SimLoop, run
from lathe.sim.prepared import EXTRA
from lathe.store.base import Query
from lathe.store.faults import Point
from lathe.store.memory import MemoryStore
from lathe.store.records import Write

from .harness import TENANT, Scripted, act, create, example, install, node_of, person, read


class Gate:
    """Holds the commits of one principal back until it is opened."""

    def __init__(self, held: str) -> None:
        self.held = held
        self.opened = asyncio.Event()

    async def reach(self, point: Point, method: str, group: Sequence[Write]) -> None:
        if point == "before" and any(
            self.held in (e.payload or b"").decode() for w in group for e in w.entries
        ):
            await self.opened.wait()


def give_back(node: Node, job: str, by: Caller, visit: int) -> asyncio.Task[Result]:
    command = Command(
        tenant=TENANT,
        app="lease_queue",
        entity=job,
        kind="act",
        event=lambda now: Act(job, "give_back", {}, by, now, visit),
        told={**told_of(by), "visit": visit},
        by="role:worker",
    )
    return asyncio.create_task(node.engine.execute(command))


def test_a_refusal_rests_on_fresh_rows_also_while_something_stale_is_queued() -> None:
    async def main(loop: SimLoop) -> None:
        gate = Gate("bob")
        store = MemoryStore(loop.now_ms, is_shared=True, faults=gate)
        app = await install(store, example("lease_queue"))
        first = node_of(loop, store, Scripted(), worker="first")
        second = node_of(loop, store, Scripted(), worker="second")
        await first.start()
        await second.start()
        ann, bob = person(app, "ann"), person(app, "bob")
        job = await create(first, app, "Job", work="{}")
        stale = asyncio.create_task(act(second, app, job, "take", bob))
        await asyncio.sleep(0.1)
        assert isinstance(await act(first, app, job, "take", ann), Committed)
        given_back = give_back(second, job, ann, visit=2)
        await asyncio.sleep(0.1)
        gate.opened.set()
        assert isinstance(await given_back, Committed)
        await stale  # taken once it is free, or refused before: both are right
        await first.stop()
        await second.stop()

    for seed in range(5):
        run(main, seed)


class Judged:
    """What a gate says of a version that adds a field."""

    verdict = "admitted"
    report = b"{}"

    def __init__(self, files: dict[str, bytes]) -> None:
        self.app = read(files).name
        self.digest = digest(read(files))


class OpenGate:
    async def judge(self, files: object, *, against: object, accept_bounds: bool) -> Judged:
        raise AssertionError("it was judged")


class SlowApply:
    """Holds the first application back until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.reached = asyncio.Event()

    async def reach(self, point: Point, method: str, group: Sequence[Write]) -> None:
        if (point, method) == ("before", "apply") and not self.opened.is_set() and self.armed:
            self.reached.set()
            await self.opened.wait()

    armed = False


def test_what_is_created_while_a_swap_is_made_ready_is_brought_over_too() -> None:
    async def main(loop: SimLoop) -> None:
        faults = SlowApply()
        store = MemoryStore(loop.now_ms, faults=faults)
        files = example("lease_queue")
        app = await install(store, files)
        node = node_of(loop, store)
        await node.start()
        await create(node, app, "Job", work="{}")
        more = {**files, "job.blueprint.toml": files["job.blueprint.toml"] + EXTRA}
        swapper = Swapper(node.engine, OpenGate())
        faults.armed = True
        swap = asyncio.create_task(
            swapper.apply(TENANT, more, Judged(more), confirm=None, by="test", allow_breaking=True)
        )
        await faults.reached.wait()
        late = await create(node, app, "Job", work="{}")
        faults.opened.set()
        await swap
        held = await node.engine.read(node.engine.catalog.live(TENANT, app.name), late)
        assert held is not None
        assert held.entity.fields["simulated_extra"] == 0
        await node.stop()

    run(main, 1)


def test_a_swap_that_is_planned_while_another_takes_over_looks_again() -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms, is_shared=True)
        files = example("lease_queue")
        more = {**files, "job.blueprint.toml": files["job.blueprint.toml"] + EXTRA}
        app = await install(store, more)
        first, second = node_of(loop, store, worker="first"), node_of(loop, store, worker="second")
        await first.start()
        await second.start()
        await create(first, app, "Job", work="{}")

        async def apply(node: Node, to: dict[str, bytes]) -> None:
            swapper = Swapper(node.engine, OpenGate())
            await swapper.apply(TENANT, to, Judged(to), confirm=None, by="test", allow_breaking=True)

        await apply(first, files)
        await apply(second, {**more, "app.toml": more["app.toml"] + b"# another text, the same app\n"})
        assert (await store.find(Query(TENANT, app.name, "Job")))[0].digest == digest(read(more))
        await first.stop()
        await second.stop()

    run(main, 1)


def test_what_is_in_force_is_known_by_its_very_files() -> None:
    """Who restarts on the same folder needs no second verdict, however little time there is for one."""

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        files = example("lease_queue")
        app = await install(store, files)
        node = node_of(loop, store)
        await node.start()
        swapper = Swapper(node.engine, OpenGate())
        known = await swapper.in_force(TENANT, files)
        assert known is not None
        assert (known.app, known.digest) == (app.name, digest(app))
        reworded = {**files, "app.toml": files["app.toml"] + b"# other words\n"}
        changed = {**files, "job.blueprint.toml": files["job.blueprint.toml"] + EXTRA}
        broken = {**files, "app.toml": b"app = 1"}
        for other in (reworded, changed, broken):
            assert await swapper.in_force(TENANT, other) is None
        assert await swapper.in_force("another", files) is None
        await node.stop()

    run(main, 1)
