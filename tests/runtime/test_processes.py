"""Servers that are killed in the middle of everything: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import httpx2
import pytest
from tests.runtime.processes import Process, put, serving

ROUNDS = 20
LEAST, MORE = 10, 5
"""Acknowledged of a round before the kill: at least so many, and more for some rounds than for others."""
WORKERS = 16
COUNTERS = 20
_schemas = count(1)

COUNTER = {
    "app.toml": b"""
app = "counter"
[role]
worker = "counts"
[scope]
Counter = 1
Ear = 1
""",
    "ear.blueprint.toml": b"""
blueprint = "Ear"
[state]
open = { initial = true, waits = "somebody says something" }
[field]
heard = { type = "int", range = [0, 1000000], default = 0 }
[action]
create = { by = "role:worker" }
hear = { from = "open", by = "entity:Counter", when = "heard < 1000000", do = ["heard += 1"] }
""",
    "counter.blueprint.toml": b"""
blueprint = "Counter"
[state]
open = { initial = true, waits = "somebody counts" }
[field]
ear = { type = "ref", to = "Ear" }
total = { type = "int", range = [0, 1000000], default = 0 }
[action]
create = { by = "role:worker", sets = ["ear"] }
add = { from = "open", by = "role:worker", when = "total < 1000000", do = ["total += 1"] }
[action.echo]
from = "open"
by = "role:worker"
when = "total < 1000000"
do = ["total += 1"]
run = "echoed"
[effect.echoed]
uses = "call"
with = { on = "ear", action = "hear" }
""",
}


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A store's URL, and the schema in it."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'data'}", "lathe"
    return request.getfixturevalue("postgres").url, f"killed{next(_schemas)}"


def verified(place: tuple[str, str]) -> str:
    """What `lathe store verify` says of a store that nobody has open."""
    command = [
        sys.executable,
        "-m",
        "lathe.cli",
        "store",
        "verify",
        "--store",
        place[0],
        "--schema",
        place[1],
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def _count(process: Process, ids: list[str], acknowledged: dict[str, int], stop: asyncio.Event) -> None:
    """Count as fast as it goes until the server is gone; each answer is written down."""

    async def worker(client: httpx2.AsyncClient, number: int) -> None:
        turn = number
        while not stop.is_set():
            turn += 1
            name = ids[turn % len(ids)]
            action = "echo" if turn % 4 == 0 else "add"
            try:
                answer = await client.post(f"/v1/counter/counters/{name}/{action}")
            except httpx2.TransportError:
                return
            if answer.status_code == 200:
                acknowledged[name] += 1

    async with httpx2.AsyncClient(
        base_url=process.url, timeout=5, headers=process.headers, verify=False
    ) as client:
        await asyncio.gather(*(worker(client, n) for n in range(WORKERS)))


@pytest.mark.timeout(300)
def test_what_was_acknowledged_survives_a_kill(place: tuple[str, str], tmp_path: Path) -> None:
    put(place[0], COUNTER, schema=place[1])
    with serving(place[0], tmp_path, schema=place[1], is_forked=True) as process:
        process.hold_roles(COUNTER)
        ears = [made(process, "ears") for _ in range(COUNTERS)]
        ids = [made(process, "counters", ear=ear) for ear in ears]
        acknowledged = dict.fromkeys(ids, 0)
        for turn in range(ROUNDS):
            wanted = sum(acknowledged.values()) + LEAST + MORE * (turn % 8)

            async def until_killed(wanted: int) -> None:
                stop = asyncio.Event()
                counting = asyncio.create_task(_count(process, ids, acknowledged, stop))
                async with asyncio.timeout(60):
                    while sum(acknowledged.values()) < wanted:
                        await asyncio.sleep(0.002)
                process.kill()
                stop.set()
                await counting

            asyncio.run(until_killed(wanted))
            process.start()
        for name in ids:
            total = process.get(f"/v1/counter/counters/{name}").json()["fields"]["total"]
            assert total >= acknowledged[name]
        assert sum(acknowledged.values()) > ROUNDS
        _settle(lambda: _echoes_are_heard(process, ids, ears))
        assert process.stop() == 0
    assert "verified" in verified(place)


def made(process: Process, plural: str, **args: str) -> str:
    """The id of a new entity."""
    answer = process.post(f"/v1/counter/{plural}", args)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _echoes_are_heard(process: Process, ids: list[str], ears: list[str]) -> bool:
    """Whether every echo that was asked for was delivered, exactly once."""
    asked = heard = 0
    for name in ids:
        after = 0
        while True:
            page = process.get(
                f"/v1/counter/counters/{name}/journal", params={"after": after, "limit": 200}
            ).json()
            asked += sum(event["action"] == "echo" for event in page["items"])
            if page["next"] is None:
                break
            after = page["next"]
    for name in ears:
        heard += process.get(f"/v1/counter/ears/{name}").json()["fields"]["heard"]
    assert heard <= asked
    return heard == asked


def _settle(check: Callable[[], bool]) -> None:
    """Until what is in flight has arrived."""

    async def waits() -> None:
        async with asyncio.timeout(60):
            while not check():
                await asyncio.sleep(0.5)

    asyncio.run(waits())
