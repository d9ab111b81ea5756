"""Modules at work: the whole way from an action to its journaled end, and across versions."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.effect import modules
from tests.runtime.harness import EXAMPLES, act, create, example, install, state_of
from tests.runtime.oracles import journal_replays, whole_journal

from lathe.api.server import performers
from lathe.lang.model import App
from lathe.runtime.clock import Ids, SystemClock
from lathe.runtime.config import Config
from lathe.runtime.node import Node
from lathe.runtime.outbox import Settings
from lathe.store.memory import MemoryStore

ROOT = Path(__file__).parents[2]


def files_of(name: str) -> dict[str, bytes]:
    found = {f"modules/{p.name}": p.read_bytes() for p in (EXAMPLES / name / "modules").iterdir()}
    return {**example(name), **found}


def node_over(store: MemoryStore) -> Node:
    clock = SystemClock()
    adapters = performers(Config(), clock, store)
    return Node(
        store,
        clock,
        Ids(clock),
        performers=adapters,
        lookups=lambda outgoing, timeout_ms: lambda scope, name: "",
        settings=Settings("w"),
    )


async def left(node: Node, app: App, entity: str, state: str) -> str:
    """The state after this one."""
    moved = asyncio.Event()
    node.engine.watch(lambda committed: moved.set())
    async with asyncio.timeout(20):
        while await state_of(node, app, entity) == state:
            await moved.wait()
            moved.clear()
    return await state_of(node, app, entity)


async def end_of(store: MemoryStore, entity: str) -> dict[str, object]:
    """What the journal tells of the end of an effect."""
    ends = [e for e in await whole_journal(store) if e.kind == "end" and e.entity == entity]
    assert len(ends) == 1 and ends[0].payload is not None
    told: dict[str, object] = msgspec.json.decode(ends[0].payload)["event"]
    return told


def test_a_price_is_computed_and_its_fuel_is_journaled() -> None:
    async def main() -> None:
        store = MemoryStore(SystemClock().now_ms)
        app = await install(store, files_of("pricing"))
        node = node_over(store)
        await node.start()
        spent = []
        for _ in range(2):
            quote = await create(node, app, "Quote", weight=7, express=True)
            await act(node, app, quote, "ask")
            assert await left(node, app, quote, "pricing") == "priced"
            told = await end_of(store, quote)
            assert (told["ok"], told["results"]) == (True, {"price": 2180})
            spent.append(told["spent"])
        assert spent[0] == spent[1] and spent[0]["fuel"] > 10_000  # type: ignore[index]
        await node.stop()
        await journal_replays(store, app)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("readings", "state"),
    [("[41,55,48]", "reported"), ("[41,99]", "unreported"), ("[]", "unreported")],
)
def test_a_report_is_written_or_the_alarm_says_that_there_is_none(readings: str, state: str) -> None:
    async def main() -> None:
        store = MemoryStore(SystemClock().now_ms)
        app = await install(store, files_of("alarm_report"))
        node = node_over(store)
        await node.start()
        alarm = await create(node, app, "Alarm", sensor="hall 3", readings=readings)
        assert await left(node, app, alarm, "raised") == state
        held = await node.engine.read(node.engine.catalog.live("main", app.name), alarm)
        assert held is not None
        report = held.entity.fields["report"]
        assert report == ("hall 3: 3 readings, mean 48, peak 55" if state == "reported" else None)
        await node.stop()
        await journal_replays(store, app)

    asyncio.run(main())


def test_an_invocation_keeps_the_module_of_its_version() -> None:
    async def main() -> None:
        store = MemoryStore(SystemClock().now_ms)
        old = await install(store, files_of("pricing"))
        first = node_over(store)
        await first.engine.start()  # nothing is tried yet
        quote = await create(first, old, "Quote", weight=7, express=True)
        await act(first, old, quote, "ask")
        await first.engine.stop()
        flat = {"modules/price.wat": modules.says('{"ok": {"price": 777}}')}
        new = await install(store, {**files_of("pricing"), **flat})
        node = node_over(store)
        await node.start()
        await left(node, new, quote, "pricing")
        assert (await end_of(store, quote))["results"] == {"price": 2180}
        later = await create(node, new, "Quote", weight=7, express=True)
        await act(node, new, later, "ask")
        await left(node, new, later, "pricing")
        assert (await end_of(store, later))["results"] == {"price": 777}
        await node.stop()

    asyncio.run(main())


@pytest.mark.parametrize(("app", "loads"), [("rollout", False), ("pricing", True)])
def test_a_check_loads_wasmtime_only_for_an_app_with_modules(app: str, *, loads: bool) -> None:
    script = (
        "import sys; from lathe.cli.files import load; from lathe.gate import check_files;"
        f"check_files(load('examples/{app}').files); import lathe.api.server;"
        "print('wasmtime' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(loads)
