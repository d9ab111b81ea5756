"""A swap and the timers of what lives: they keep their start and take the new duration."""

from __future__ import annotations

import asyncio

import pytest

from lathe.lang import digest
from lathe.runtime.swap import Swapper
from lathe.sim.loop import SimLoop, run
from lathe.store.memory import MemoryStore

from .harness import TENANT, Admits, create, install, node_of, read, state_of
from .oracles import journal_replays

SEEDS = range(2)
TICKET = """
blueprint = "Ticket"
[state]
open = {{ initial = true, {after} }}
late = {{ final = true }}
shut = {{ final = true }}
[field]
due = {{ type = "time" }}
[action]
create = {{ by = "role:asker", sets = ["due"] }}
expire = {{ from = "open", to = "late" }}
close = {{ from = "open", to = "shut", by = "role:asker" }}
{timers}
"""


def files(after: str = 'waits = "somebody"', timers: str = "") -> dict[str, bytes]:
    return {"ticket.blueprint.toml": TICKET.format(after=after, timers=timers).encode()}


TIMED = 'after = "{}", then = "expire"'
SAID = '[migrate]\nstate = { open = "open" }'
DEADLINE = '[timer]\noverdue = { at = "due", then = "expire" }'


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("before", "after", "moments"),
    [
        (files(TIMED.format("60s")), files(TIMED.format("20s")), {15: "open", 25: "late"}),
        (files(TIMED.format("60s")), files(TIMED.format("5s")), {12: "late"}),
        (files(TIMED.format("20s")), files(TIMED.format("60s")), {25: "open", 55: "open", 65: "late"}),
        (files(TIMED.format("20s")), files(timers=SAID), {90: "open"}),
        (files(), files(TIMED.format("20s")), {25: "open", 35: "late"}),
        (files(), files(timers=DEADLINE), {25: "open", 45: "late"}),
        (files(timers=DEADLINE), files(TIMED.format("20s"), timers=DEADLINE), {35: "late"}),
    ],
)
def test_armed_timers_keep_their_start(
    seed: int, before: dict[str, bytes], after: dict[str, bytes], moments: dict[int, str]
) -> None:
    """The entity lives from second 0 on, is due at 40, and the swap is at second 10."""

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, before)
        node = node_of(loop, store)
        await node.start()
        ticket = await create(node, app, "Ticket", due=loop.now_ms() + 40_000)
        swapper = Swapper(node.engine, Admits())
        await asyncio.sleep(10)
        judged = await swapper.judge(TENANT, after, accept_bounds=True)
        applied = await swapper.apply(TENANT, after, judged, confirm=None, by="ann", allow_breaking=True)
        assert applied.plan.new == digest(read(after))
        for second, state in moments.items():
            await asyncio.sleep(second - loop.time())
            assert await state_of(node, app, ticket) == state, second
        await node.stop()
        await journal_replays(store, app, read(after))

    run(main, seed)
