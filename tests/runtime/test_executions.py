"""Ghosts in the journal: of whom a step is about, and once each time that something happens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from lathe.runtime.snapshot import entity_of
from lathe.sim.loop import SimLoop, run
from lathe.store.base import UnavailableError
from lathe.store.memory import MemoryStore
from lathe.store.records import Write

from .harness import act, create, install, node_of, state_of
from .oracles import journal_replays, whole_journal

SEEDS = range(5)
FILES = {
    "app.toml": b"""
app = "till"
[role]
clerk = "charges"
""",
    "account.blueprint.toml": b"""
blueprint = "Account"
[state]
open = { initial = true, waits = "charges" }
[ghost]
asked = { type = "int", range = [0, 9], default = 0 }
[action]
create = { by = "role:clerk" }
""",
    "charge.blueprint.toml": b"""
blueprint = "Charge"
[state]
new = { initial = true, waits = "a clerk" }
sent = { waits = "the bank" }
paid = { final = true }
failed = { final = true }
[field]
account = { type = "ref", to = "Account" }
[ghost]
charged = { type = "int", range = [0, 9], default = 0 }
[action]
create = { by = "role:clerk", sets = ["account"] }
send = { from = "new", to = "sent", by = "role:clerk", run = "bank", ghost = ["account.asked += 1"] }
pay = { from = "sent", to = "paid" }
fail = { from = "sent", to = "failed" }
[effect.bank]
uses = "http"
with = { method = "POST", url = "https://bank.example.org/charge" }
attempts = 3
backoff = "1s..2s"
ok = "pay"
error = "fail"
world = ["charged += 1"]
""",
}


class LosesAcknowledgements:
    """Of each commit of a step of this kind the first acknowledgement is lost."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.lost = 0

    async def reach(self, point: str, method: str, group: Sequence[Write]) -> None:
        kinds = {entry.kind for one in group for entry in one.entries}
        if point == "after" and method == "commit" and self._kind in kinds and self.lost == 0:
            self.lost += 1
            raise UnavailableError("the acknowledgement is lost", maybe=True)


async def ghosts(store: MemoryStore, name: str) -> object:
    rows = await store.load("main", "till", [name])
    return dict(entity_of(rows[name]).ghosts)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_that_others_are_written_in_first_is_journaled_of_whose_it_is(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, FILES)
        node = node_of(loop, store)
        await node.start()
        account = await create(node, app, "Account")
        charge = await create(node, app, "Charge", account=account)
        await act(node, app, charge, "send")
        await asyncio.sleep(10)
        assert await state_of(node, app, charge) == "paid"
        step = [e for e in await whole_journal(store) if e.kind == "act"]
        assert [e.entity for e in step] == [charge, account]
        assert {e.step for e in step} == {f"{charge}.{step[0].revision}"}
        assert await ghosts(store, account) == {"asked": 1}
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_execution_whose_acknowledgement_is_lost_counts_once(seed: int) -> None:
    async def main(loop: SimLoop) -> None:
        faults = LosesAcknowledgements("execute")
        store = MemoryStore(loop.now_ms, faults=faults)
        app = await install(store, FILES)
        node = node_of(loop, store)
        await node.start()
        account = await create(node, app, "Account")
        charge = await create(node, app, "Charge", account=account)
        await act(node, app, charge, "send")
        await asyncio.sleep(30)
        assert await state_of(node, app, charge) == "paid"
        assert faults.lost == 1
        assert await ghosts(store, charge) == {"charged": 1}
        assert sum(e.kind == "execute" and e.entity == charge for e in await whole_journal(store)) == 1
        await node.stop()
        await journal_replays(store, app)

    run(main, seed)
