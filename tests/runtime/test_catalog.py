"""Taking over what governs: one app's damage is its own, and what was accepted is never told as failed."""

from __future__ import annotations

import asyncio

import pytest

from lathe.errors import NotFoundError
from lathe.runtime.catalog import Catalog
from lathe.runtime.swap import Swapper
from lathe.sim.loop import SimLoop, run
from lathe.store.base import Apply, CorruptError, UnavailableError
from lathe.store.memory import MemoryStore
from lathe.store.records import Answer, Governing, Version

from .harness import TENANT, Admits, create, example, install, node_of

UNREADABLE = Version(TENANT, "order", "f" * 64, {"app.toml": b"app = 1"}, b"{}", 0, "ann", "")


def test_a_version_that_cannot_be_read_is_the_only_one_that_is_not_served() -> None:
    async def main(loop: SimLoop) -> None:
        store, told = MemoryStore(loop.now_ms), list[str]()
        catalog = Catalog(store, failed=lambda work, error: told.append(work))
        await install(store, example("order"))
        await install(store, example("rollout"))
        await catalog.refresh()
        order = catalog.live(TENANT, "order")
        before = Governing(order.digest, order.epoch)
        assert (await store.apply(Apply(UNREADABLE, before))).verdict == "accepted"
        app = await install(store, example("rollout/versions/applies"))
        heard = list[int]()
        catalog.listeners.append(lambda: heard.append(catalog.generation))
        for _ in range(2):
            await catalog.refresh()
            assert catalog.live(TENANT, "rollout").app == app
            with pytest.raises(CorruptError, match="`order` in force cannot be loaded"):
                catalog.live(TENANT, "order")
        assert (told, len(heard)) == (["loading `order`"], 1)
        with pytest.raises(NotFoundError):
            catalog.live("other", "order")

    run(main, 1)


def test_who_asks_later_is_not_overtaken_by_who_asked_before() -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        await install(store, example("rollout"))
        catalog = Catalog(store)
        version, held = store.version, asyncio.Event()

        async def slow(tenant: str, app: str, digest: str) -> Version | None:
            if not held.is_set():
                await held.wait()
            return await version(tenant, app, digest)

        store.version = slow  # type: ignore[method-assign]
        first = asyncio.create_task(catalog.refresh())
        await asyncio.sleep(0.1)
        app = await install(store, example("rollout/versions/applies"))
        second = asyncio.create_task(catalog.refresh())
        await asyncio.sleep(0.1)
        held.set()
        await asyncio.gather(first, second)
        assert catalog.live(TENANT, "rollout").app == app

    run(main, 1)


def test_what_is_in_force_is_told_as_applied_though_the_store_is_gone_then() -> None:
    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, example("rollout"))
        node = node_of(loop, store)
        await node.start()
        await create(node, app, "Rollout", replicas=1)
        apply, governing = store.apply, store.governing
        is_gone = False

        async def accepted(change: Apply) -> Answer:
            nonlocal is_gone
            answer = await apply(change)
            is_gone = True
            return answer

        async def asked() -> dict[tuple[str, str], Governing]:
            if is_gone:
                raise UnavailableError("gone")
            return await governing()

        store.apply, store.governing = accepted, asked  # type: ignore[method-assign]
        files = example("rollout/versions/applies")
        swapper = Swapper(node.engine, Admits())
        judged = await swapper.judge(TENANT, files, accept_bounds=True)
        made = await swapper.apply(TENANT, files, judged, confirm=None, by="ann", allow_breaking=True)
        assert node.engine.catalog.live(TENANT, "rollout").digest == made.plan.old
        is_gone = False
        await asyncio.sleep(5)
        assert node.engine.catalog.live(TENANT, "rollout").digest == made.plan.new
        await node.stop()

    run(main, 1)


def test_what_is_in_force_moves_nobody_when_it_is_applied_again() -> None:
    """Its `[migrate]` spoke of the version before: `lathe dev` that starts again found that nobody fits."""
    files = example("rollout")
    migrate = b'\n[migrate]\nfield = { attempts = "min(old.attempts + 1, 3)" }\n'
    migrated = files | {"rollout.blueprint.toml": files["rollout.blueprint.toml"] + migrate}

    async def main(loop: SimLoop) -> None:
        store = MemoryStore(loop.now_ms)
        app = await install(store, files)
        node = node_of(loop, store)
        await node.start()
        await create(node, app, "Rollout", replicas=1)
        swapper = Swapper(node.engine, Admits())
        judged = await swapper.judge(TENANT, migrated, accept_bounds=True)
        for moved in (1, 0):
            made = await swapper.apply(TENANT, migrated, judged, confirm=None, by="ann", allow_breaking=True)
            assert (made.moved, made.plan.moved, made.plan.unfit) == (moved, moved, ())
            assert made.plan.population == {("Rollout", "planned"): 1}
        await node.stop()

    run(main, 1)
