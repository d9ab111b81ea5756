"""Another process makes another version current while this one still goes by the version before."""

from __future__ import annotations

import pytest
from tests.runtime.test_shared import Judged, OpenGate

from lathe.machine.event import Act
from lathe.runtime.engine import BusyError, Standing
from lathe.runtime.node import Node
from lathe.runtime.swap import RefusedSwap, Swapper
from lathe.sim.loop import SimLoop, run
from lathe.store.memory import MemoryStore

from .harness import TENANT, act, create, install, node_of, person

FIRST = {
    "job.blueprint.toml": b"""
blueprint = "Job"
[state]
open = { initial = true, waits = "a worker" }
done = { final = true }
[field]
tries = { type = "int", range = [0, 9], default = 0 }
[action]
create = { by = "role:worker" }
finish = { from = "open", to = "done", by = "role:worker", when = "tries < 3" }
"""
}
SECOND = {
    "job.blueprint.toml": b"""
blueprint = "Job"
[state]
open = { initial = true, waits = "a worker" }
held = { waits = "a worker" }
done = { final = true }
[action]
create = { by = "role:worker" }
hold = { from = "open", to = "held", by = "role:worker" }
finish = { from = ["open", "held"], to = "done", by = "role:worker" }
"""
}
THIRD = {"job.blueprint.toml": FIRST["job.blueprint.toml"].replace(b"[0, 9]", b"[0, 99]")}


async def apply(node: Node, files: dict[str, bytes], standing: Standing | None = None) -> None:
    judged = Judged(files)
    await Swapper(node.engine, OpenGate()).apply(
        TENANT, files, judged, confirm=None, by="test", allow_breaking=True, standing=standing
    )


def test_a_swap_that_meets_what_another_version_made_is_refused_as_out_of_date() -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms, is_shared=True)
        app = await install(store, FIRST)
        one, two = node_of(loop, store, worker="one"), node_of(loop, store, worker="two")
        await one.start()
        await two.start()
        job = await create(one, app, "Job")

        async def takes_over() -> None:
            """Between the plan and the look at every entity."""
            await apply(one, SECOND)
            await act(one, app, job, "hold")

        with pytest.raises(RefusedSwap) as refused:
            await apply(two, THIRD, standing=takes_over)
        assert refused.value.code == "plan"
        await one.stop()
        await two.stop()

    run(main, 1)


def test_a_preview_of_what_another_version_made_says_to_come_again() -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms, is_shared=True)
        app = await install(store, FIRST)
        one, two = node_of(loop, store, worker="one"), node_of(loop, store, worker="two")
        await one.start()
        await two.start()
        job = await create(one, app, "Job")
        before = two.engine.catalog.live(TENANT, "job")
        await apply(one, SECOND)
        with pytest.raises(BusyError):
            await two.engine.preview(before, Act(job, "finish", {}, person(app), loop.now_ms(), None))
        await one.stop()
        await two.stop()

    run(main, 1)
