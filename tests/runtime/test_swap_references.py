"""A swap while entities refer to one another: whom they mean is looked up, as they will be."""

from __future__ import annotations

import asyncio

import pytest
from tests.govern.house import House, house
from tests.runtime.harness import TENANT, act, create, example, install, node_of, read
from tests.runtime.test_shared import Judged, OpenGate, SlowApply

from lathe.lang import digest
from lathe.runtime.config import ApplySettings
from lathe.runtime.swap import RefusedSwap, Swapper
from lathe.sim.loop import SimLoop, run
from lathe.store.memory import MemoryStore

FILES = {path: data.decode() for path, data in example("order").items()}
ORDERS = "/v1/order/orders"


async def ordered(one: House) -> str:
    """Somebody's token who has ordered; the payment is on its way."""
    one.applying = ApplySettings(held="never")
    token = await one.made(one.operator, "ann", kind="person", roles=["customer"], scopes=["apply"])
    made = (await one.ask(token, "POST", ORDERS, {"total": 1})).json()["id"]
    async with asyncio.timeout(10):
        while (await one.ask(token, "GET", f"{ORDERS}/{made}")).json()["state"] != "awaiting":
            await asyncio.sleep(0.01)
    return token


def body(old: str, new: str) -> dict[str, object]:
    changed = FILES["payment.blueprint.toml"].replace(old, new)
    assert changed != FILES["payment.blueprint.toml"]
    files = {**FILES, "payment.blueprint.toml": changed}
    return {"files": files, "confirm": "any", "breaking": True}


def test_what_refers_to_others_is_swapped_with_them() -> None:
    async def main() -> None:
        async with house() as one:
            token = await ordered(one)
            sent = body('no_refund_is_forgotten = "refunded >= old.refunded"\n', "")
            swapped = await one.ask(token, "PUT", "/v1/blueprints", sent)
            assert (swapped.status_code, swapped.json().get("moved")) == (200, 0), swapped.text

    asyncio.run(main())


def test_a_plan_that_would_hold_too_much_is_refused_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lathe.runtime.swap.REFERRED_LIMIT", 1)

    async def main() -> None:
        async with house() as one:
            token = await ordered(one)
            sent = body('no_refund_is_forgotten = "refunded >= old.refunded"\n', "")
            for confirm in ("any", None):
                tried = await one.ask(token, "PUT", "/v1/blueprints", {**sent, "confirm": confirm})
                assert (tried.status_code, tried.json()["code"]) == (409, "LR409.population"), tried.text
                assert "more than 1 entities would be held" in tried.json()["detail"]

    asyncio.run(main())


SEATS = {
    "app.toml": b'app = "house"\n[role]\nhost = "lets people in"\n',
    "room.blueprint.toml": b"""
blueprint = "Room"
[state]
open = { initial = true, waits = "guests" }
[field]
seats = { type = "int", range = [0, 9], default = 5 }
[action]
create = { by = "role:host" }
shrink = { from = "open", by = "role:host", do = ["seats = 0"] }
""",
    "guest.blueprint.toml": b"""
blueprint = "Guest"
[state]
here = { initial = true, waits = "somebody who asks" }
[field]
room = { type = "ref", to = "Room" }
[action]
create = { by = "role:host", sets = ["room"] }
""",
}
SEATED = b"""
[invariant]
has_a_seat = "room is None or room.seats > 0"
"""


def test_a_swap_holds_no_more_in_memory_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan too, which looks at everybody as the swap does; an app without references needs none."""
    monkeypatch.setattr("lathe.runtime.swap.REFERRED_LIMIT", 3)
    files = {**SEATS, "guest.blueprint.toml": SEATS["guest.blueprint.toml"] + SEATED}
    judged = Judged(files)

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, SEATS)
        node = node_of(loop, store)
        await node.start()
        room = await create(node, app, "Room")
        for _ in range(2):
            await create(node, app, "Guest", room=room)
        swapper = Swapper(node.engine, OpenGate())
        assert sum((await swapper.plan(TENANT, files, judged)).population.values()) == 3
        await create(node, app, "Guest", room=room)
        with pytest.raises(RefusedSwap, match="more than 3 entities would be held"):
            await swapper.plan(TENANT, files, judged)
        with pytest.raises(RefusedSwap) as refused:
            await swapper.apply(TENANT, files, judged, confirm=None, by="ann", allow_breaking=True)
        assert refused.value.code == "population"
        monkeypatch.setattr("lathe.runtime.swap.REFERRED_LIMIT", 4)
        monkeypatch.setattr("lathe.runtime.swap.EXAMINED_LIMIT", 3)
        with pytest.raises(RefusedSwap, match="more than 3 entities live"):
            await swapper.plan(TENANT, files, judged)
        with pytest.raises(RefusedSwap, match="more than 3 entities live"):
            await swapper.apply(TENANT, files, judged, confirm=None, by="ann", allow_breaking=True)
        assert len(await store.versions(TENANT, "house")) == 1
        monkeypatch.setattr("lathe.runtime.swap.EXAMINED_LIMIT", 4)
        assert sum((await swapper.plan(TENANT, files, judged)).population.values()) == 4
        await node.stop()

    run(main, 1)


def test_who_refers_to_what_changed_meanwhile_is_looked_at_again() -> None:
    """Only the room is written between the look at everybody and the transaction; the guest does not fit."""

    async def main(loop: SimLoop) -> None:
        faults = SlowApply()
        store = MemoryStore(loop.now_ms, faults=faults)
        app = await install(store, SEATS)
        node = node_of(loop, store)
        await node.start()
        room = await create(node, app, "Room")
        guest = await create(node, app, "Guest", room=room)
        more = {**SEATS, "guest.blueprint.toml": SEATS["guest.blueprint.toml"] + SEATED}
        faults.armed = True
        swapper = Swapper(node.engine, OpenGate())
        swap = asyncio.create_task(
            swapper.apply(TENANT, more, Judged(more), confirm=None, by="test", allow_breaking=True)
        )
        await faults.reached.wait()
        await act(node, app, room, "shrink")
        faults.opened.set()
        with pytest.raises(RefusedSwap, match="has_a_seat") as refused:
            await swap
        assert refused.value.code == "population" and guest in str(refused.value)
        assert (await store.governing())[TENANT, app.name].digest == digest(read(SEATS))
        await node.stop()

    run(main, 1)
